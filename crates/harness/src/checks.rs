//! The accounts of a closed-loop trial: figures that must agree if nothing was lost, invented or counted twice.

use std::time::Duration;

use load::{ErrorKind, Outcome};
use record::stats::float;
use record::trial::{Check, Checks};

/// Little's law holds of long windows; the edges of a short one cost some per cent.
const LITTLE_TOLERANCE: f64 = 0.1;
const RATE_TOLERANCE: f64 = 0.001;

/// Errors that mean that an answer was wrong, and not that it was late or lost.
const WRONG: [ErrorKind; 7] = [
    ErrorKind::Short,
    ErrorKind::Extra,
    ErrorKind::Mismatch,
    ErrorKind::Order,
    ErrorKind::Status,
    ErrorKind::Header,
    ErrorKind::Malformed,
];

/// What the accounts are made from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entries {
    /// Length of the window.
    pub duration: Duration,
    /// Verified answers, counted one by one.
    pub requests: u64,
    /// Answers in the histogram.
    pub recorded: u64,
    /// Time that requests of served connections were in flight inside the window, summed; those in flight at its end included.
    pub in_flight_ns: u64,
    /// Connections with an answer.
    pub served: u64,
    /// Requests in flight on one connection.
    pub pipeline: u64,
    /// p50, p90, p99, p999 and the maximum.
    pub percentiles_ns: [u64; 5],
    /// Body bytes received.
    pub body_bytes: u64,
    /// Body bytes of one right answer, where they are known.
    pub body_bytes_each: Option<u64>,
}

impl Entries {
    /// The entries of a load's outcome.
    #[must_use]
    pub fn of(outcome: &Outcome, pipeline: u64, body_bytes_each: Option<u64>) -> Self {
        let at = |quantile| outcome.latency.value_at_quantile(quantile);
        Self {
            duration: outcome.duration,
            requests: outcome.requests,
            recorded: outcome.latency.len(),
            in_flight_ns: outcome.in_window_ns.saturating_add(outcome.in_flight_end.served_age_ns),
            served: u64::try_from(outcome.served).unwrap_or(u64::MAX),
            pipeline,
            percentiles_ns: [at(0.5), at(0.9), at(0.99), at(0.999), outcome.latency.max()],
            body_bytes: outcome.body_bytes,
            body_bytes_each,
        }
    }

    /// The accounts; none of a trial without an answer.
    #[must_use]
    pub fn accounts(&self) -> Checks {
        if self.requests == 0 {
            return Checks::default();
        }
        Checks {
            little: self.little(),
            rate: within(float(self.requests) / float(self.recorded), RATE_TOLERANCE),
            order_of_percentiles: Some(self.order_of_percentiles()),
            bytes: self.body_bytes_each.map(|each| self.bytes(each)),
        }
    }

    /// The mean number of requests in flight on the connections that were served, from the latencies; each of these
    /// had `pipeline` in flight all the time.
    fn little(&self) -> Option<Check> {
        let found = float(self.in_flight_ns) / (self.duration.as_secs_f64() * 1e9);
        within(found / (float(self.served) * float(self.pipeline)), LITTLE_TOLERANCE)
    }

    fn order_of_percentiles(&self) -> Check {
        let in_order = self.percentiles_ns.is_sorted();
        Check { ratio: if in_order { 1.0 } else { 0.0 }, passed: in_order }
    }

    fn bytes(&self, each: u64) -> Check {
        let due = self.requests.saturating_mul(each);
        // An empty body, received as such, is as it should be.
        let ratio = if due == self.body_bytes { 1.0 } else { float(self.body_bytes) / float(due) };
        Check { ratio, passed: due == self.body_bytes }
    }
}

/// A ratio that is none (a division by nothing) is no account that closes.
fn within(ratio: f64, tolerance: f64) -> Option<Check> {
    let finite = ratio.is_finite();
    Some(Check {
        ratio: if finite { ratio } else { 0.0 },
        passed: finite && (ratio - 1.0).abs() <= tolerance,
    })
}

/// What does not add up, in plain words; empty when all accounts close.
#[must_use]
pub fn complaints(checks: &Checks) -> Vec<String> {
    let accounts = [
        ("Little's law: requests in flight", checks.little),
        ("requests counted against those recorded", checks.rate),
        ("the order of percentiles", checks.order_of_percentiles),
        ("body bytes", checks.bytes),
    ];
    let broken = |(name, check): (&str, Option<Check>)| {
        let check = check.filter(|check| !check.passed)?;
        Some(format!("{name}: {:.3} of what was due", check.ratio))
    };
    accounts.into_iter().filter_map(broken).collect()
}

/// Answers that were wrong, in plain words; empty when all were right.
#[must_use]
pub fn wrong_answers(outcome: &Outcome) -> Vec<String> {
    let count = |kind: ErrorKind| {
        outcome.errors.get(&kind).map(|count| format!("{count} answers were wrong ({kind})"))
    };
    WRONG.into_iter().filter_map(count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 100 connections, each answered 1000 times within a second, a request of a millisecond always in flight.
    const GOOD: Entries = Entries {
        duration: Duration::from_secs(1),
        requests: 100_000,
        recorded: 100_000,
        in_flight_ns: 100_000_000_000,
        served: 100,
        pipeline: 1,
        percentiles_ns: [900_000, 1_000_000, 1_200_000, 1_200_000, 9_000_000],
        body_bytes: 6_400_000,
        body_bytes_each: Some(64),
    };

    #[test]
    fn accounts_of_a_sound_trial_close() {
        let checks = GOOD.accounts();
        assert_eq!(complaints(&checks), Vec::<String>::new());
        assert!(checks.little.is_some() && checks.rate.is_some() && checks.bytes.is_some());
    }

    #[test]
    fn each_account_breaks_on_its_own() {
        let broken = [
            (Entries { in_flight_ns: GOOD.in_flight_ns * 8 / 10, ..GOOD }, "Little"),
            (Entries { in_flight_ns: GOOD.in_flight_ns * 12 / 10, ..GOOD }, "Little"),
            (Entries { pipeline: 2, ..GOOD }, "Little"),
            (Entries { recorded: GOOD.recorded - 500, ..GOOD }, "recorded"),
            (Entries { recorded: 0, ..GOOD }, "recorded"),
            (Entries { percentiles_ns: [5, 4, 6, 7, 8], ..GOOD }, "percentiles"),
            (Entries { body_bytes: GOOD.body_bytes - 1, ..GOOD }, "bytes"),
        ];
        for (entries, word) in broken {
            let complaints = complaints(&entries.accounts());
            assert_eq!(complaints.len(), 1, "{entries:?}: {complaints:?}");
            assert!(complaints[0].contains(word), "{complaints:?}");
        }
    }

    #[test]
    fn little_s_law_allows_a_tenth() {
        let entries = Entries { in_flight_ns: GOOD.in_flight_ns * 91 / 100, ..GOOD };
        assert!(complaints(&entries.accounts()).is_empty());
    }

    #[test]
    fn unknown_body_length_and_empty_trials_have_no_such_account() {
        assert_eq!(Entries { body_bytes_each: None, ..GOOD }.accounts().bytes, None);
        assert_eq!(Entries { requests: 0, ..GOOD }.accounts(), Checks::default());
    }

    #[test]
    fn empty_bodies_that_were_due_are_no_break() {
        let entries = Entries { body_bytes: 0, body_bytes_each: Some(0), ..GOOD };
        assert!(complaints(&entries.accounts()).is_empty());
    }
}
