//! Proof of work: every unit that a bench creates, switches to or wakes leaves an effect, and the effects are counted.
//!
//! A compiler that sees through a bench removes what it measures; a runtime may drop what nobody waits for. Then the
//! count is short, and the bench fails instead of reporting a splendid time.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// What a unit leaves behind: 1, of which the compiler knows nothing.
#[inline]
#[must_use]
pub fn effect() -> u64 {
    black_box(1)
}

/// Times `iterations` of a batch that returns the effects of its `units`.
///
/// # Panics
/// When effects are missing, or too many.
pub fn timed(iterations: u64, units: u64, mut batch: impl FnMut() -> u64) -> Duration {
    let start = Instant::now();
    let mut effects = 0;
    for _ in 0..iterations {
        effects += batch();
    }
    checked(start.elapsed(), effects, iterations * units)
}

/// The time, if what was done in it is all that was to be done.
///
/// # Panics
/// When effects are missing, or too many.
#[must_use]
pub fn checked(took: Duration, effects: u64, expected: u64) -> Duration {
    assert_eq!(effects, expected, "effects of the units: what was not done took no time");
    took
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    #[test]
    fn a_batch_that_does_all_its_work_is_timed() {
        let mut batches = 0;
        let took = timed(3, 2, || {
            batches += 1;
            effect() + effect()
        });
        assert_eq!(batches, 3);
        assert!(took > Duration::ZERO);
    }

    #[test]
    fn a_batch_whose_work_was_removed_fails() {
        assert!(catch_unwind(|| timed(3, 2, || 0)).is_err());
        assert!(catch_unwind(|| timed(3, 2, effect)).is_err());
        assert!(catch_unwind(|| checked(Duration::ZERO, 7, 6)).is_err());
    }
}
