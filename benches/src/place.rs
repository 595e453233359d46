//! Where units run: on all CPUs that this process may use, or all of them on one.
//!
//! On one CPU a wake-up is a switch; across two it is an interrupt to a CPU that may sleep, several times dearer on a
//! virtual machine. Neither is the truth about a mechanism, so both are measured, in groups of their own.

use std::sync::OnceLock;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

/// Where the units of a group run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// Wherever the kernel puts them.
    Unpinned,
    /// All threads and processes on one CPU.
    Pinned,
}

impl Placement {
    /// In the order in which they are measured.
    pub const BOTH: [Self; 2] = [Self::Unpinned, Self::Pinned];

    /// The name of a bench's group: `spawn-pinned`.
    #[must_use]
    pub fn group(self, bench: &str) -> String {
        match self {
            Self::Unpinned => format!("{bench}-unpinned"),
            Self::Pinned => format!("{bench}-pinned"),
        }
    }

    /// Moves every thread of this process there. What it starts later inherits the place of whoever starts it.
    ///
    /// # Panics
    /// When the kernel refuses what it allowed when this process started.
    pub fn apply(self) {
        static ALLOWED: OnceLock<Vec<usize>> = OnceLock::new();
        let allowed = ALLOWED.get_or_init(|| {
            measure::cpus::current_affinity().expect("the affinity mask can be read")
        });
        let mut cpus = CpuSet::new();
        let chosen = match self {
            Self::Unpinned => allowed.as_slice(),
            // The last: interrupts are mostly handled by the first.
            Self::Pinned => &allowed[allowed.len() - 1..],
        };
        for cpu in chosen {
            cpus.set(*cpu).expect("it was in such a set before");
        }
        for thread in threads() {
            match sched_setaffinity(thread, &cpus) {
                // A thread that has ended since.
                Ok(()) | Err(nix::errno::Errno::ESRCH) => {}
                Err(error) => panic!("failed to pin thread {thread}: {error}"),
            }
        }
    }
}

fn threads() -> Vec<Pid> {
    let tasks = std::fs::read_dir("/proc/self/task").expect("/proc is mounted");
    let number = |task: std::fs::DirEntry| task.file_name().to_str()?.parse().ok();
    tasks.filter_map(|task| number(task.ok()?)).map(Pid::from_raw).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn every_thread_moves_and_returns() {
        let (ask, asked) = mpsc::channel::<()>();
        let (say, said) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            for () in asked {
                say.send(measure::cpus::current_affinity().unwrap()).unwrap();
            }
        });
        let places = || {
            ask.send(()).unwrap();
            [measure::cpus::current_affinity().unwrap(), said.recv().unwrap()]
        };
        let before = places();
        Placement::Pinned.apply();
        let pinned = places();
        Placement::Unpinned.apply();
        let after = places();
        drop(ask);
        thread.join().unwrap();
        assert_eq!(pinned.map(|cpus| cpus.len()), [1, 1]);
        assert_eq!(before, after);
    }
}
