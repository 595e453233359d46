//! The process group of a contestant: whoever it forked is in it.

use std::time::Duration;

use measure::tree::Tree;
use nix::sys::prctl;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use crate::watch::until;

/// Makes orphans of a contestant children of this process, so that they can be reaped: in a container process 1 may
/// reap nobody, and a zombie keeps its group alive.
pub(crate) fn adopt_orphans() {
    // A kernel that refuses leaves the orphans to process 1, as they were.
    prctl::set_child_subreaper(true).ok();
}

/// How many members the group has beside its leader.
///
/// The leader is its owner's to reap, and is to be reaped last: while it is there, its number cannot become another
/// group's.
pub(crate) fn followers(leader: Pid) -> usize {
    let members = u32::try_from(leader.as_raw())
        .ok()
        .and_then(|group| Tree::members(group).ok())
        .unwrap_or_default();
    let followers = members
        .iter()
        .filter_map(|pid| i32::try_from(*pid).ok())
        .filter(|pid| *pid != leader.as_raw());
    // One that has ended and became our child is reaped here and counts no more.
    followers.filter(|pid| !reaped(Pid::from_raw(*pid))).count()
}

/// Kills the group, its leader included, and waits until no follower is left; false when some outlive the patience.
pub(crate) fn kill_all(leader: Pid, patience: Duration) -> bool {
    until(patience, || {
        // Again each time: a member may have forked between the signal and its end. Nobody to signal is fine.
        killpg(leader, Signal::SIGKILL).ok();
        followers(leader) == 0
    })
}

fn reaped(pid: Pid) -> bool {
    waitpid(pid, Some(WaitPidFlag::WNOHANG)).is_ok_and(|status| status.pid().is_some())
}
