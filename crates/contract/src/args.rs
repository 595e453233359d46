//! The arguments of a contestant: the same words for every model.

use std::net::SocketAddr;
use std::num::NonZero;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::client::Scenario;
use crate::idiom::Idiom;
use crate::url::Url;

/// One concurrency model as a server and as a client.
#[derive(Debug, Parser)]
#[command(arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve until SIGTERM; prints `listening ADDRESS` and nothing else
    #[command(
        after_help = "Example:\n  c10k serve mio-loop --listen 127.0.0.1:8080 --service http --workers 2"
    )]
    Serve(ServeOptions),
    /// Fetch URLs; prints one JSON line per fetch, in order, and a summary line
    #[command(
        after_help = "Examples:\n  c10k fetch mio-loop --concurrency 10 http://127.0.0.1:8080/ echo://127.0.0.1:7/hello\n  \
                            c10k fetch mio-loop --scenario ten-slow-servers --server 127.0.0.1:8080\n\n\
                            Exit status 0 also when a fetch failed: its line says why, and the summary counts it."
    )]
    Fetch(FetchOptions),
    /// Run a scheduling idiom on this model's own timers; prints one JSON line
    #[command(after_help = "Example:\n  c10k idiom mio-loop parallel --sleeps 40,30,20")]
    Idiom(IdiomOptions),
}

const BLOCKING_THREADS: NonZero<usize> = NonZero::new(128).expect("128 is not zero");

/// Options of `serve`.
#[derive(Args, Clone, Copy, Debug)]
pub struct ServeOptions {
    /// Address to listen on; port 0 lets the system choose
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// What to serve
    #[arg(long, value_enum)]
    pub service: Protocol,
    /// Workers (threads, processes or loops); without it what the model's README says
    #[arg(long, value_name = "N")]
    pub workers: Option<NonZero<usize>>,
    /// Most threads of the pool that blocking calls and computing are offloaded to
    #[arg(long, value_name = "N", default_value_t = BLOCKING_THREADS)]
    pub blocking_threads: NonZero<usize>,
    /// Where blocking calls and computing run; a model with a thread of its own for each connection has no choice
    #[arg(long, value_enum, default_value_t = Block::Offload)]
    pub block: Block,
    /// Connections that the kernel completes ahead of accept; it caps this at net.core.somaxconn
    #[arg(long, value_name = "N", default_value = "4096", value_parser = clap::value_parser!(i32).range(1..))]
    pub backlog: i32,
    /// Processes, forked before anything else starts, each with a listener of its own on the one port
    #[arg(long, value_name = "N", default_value = "1")]
    pub processes: NonZero<usize>,
    /// Calibration: iterations of extra work for each request
    #[arg(long, value_name = "ITERATIONS", default_value = "0")]
    pub burn: u64,
    /// Milliseconds in which a request's head must be complete, from its first byte
    #[arg(long, value_name = "MS", default_value = "5000")]
    pub head_timeout: u64,
    /// End at once when the parent process ends, so that a killed harness leaves no server behind
    #[arg(long)]
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
            blocking_threads: BLOCKING_THREADS,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// Every byte comes back.
    Echo,
    /// HTTP/1.1: /, /bytes/N, /wait/MS, /block/MS, /compute/N, /panic.
    Http,
}

/// Where blocking calls and computing run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Block {
    /// On the thread that runs the connection, whoever else waits for it.
    Inline,
    /// On the model's pool.
    Offload,
}

/// Options of `fetch`.
#[derive(Args, Debug)]
pub(crate) struct FetchOptions {
    /// Most fetches at once
    #[arg(long, value_name = "N", default_value = "10")]
    pub(crate) concurrency: NonZero<usize>,
    /// A named set of fetches, all at once
    #[arg(long, value_enum, requires = "server", conflicts_with = "urls")]
    pub(crate) scenario: Option<Scenario>,
    /// The server of a scenario
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) server: Option<SocketAddr>,
    /// `http://HOST:PORT/PATH` or `echo://HOST:PORT/TEXT`
    #[arg(value_name = "URL", required_unless_present = "scenario")]
    pub(crate) urls: Vec<Url>,
}

/// Options of `idiom`.
#[derive(Args, Debug)]
pub(crate) struct IdiomOptions {
    /// Which idiom
    #[arg(value_enum)]
    pub(crate) idiom: Idiom,
    /// Milliseconds to sleep, one number for each sleep
    #[arg(long, value_name = "MS,...", value_delimiter = ',', required = true,
          value_parser = clap::value_parser!(u64).range(..=60_000))]
    pub(crate) sleeps: Vec<u64>,
}
