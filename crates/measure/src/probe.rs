//! How fast a CPU is right now at what servers do: a neighbour on the same core, a lower frequency or a crowded cache
//! slow it down, and no counter of the kernel says so.
//!
//! The probe sends a few bytes to and fro through a socket pair: short system calls through the kernel's sockets, as a
//! request is, but of the harness's own, so that nothing of it depends on a contestant.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::cpus;

/// Round trips of one sample: about half a millisecond, less than a slice of the scheduler.
const ROUND_TRIPS: u32 = 300;

/// The median of so many samples: one that was interrupted does not count.
const SAMPLES: usize = 7;

/// Nanoseconds of a round trip on one of these CPUs; takes some 4 ms, on a thread of its own.
///
/// # Errors
/// When the thread cannot be moved to that CPU, or there is no socket pair to be had.
///
/// # Panics
/// When the sampling thread panicked, which would be a fault of this function.
pub fn round_trip_ns(cpus: &[usize]) -> io::Result<f64> {
    std::thread::scope(|scope| {
        scope.spawn(|| on_this_thread(cpus)).join().expect("sampling reads and writes a few bytes")
    })
}

fn on_this_thread(cpus: &[usize]) -> io::Result<f64> {
    cpus::pin_current_thread(&cpus[..cpus.len().min(1)])?;
    let (mut one, mut other) = UnixStream::pair()?;
    let mut samples = [Duration::ZERO; SAMPLES];
    for sample in &mut samples {
        let start = Instant::now();
        for _ in 0..ROUND_TRIPS {
            there_and_back(&mut one, &mut other)?;
        }
        *sample = start.elapsed();
    }
    samples.sort_unstable();
    Ok(samples[SAMPLES / 2].as_secs_f64() * 1e9 / f64::from(ROUND_TRIPS))
}

fn there_and_back(one: &mut UnixStream, other: &mut UnixStream) -> io::Result<()> {
    let mut bytes = [7; 64];
    one.write_all(&bytes)?;
    other.read_exact(&mut bytes)?;
    other.write_all(&bytes)?;
    one.read_exact(&mut bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_trip_takes_some_time_and_leaves_the_caller_where_it_was() {
        let before = cpus::current_affinity().unwrap();
        assert!(round_trip_ns(&before).unwrap() > 0.0);
        assert_eq!(cpus::current_affinity().unwrap(), before);
    }

    #[test]
    fn a_cpu_that_is_not_ours_is_an_error() {
        assert!(round_trip_ns(&[100_000]).is_err());
    }
}
