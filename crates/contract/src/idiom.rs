//! The scheduling idioms that every text on concurrency shows, over sleeps of known length.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::args::Choice;

/// Period of the task that [`Idiom::Timer`] runs beside the sleeps.
pub const TIMER_PERIOD: Duration = Duration::from_millis(10);

/// A way to arrange sleeps in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idiom {
    /// One unit of concurrency sleeps them all, one after the other.
    Sequential,
    /// A unit for each; wait until all have ended.
    Parallel,
    /// A unit for each, each started by the end of the one before.
    Chained,
    /// As parallel, beside a periodic task that ticks every [`TIMER_PERIOD`] until the last sleep ends.
    Timer,
}

impl Choice for Idiom {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Self::Sequential, "sequential"),
        (Self::Parallel, "parallel"),
        (Self::Chained, "chained"),
        (Self::Timer, "timer"),
    ];
}

/// What happened, and when.
#[derive(Debug, Default)]
pub struct IdiomOutcome {
    /// Index and end of each sleep, in the order of their ends.
    pub finished: Vec<(usize, Instant)>,
    /// When the periodic task ticked.
    pub ticks: Vec<Instant>,
}

impl IdiomOutcome {
    /// One JSON line; times are microseconds since `start`.
    #[must_use]
    pub(crate) fn to_json(&self, idiom: Idiom, sleeps_ms: &[u64], start: Instant) -> Value {
        let since = |at: &Instant| micros(at.saturating_duration_since(start));
        let finished: Vec<Value> = self
            .finished
            .iter()
            .map(|(index, at)| json!({ "sleep": index, "at_us": since(at) }))
            .collect();
        let mut line = json!({
            "idiom": idiom.word(),
            "sleeps_ms": sleeps_ms,
            "wall_us": self.finished.iter().map(|(_, at)| since(at)).max(),
            "finished": finished,
        });
        if idiom == Idiom::Timer {
            line["period_us"] = micros(TIMER_PERIOD).into();
            line["ticks_at_us"] = self.ticks.iter().map(since).collect();
        }
        line
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
