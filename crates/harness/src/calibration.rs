//! How much work a nanosecond is here: measured once a run, so that `/compute/1ms` and a burn mean time on any machine.

use std::io;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use contract::Work;
use measure::{cpus, probe};

/// What the server's CPU does when a run begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibration {
    /// Iterations of [`Work`] in a millisecond.
    pub iterations_per_ms: f64,
    /// A round trip of the probe, which each trial is held against; absent where it could not be had.
    pub probe_ns: Option<f64>,
}

/// An iteration takes about a nanosecond anywhere, which is enough to check a plan.
impl Default for Calibration {
    fn default() -> Self {
        Self { iterations_per_ms: 1e6, probe_ns: None }
    }
}

/// One sample: long enough that starting and stopping the clock are nothing.
const SAMPLE_ITERATIONS: u64 = 5_000_000;

/// The fastest of so many: whatever disturbs a sample makes it slower, never faster.
const SAMPLES: u32 = 9;

impl Calibration {
    /// Measures on one of the server's CPUs; takes some 50 ms.
    ///
    /// # Errors
    /// When the calling thread cannot be moved there and back.
    ///
    /// # Panics
    /// When the sampling thread panicked, which would be a fault of the calibration.
    pub fn measure(server_cpus: &[usize]) -> anyhow::Result<Self> {
        let fastest = std::thread::scope(|scope| {
            let samples = scope.spawn(|| {
                cpus::pin_current_thread(server_cpus)?;
                io::Result::Ok((0..SAMPLES).map(|_| sample()).min().unwrap_or_default())
            });
            samples.join().expect("sampling computes and reads the clock")
        });
        let fastest = fastest.context("failed to calibrate on the server's CPU")?;
        let ms = (fastest.as_secs_f64() * 1e3).max(f64::MIN_POSITIVE);
        Ok(Self {
            iterations_per_ms: record::stats::float(SAMPLE_ITERATIONS) / ms,
            probe_ns: quickest_probe(server_cpus),
        })
    }

    /// How much longer the probe takes now than when this was measured; absent where it could not be had.
    #[must_use]
    pub fn drift(&self, server_cpus: &[usize]) -> Option<f64> {
        Some(quickest_probe(server_cpus)? / self.probe_ns?)
    }

    /// Iterations that take that long.
    #[must_use]
    #[expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a positive number of iterations; a cast saturates"
    )]
    pub fn iterations(&self, time: Duration) -> u64 {
        (time.as_secs_f64() * 1e3 * self.iterations_per_ms).round() as u64
    }
}

/// The quickest of several, for the same reason.
fn quickest_probe(server_cpus: &[usize]) -> Option<f64> {
    let probes = (0..SAMPLES).filter_map(|_| probe::round_trip_ns(server_cpus).ok());
    probes.min_by(f64::total_cmp)
}

fn sample() -> Duration {
    let start = Instant::now();
    let digest = Work::new(SAMPLE_ITERATIONS).run();
    let took = start.elapsed();
    std::hint::black_box(digest);
    took
}

/// The path with its time as iterations: `/compute/1ms` is `/compute/1100000` where a millisecond does that many.
/// Any other path stays as it is.
pub(crate) fn resolved(path: &str, calibration: Calibration) -> anyhow::Result<String> {
    let Some(amount) = path.strip_prefix("/compute/") else { return Ok(path.to_owned()) };
    if amount.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(path.to_owned());
    }
    let units = [("us", 1e-6), ("ms", 1e-3)];
    let time = units.into_iter().find_map(|(unit, seconds)| {
        let number: f64 = amount.strip_suffix(unit)?.parse().ok()?;
        Duration::try_from_secs_f64(number * seconds).ok()
    });
    let time = time.with_context(|| {
        format!("`{path}` computes nothing; write `/compute/50us`, `/compute/1ms` or a number of iterations")
    })?;
    Ok(format!("/compute/{}", calibration.iterations(time)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_become_iterations_and_other_paths_stay() {
        let calibration = Calibration { iterations_per_ms: 1_100_000.0, probe_ns: None };
        let resolved = |path| resolved(path, calibration);
        assert_eq!(resolved("/compute/1ms").unwrap(), "/compute/1100000");
        assert_eq!(resolved("/compute/50us").unwrap(), "/compute/55000");
        for path in ["/", "/bytes/10", "/compute/77", "/computer/1ms"] {
            assert_eq!(resolved(path).unwrap(), path);
        }
        for bad in ["/compute/1s", "/compute/ms", "/compute/-1ms", "/compute/NaNms"] {
            assert!(resolved(bad).unwrap_err().to_string().contains("write `/compute/50us`"));
        }
    }

    #[test]
    fn twice_the_work_was_calibrated_as_twice_the_iterations() {
        let calibration = Calibration::measure(&cpus::current_affinity().unwrap()).unwrap();
        let (one, two) = (Duration::from_micros(500), Duration::from_millis(1));
        assert!(calibration.iterations(one) > 0, "{calibration:?}");
        let (one, two) = (calibration.iterations(one), calibration.iterations(two));
        assert!(two.abs_diff(2 * one) <= 1, "{one} {two}");
    }
}
