//! What the machine says: who runs where, what it cost, what limits it, who else was busy.
//!
//! Everything comes from /proc, /sys and clocks; nothing here depends on a contestant's runtime.
//! A figure that cannot be had is absent, and the reason stands beside it.

mod cgroup;
mod root;
mod settings;

pub mod cpus;
pub mod kernel;
pub mod limits;
pub mod noise;
pub mod perf;
pub mod probe;
pub mod provenance;
pub mod tcp;
pub mod tree;
