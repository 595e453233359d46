//! Connections at rest: between an answer and the next request, or after a failure.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::engine::Engine;
use crate::life::Think;
use crate::number::{float, ns, whole};
use crate::protocol::Protocol;
use crate::random::Random;

/// Who rests, and until when; the first to wake is on top.
#[derive(Debug)]
pub(crate) struct Rests {
    heap: BinaryHeap<Reverse<(u64, usize)>>,
    random: Random,
}

impl Rests {
    pub(crate) fn new(seed: u64) -> Self {
        Self { heap: BinaryHeap::new(), random: Random::new(seed) }
    }

    /// When the next one wakes; never when nobody rests.
    pub(crate) fn next_ns(&self) -> u64 {
        self.heap.peek().map_or(u64::MAX, |Reverse((at_ns, _))| *at_ns)
    }

    pub(crate) fn clear(&mut self) {
        self.heap.clear();
    }

    fn take_due(&mut self, now: u64) -> Option<usize> {
        if self.next_ns() > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, connection))| connection)
    }

    /// How long to rest after an answer, or before the first request.
    fn length_ns(&mut self, think: Think, is_first: bool) -> u64 {
        match think {
            Think::Constant(time) if is_first => whole(float(ns(time)) * self.random.unit()),
            Think::Constant(time) => ns(time),
            // What is left of such a rest is distributed as the whole.
            Think::Exponential(mean) => whole(-(1.0 - self.random.unit()).ln() * float(ns(mean))),
        }
    }
}

impl<P: Protocol> Engine<'_, P> {
    /// Lets a connection think before each of its next `room` requests; `false` when it is not to.
    pub(crate) fn think(&mut self, connection: usize, room: u64, now: u64, is_first: bool) -> bool {
        let Some(think) = self.plan.think else { return false };
        for _ in 0..room {
            let rest_ns = self.rests.length_ns(think, is_first);
            self.wake_later(connection, now.saturating_add(rest_ns));
        }
        true
    }

    pub(crate) fn wake_later(&mut self, connection: usize, at_ns: u64) {
        self.rests.heap.push(Reverse((at_ns, connection)));
    }

    /// Asks on the connections whose rest is over. One that broke meanwhile is passed over.
    pub(crate) fn wake_up(&mut self, now: u64) {
        while let Some(connection) = self.rests.take_due(now) {
            self.on_ready(connection, 1, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn whoever_is_due_first_wakes_first_and_nobody_early() {
        let mut rests = Rests::new(1);
        assert_eq!(rests.next_ns(), u64::MAX);
        for (at_ns, connection) in [(30, 3), (10, 1), (20, 2)] {
            rests.heap.push(Reverse((at_ns, connection)));
        }
        assert_eq!((rests.take_due(9), rests.next_ns()), (None, 10));
        assert_eq!(
            [rests.take_due(25), rests.take_due(25), rests.take_due(25)],
            [Some(1), Some(2), None]
        );
    }

    #[test]
    fn a_constant_rest_begins_anywhere_and_an_exponential_one_has_its_mean() {
        let mut rests = Rests::new(1);
        let constant = Think::Constant(Duration::from_millis(10));
        assert_eq!(rests.length_ns(constant, false), 10_000_000);
        let first: Vec<u64> = (0..1_000).map(|_| rests.length_ns(constant, true)).collect();
        assert!(first.iter().all(|rest_ns| *rest_ns < 10_000_000));
        assert!(first.iter().filter(|rest_ns| **rest_ns < 5_000_000).count() > 400);
        let random = Think::Exponential(Duration::from_millis(10));
        let sum: u64 = (0..100_000).map(|_| rests.length_ns(random, false)).sum();
        assert!((9_900_000..10_100_000).contains(&(sum / 100_000)), "{sum}");
    }
}
