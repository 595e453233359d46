//! Every limit and setting that shapes results: its value, what it caps here, the command that lifts it.

mod facts;
mod list;
mod memory;
mod network;
mod preflight;
mod shape;
mod stops;
#[cfg(test)]
mod tests;

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rustix::io_uring::{io_uring_params, io_uring_setup};
use serde::{Deserialize, Serialize};

pub use preflight::{LimitHit, Need, Now, preflight};

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
    /// What it belongs to: `open files`, `network`.
    pub group: String,
    /// As its documentation calls it: `nofile`, `net.core.somaxconn`.
    pub name: String,
    /// What it is set to, with its unit; `absent` where the machine has none, `unknown` where it does not tell.
    pub value: String,
    /// What it caps or changes here, in plain words; of what is unknown also why.
    pub caps: String,
    /// The command that lifts it, and who may; where it cannot be lifted from here, who can. None where there is nothing
    /// to lift.
    pub remedy: Option<String>,
}

/// What only trying can tell: permissions and filters are too many to predict.
#[derive(Clone, Debug)]
struct Tried {
    tracepoints: Result<(), String>,
    io_uring: Result<(), String>,
}

impl Tried {
    fn here() -> Self {
        let allowed = current_affinity().map_err(|error| error.to_string());
        let open = |cpus: Vec<usize>| Counters::on_cpus(&cpus).map_err(|error| error.to_string());
        Self { tracepoints: allowed.and_then(open).map(drop), io_uring: io_uring() }
    }
}

/// Reads all of them, group by group, in each in the order in which they stop a growing number of connections.
#[must_use]
pub fn read() -> Vec<Limit> {
    let root = Root::machine();
    list::limits(&Facts::read(&root), &root, &Tried::here())
}

/// Sets a ring up and drops it; the error says why there is none.
#[expect(unsafe_code, reason = "no safe interface of io_uring_setup(2) is at hand")]
fn io_uring() -> Result<(), String> {
    let mut parameters = io_uring_params::default();
    // SAFETY: without flags the kernel reads and writes nothing but `parameters`, before the call returns.
    let ring = unsafe { io_uring_setup(1, &mut parameters) };
    ring.map(drop).map_err(|error| error.to_string())
}

/// Raises the soft limit of open descriptors to the hard one, for this process and its children; returns it.
pub fn raise_descriptors() -> io::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(hard)
}
