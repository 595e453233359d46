//! Every limit and setting that shapes results: its value, what it caps here, the command that lifts it.

mod facts;
mod list;
mod network;
mod preflight;
mod shape;
mod stops;
#[cfg(test)]
mod tests;

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};

pub use preflight::{LimitHit, Need, preflight, preflight_all};

use crate::cpus::current_affinity;
use crate::perf::Counters;
use crate::root::Root;
use facts::Facts;

/// Memory maps that one Rust thread takes: stack, its guard page, the signal stack, its guard page.
pub const MAPS_PER_THREAD: u64 = 4;
/// Memory maps of a small process before its second thread.
pub const MAPS_OF_A_PROCESS: u64 = 62;
/// Descriptors that a process holds beside its connections: standard streams, epoll, listener, timers, libraries.
pub const DESCRIPTORS_OF_A_PROCESS: u64 = 64;

/// One limit or setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// As its documentation calls it: `nofile`, `net.core.somaxconn`.
    pub name: String,
    /// What it is set to, with its unit; `absent` where the machine has none, `unknown` where it does not tell.
    pub value: String,
    /// What it caps or changes here, in plain words.
    pub caps: String,
    /// The command that lifts it, and who may; none where there is nothing to lift.
    pub remedy: Option<String>,
}

/// Reads all of them, in the order in which they stop a growing number of connections.
#[must_use]
pub fn read() -> Vec<Limit> {
    let root = Root::machine();
    list::limits(&Facts::read(&root), &root, &tracepoints())
}

/// Permissions are too many to predict; opening the counters says whether they suffice.
fn tracepoints() -> Result<(), String> {
    let allowed = current_affinity().map_err(|error| error.to_string())?;
    Counters::on_cpus(&allowed).map(|_| ()).map_err(|error| error.to_string())
}

/// Raises the soft limit of open descriptors to the hard one, for this process and its children; returns it.
pub fn raise_descriptors() -> io::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(hard)
}
