//! The conformance battery: correctness is proven before speed is printed.
//!
//! A table model x case. Every case starts its own contestant, talks to it over real sockets as no polite client
//! would, and stops it. What a model cannot do by nature is declared in the registry, checked to be exactly as
//! declared, and shown as such, not as a pass.

mod pressure;
mod requests;
mod stopping;
mod streams;
mod subject;
mod waits;
pub(crate) mod wire;

pub use subject::{CONNECTIONS, Subject};

/// One thing that every contestant must do right.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Short name: a column of the table.
    pub name: &'static str,
    /// The claim, in one sentence.
    pub claim: &'static str,
    check: fn(&Subject) -> anyhow::Result<Verdict>,
}

/// What a case found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As every server should.
    Pass,
    /// Not as every server should, and exactly as the registry declares.
    Declared(String),
    /// Could not be tried on this machine.
    NotTestable(String),
    /// Wrong.
    Fail(String),
}

impl Case {
    const fn new(
        name: &'static str,
        claim: &'static str,
        check: fn(&Subject) -> anyhow::Result<Verdict>,
    ) -> Self {
        Self { name, claim, check }
    }

    /// Tries the case; an error on the way is a failure.
    #[must_use]
    pub fn run(&self, subject: &Subject) -> Verdict {
        (self.check)(subject).unwrap_or_else(|error| Verdict::Fail(format!("{error:#}")))
    }
}

/// Every case, in the order of the table.
pub const CASES: &[Case] = &[
    Case::new("routes", "every route answers with its own body", requests::routes),
    Case::new(
        "split-head",
        "a head that comes byte by byte is answered once",
        requests::split_head,
    ),
    Case::new("pipelined", "sixteen pipelined requests are answered in order", requests::pipelined),
    Case::new(
        "half-close",
        "a client that has ended its sending is still answered",
        requests::half_close,
    ),
    Case::new("reset", "a client that resets in mid-answer harms nobody else", requests::reset),
    Case::new("large-head", "a head beyond the limit is answered with 431", requests::large_head),
    Case::new("garbage", "what is no HTTP is answered with 400", requests::garbage),
    Case::new("post", "POST is answered with 405 and the allowed methods", requests::post),
    Case::new(
        "unknown",
        "an unknown path is answered with 404, and the connection lives",
        requests::unknown,
    ),
    Case::new(
        "http-1.0",
        "HTTP/1.0 closes after the answer, unless asked to keep alive",
        requests::http_1_0,
    ),
    Case::new("close", "Connection: close is honoured", requests::close),
    Case::new("head", "HEAD is answered with the length and no body", requests::head),
    Case::new(
        "slow-head",
        "a head that does not end in time is answered with 408",
        requests::slow_head,
    ),
    Case::new(
        "smuggling",
        "heads that two readers could read differently are refused",
        requests::smuggling,
    ),
    Case::new("echo", "64 KiB come back, sent at once and byte by byte", streams::echo),
    Case::new(
        "slow-reader",
        "8 MiB through a slow reader come back in bounded memory",
        streams::slow_reader,
    ),
    Case::new("wait", "waits pass side by side", waits::wait),
    Case::new("block", "blocking calls pass side by side", waits::block),
    Case::new("compute", "computing in parallel gives each its own digest", waits::compute),
    Case::new("panic", "a panicking handler loses no more than declared", waits::panic),
    Case::new(
        "descriptors",
        "out of descriptors, or processes where it forks: no spin, few words, and it serves again",
        pressure::descriptors,
    ),
    Case::new(
        "slow-heads",
        "a thousand slow heads keep nobody from being served",
        pressure::slow_heads,
    ),
    Case::new(
        "hold",
        "a thousand connections, or --connections, are each answered twice, a second apart",
        pressure::hold,
    ),
    Case::new("idle-stop", "200 idle connections and SIGTERM: status 0 in 5 s", stopping::idle),
    Case::new("busy-stop", "a request in flight at SIGTERM is answered", stopping::in_flight),
    Case::new("stale", "a stale listener on the port is refused, never shared", stopping::stale),
    Case::new(
        "leftovers",
        "no zombie while it runs, no process and no port afterwards",
        stopping::leftovers,
    ),
];
