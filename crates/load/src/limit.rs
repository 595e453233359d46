//! This machine's own limits: lifting them where one may, and saying which one was hit and what lifts it.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::error::{Error, ErrorKind};
use crate::plan::{Plan, ports_per_source};

/// Descriptors that a process needs beside its connections: streams, epolls, a library or two.
const OTHER_DESCRIPTORS: usize = 100;

/// Raises this process's soft limit of open descriptors to its hard one, which needs no privilege; returns the limit
/// that holds now, `None` when there is none.
///
/// # Errors
///
/// When the kernel refuses.
pub fn raise_descriptor_limit() -> io::Result<Option<u64>> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    }
    Ok(limit.maximum)
}

/// Processes that it takes to hold so many connections, under the limit of open descriptors that holds now.
#[must_use]
pub fn processes_for(connections: usize) -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    let each = limit.map_or(usize::MAX, crate::number::index).saturating_sub(OTHER_DESCRIPTORS);
    // A limit that leaves nothing is better said than obeyed.
    if each == 0 { 1 } else { connections.div_ceil(each).max(1) }
}

/// Lets the table of descriptors grow at once to what `connections` need. Left to itself it doubles again and again, and
/// in a process of several threads each doubling waits, for some 10 ms, until no thread can be looking at the old one.
pub(crate) fn reserve_descriptors(connections: usize) {
    let limit = getrlimit(Resource::Nofile).current.map_or(usize::MAX, crate::number::index);
    let highest = connections.saturating_add(OTHER_DESCRIPTORS).min(limit.saturating_sub(1));
    if let Ok(highest) = i32::try_from(highest) {
        // Only a help: without it the opening takes longer.
        drop(rustix::io::fcntl_dupfd_cloexec(std::io::stderr(), highest));
    }
}

/// The error for a limit that stopped the opening after `established` connections of this thread.
pub(crate) fn reached<P>(kind: ErrorKind, established: usize, plan: &Plan<P>) -> Error {
    let total = plan.all_connections();
    // Threads open side by side, so the others have opened about as many.
    let connection = (established * plan.threads_total + 1).min(total);
    let (reason, remedy) = match kind {
        ErrorKind::NoFd => {
            let limit = getrlimit(Resource::Nofile)
                .current
                .map_or("none".to_owned(), |limit| limit.to_string());
            let needed = total + OTHER_DESCRIPTORS;
            (
                format!("too many open files (limit {limit})"),
                format!("raise it with ulimit -n {needed}, or give more --processes"),
            )
        }
        ErrorKind::NoPort => (
            format!(
                "no local port or address is left ({} ports for each source)",
                ports_per_source()
            ),
            "give more source addresses of this machine, such as --sources 127.0.0.2-9".to_owned(),
        ),
        _ => (
            "the kernel has no memory for sockets".to_owned(),
            "open fewer, or raise net.ipv4.tcp_mem and the memory limit".to_owned(),
        ),
    };
    Error::Limit { kind, connection, total, reason, remedy }
}
