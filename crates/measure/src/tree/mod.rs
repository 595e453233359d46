//! The contestant as the kernel sees it: every process and thread of its group, summed.
//!
//! ```text
//! /proc (numbers) --getpgid--> members --> CPU clock   ns, threads that ended included
//!                                      --> stat        state, threads, CPU of children already reaped
//!                                      --> status      context switches, for each thread
//!                                      --> smaps_rollup  PSS, at the closing edge only
//! ```
//!
//! A forking model's parent alone looks as light as one event loop, so nothing less than the group is measured.
//! Ten thousand processes are read in one pass with the same two buffers; do it while the load is paused.

mod files;
mod snapshot;

use std::fs;
use std::io;

use nix::errno::Errno;
use nix::sys::signal::killpg;
use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::{Pid, getpgid};

pub use snapshot::{Delta, Snapshot};

use crate::root::about;
use files::Files;
use snapshot::{Process, Thread};

/// The processes of one group, and the buffers to read them with.
#[derive(Debug)]
pub struct Tree {
    /// None when the caller said who belongs to it.
    group: Option<Pid>,
    pids: Vec<u32>,
    files: Files,
}

/// Whether a snapshot weighs the memory too: the costliest part, and needed once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// Reads `smaps_rollup` of each process.
    Weigh,
    /// Leaves [`Snapshot::pss_bytes`] absent.
    Skip,
}

impl Tree {
    /// All processes, zombies included, whose process group is `pgid`; an error when there is none.
    pub fn of_group(pgid: u32) -> io::Result<Self> {
        let mut tree =
            Self { group: Some(group(pgid)?), pids: Vec::new(), files: Files::default() };
        tree.refresh()?;
        Ok(tree)
    }

    /// Processes that the caller knows; the tree never grows.
    #[must_use]
    pub fn of_pids(mut pids: Vec<u32>) -> Self {
        pids.sort_unstable();
        pids.dedup();
        Self { group: None, pids, files: Files::default() }
    }

    /// Looks again who is in the group, or who of the known processes is left.
    pub fn refresh(&mut self) -> io::Result<()> {
        match self.group {
            Some(group) => find_members(group, &mut self.pids)?,
            None => self.pids.retain(|pid| raw(*pid).is_some_and(|pid| getpgid(Some(pid)).is_ok())),
        }
        if self.pids.is_empty() {
            let whose = self
                .group
                .map_or("of the tree is left".to_string(), |group| format!("in group {group}"));
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("no process {whose}")));
        }
        Ok(())
    }

    /// Process ids of the group now, sorted; none is not an error.
    pub fn members(pgid: u32) -> io::Result<Vec<u32>> {
        let mut pids = Vec::new();
        find_members(group(pgid)?, &mut pids)?;
        Ok(pids)
    }

    /// Members that still run: without the zombies, which their parent (init, for orphans) has yet to wait for.
    ///
    /// In a container whose first process waits for nobody, zombies stay, and only this tells that a group is over.
    pub fn living(pgid: u32) -> io::Result<Vec<u32>> {
        let mut pids = Self::members(pgid)?;
        let mut files = Files::default();
        let mut failed = None;
        pids.retain(|pid| match kept(files.stat(*pid)) {
            Ok(stat) => stat.is_some_and(|stat| !stat.zombie),
            Err(error) => {
                failed = Some(error);
                true
            }
        });
        failed.map_or(Ok(pids), Err)
    }

    /// Whether the group has no member left, not even a zombie: one system call.
    pub fn is_empty(pgid: u32) -> io::Result<bool> {
        match killpg(group(pgid)?, None) {
            // Members that we may not signal are members.
            Ok(()) | Err(Errno::EPERM) => Ok(false),
            Err(Errno::ESRCH) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// Members found by the last look.
    #[must_use]
    pub fn pids(&self) -> &[u32] {
        &self.pids
    }

    /// How many there are.
    #[must_use]
    pub fn processes(&self) -> usize {
        self.pids.len()
    }

    /// CPU time of the members, exact, threads that ended included; members that vanished count nothing.
    pub fn cpu_ns(&self) -> io::Result<u64> {
        self.pids.iter().filter_map(|pid| kept(cpu_ns(*pid)).transpose()).sum()
    }

    /// (voluntary, involuntary) context switches of all threads alive.
    pub fn switches(&mut self) -> io::Result<(u64, u64)> {
        let all = self.snapshot(Memory::Skip)?;
        Ok((all.voluntary_switches, all.involuntary_switches))
    }

    /// Threads alive in all members.
    pub fn threads(&mut self) -> io::Result<u64> {
        let mut threads = 0;
        for pid in &self.pids {
            threads += kept(self.files.stat(*pid))?.map_or(0, |stat| stat.threads);
        }
        Ok(threads)
    }

    /// Proportional set size of the members: shared pages are divided among those who share them.
    pub fn pss_bytes(&mut self) -> io::Result<u64> {
        let mut weighed = None;
        for pid in &self.pids {
            if let Some(bytes) = kept(self.files.pss_bytes(*pid))? {
                weighed = Some(weighed.unwrap_or(0) + bytes);
            }
        }
        // A kernel before 4.14 lacks the file: that must not pass for a tree that weighs nothing.
        weighed.ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, "no member has `smaps_rollup`, or none is left")
        })
    }

    /// Reads everything about the members found by the last look.
    ///
    /// Processes that end meanwhile are said in [`Snapshot::missing`]; so is memory that may not be read. Any other
    /// refusal is an error, since a sum without some members would pass for the whole.
    pub fn snapshot(&mut self, memory: Memory) -> io::Result<Snapshot> {
        let started_ns = own_cpu_ns();
        let mut snapshot = Snapshot::default();
        let mut vanished = 0_u64;
        for pid in &self.pids {
            match kept(read_process(&mut self.files, *pid, &mut snapshot))? {
                Some(process) => snapshot.processes_seen.push(process),
                None => vanished += 1,
            }
        }
        snapshot.add_up();
        if memory == Memory::Weigh {
            match self.pss_bytes() {
                Ok(bytes) => snapshot.pss_bytes = Some(bytes),
                Err(error) => snapshot.missing.push(format!("pss_bytes: {error}")),
            }
        }
        if vanished > 0 {
            snapshot.missing.push(format!(
                "{vanished} of {} processes ended while they were read",
                self.pids.len()
            ));
        }
        snapshot.observation_cpu_ns = own_cpu_ns().saturating_sub(started_ns);
        Ok(snapshot)
    }
}

/// One member; its threads go straight into the snapshot.
fn read_process(files: &mut Files, pid: u32, snapshot: &mut Snapshot) -> io::Result<Process> {
    let cpu_ns = cpu_ns(pid)?;
    let stat = files.stat(pid)?;
    if stat.threads <= 1 {
        let (voluntary, involuntary) = files.switches_of_first(pid)?;
        snapshot.threads_seen.push(Thread { tid: pid, voluntary, involuntary });
    } else {
        for tid in files.threads(pid)? {
            // A thread that ended since the listing is no error: its process lives.
            if let Some((voluntary, involuntary)) = kept(files.switches_of(pid, tid))? {
                snapshot.threads_seen.push(Thread { tid, voluntary, involuntary });
            }
        }
    }
    Ok(Process {
        pid,
        started: stat.started_ticks,
        zombie: stat.zombie,
        cpu_ns,
        reaped_cpu_ns: stat.reaped_cpu_ns,
    })
}

/// A process that ended in mid-pass is not an error: none.
fn kept<T>(read: io::Result<T>) -> io::Result<Option<T>> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// ENOENT when the folder is gone, ESRCH when the process behind an open file is.
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(nix::libc::ESRCH)
}

/// User and system time of all threads of a process, alive or ended, in ns.
fn cpu_ns(pid: u32) -> io::Result<u64> {
    let pid = raw(pid).ok_or(Errno::ESRCH)?;
    let read = clock_getcpuclockid(pid).and_then(ns);
    // A process that ends between the two calls leaves a clock that is said to be invalid.
    read.map_err(|error| if error == Errno::EINVAL { Errno::ESRCH.into() } else { error.into() })
}

/// What the calling thread has used; observing is charged by it.
fn own_cpu_ns() -> u64 {
    ns(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap_or(0)
}

fn ns(clock: ClockId) -> nix::Result<u64> {
    let now = clock.now()?;
    // A CPU clock is never negative.
    let part = |value: i64| u64::try_from(value).unwrap_or(0);
    Ok(part(now.tv_sec()) * 1_000_000_000 + part(now.tv_nsec()))
}

/// 0 would mean the caller's own group, and 1 everybody.
fn group(pgid: u32) -> io::Result<Pid> {
    raw(pgid).filter(|pid| pid.as_raw() > 1).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("no process group of ours has the number {pgid}"),
        )
    })
}

/// The kernel's own type; none for a number that no process can have.
fn raw(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().filter(|raw| *raw > 0).map(Pid::from_raw)
}

/// `getpgid` costs a tenth of reading /proc/PID/stat, and no command name can confuse it.
fn find_members(group: Pid, pids: &mut Vec<u32>) -> io::Result<()> {
    pids.clear();
    for entry in fs::read_dir("/proc").map_err(|error| about("/proc", &error))? {
        let Some(raw) = entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok())
        else {
            continue;
        };
        if getpgid(Some(Pid::from_raw(raw))) == Ok(group) {
            pids.extend(u32::try_from(raw));
        }
    }
    pids.sort_unstable();
    Ok(())
}
