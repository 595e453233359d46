//! What the benches share: the floor, and live servers that no bench leaves behind.
//!
//! The benches themselves are the flat files beside this folder, one question each.

pub mod floor;
pub mod live;
