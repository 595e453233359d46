//! The harness of c10k: from a plan to trials, from trials to records, from records to the page.
//!
//! ```text
//! plan --> order --> trial: contestant <-- load      --> record --> summary, page
//!                           observe, figures, checks
//! ```
//!
//! A contestant is a process of which nothing is assumed: it may never announce itself, hang, die, leave children.
//! Each of these is an outcome of its trial; none of them ends the run, and nothing of it stays behind.

pub mod background;
pub mod battery;
pub mod by_hand;
pub mod calibration;
pub mod checks;
pub mod claims;
pub mod compare;
pub mod contestant;
pub mod criterion;
pub mod doctor;
pub mod estimate;
pub mod exit;
pub mod expected;
pub mod export;
pub mod interop;
pub mod interrupt;
pub mod models;
pub mod order;
pub mod overrides;
pub mod pages;
pub mod plan;
pub mod progress;
pub mod registry;
pub mod run;
pub mod sources;
pub mod summary;
pub mod trial;
pub mod verify;
pub mod workspace;

mod attempts;
mod beside;
mod client;
mod client_trial;
mod faults;
mod figures;
mod group;
mod limited;
mod need;
mod observe;
mod origin;
mod probes;
mod settings;
mod stall;
mod stopped;
mod verdict;
mod watch;
