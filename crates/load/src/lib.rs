//! The shared C10k load generator: it opens the connections, asks, verifies every answer, and says what it saw.
//!
//! One call, [`run()`], drives a [`Load`] against a [`Target`] and returns an [`Outcome`].
//! The same engine is behind the binary `c10k-load` and behind the harness, which watches a run through an
//! [`Observer`] and reads /proc while the load is paused.
//!
//! ```text
//! open --> warm up --> pause --> measure --> drain --> outcome
//!                        |                     |
//!                   WindowOpens          WindowCloses      (nothing in flight: the observer's moment)
//! ```
//!
//! ```no_run
//! use load::{Event, Load, Pace, Stop, Target, Threshold};
//!
//! let target = Target::parse("http://127.0.0.1:8080/")?;
//! let load = Load { pace: Pace::Rate(5_000.0), ..Load::new(target, 1_000) };
//! let outcome = load::run(&load, &mut |_: Event| {}, &Stop::new())?;
//! println!("{} answers, p99 {} ns", outcome.requests, outcome.latency.value_at_quantile(0.99));
//! if let Some(by) = "p99>10ms".parse::<Threshold>()?.missed(&outcome) {
//!     eprintln!("too slow: {by}");
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Two examples go further: `embedded` follows a run second by second and judges it, `observed` looks at the server while
//! the load is paused.
//!
//! What it promises:
//!
//! - Every answer is verified: status, header fields, length, every byte of the body, order, and that nothing follows it.
//!   What fails has a name, [`ErrorKind`]. Each message of an echo differs from every other. The answers to one HTTP
//!   request are all alike; where their order is to show, [`Load::alternatives`] are asked for in turn.
//! - Whatever a server sends ends in an answer or in an error, within bounded memory and the timeout.
//! - One read and one write a request, no `epoll_ctl` after opening, no allocation a request.
//! - A broken connection is reopened once for each time that it breaks; when the reopening fails it is dead, and
//!   [`Outcome::dead`] counts it. Each request lost with it is an error.
//! - Latency counts from the intended start of a request, service time from its send; in a closed loop they are one.

mod accept_queue;
mod asking;
mod check;
mod child;
mod clock;
mod connection;
mod crew;
mod engine;
mod error;
mod exchange;
mod gate;
mod http;
mod interval;
mod learn;
mod life;
mod limit;
mod number;
mod observer;
mod open;
mod options;
mod outcome;
mod pace;
mod pattern;
mod pipe;
mod plan;
mod protocol;
mod random;
mod request;
mod rest;
mod run;
mod several;
mod slow;
mod steps;
mod summing;
mod tally;
mod target;
mod threshold;
mod trickle;
mod watch;
mod window;
pub mod words;
mod worker;

pub use child::child_entry;
pub use error::{Error, ErrorKind};
pub use interval::Interval;
pub use life::{Churn, Opening, Think};
pub use limit::{processes_for, raise_descriptor_limit};
pub use observer::{Event, Observer, Stop};
pub use options::{Body, Expect, Load, Pace, Until, Warmup};
pub use outcome::{ConnectionRequests, InFlight, Outcome};
pub use request::{Alternative, Request};
pub use run::{run, run_steps};
pub use slow::{Slow, SlowKind, SlowSeen};
pub use steps::Step;
pub use target::{Target, TargetError};
pub use threshold::{Threshold, ThresholdError};
