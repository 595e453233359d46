//! What harness and contestant may assume of each other.
//!
//! A contestant is a process: it takes the arguments of [`args`], announces one line on standard output when it is set
//! up, serves until SIGTERM, finishes what is in flight and exits with status 0. This crate does all of that once, so that a model's
//! page holds nothing but its concurrency: a way to perform the [`Step`]s of a [`Service`], and of an [`Exchange`] on
//! the client's side.
//!
//! ```text
//! argv --> listener --> serve(listener, options): set-up --> "listening 127.0.0.1:40001" --> SIGTERM --> drain --> exit 0
//! ```
//!
//! No runtime is linked here: what a contestant links beyond this crate is the thing under test.

pub mod args;
pub mod client;
pub mod fork;
pub mod idiom;
pub mod in_flight;
pub mod later;
pub mod listener;
pub mod offload;
pub mod response;
pub mod service;
pub mod stop;
pub mod url;
pub mod work;

mod announce;
mod http;
mod run;
mod workers;

/// Bytes that every model offers to one read, so that none wins by a larger buffer.
pub const READ_SIZE: usize = 16 * 1024;

pub use announce::announce;
pub use args::{Block, Protocol, ServeOptions, Workers};
pub use client::{ClientStep, Exchange, Fetched};
pub use idiom::{Idiom, IdiomOutcome, TIMER_PERIOD};
pub use listener::{AfterAccept, after_accept_error};
pub use offload::Pool;
pub use run::{Contestant, run};
pub use service::{Service, Step};
pub use stop::{drain, stopping};
pub use work::{Digest, Work};
pub use workers::{end_on_panic, run_workers};
