//! Statistics of a run, small and tested: what a cell says, how sure that is, and who was served.
//!
//! Percentiles are never averaged: a cell's p99 is the median of its trials' p99s, and merged histograms serve curves only.

mod discovery;
mod fairness;
mod histogram;
mod median;
mod ranks;
mod ratio;
mod regression;
mod student;
mod trimmed;

pub use discovery::benjamini_hochberg;
pub use fairness::jain;
pub use histogram::{decode, encode, merge, summary};
pub use median::{Spread, WANTED_COVERAGE, median, order_statistics, spread};
pub use ratio::{FEWEST_PAIRS, Ratio, independent, ratio, smallest_visible};
pub(crate) use ratio::{ratio_of_slopes, trimmed_of_pairs};
pub use regression::{Line, line};

/// A count as a float, for ratios.
#[must_use]
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "counts beyond 2^53 lose their last digits, which no ratio shows"
)]
pub fn float(count: u64) -> f64 {
    count as f64
}
