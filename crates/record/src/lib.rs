//! The result format of c10k: types, schema, reader, writer and statistics. No I/O but files.

pub mod bench;
pub mod claims;
pub mod compare;
pub mod conformance;
pub mod drivers;
pub mod machine;
pub mod run;
mod schema;
pub mod stats;
pub mod trial;
pub mod wall;

pub use bench::Benches;
pub use claims::Verdicts;
pub use conformance::{CaseRecord, Conformance, Conforms, Finding, ModelConformance};
pub use drivers::{DriverCase, Drivers};
pub use machine::{ContestantRecord, LimitRecord, Machine};
pub use run::{Cell, Run, RunWriter};
pub use schema::schema;
pub use trial::{Flag, Key, Latency, Outcome, SCHEMA, SetBy, Trial};
pub use wall::{Wall, walls};
