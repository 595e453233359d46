//! Conversions between counts, indices and floats, named once instead of cast everywhere.

use std::time::Duration;

/// A count as a float, for rates and ratios: exact up to 2^53.
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "a ratio needs no more than 53 bits"
)]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

/// A float that is a number of nanoseconds, cut to whole ones; negative ones are 0, huge ones the greatest.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, which is what is wanted"
)]
pub(crate) fn whole(value: f64) -> u64 {
    value as u64
}

/// A length or an index as a count.
pub(crate) fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// A count as an index; what does not fit is past the end of everything.
pub(crate) fn index(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// A duration in nanoseconds; more than 584 years is the greatest.
pub(crate) fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
