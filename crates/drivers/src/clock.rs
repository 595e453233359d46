//! What a case took, and whether that is what its overlap says.

use std::num::NonZero;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use record::DriverCase;

/// How long each query waits in the server.
pub(crate) const QUERY: Duration = Duration::from_millis(100);

const MS_PER_S: f64 = 1e3;
const US_PER_MS: f64 = 1e3;

/// Wall and CPU time of this process from here on.
pub(crate) struct Clock {
    start: Instant,
    cpu_us: i64,
}

impl Clock {
    pub(crate) fn start() -> anyhow::Result<Self> {
        Ok(Self { cpu_us: cpu_us()?, start: Instant::now() })
    }

    /// The case as it went. It expects so many queries one after the other.
    pub(crate) fn stop(self, rounds: u32, errors: u64) -> anyhow::Result<DriverCase> {
        let wall = self.start.elapsed();
        let cpu_us = u32::try_from(cpu_us()? - self.cpu_us)?;
        Ok(DriverCase {
            wall_ms: wall.as_secs_f64() * MS_PER_S,
            expected_ms: (QUERY * rounds).as_secs_f64() * MS_PER_S,
            cpu_ms: f64::from(cpu_us) / US_PER_MS,
            errors,
            ok: errors == 0 && holds(wall, rounds),
            ..DriverCase::default()
        })
    }
}

/// Whether so many queries one after the other, and no more, went into that time.
fn holds(wall: Duration, rounds: u32) -> bool {
    wall >= QUERY * rounds && wall < QUERY * (rounds + 1)
}

/// How many queries the busiest of the connections runs, one after the other.
pub(crate) fn rounds(queries: NonZero<u32>, connections: NonZero<u32>) -> u32 {
    queries.get().div_ceil(connections.get())
}

fn cpu_us() -> anyhow::Result<i64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    Ok((usage.user_time() + usage.system_time()).num_microseconds())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_connection_sets_the_time() {
        let rounds = |queries, connections| {
            rounds(NonZero::new(queries).unwrap(), NonZero::new(connections).unwrap())
        };
        assert_eq!([rounds(16, 1), rounds(16, 4), rounds(16, 16), rounds(16, 64)], [16, 4, 1, 1]);
        assert_eq!(rounds(10, 4), 3, "two connections run three queries, two run two");
    }

    #[test]
    fn a_time_tells_how_many_queries_followed_each_other() {
        let ms = Duration::from_millis;
        assert!(holds(ms(100), 1) && holds(ms(199), 1));
        assert!(!holds(ms(99), 1), "no query is faster than itself");
        assert!(!holds(ms(200), 1), "that is time for two");
        assert!(holds(ms(403), 4) && !holds(ms(403), 1), "the control that must fail");
    }
}
