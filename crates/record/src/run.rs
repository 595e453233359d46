//! A run on disk: one folder with `machine.json`, `plan.toml`, `conformance.json` and `trials.jsonl`, and `finished` when all of the plan is done.
//!
//! A line is appended and synced as its trial ends, so that a run which is killed loses at most the trial in flight.

mod cell;
pub(crate) mod line;
mod name;
mod reader;
mod writer;

pub use cell::Cell;
pub use name::{Timestamp, newest_unfinished, run_name, utc};
pub use reader::Run;
pub(crate) use reader::because;
pub use writer::RunWriter;
pub(crate) use writer::replace;

/// Provenance: one [`crate::Machine`].
pub const MACHINE: &str = "machine.json";
/// What was asked, as the harness expanded it.
pub const PLAN: &str = "plan.toml";
/// One [`crate::Trial`] a line, in the order of their end.
pub const TRIALS: &str = "trials.jsonl";
/// What the battery found before anything was measured: one [`crate::Conformance`]; absent where it was left out.
pub const CONFORMANCE: &str = "conformance.json";
/// There when the whole plan was done: when, in UTC.
pub const FINISHED: &str = "finished";
