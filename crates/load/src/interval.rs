//! The window cut into equal stretches, for those who watch it or write it down second by second.
//!
//! ```text
//! each thread: | slice | slice | slice |      the watching thread: the slices of one stretch --> Interval
//! ```

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::tally::histogram;

/// What happened in one stretch of the window, over all threads; see [`Load::interval`](crate::Load::interval).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Interval {
    /// Since the window opened.
    pub start: Duration,
    /// As asked; the last may be shorter.
    pub length: Duration,
    /// Verified answers.
    pub requests: u64,
    /// Errors of any kind.
    pub errors: u64,
    /// Requests sent and not answered when the interval ended.
    pub in_flight: u64,
    /// As [`Outcome::latency`](crate::Outcome::latency), of this interval alone.
    pub latency: Histogram<u64>,
    /// As [`Outcome::service_time`](crate::Outcome::service_time), of this interval alone.
    pub service_time: Histogram<u64>,
}

impl Interval {
    /// Verified answers a second.
    #[must_use]
    pub fn requests_per_s(&self) -> f64 {
        let seconds = self.length.as_secs_f64();
        if seconds > 0.0 { crate::number::float(self.requests) / seconds } else { 0.0 }
    }

    /// Adds what another process saw in the same stretch of its window.
    pub fn merge(&mut self, other: &Self) {
        self.length = self.length.max(other.length);
        self.requests += other.requests;
        self.errors += other.errors;
        self.in_flight += other.in_flight;
        add(&mut self.latency, &other.latency);
        add(&mut self.service_time, &other.service_time);
    }
}

fn add(into: &mut Histogram<u64>, from: &Histogram<u64>) {
    into.add(from).expect("all histograms have the same bounds");
}

/// One thread's part of an interval.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Slice {
    pub(crate) length_ns: u64,
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) in_flight: u64,
    #[serde(with = "crate::pipe::histogram")]
    pub(crate) latency: Histogram<u64>,
    /// Open loops only: in a closed one it is the latency.
    #[serde(with = "crate::pipe::maybe_histogram")]
    pub(crate) service_time: Option<Histogram<u64>>,
}

impl Slice {
    pub(crate) fn new(open_loop: bool) -> Self {
        Self {
            length_ns: 0,
            requests: 0,
            errors: 0,
            in_flight: 0,
            latency: histogram(),
            service_time: open_loop.then(histogram),
        }
    }
}

/// Where a thread puts its slices, once an interval, and the watching thread takes them.
#[derive(Debug, Default)]
pub(crate) struct Slices(Mutex<VecDeque<Slice>>);

impl Slices {
    pub(crate) fn put(&self, slice: Slice) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(slice);
    }

    fn take(&self) -> VecDeque<Slice> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Puts the slices of all threads together.
#[derive(Debug)]
pub(crate) struct Intervals {
    length: Duration,
    told: u32,
    /// For each thread, those that the others have not reached yet.
    waiting: Vec<VecDeque<Slice>>,
}

impl Intervals {
    pub(crate) fn new(length: Option<Duration>, threads: usize) -> Self {
        Self {
            length: length.unwrap_or_default(),
            told: 0,
            waiting: vec![VecDeque::new(); threads],
        }
    }

    /// The next interval that every thread has ended, or, at the end of the window, that any has.
    pub(crate) fn next<'a>(
        &mut self,
        slices: impl Iterator<Item = &'a Slices>,
        at_end: bool,
    ) -> Option<Interval> {
        for (waiting, slices) in self.waiting.iter_mut().zip(slices) {
            waiting.append(&mut slices.take());
        }
        let ended = self.waiting.iter().filter(|waiting| !waiting.is_empty()).count();
        if ended == 0 || (ended < self.waiting.len() && !at_end) {
            return None;
        }
        let slices = self.waiting.iter_mut().filter_map(VecDeque::pop_front);
        let start = self.length.saturating_mul(self.told);
        self.told += 1;
        slices.map(|slice| Interval::of(slice, start)).reduce(|mut all, one| {
            all.merge(&one);
            all
        })
    }
}

impl Interval {
    fn of(slice: Slice, start: Duration) -> Self {
        Self {
            start,
            length: Duration::from_nanos(slice.length_ns),
            requests: slice.requests,
            errors: slice.errors,
            in_flight: slice.in_flight,
            service_time: slice.service_time.unwrap_or_else(|| slice.latency.clone()),
            latency: slice.latency,
        }
    }
}

/// A process's part of an interval is what its threads saw together.
impl From<Interval> for Slice {
    fn from(interval: Interval) -> Self {
        Self {
            length_ns: crate::number::ns(interval.length),
            requests: interval.requests,
            errors: interval.errors,
            in_flight: interval.in_flight,
            latency: interval.latency,
            service_time: Some(interval.service_time),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(requests: u64, length_ns: u64) -> Slice {
        let mut slice = Slice { length_ns, requests, ..Slice::new(false) };
        slice.latency.record_n(1_000, requests).unwrap();
        slice
    }

    #[test]
    fn an_interval_is_told_when_every_thread_has_ended_it() {
        let threads = [Slices::default(), Slices::default()];
        let mut intervals = Intervals::new(Some(Duration::from_secs(1)), 2);
        threads[0].put(slice(3, 1_000_000_000));
        threads[0].put(slice(5, 1_000_000_000));
        assert!(intervals.next(threads.iter(), false).is_none());
        threads[1].put(slice(4, 1_000_000_000));
        let first = intervals.next(threads.iter(), false).unwrap();
        assert_eq!((first.start, first.requests, first.latency.len()), (Duration::ZERO, 7, 7));
        assert!(intervals.next(threads.iter(), false).is_none());
        // One thread's window ended earlier.
        let second = intervals.next(threads.iter(), true).unwrap();
        assert_eq!((second.start, second.requests), (Duration::from_secs(1), 5));
        assert!(intervals.next(threads.iter(), true).is_none());
    }

    #[test]
    fn the_last_interval_is_as_long_as_its_longest_slice() {
        let threads = [Slices::default(), Slices::default()];
        let mut intervals = Intervals::new(Some(Duration::from_secs(1)), 2);
        threads[0].put(slice(1, 200_000_000));
        threads[1].put(slice(1, 250_000_000));
        let last = intervals.next(threads.iter(), true).unwrap();
        assert_eq!(last.length, Duration::from_millis(250));
        assert!((last.requests_per_s() - 8.0).abs() < 1e-9);
    }
}
