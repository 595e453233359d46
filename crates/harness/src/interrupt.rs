//! Ctrl-C: the first ends the run and keeps what was measured, the second ends the program.

use std::process::exit;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use load::Stop;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// The exit status after Ctrl-C.
const INTERRUPTED: i32 = 130;

static STATE: Mutex<State> = Mutex::new(State { requested: false, stop: None, group: None });

struct State {
    requested: bool,
    /// Ends the load of the trial in flight.
    stop: Option<Stop>,
    /// The contestant of the trial in flight.
    group: Option<Pid>,
}

/// From now on Ctrl-C asks the run to end. SIGTERM and SIGHUP keep their meaning, so that `nohup` does: what was
/// measured is on the disk, the kernel ends the contestant, and the run can be resumed.
pub fn catch() -> anyhow::Result<()> {
    ctrlc::set_handler(|| {
        let mut state = state();
        if state.requested {
            if let Some(group) = state.group {
                // It may have ended by itself: then there is nothing to do.
                killpg(group, Signal::SIGKILL).ok();
            }
            exit(INTERRUPTED);
        }
        state.requested = true;
        if let Some(stop) = &state.stop {
            stop.request();
        }
        eprintln!(
            "\nc10k: ending this trial and writing what was measured; Ctrl-C again ends at once"
        );
    })
    .context("failed to listen for Ctrl-C")
}

/// Whether the run is asked to end.
#[must_use]
pub fn requested() -> bool {
    state().requested
}

/// A trial in flight: what an interruption must reach while this lives.
#[derive(Debug)]
pub struct InFlight(());

impl InFlight {
    /// An interruption, also one that has come already, requests `stop`.
    #[must_use]
    pub fn trial(stop: &Stop) -> Self {
        let mut state = state();
        if state.requested {
            stop.request();
        }
        state.stop = Some(stop.clone());
        Self(())
    }

    /// A second interruption kills that group.
    pub fn contestant(&self, group: Pid) {
        state().group = Some(group);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut state = state();
        state.stop = None;
        state.group = None;
    }
}

/// Each change is whole, so a panic elsewhere leaves nothing half done.
fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}
