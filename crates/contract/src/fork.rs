//! Forking, for the models that are made of processes and for `--processes`.
//!
//! A process may fork safely only while it has one thread: a child has only the thread that forked, and a lock that
//! another one held (of the allocator, of standard error) stays locked in the child for ever.

use std::io;
use std::net::TcpListener;
use std::sync::atomic::{AtomicI32, Ordering};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, getppid};

use crate::stop;

/// Forks; the child runs `child` and leaves with the status that it returns, 101 if it panicked.
///
/// # Errors
/// The system refuses another process: `EAGAIN` at the limit of processes or of the cgroup.
///
/// # Panics
/// When this process has more than one thread.
pub fn spawn(child: impl FnOnce() -> i32) -> io::Result<Pid> {
    assert!(has_one_thread(), "only a process with one thread may fork");
    let parent = nix::unistd::getpid();
    // SAFETY: this process has one thread, so the child is a whole copy: no lock is held by a thread that it lacks.
    #[expect(unsafe_code, reason = "a process-per-connection server is impossible without fork")]
    let forked = unsafe { fork() }?;
    match forked {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            let run = || {
                let orphaned = die_with_parent().is_err() || getppid() != parent;
                if orphaned { 1 } else { child() }
            };
            let status = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_or(101);
            leave(status)
        }
    }
}

/// `_exit`: what the parent registered to run at its exit is not the child's to run.
#[expect(
    unsafe_code,
    reason = "the standard library has no exit that skips the parent's exit handlers"
)]
fn leave(status: i32) -> ! {
    // SAFETY: `_exit` takes a number and does not return.
    unsafe { nix::libc::_exit(status) }
}

/// `/proc/self/task` has a link for each thread and two of its own; where it cannot be read, trust the caller.
fn has_one_thread() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self/task").map_or(true, |task| task.nlink() <= 3)
}

/// Asks the kernel to kill this process when its parent ends, so that a killed harness or parent leaves no orphan.
pub(crate) fn die_with_parent() -> io::Result<()> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
    Ok(())
}

/// Waits for one child that has ended, if there is one, without waiting for it to end.
#[must_use]
pub fn reap() -> Option<Pid> {
    use nix::sys::wait::{WaitPidFlag, waitpid};
    match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        Ok(status) => status.pid(),
        Err(_) => None,
    }
}

/// Sends SIGTERM to each child.
pub fn stop_all<'a>(children: impl IntoIterator<Item = &'a Pid>) {
    for child in children {
        // A child that has just ended is what was wanted.
        let _ = kill(*child, Signal::SIGTERM);
    }
}

/// Waits until each child has ended; says how many did not end with status 0.
pub fn wait_all(children: impl IntoIterator<Item = Pid>) -> usize {
    children.into_iter().filter(|child| !ended_well(*child)).count()
}

fn ended_well(child: Pid) -> bool {
    loop {
        match waitpid(child, None) {
            Ok(WaitStatus::Exited(_, status)) => return status == 0,
            Err(Errno::EINTR) => {}
            Ok(_) | Err(_) => return false,
        }
    }
}

/// Most processes of `--processes`: a million connections at twenty thousand each, several times over.
const MAX_PROCESSES: usize = 256;

static CHILDREN: [AtomicI32; MAX_PROCESSES] = [const { AtomicI32::new(0) }; MAX_PROCESSES];

extern "C" fn forward_sigterm(_signal: stop::libc_int) {
    let interrupted = Errno::last_raw();
    stop::set_stopping();
    for child in
        CHILDREN.iter().map(|child| child.load(Ordering::SeqCst)).filter(|child| *child > 0)
    {
        let _ = kill(Pid::from_raw(child), Signal::SIGTERM);
    }
    Errno::set_raw(interrupted);
}

/// A process for each listener; the parent announces, forwards SIGTERM and waits.
pub(crate) fn serve_each(
    listeners: Vec<TcpListener>,
    announce: impl FnOnce(&TcpListener) -> io::Result<()>,
    serve: impl Fn(TcpListener) -> io::Result<()>,
) -> io::Result<()> {
    if listeners.len() > MAX_PROCESSES {
        return Err(io::Error::other(format!(
            "at most {MAX_PROCESSES} processes; choose fewer with `--processes`"
        )));
    }
    let first = listeners.first().map(TcpListener::try_clone).transpose()?;
    stop::on_sigterm_call(forward_sigterm)?;
    let mut children = Vec::new();
    for (slot, listener) in CHILDREN.iter().zip(listeners) {
        let child = spawn(|| match serve(listener) {
            Ok(()) => 0,
            Err(error) => {
                eprintln!("{error}");
                1
            }
        })?;
        slot.store(child.as_raw(), Ordering::SeqCst);
        children.push(child);
    }
    if let Some(first) = first {
        announce(&first)?;
    }
    if stop::stopping() {
        stop_all(&children);
    }
    match wait_all(children) {
        0 => Ok(()),
        failed => Err(io::Error::other(format!("{failed} of the processes failed"))),
    }
}
