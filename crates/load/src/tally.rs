//! What one thread counts, and how the counts of all threads become one.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::error::ErrorKind;
use crate::interval::Slice;
use crate::outcome::InFlight;

/// Latencies are kept to three digits up to an hour; a longer one counts as an hour.
const LATENCY_NS_MAX: u64 = 3_600_000_000_000;

/// An empty histogram; every thread's has the same bounds, so that adding them loses nothing.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3)
        .expect("the bounds are in order and three digits are allowed")
}

/// What one thread counts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Tally {
    /// Over the whole run, by [`ErrorKind`].
    errors: [u64; ErrorKind::ALL.len()],
    pub(crate) errors_in_window: u64,
    /// Requests handed to the kernel, over the whole run.
    pub(crate) requests_sent: u64,
    /// Answers right or wrong, over the whole run.
    pub(crate) answers: u64,
    /// Verified answers in the window.
    pub(crate) requests: u64,
    pub(crate) body_bytes: u64,
    pub(crate) in_window_ns: u64,
    #[serde(with = "crate::pipe::histogram")]
    pub(crate) latency: Histogram<u64>,
    /// Open loops only: in a closed one it is the latency.
    #[serde(with = "crate::pipe::maybe_histogram")]
    pub(crate) service_time: Option<Histogram<u64>>,
    /// Open loops only.
    #[serde(with = "crate::pipe::maybe_histogram")]
    pub(crate) send_lateness: Option<Histogram<u64>>,
    /// Open loops only.
    #[serde(with = "crate::pipe::maybe_histogram")]
    pub(crate) late_while_free: Option<Histogram<u64>>,
    /// From the beginning of a handshake to its end, over the whole run.
    #[serde(with = "crate::pipe::histogram")]
    pub(crate) connect_time: Histogram<u64>,
    /// From the beginning of a handshake to the first answer, of connections that are greeted.
    #[serde(with = "crate::pipe::histogram")]
    pub(crate) greeting: Histogram<u64>,
    /// Handshakes begun, over the whole run.
    pub(crate) connects: u64,
    pub(crate) in_flight_start: InFlight,
    pub(crate) in_flight_end: InFlight,
    /// Open loops: due in the window, and not sent.
    pub(crate) unsent: u64,
    /// How long those that were unanswered at the end had waited.
    #[serde(with = "crate::pipe::histogram")]
    pub(crate) unanswered: Histogram<u64>,
    pub(crate) reopened: u64,
    pub(crate) dead: u64,
    /// The interval that is under way, if somebody wants them.
    #[serde(skip)]
    pub(crate) slice: Option<Slice>,
}

/// When a request was due, sent and answered, and what came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exchange {
    pub(crate) due_ns: u64,
    pub(crate) sent_ns: u64,
    pub(crate) answered_ns: u64,
    pub(crate) body_bytes: u64,
}

impl Tally {
    pub(crate) fn new(open_loop: bool) -> Self {
        Self {
            errors: [0; ErrorKind::ALL.len()],
            errors_in_window: 0,
            requests_sent: 0,
            answers: 0,
            requests: 0,
            body_bytes: 0,
            in_window_ns: 0,
            latency: histogram(),
            service_time: open_loop.then(histogram),
            send_lateness: open_loop.then(histogram),
            late_while_free: open_loop.then(histogram),
            connect_time: histogram(),
            greeting: histogram(),
            connects: 0,
            in_flight_start: InFlight::default(),
            in_flight_end: InFlight::default(),
            unsent: 0,
            unanswered: histogram(),
            reopened: 0,
            dead: 0,
            slice: None,
        }
    }

    /// Makes room for what an open loop has to tell; in a closed one there is none.
    pub(crate) fn expect_pace(&mut self, open_loop: bool) {
        self.service_time = open_loop.then(histogram);
        self.send_lateness = open_loop.then(histogram);
        self.late_while_free = open_loop.then(histogram);
    }

    pub(crate) fn error(&mut self, kind: ErrorKind, times: u64, in_window: bool) {
        let place = ErrorKind::ALL.iter().position(|other| *other == kind);
        self.errors[place.expect("`ALL` has every kind")] += times;
        if in_window {
            self.errors_in_window += times;
            if let Some(slice) = &mut self.slice {
                slice.errors += times;
            }
        }
    }

    pub(crate) fn errors_total(&self) -> u64 {
        self.errors.iter().sum()
    }

    /// A verified answer inside a window that opened at `window_ns`.
    pub(crate) fn verified(&mut self, exchange: Exchange, window_ns: u64) {
        let Exchange { due_ns, sent_ns, answered_ns, body_bytes } = exchange;
        self.requests += 1;
        self.body_bytes += body_bytes;
        self.in_window_ns += answered_ns - sent_ns.max(window_ns);
        self.latency.saturating_record(answered_ns - due_ns);
        if let Some(service_time) = &mut self.service_time {
            service_time.saturating_record(answered_ns - sent_ns);
        }
        if let Some(slice) = &mut self.slice {
            slice.requests += 1;
            slice.latency.saturating_record(answered_ns - due_ns);
            if let Some(service_time) = &mut slice.service_time {
                service_time.saturating_record(answered_ns - sent_ns);
            }
        }
    }

    /// Open loops: a request that was due at `due_ns` goes out at `sent_ns`, on a connection free since `free_ns`.
    pub(crate) fn sent_late(&mut self, due_ns: u64, free_ns: u64, sent_ns: u64) {
        let late_since = |since_ns: u64| sent_ns.saturating_sub(since_ns);
        if let Some(lateness) = &mut self.send_lateness {
            lateness.saturating_record(late_since(due_ns));
        }
        if let Some(lateness) = &mut self.late_while_free {
            lateness.saturating_record(late_since(due_ns.max(free_ns)));
        }
    }

    /// Adds what another thread counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        let sum = |into: &mut u64, from: u64| *into += from;
        self.errors.iter_mut().zip(other.errors).for_each(|(into, from)| sum(into, from));
        sum(&mut self.errors_in_window, other.errors_in_window);
        sum(&mut self.requests_sent, other.requests_sent);
        sum(&mut self.answers, other.answers);
        sum(&mut self.requests, other.requests);
        sum(&mut self.body_bytes, other.body_bytes);
        sum(&mut self.in_window_ns, other.in_window_ns);
        sum(&mut self.unsent, other.unsent);
        sum(&mut self.reopened, other.reopened);
        sum(&mut self.dead, other.dead);
        sum(&mut self.connects, other.connects);
        self.in_flight_start.merge(other.in_flight_start);
        self.in_flight_end.merge(other.in_flight_end);
        add(Some(&mut self.latency), Some(&other.latency));
        add(Some(&mut self.unanswered), Some(&other.unanswered));
        add(self.service_time.as_mut(), other.service_time.as_ref());
        add(self.send_lateness.as_mut(), other.send_lateness.as_ref());
        add(self.late_while_free.as_mut(), other.late_while_free.as_ref());
        add(Some(&mut self.connect_time), Some(&other.connect_time));
        add(Some(&mut self.greeting), Some(&other.greeting));
    }

    /// The errors that there were, by name.
    pub(crate) fn errors(&self) -> BTreeMap<ErrorKind, u64> {
        ErrorKind::ALL.into_iter().zip(self.errors).filter(|(_, count)| *count > 0).collect()
    }
}

fn add(into: Option<&mut Histogram<u64>>, from: Option<&Histogram<u64>>) {
    if let (Some(into), Some(from)) = (into, from) {
        into.add(from).expect("all histograms have the same bounds");
    }
}

impl InFlight {
    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.age_ns += other.age_ns;
        self.served_count += other.served_count;
        self.served_age_ns += other.served_age_ns;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn exchange(sent_ns: u64, latency_ns: u64) -> Exchange {
        Exchange { due_ns: sent_ns, sent_ns, answered_ns: sent_ns + latency_ns, body_bytes: 3 }
    }

    #[test]
    fn time_before_the_window_is_not_time_inside_it() {
        let mut tally = Tally::new(false);
        tally.verified(exchange(900, 300), 1_000);
        tally.verified(exchange(1_500, 300), 1_000);
        assert_eq!((tally.in_window_ns, tally.requests, tally.body_bytes), (500, 2, 6));
        assert_eq!(tally.latency.max(), 300);
    }

    #[test]
    fn an_open_loop_keeps_both_origins() {
        let mut tally = Tally::new(true);
        tally.verified(
            Exchange { due_ns: 100, sent_ns: 1_100, answered_ns: 1_400, body_bytes: 0 },
            0,
        );
        assert_eq!(tally.latency.max(), 1_300);
        assert_eq!(tally.service_time.unwrap().max(), 300);
    }

    #[test]
    fn errors_are_counted_by_name_and_absent_ones_are_not_listed() {
        let mut tally = Tally::new(false);
        tally.error(ErrorKind::Short, 2, true);
        tally.error(ErrorKind::Other, 1, false);
        assert_eq!(tally.errors(), BTreeMap::from([(ErrorKind::Short, 2), (ErrorKind::Other, 1)]));
        assert_eq!((tally.errors_total(), tally.errors_in_window), (3, 2));
    }

    proptest! {
           #[test]
           fn merging_threads_equals_counting_together(
               latencies_ns in proptest::collection::vec((0_u64..4, 0_u64..5_000_000_000_000), 0..200),
           ) {
               let mut together = Tally::new(true);
               let mut threads = [Tally::new(true), Tally::new(true), Tally::new(true), Tally::new(true)];
               for (thread, latency_ns) in latencies_ns {
                   for tally in [&mut together, &mut threads[usize::try_from(thread).unwrap()]] {
                       tally.verified(exchange(10, latency_ns), 0);
                       tally.error(ErrorKind::ALL[usize::try_from(latency_ns % 15).unwrap()], 1, latency_ns % 2 == 0);
                   }
               }
               let mut merged = Tally::new(true);
               for tally in &threads {
    merged.merge(tally);
    }
               prop_assert_eq!(&merged.latency, &together.latency);
               prop_assert_eq!(&merged.service_time, &together.service_time);
               prop_assert_eq!(merged.errors(), together.errors());
               prop_assert_eq!(merged.errors_in_window, together.errors_in_window);
               prop_assert_eq!((merged.requests, merged.in_window_ns), (together.requests, together.in_window_ns));
           }
       }
}
