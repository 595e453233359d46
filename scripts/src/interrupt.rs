//! Ctrl-C while another program works: that program ends, and the script still puts away what it started.

use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// How long until an interruption is seen.
const GLANCE: Duration = Duration::from_millis(50);

/// From now on Ctrl-C is noted, and no longer ends the script by itself.
pub(crate) fn catch() -> anyhow::Result<()> {
    ctrlc::set_handler(|| REQUESTED.store(true, Ordering::SeqCst))
        .context("failed to listen for Ctrl-C")
}

pub(crate) fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}

/// Runs a command to its end, or to the user's.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command.spawn().with_context(|| format!("failed to start `{program}`"))?;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if requested() {
            end(&mut child)?;
        }
        thread::sleep(GLANCE);
    };
    if requested() {
        bail!("interrupted");
    }
    ensure!(status.success(), "`{program}` ended with {status}; see above");
    Ok(())
}

/// From a terminal it has had the signal already; twice does no harm.
fn end(child: &mut Child) -> anyhow::Result<()> {
    kill(Pid::from_raw(i32::try_from(child.id())?), Signal::SIGINT).ok();
    child.wait()?;
    Ok(())
}
