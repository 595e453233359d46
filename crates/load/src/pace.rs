//! When the next request is due.

use crate::number::{count, float, whole};
use crate::options::Pace;
use crate::random::Random;

/// The due times of one thread: its share of an open loop, or nothing when the loop is closed.
///
/// Due times are a rule and not a list, so requests that wait for a free connection queue without memory: the queue is
/// every due time from `next_ns` to now.
#[derive(Debug)]
pub(crate) struct Schedule {
    pace: Pace,
    /// Mean time between two requests of this thread, ns.
    interval_ns: f64,
    /// Threads take turns, so that their constant rates do not beat together.
    phase: f64,
    random: Random,
    start_ns: u64,
    /// Time of the next request since `start_ns`, ns; a float, so that intervals add up without drift.
    elapsed_ns: f64,
    /// When the next request is due; never in a closed loop, where a free connection is what makes it due.
    pub(crate) next_ns: u64,
    index: u64,
}

impl Schedule {
    /// The share of thread `thread` of `threads`.
    pub(crate) fn new(pace: Pace, thread: usize, threads: usize, seed: u64) -> Self {
        let share = float(count(threads));
        let interval_ns = match pace {
            Pace::Closed => f64::INFINITY,
            Pace::Rate(per_s) | Pace::Poisson(per_s) => 1e9 * share / per_s,
        };
        let phase = float(count(thread)) / share;
        let random = Random::new(crate::random::mix(seed ^ 0x5C4E_D01E ^ count(thread)));
        Self {
            pace,
            interval_ns,
            phase,
            random,
            start_ns: 0,
            elapsed_ns: 0.0,
            next_ns: u64::MAX,
            index: 0,
        }
    }

    /// Begins anew at `now_ns`: what was due in a pause is not made up for.
    pub(crate) fn restart(&mut self, now_ns: u64) {
        self.start_ns = now_ns;
        self.index = 0;
        self.elapsed_ns = 0.0;
        self.advance();
    }

    /// The request that was due is on its way.
    pub(crate) fn advance(&mut self) {
        match self.pace {
            Pace::Closed => return,
            Pace::Rate(_) => self.elapsed_ns = (float(self.index) + self.phase) * self.interval_ns,
            Pace::Poisson(_) => {
                self.elapsed_ns -= (1.0 - self.random.unit()).ln() * self.interval_ns;
            }
        }
        self.index += 1;
        self.next_ns = self.start_ns.saturating_add(whole(self.elapsed_ns));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due_times(schedule: &mut Schedule, requests: usize) -> Vec<u64> {
        let mut next = || {
            let due_ns = schedule.next_ns;
            schedule.advance();
            due_ns
        };
        (0..requests).map(|_| next()).collect()
    }

    #[test]
    fn a_closed_loop_has_no_schedule() {
        let mut schedule = Schedule::new(Pace::Closed, 0, 1, 1);
        schedule.restart(5);
        assert_eq!(schedule.next_ns, u64::MAX);
    }

    #[test]
    fn a_constant_rate_neither_drifts_nor_bunches() {
        let mut schedule = Schedule::new(Pace::Rate(30_000.0), 0, 1, 1);
        schedule.restart(1_000);
        let due = due_times(&mut schedule, 300_001);
        assert_eq!(due[0], 1_000);
        assert_eq!(due[300_000] - due[0], 10_000_000_000);
        assert!(due.windows(2).all(|pair| (33_333..=33_334).contains(&(pair[1] - pair[0]))));
    }

    #[test]
    fn threads_share_a_rate_in_turns() {
        let mut all: Vec<u64> = (0..4)
            .flat_map(|thread| {
                let mut schedule = Schedule::new(Pace::Rate(1_000.0), thread, 4, 1);
                schedule.restart(0);
                due_times(&mut schedule, 250)
            })
            .collect();
        all.sort_unstable();
        assert_eq!(all, (0..1_000).map(|request| request * 1_000_000).collect::<Vec<_>>());
    }

    #[test]
    fn poisson_arrivals_have_exponential_gaps() {
        let mut schedule = Schedule::new(Pace::Poisson(1_000.0), 0, 1, 42);
        schedule.restart(0);
        let due = due_times(&mut schedule, 10_001);
        let mut gaps: Vec<f64> =
            due.windows(2).map(|pair| float(pair[1] - pair[0]) / 1e6).collect();
        gaps.sort_unstable_by(f64::total_cmp);
        // Kolmogorov and Smirnov: the distance to the exponential distribution, 1.63 / sqrt(n) at the 1 % level.
        let distance = gaps.iter().enumerate().map(|(rank, gap)| {
            let expected = 1.0 - (-gap).exp();
            (expected - float(count(rank)) / 1e4)
                .abs()
                .max((expected - float(count(rank + 1)) / 1e4).abs())
        });
        let distance = distance.fold(0.0, f64::max);
        assert!(distance < 0.0163, "distance {distance}");
    }

    #[test]
    fn a_restart_forgets_what_was_due() {
        let mut schedule = Schedule::new(Pace::Rate(1_000.0), 0, 1, 1);
        schedule.restart(0);
        due_times(&mut schedule, 10);
        schedule.restart(7_000_000_000);
        assert_eq!(due_times(&mut schedule, 2), [7_000_000_000, 7_001_000_000]);
    }
}
