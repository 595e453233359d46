//! The shared C10k load generator: it opens the connections, asks, verifies every answer, and says what it saw.
//!
//! One call, [`run`], drives a [`Load`] against a [`Target`] and returns an [`Outcome`].
//! The same engine is behind the binary `c10k-load` and behind the harness, which watches a run through an
//! [`Observer`] and reads /proc while the load is paused.
//!
//! ```text
//! open --> warm up --> pause --> measure --> drain --> outcome
//!                        |                     |
//!                   WindowOpens          WindowCloses      (nothing in flight: the observer's moment)
//! ```
//!
//! What it promises:
//!
//! - Every answer is verified: status, length, every byte of the body, order. What fails has a name, [`ErrorKind`].
//! - One read and one write a request, no `epoll_ctl` after opening, no allocation a request.
//! - A broken connection is reopened once for each time that it breaks; when the reopening fails it is dead, and
//!   [`Outcome::dead`] counts it. Each request lost with it is an error.
//! - Latency counts from the intended start of a request, service time from its send; in a closed loop they are one.

mod accept_queue;
mod check;
mod clock;
mod connection;
mod engine;
mod error;
mod exchange;
mod learn;
mod limit;
mod number;
mod observer;
mod open;
mod options;
mod outcome;
mod pace;
mod pattern;
mod plan;
mod protocol;
mod random;
mod run;
mod summing;
mod tally;
mod target;
mod window;
mod worker;

pub use error::{Error, ErrorKind};
pub use limit::raise_descriptor_limit;
pub use observer::{Event, Observer, Stop};
pub use options::{Body, Expect, Load, Pace, Until, Warmup};
pub use outcome::{ConnectionRequests, InFlight, Outcome};
pub use run::run;
pub use target::{Target, TargetError};
