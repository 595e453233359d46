//! Proof of work: every unit that a bench creates, switches to or wakes leaves an effect, and the effects are counted.
//!
//! A compiler that sees through a bench removes what it measures; a runtime may drop what nobody waits for. Then the
//! count is short, and the bench fails instead of reporting a splendid time.
//!
//! Whether it would fail is tried, too: see [`proven`].

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::live;

/// Effects that [`proven`] takes away, and how often that was noticed.
static LOST: AtomicU64 = AtomicU64::new(0);
static NOTICED: AtomicU64 = AtomicU64::new(0);

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
    let lost = LOST.load(Ordering::Relaxed);
    let effects = effects.wrapping_sub(lost);
    if lost > 0 && effects != expected {
        // Noted instead of thrown through a runtime, which would have to be there for the next try.
        NOTICED.fetch_add(1, Ordering::Relaxed);
        return took;
    }
    assert_eq!(effects, expected, "effects of the units: what was not done took no time");
    took
}

/// What criterion's `iter_custom` takes, and under `cargo test` its control: run once with an effect taken away, as if
/// one unit had done nothing, the routine has to notice.
///
/// # Panics
/// When it does not, as a routine would not that counts no effects.
pub fn proven(mut routine: impl FnMut(u64) -> Duration) -> impl FnMut(u64) -> Duration {
    move |iterations| {
        if live::smoke() {
            assert!(notices(&mut routine), "the bench would not notice that its work is gone");
        }
        routine(iterations)
    }
}

fn notices(routine: &mut impl FnMut(u64) -> Duration) -> bool {
    let before = NOTICED.load(Ordering::Relaxed);
    LOST.store(1, Ordering::Relaxed);
    // What it took is nobody's business.
    let _: Duration = routine(1);
    LOST.store(0, Ordering::Relaxed);
    NOTICED.load(Ordering::Relaxed) > before
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    /// In one test, since what is lost is lost for all threads.
    #[test]
    fn only_a_batch_that_does_all_its_work_is_timed() {
        let mut batches = 0;
        let took = timed(3, 2, || {
            batches += 1;
            effect() + effect()
        });
        assert_eq!(batches, 3);
        assert!(took > Duration::ZERO);
        assert!(catch_unwind(|| timed(3, 2, || 0)).is_err());
        assert!(catch_unwind(|| timed(3, 2, effect)).is_err());
        assert!(catch_unwind(|| checked(Duration::ZERO, 7, 6)).is_err());

        let all = |iterations| timed(iterations, 1, effect);
        assert!(proven(all)(3) > Duration::ZERO);
        let uncounted = |_| Duration::ZERO;
        assert!(catch_unwind(|| proven(uncounted)(3)).is_err());
        let none = |iterations| timed(iterations, 1, || 0);
        assert!(catch_unwind(|| proven(none)(3)).is_err(), "noticed without the control, too");
    }

    #[test]
    fn every_row_that_criterion_times_is_proven() {
        let mut timed = 0;
        for entry in std::fs::read_dir(env!("CARGO_MANIFEST_DIR")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let rows = text.matches("bencher.iter").count();
                let proven = text.matches("bencher.iter_custom(proven(").count();
                assert_eq!(rows, proven, "{}", path.display());
                timed += rows;
            }
        }
        assert_eq!(timed, 9, "`memory` times nothing");
    }
}
