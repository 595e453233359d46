//! What a tree cost up to one moment, and between two.

use crate::noise::tick_ns;

/// The whole tree at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// User and system time of all members, threads that ended included.
    pub cpu_ns: u64,
    /// CPU time of children that a member has waited for; the kernel tells it in ticks of 10 ms.
    pub reaped_cpu_ns: u64,
    /// Times a thread gave up its CPU to wait; threads that ended are not in it.
    pub voluntary_switches: u64,
    /// Times a thread was made to give up its CPU.
    pub involuntary_switches: u64,
    /// Members, zombies included.
    pub processes: u64,
    /// Members that ended and were not waited for.
    pub zombies: u64,
    /// Threads of all members.
    pub threads: u64,
    /// Proportional set size, where it was asked for and allowed.
    pub pss_bytes: Option<u64>,
    /// CPU time that taking this snapshot cost the calling thread.
    pub observation_cpu_ns: u64,
    /// In plain words: what is not in the figures, and why.
    pub missing: Vec<String>,
    /// By pid.
    pub(super) processes_seen: Vec<Process>,
    pub(super) threads_seen: Vec<Thread>,
}

/// What a tree cost between two snapshots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// User and system time, of processes that ended meanwhile too where a member waited for them.
    pub cpu_ns: u64,
    /// Of the threads alive at the end.
    pub voluntary_switches: u64,
    /// Of the threads alive at the end.
    pub involuntary_switches: u64,
    /// In plain words: what the figures do not hold, and why.
    pub missing: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: u32,
    pub(super) started: u64,
    pub(super) zombie: bool,
    pub(super) cpu_ns: u64,
    pub(super) reaped_cpu_ns: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Thread {
    pub(super) tid: u32,
    pub(super) voluntary: u64,
    pub(super) involuntary: u64,
}

impl Snapshot {
    /// Fills the sums from what was seen.
    pub(super) fn add_up(&mut self) {
        self.processes_seen.sort_unstable_by_key(Process::identity);
        self.threads_seen.sort_unstable_by_key(|thread| thread.tid);
        self.processes = count(self.processes_seen.len());
        self.zombies = count(self.processes_seen.iter().filter(|process| process.zombie).count());
        self.cpu_ns = self.processes_seen.iter().map(|process| process.cpu_ns).sum();
        self.reaped_cpu_ns = self.processes_seen.iter().map(|process| process.reaped_cpu_ns).sum();
        self.threads = count(self.threads_seen.len());
        self.voluntary_switches = self.threads_seen.iter().map(|thread| thread.voluntary).sum();
        self.involuntary_switches = self.threads_seen.iter().map(|thread| thread.involuntary).sum();
    }

    /// What the tree cost since `earlier`, matched process by process and thread by thread.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Delta {
        let mut delta = Delta::default();
        self.cpu_since(earlier, &mut delta);
        self.switches_since(earlier, &mut delta);
        delta
    }

    /// A process that ended took its clock along; if a member waited for it, its time stands in that member's children.
    fn cpu_since(&self, earlier: &Self, delta: &mut Delta) {
        let (mut ended, mut ended_cpu_ns) = (0_u64, 0);
        let mut alive_then_ns = 0;
        for then in &earlier.processes_seen {
            if self.processes_seen.binary_search_by_key(&then.identity(), Process::identity).is_ok()
            {
                alive_then_ns += then.cpu_ns;
            } else {
                ended += 1;
                ended_cpu_ns += then.cpu_ns;
            }
        }
        let alive_ns = self.cpu_ns.saturating_sub(alive_then_ns);
        let reaped_ns = self.reaped_cpu_ns.saturating_sub(earlier.reaped_cpu_ns);
        // User and system time are each rounded down to a tick.
        let rounding_ns = 2 * tick_ns();
        if reaped_ns + rounding_ns >= ended_cpu_ns {
            delta.cpu_ns = (alive_ns + reaped_ns).saturating_sub(ended_cpu_ns);
        } else {
            delta.cpu_ns = alive_ns + reaped_ns;
            delta.missing.push(format!(
                "{ended} processes ended between the edges and no member waited for them: their last CPU time is missing"
            ));
        }
        if reaped_ns > 0 {
            delta.missing.push(
                "CPU time of processes that ended between the edges is known to 20 ms only"
                    .to_string(),
            );
        }
    }

    /// A thread that ended took its switches along; a number that went down belongs to another thread.
    fn switches_since(&self, earlier: &Self, delta: &mut Delta) {
        let mut met = 0;
        for now in &self.threads_seen {
            let then = earlier.threads_seen.binary_search_by_key(&now.tid, |thread| thread.tid);
            let then = then.ok().map(|index| earlier.threads_seen[index]);
            let then = then.filter(|then| {
                then.voluntary <= now.voluntary && then.involuntary <= now.involuntary
            });
            met += u64::from(then.is_some());
            delta.voluntary_switches += now.voluntary - then.map_or(0, |then| then.voluntary);
            delta.involuntary_switches += now.involuntary - then.map_or(0, |then| then.involuntary);
        }
        let ended = earlier.threads - met;
        if ended > 0 {
            delta.missing.push(format!(
                "{ended} threads ended between the edges: their context switches are not in the sum"
            ));
        }
    }
}

impl Process {
    /// Numbers are used again; with the time of birth they are not.
    fn identity(&self) -> (u32, u64) {
        (self.pid, self.started)
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(processes: &[(u32, u64, u64)], threads: &[(u32, u64, u64)]) -> Snapshot {
        let mut snapshot = Snapshot {
            processes_seen: processes
                .iter()
                .map(|&(pid, cpu_ns, reaped_cpu_ns)| Process {
                    pid,
                    started: 1,
                    zombie: false,
                    cpu_ns,
                    reaped_cpu_ns,
                })
                .collect(),
            threads_seen: threads
                .iter()
                .map(|&(tid, voluntary, involuntary)| Thread { tid, voluntary, involuntary })
                .collect(),
            ..Snapshot::default()
        };
        snapshot.add_up();
        snapshot
    }

    const MS: u64 = 1_000_000;

    #[test]
    fn processes_that_live_through_the_window_are_subtracted_exactly() {
        let delta =
            snapshot(&[(1, 15, 0), (2, 9, 0)], &[]).since(&snapshot(&[(1, 10, 0), (2, 3, 0)], &[]));
        assert_eq!((delta.cpu_ns, delta.missing.len()), (11, 0));
    }

    #[test]
    fn a_child_that_ended_and_was_waited_for_costs_what_it_used_inside_the_window() {
        let then = snapshot(&[(1, 0, 50 * MS), (2, 100 * MS, 0)], &[]);
        // The child had used 100 ms at the first edge, and 160 ms when it ended.
        let now = snapshot(&[(1, 0, 210 * MS)], &[]);
        let delta = now.since(&then);
        assert_eq!(delta.cpu_ns, 60 * MS);
        assert!(delta.missing[0].contains("20 ms"), "{delta:?}");
    }

    #[test]
    fn a_child_that_nobody_waited_for_is_said_to_be_missing() {
        let then = snapshot(&[(1, 0, 0), (2, 100 * MS, 0)], &[]);
        let delta = snapshot(&[(1, 7, 0)], &[]).since(&then);
        assert_eq!(delta.cpu_ns, 7);
        assert!(delta.missing[0].starts_with("1 processes ended"), "{delta:?}");
    }

    #[test]
    fn a_number_used_again_is_another_process() {
        let then = snapshot(&[(1, 90 * MS, 0)], &[]);
        let mut now = snapshot(&[(1, 5, 0)], &[]);
        now.processes_seen[0].started = 2;
        assert_eq!(now.since(&then).cpu_ns, 5);
    }

    #[test]
    fn switches_are_of_the_threads_that_are_left_and_the_others_are_said() {
        let then = snapshot(&[], &[(1, 10, 1), (2, 50, 5), (3, 100, 0)]);
        let now = snapshot(&[], &[(1, 14, 1), (3, 3, 0), (4, 7, 2)]);
        let delta = now.since(&then);
        // Thread 3 is a new one under an old number.
        assert_eq!((delta.voluntary_switches, delta.involuntary_switches), (4 + 3 + 7, 2));
        assert!(delta.missing[0].starts_with("2 threads ended"), "{delta:?}");
    }
}
