//! The figures of other clients of the same server: what they got while everybody else was measured.

use record::Trial;
use record::stats::float;
use record::trial::Beside;

use super::{JAIN, MAX, Metric, P50, P99, RATE, metric, ms};

/// The verdict where others ask beside: what everybody else feels, and what those others got.
pub(super) static DISTURBED: [&Metric; 12] = [
    &P50, &P99, &MAX, &JAIN, &RATE, &GOT, &GOT_P50, &GOT_P99, &SERVED, &CUT_OFF, &TRICKLING,
    &ERRORS,
];
/// What is drawn of it.
pub(super) static DISTURBED_CURVES: [&Metric; 2] = [&P99, &P50];
/// Those of the others alone.
pub(super) static BESIDE: [&Metric; 7] =
    [&GOT, &GOT_P50, &GOT_P99, &SERVED, &CUT_OFF, &TRICKLING, &ERRORS];

fn of(trial: &Trial) -> Option<&Beside> {
    trial.beside.as_ref()
}

static GOT: Metric = metric(
    "beside-rate",
    "Beside: rate",
    "requests/s",
    "right answers to the clients beside, by the time that they asked",
    |trial| {
        let seconds = of(trial)?.duration_s.filter(|&seconds| seconds > 0.0)?;
        Some(float(of(trial)?.requests?) / seconds)
    },
);
static GOT_P50: Metric = metric(
    "beside-p50",
    "Beside: p50",
    "ms",
    "half of their answers came within this time",
    |trial| Some(ms(of(trial)?.latency_ns?.p50)),
);
static GOT_P99: Metric = metric(
    "beside-p99",
    "Beside: p99",
    "ms",
    "99 of 100 of their answers came within this time",
    |trial| Some(ms(of(trial)?.latency_ns?.p99)),
);
static SERVED: Metric = metric(
    "beside-served",
    "Beside: served",
    "connections",
    "their connections with at least one right answer",
    |trial| of(trial)?.connections_served.map(float),
)
.exact();
static CUT_OFF: Metric = metric(
    "beside-cut-off",
    "Beside: cut off",
    "connections",
    "slow clients that the server ended without an answer",
    |trial| of(trial)?.cut_off.map(float),
)
.exact();
static TRICKLING: Metric = metric(
    "beside-trickling",
    "Beside: trickling",
    "connections",
    "slow clients that were in the middle of it at the end",
    |trial| of(trial)?.trickling.map(float),
)
.exact();
static ERRORS: Metric = metric(
    "beside-errors",
    "Beside: errors",
    "",
    "errors of the clients beside, all kinds",
    |trial| Some(float(of(trial)?.errors.values().sum())),
)
.exact();
