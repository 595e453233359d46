//! Forking, for the models that are made of processes and for `--processes`.
//!
//! A process may fork safely only while it has one thread: a child has only the thread that forked, and a lock that
//! another one held (of the allocator, of standard error) stays locked in the child for ever.

use std::io::{self, PipeWriter};
use std::net::TcpListener;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, getppid};

use crate::announce::{self, Announcement, on_announce};
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
pub(crate) fn leave(status: i32) -> ! {
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
    match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        Ok(status) => status.pid(),
        Err(_) => None,
    }
}

/// Ends each child as the contract has it: SIGTERM, time for what is in flight, then SIGKILL; none is left unreaped.
pub fn end_all(mut children: Vec<Pid>) {
    signal_all(&children, Signal::SIGTERM);
    let deadline = Instant::now() + stop::DRAIN_LIMIT;
    while !children.is_empty() && Instant::now() < deadline {
        // Short beside any request worth waiting for.
        thread::sleep(Duration::from_millis(1));
        children.retain(|child| !has_ended(*child));
    }
    signal_all(&children, Signal::SIGKILL);
    wait_all(children);
}

fn signal_all(children: &[Pid], signal: Signal) {
    for child in children {
        // A child that has just ended is what was wanted.
        let _ = kill(*child, signal);
    }
}

fn has_ended(child: Pid) -> bool {
    !matches!(
        waitpid(child, Some(WaitPidFlag::WNOHANG)),
        Ok(WaitStatus::StillAlive) | Err(Errno::EINTR)
    )
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
pub(crate) const MAX_PROCESSES: usize = 256;

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

/// A process for each listener, which leaves with the status that `serve` returns; the parent announces when all of them
/// have, forwards SIGTERM and waits.
pub(crate) fn serve_each(
    listeners: Vec<TcpListener>,
    serve: impl Fn(TcpListener) -> i32,
) -> io::Result<()> {
    assert!(listeners.len() <= MAX_PROCESSES, "the bound of `--processes`");
    let address = listeners[0].local_addr()?;
    stop::on_sigterm_call(forward_sigterm)?;
    let (news, tell) = io::pipe()?;
    let children = fork_each(listeners, tell, serve)?;
    if stop::stopping() {
        signal_all(&children, Signal::SIGTERM);
    }
    let silent = children.len() - announce::heard(news)?;
    if silent > 0 && !stop::stopping() {
        let failed = format!("{silent} of {} processes failed to start", children.len());
        end_all(children);
        return Err(io::Error::other(failed));
    }
    announce::print(address)?;
    match wait_all(children) {
        0 => Ok(()),
        failed => Err(io::Error::other(format!("{failed} of the processes failed"))),
    }
}

/// The parent's copies of listeners and pipe are closed on return: the kernel deals connections to every listener that
/// is open, served or not, and the pipe ends when the last process that can write to it has written or ended.
fn fork_each(
    listeners: Vec<TcpListener>,
    tell: PipeWriter,
    serve: impl Fn(TcpListener) -> i32,
) -> io::Result<Vec<Pid>> {
    let mut tell = Some(tell);
    let mut listeners: Vec<Option<TcpListener>> = listeners.into_iter().map(Some).collect();
    let mut children = Vec::with_capacity(listeners.len());
    for (index, slot) in CHILDREN.iter().enumerate().take(listeners.len()) {
        let child = spawn(|| {
            on_announce(Announcement::Parent(tell.take().expect("each child takes its own once")));
            serve(keep_only(index, &mut listeners))
        });
        match child {
            Ok(child) => {
                slot.store(child.as_raw(), Ordering::SeqCst);
                children.push(child);
            }
            Err(error) => {
                end_all(children);
                return Err(error);
            }
        }
    }
    Ok(children)
}

/// A child closes the listeners of the others, or it would keep theirs open when they end.
fn keep_only(index: usize, listeners: &mut Vec<Option<TcpListener>>) -> TcpListener {
    let mine = listeners[index].take().expect("each child takes its own once");
    listeners.clear();
    mine
}
