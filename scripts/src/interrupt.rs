//! Ctrl-C while another program works: that program ends, and the script still puts away what it started.
//!
//! Whoever works for a script leads a process group of its own: the terminal then interrupts the script alone, which
//! passes it on to the whole group, once. So `kill -INT` of the script leaves no more behind than Ctrl-C does.

use std::io::{self, Read};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::{Context as _, bail, ensure};
use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// The group of the program that works now.
static AT_WORK: Mutex<Option<Pid>> = Mutex::new(None);

/// From now on Ctrl-C is noted and passed on, and no longer ends the script by itself.
pub(crate) fn catch() -> anyhow::Result<()> {
    ctrlc::set_handler(request).context("failed to listen for Ctrl-C")
}

fn request() {
    let group = at_work();
    REQUESTED.store(true, Ordering::SeqCst);
    if let Some(group) = *group {
        // It may have ended by itself: then there is nobody to tell.
        killpg(group, Signal::SIGINT).ok();
    }
}

pub(crate) fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}

fn at_work() -> MutexGuard<'static, Option<Pid>> {
    AT_WORK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A program that works for the script; dropped before its end it is killed, with all that it started.
#[derive(Debug)]
pub(crate) struct Worker {
    child: Child,
    group: Pid,
}

/// Starts a program that Ctrl-C reaches.
pub(crate) fn start(command: &mut Command) -> anyhow::Result<Worker> {
    let program = command.get_program().to_string_lossy().into_owned();
    // Held until it is noted, so that an interruption comes before it or reaches it.
    let mut at_work = at_work();
    ensure!(!requested(), "interrupted");
    let child = command.process_group(0).spawn();
    let child = child.with_context(|| format!("failed to start `{program}`"))?;
    let group = Pid::from_raw(i32::try_from(child.id())?);
    *at_work = Some(group);
    Ok(Worker { child, group })
}

impl Worker {
    /// What it prints, where that was asked to be a pipe.
    pub(crate) fn stdout(&mut self) -> anyhow::Result<ChildStdout> {
        self.child.stdout.take().context("its output is no pipe")
    }

    /// Waits for its end; one that came by the user is an error.
    pub(crate) fn wait(&mut self) -> anyhow::Result<ExitStatus> {
        // Until it is reaped its number is nobody else's, and before that it is taken from the handler.
        while waitid(Id::Pid(self.group), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT)
            == Err(Errno::EINTR)
        {}
        *at_work() = None;
        let status = self.child.wait()?;
        if requested() {
            bail!("interrupted");
        }
        Ok(status)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        *at_work() = None;
        if matches!(self.child.try_wait(), Ok(None)) {
            killpg(self.group, Signal::SIGKILL).ok();
            self.child.wait().ok();
        }
    }
}

/// Runs a command to its end, or to the user's.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = start(command)?.wait()?;
    ensure!(status.success(), "`{program}` ended with {status}; see above");
    Ok(())
}

/// The same for a command whose output is wanted; whether it succeeded is the caller's to see.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<Output> {
    let mut worker = start(command.stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    let (stdout, stderr) = (worker.child.stdout.take(), worker.child.stderr.take());
    let (stdout, stderr) = thread::scope(|scope| {
        let stderr = scope.spawn(|| whole(stderr));
        (whole(stdout), stderr.join())
    });
    let stderr = stderr.unwrap_or_else(|_| Err(io::Error::other("its reader panicked")))?;
    Ok(Output { status: worker.wait()?, stdout: stdout?, stderr })
}

fn whole(pipe: Option<impl Read>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    pipe.map_or(Ok(0), |mut pipe| pipe.read_to_end(&mut bytes))?;
    Ok(bytes)
}

/// Held by a test that starts a worker, of which there is one at a time.
#[cfg(test)]
pub(crate) static ALONE: Mutex<()> = Mutex::new(());

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};

    use super::*;

    #[test]
    fn an_interruption_ends_the_program_at_work_and_all_that_it_started() {
        let alone = ALONE.lock();
        let mut shell = Command::new("sh");
        // The outer shell waits for the inner one, as cargo does for a compiler.
        shell.args(["-c", "sh -c 'echo up; sleep 60'; sleep 60"]).stdout(Stdio::piped());
        let mut worker = start(&mut shell).unwrap();
        let mut lines = BufReader::new(worker.stdout().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "up");
        request();
        // The pipe ends with the last of those that could write to it.
        assert!(lines.next().is_none());
        assert_eq!(worker.wait().unwrap_err().to_string(), "interrupted");
        let late = start(&mut Command::new("true")).unwrap_err();
        assert_eq!(late.to_string(), "interrupted", "nothing is started any more");
        REQUESTED.store(false, Ordering::SeqCst);
        drop(alone);
    }

    #[test]
    fn what_a_program_prints_is_told_apart_and_who_is_forgotten_is_killed() {
        let alone = ALONE.lock();
        let shell = ["-c", "echo out; echo err >&2; exit 3"];
        let printed = output(Command::new("sh").args(shell)).unwrap();
        assert_eq!((printed.stdout, printed.stderr), (b"out\n".to_vec(), b"err\n".to_vec()));
        assert_eq!(printed.status.code(), Some(3));
        let forgotten = start(Command::new("sleep").arg("60")).unwrap();
        let group = forgotten.group;
        drop(forgotten);
        assert_eq!(killpg(group, None), Err(Errno::ESRCH));
        drop(alone);
    }
}
