//! Breaking a contestant on purpose, in the middle of the window.

use std::thread;
use std::time::Duration;

use measure::tree::Tree;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Kills one of the group's members, not its leader, that long from now. Where it has no other member nothing is killed.
pub(crate) fn kill_child_after(leader: Pid, delay: Duration) {
    // Nobody waits for it: it ends long before the trial does.
    drop(thread::spawn(move || {
        thread::sleep(delay);
        let group = u32::try_from(leader.as_raw()).ok()?;
        let members = Tree::living(group).ok()?;
        let child = members.into_iter().find(|&member| member != group)?;
        kill(Pid::from_raw(i32::try_from(child).ok()?), Signal::SIGKILL).ok()
    }));
}
