//! `--json`: one run as an object, what was asked and what was seen.

use load::{Load, Outcome, Pace, SlowKind, Target};
use serde::Serialize;

use crate::output::Missed;

/// What was asked, then the outcome.
#[derive(Serialize)]
pub(crate) struct Record<'a> {
    url: &'a str,
    /// Those that were asked for in turn with the URL's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    paths: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    pace: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<usize>,
    /// What the slow clients do.
    #[serde(skip_serializing_if = "Option::is_none")]
    slow_kind: Option<SlowKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    slow_bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    slow_every_s: Option<f64>,
    seed: u64,
    requests_per_s: f64,
    /// Thresholds that were missed.
    missed: &'a [Missed],
    #[serde(flatten)]
    outcome: &'a Outcome,
}

impl<'a> Record<'a> {
    pub(crate) fn new(
        url: &'a str,
        load: &'a Load,
        outcome: &'a Outcome,
        missed: &'a [Missed],
    ) -> Self {
        let (pace, rate) = match load.pace {
            Pace::Closed => ("closed", None),
            Pace::Rate(rate) => ("rate", Some(rate)),
            Pace::Poisson(rate) => ("poisson", Some(rate)),
        };
        let is_echo = matches!(load.target, Target::Echo { .. });
        Self {
            url,
            paths: load.alternatives.iter().map(|other| other.path.as_str()).collect(),
            method: (!is_echo).then_some(load.request.method.as_str()),
            pace,
            rate,
            size: is_echo.then_some(load.size),
            slow_kind: load.slow.map(|slow| slow.kind),
            slow_bytes: load.slow.map(|slow| slow.bytes),
            slow_every_s: load.slow.map(|slow| slow.every.as_secs_f64()),
            seed: load.seed,
            requests_per_s: outcome.requests_per_s(),
            missed,
            outcome,
        }
    }
}
