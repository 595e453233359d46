//! What can go wrong: the names of lost requests, and the reasons for measuring nothing.

use std::fmt;
use std::io;

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

/// Why a request got no right answer, or a connection could not be opened or was lost.
///
/// A broken connection counts one error for each request in flight on it, and one if there was none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// Nobody listens.
    Refused,
    /// The server reset the connection.
    Reset,
    /// No answer, or no connection, within the time allowed.
    Timeout,
    /// The server closed the connection before the first byte of an answer, or while it was idle.
    Closed,
    /// The answer ended before its end.
    Short,
    /// More bytes than were asked for: a longer body, or bytes after the last answer.
    Extra,
    /// A byte of the body is wrong.
    Mismatch,
    /// The answer to another request of the same connection.
    Order,
    /// Another status than the one expected.
    Status,
    /// A header field that must be there is not, or has another value.
    Header,
    /// Not HTTP, or more of it than a head may have.
    Malformed,
    /// No route to the server.
    Unreachable,
    /// This process, or this machine, has no descriptor left.
    NoFd,
    /// No local port is left for this source and destination.
    NoPort,
    /// The kernel has no memory for the socket.
    NoMemory,
    /// Any other error of the operating system.
    Other,
}

impl ErrorKind {
    /// Every kind, in the order of the counters.
    pub(crate) const ALL: [Self; 16] = [
        Self::Refused,
        Self::Reset,
        Self::Timeout,
        Self::Closed,
        Self::Short,
        Self::Extra,
        Self::Mismatch,
        Self::Order,
        Self::Status,
        Self::Header,
        Self::Malformed,
        Self::Unreachable,
        Self::NoFd,
        Self::NoPort,
        Self::NoMemory,
        Self::Other,
    ];

    /// The name in records: `refused`, `no-fd`, ...
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::Short => "short",
            Self::Extra => "extra",
            Self::Mismatch => "mismatch",
            Self::Order => "order",
            Self::Status => "status",
            Self::Header => "header",
            Self::Malformed => "malformed",
            Self::Unreachable => "unreachable",
            Self::NoFd => "no-fd",
            Self::NoPort => "no-port",
            Self::NoMemory => "no-memory",
            Self::Other => "other",
        }
    }

    /// Whether this machine is at fault and not the server.
    #[must_use]
    pub fn is_own_limit(self) -> bool {
        matches!(self, Self::NoFd | Self::NoPort | Self::NoMemory)
    }

    /// The kind of an error that a socket call returned.
    pub(crate) fn of(errno: Errno) -> Self {
        match errno {
            Errno::CONNREFUSED => Self::Refused,
            Errno::CONNRESET | Errno::PIPE | Errno::CONNABORTED => Self::Reset,
            Errno::TIMEDOUT => Self::Timeout,
            Errno::NETUNREACH | Errno::HOSTUNREACH | Errno::NETDOWN => Self::Unreachable,
            Errno::MFILE | Errno::NFILE => Self::NoFd,
            Errno::ADDRNOTAVAIL | Errno::ADDRINUSE => Self::NoPort,
            Errno::NOMEM | Errno::NOBUFS => Self::NoMemory,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The load contradicts itself.
    #[error("{0}")]
    Usage(String),
    /// A limit of this machine stopped the opening; the message ends with the remedy.
    #[error("failed to open connection {connection} of {total}: {reason}; {remedy}")]
    Limit {
        /// Which limit: [`ErrorKind::NoFd`], [`ErrorKind::NoPort`] or [`ErrorKind::NoMemory`].
        kind: ErrorKind,
        /// The connection that could not be opened, from 1.
        connection: usize,
        /// Connections asked for.
        total: usize,
        /// What the kernel said, with the value of the limit.
        reason: String,
        /// What lifts the limit.
        remedy: String,
    },
    /// Not one connection could be opened.
    #[error("failed to open any of {total} connections to {address}: {kind}; {remedy}")]
    NotOpened {
        /// Why the first of them failed.
        kind: ErrorKind,
        /// Connections asked for.
        total: usize,
        /// The server's address.
        address: std::net::SocketAddr,
        /// What to look at.
        remedy: String,
    },
    /// Stopped before the window opened: nothing was measured.
    #[error("interrupted before anything was measured")]
    Interrupted,
    /// One of several generator processes ended or failed; what it counted is lost.
    #[error(
        "generator process {number} failed: {what}; look at the kernel's log, and whether memory ran out"
    )]
    Process {
        /// Which, from 1.
        number: usize,
        /// What it or the system said.
        what: String,
    },
    /// The operating system failed the generator itself.
    #[error("{context}: {cause}{}", then(remedy))]
    Io {
        /// What was tried.
        context: String,
        /// What the system said; in the message, and so not a source of its own.
        cause: io::Error,
        /// What helps, where something does.
        remedy: &'static str,
    },
}

fn then(remedy: &str) -> String {
    if remedy.is_empty() { String::new() } else { format!("; {remedy}") }
}

impl Error {
    /// For `map_err`: the system's error, told what was tried and what helps.
    pub(crate) fn io<E: Into<io::Error>>(
        context: impl Into<String>,
        remedy: &'static str,
    ) -> impl FnOnce(E) -> Self {
        let context = context.into();
        move |cause| Self::Io { context, cause: cause.into(), remedy }
    }
}
