//! The result format of c10k: types, schema, reader, writer and statistics. No I/O but files.

pub mod trial;

pub use trial::{SCHEMA, Key, Outcome, Trial};
