//! The arguments of a contestant: the same words for every model.

mod choice;
mod help;
mod parse;
mod words;

use std::net::SocketAddr;
use std::num::NonZero;
use std::time::Duration;

pub(crate) use choice::Choice;
pub(crate) use help::PROGRAM;
pub(crate) use parse::parse;

use crate::client::Scenario;
use crate::idiom::Idiom;
use crate::url::Url;

/// What a command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// This text, on standard output.
    Help(String),
    /// Nothing: there are no arguments.
    Nothing,
    Serve(ServeOptions),
    Fetch(FetchOptions),
    Idiom(IdiomOptions),
}

/// Options of `serve`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServeOptions {
    /// Address to listen on; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// What to serve.
    pub service: Protocol,
    /// Workers (threads, processes or loops); without it what the model's README says.
    pub workers: Option<NonZero<usize>>,
    /// Most threads of the pool that blocking calls and computing are offloaded to.
    pub blocking_threads: NonZero<usize>,
    /// Where blocking calls and computing run; a model with a thread of its own for each connection has no choice.
    pub block: Block,
    /// Connections that the kernel completes ahead of accept; it caps this at net.core.somaxconn.
    pub backlog: i32,
    /// Processes, forked before anything else starts, each with a listener of its own on the one port.
    pub processes: NonZero<usize>,
    /// Calibration: iterations of extra work for each request.
    pub burn: u64,
    /// Milliseconds in which a request's head must be complete, from its first byte.
    pub head_timeout: u64,
    /// End at once when the parent process ends, so that a killed harness leaves no server behind.
    pub die_with_parent: bool,
}

impl ServeOptions {
    /// A service on port 0 with every option at its default.
    #[must_use]
    pub fn new(service: Protocol) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            service,
            workers: None,
            blocking_threads: const { NonZero::new(128).expect("128 is not zero") },
            block: Block::Offload,
            backlog: 4096,
            processes: NonZero::<usize>::MIN,
            burn: 0,
            head_timeout: 5000,
            die_with_parent: false,
        }
    }

    /// Time in which a head must be complete, from its first byte.
    #[must_use]
    pub fn head_timeout(&self) -> Duration {
        Duration::from_millis(self.head_timeout)
    }

    /// `--workers`, or the model's own number.
    #[must_use]
    pub fn workers_or(&self, default: Workers) -> usize {
        match (self.workers, default) {
            (Some(workers), _) => workers.get(),
            (None, Workers::Fixed(workers)) => workers,
            // The affinity mask and the cgroup's quota count, not the machine's CPUs.
            (None, Workers::Cpus) => std::thread::available_parallelism().map_or(1, NonZero::get),
        }
    }
}

/// A model's number of workers where `--workers` is not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workers {
    /// One for each CPU of the affinity mask.
    Cpus,
    /// So many.
    Fixed(usize),
}

/// What is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Every byte comes back.
    Echo,
    /// HTTP/1.1: /, /bytes/N, /wait/MS, /block/MS, /compute/N, /panic.
    Http,
}

impl Choice for Protocol {
    const WORDS: &'static [(Self, &'static str)] = &[(Self::Echo, "echo"), (Self::Http, "http")];
}

/// Where blocking calls and computing run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// On the thread that runs the connection, whoever else waits for it.
    Inline,
    /// On the model's pool.
    Offload,
}

impl Choice for Block {
    const WORDS: &'static [(Self, &'static str)] =
        &[(Self::Inline, "inline"), (Self::Offload, "offload")];
}

/// Options of `fetch`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FetchOptions {
    /// Most fetches at once.
    pub(crate) concurrency: NonZero<usize>,
    pub(crate) what: Fetches,
}

/// What to fetch.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fetches {
    Urls(Vec<Url>),
    /// A named set, all at once, from that server.
    Scenario(Scenario, SocketAddr),
}

/// Options of `idiom`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct IdiomOptions {
    pub(crate) idiom: Idiom,
    /// Milliseconds to sleep, one number for each sleep.
    pub(crate) sleeps: Vec<u64>,
}
