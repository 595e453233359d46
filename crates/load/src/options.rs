//! What to do: the values that describe a load.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::life::{Churn, Opening, Think};
use crate::request::{Alternative, Request};
use crate::slow::Slow;
use crate::target::Target;

/// A load: whom to ask, over how many connections, at what pace, until when.
///
/// ```
/// use load::{Load, Target, Until};
/// use std::time::Duration;
///
/// let target = Target::parse("http://127.0.0.1:8080/").unwrap();
/// let load = Load { until: Until::Duration(Duration::from_secs(3)), ..Load::new(target, 10_000) };
/// assert_eq!(load.connections, 10_000);
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Load {
    /// Whom to ask, and for what.
    pub target: Target,
    /// Connections to open before anything is asked.
    pub connections: usize,
    /// How fast they are opened.
    pub opening: Opening,
    /// Whether each connection, active or not, asks once as soon as it is open. The opening is then over when each has
    /// its answer, which [`Outcome::greeted`](crate::Outcome::greeted) tells.
    pub greet: bool,
    /// A connection for each request, and who closes it. `None`: connections are kept.
    /// `connections` are then as many as there are at once.
    pub churn: Option<Churn>,
    /// Closed loops: how long a connection rests between an answer and its next request. `None`: not at all.
    pub think: Option<Think>,
    /// Slow clients beside these connections. `None`: none.
    pub slow: Option<Slow>,
    /// Connections that send, chosen evenly by `seed`; the others stay open and idle. `None`: all of them.
    pub active: Option<usize>,
    /// When the next request is due.
    pub pace: Pace,
    /// When the window closes.
    pub until: Until,
    /// What to throw away before the window opens.
    pub warmup: Warmup,
    /// Requests in flight on one connection, at least 1.
    pub pipeline: usize,
    /// Bytes of an echo message, at least 1; without meaning for HTTP.
    pub size: usize,
    /// How long a connect may take, and an answer.
    pub timeout: Duration,
    /// Threads over all processes, when `cpus` is empty; at least 1, and at least one a process.
    pub threads: usize,
    /// Processes that share the connections, at least 1, where one may not hold enough descriptors;
    /// [`processes_for`](crate::processes_for) says how many that takes. More than 1 need
    /// [`child_entry`](crate::child_entry) in the program's `main`.
    pub processes: usize,
    /// CPUs to pin to, one thread each; empty: `threads` threads, not pinned.
    pub cpus: Vec<usize>,
    /// Source addresses, used in turn; one source has about 28,000 ports for a destination.
    /// Empty: the kernel chooses, and more of 127.0.0.0/8 are taken when an IPv4 loopback target needs them.
    pub sources: Vec<IpAddr>,
    /// Seed of everything random: active connections, echo payloads, Poisson arrivals.
    pub seed: u64,
    /// What a right HTTP answer is; `None`: learnt from one request before the connections are opened.
    pub expect: Option<Expect>,
    /// Header fields that a right HTTP answer has, name and value, beside what `expect` says. A name has any case.
    pub expect_headers: Vec<(String, String)>,
    /// How HTTP is asked.
    pub request: Request,
    /// Further paths of an HTTP target, at most 15, asked for in turn: `/a`, `/b`, `/a`, ... on each connection. Each
    /// answer is held against its own, so that one in another's place shows. Empty: the target's path alone.
    pub alternatives: Vec<Alternative>,
    /// Cut the window into stretches of this length, at least 10 ms, and tell them to
    /// [`Observer::interval`](crate::Observer::interval). `None`: the window is one.
    pub interval: Option<Duration>,
}

impl Load {
    /// A closed loop of ten seconds, everything else at its default.
    #[must_use]
    pub fn new(target: Target, connections: usize) -> Self {
        Self {
            target,
            connections,
            opening: Opening::Gated,
            greet: false,
            churn: None,
            think: None,
            slow: None,
            active: None,
            pace: Pace::Closed,
            until: Until::Duration(Duration::from_secs(10)),
            warmup: Warmup::default(),
            pipeline: 1,
            size: 64,
            timeout: Duration::from_secs(10),
            threads: 1,
            processes: 1,
            cpus: Vec::new(),
            sources: Vec::new(),
            seed: 1,
            expect: None,
            expect_headers: Vec::new(),
            request: Request::default(),
            alternatives: Vec::new(),
            interval: None,
        }
    }

    /// Connections in all: `connections`, and the slow ones.
    #[must_use]
    pub fn all_connections(&self) -> usize {
        self.connections.saturating_add(self.slow.map_or(0, |slow| slow.connections))
    }

    /// Connections that send: `active`, at most `connections`.
    #[must_use]
    pub fn active(&self) -> usize {
        self.active.unwrap_or(self.connections).min(self.connections)
    }
}

/// When the next request is due.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Pace {
    /// As soon as a connection is free: gives the ceiling.
    Closed,
    /// At constant intervals, this many a second over all connections, whatever the server does: gives latency.
    Rate(f64),
    /// At random, as independent users arrive, this many a second in the mean.
    Poisson(f64),
}

/// When the window closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Until {
    /// After this time.
    Duration(Duration),
    /// When this many requests were sent and each was answered or lost.
    Requests(u64),
}

/// What to throw away before the window opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warmup {
    /// Longest warm-up; zero for none.
    pub max: Duration,
    /// The warm-up ends when the rates of two neighbouring windows of this length agree within 10 %.
    pub window: Duration,
}

impl Default for Warmup {
    fn default() -> Self {
        Self { max: Duration::from_secs(1), window: Duration::from_millis(200) }
    }
}

/// What a right HTTP answer is. An echo needs none: its payload is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expect {
    /// The status; `None`: any of 200 to 299.
    pub status: Option<u16>,
    /// The body.
    pub body: Body,
}

/// The body of a right HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    /// These bytes and no others.
    Exact(#[serde(with = "crate::pipe::bytes")] Vec<u8>),
    /// This many bytes, unseen.
    Length(u64),
    /// Anything.
    Any,
}
