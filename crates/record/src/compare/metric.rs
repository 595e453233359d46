//! The figures that are compared: which way is better, and what taints them.

use crate::Trial;
use crate::stats::float;

/// A figure of a trial that can be compared.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name on command lines and in JSON.
    pub id: &'static str,
    /// Its name for people.
    pub name: &'static str,
    /// Empty for plain numbers.
    pub unit: &'static str,
    /// Which way is better.
    pub better: Better,
    /// Says as much about the generator as about the server, unless the generator had headroom.
    pub needs_headroom: bool,
    /// Differences of less than this, in `unit`, are none: they have no consequence, however sure they are.
    pub grain: f64,
    /// The figure in `unit`.
    pub of: fn(&Trial) -> Option<f64>,
}

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// The lower the better.
    Lower,
    /// The higher the better.
    Higher,
}

/// Loops switch and call a few times in ten thousand requests, and twice as often means nothing: one in a hundred
/// requests is the least that shows in what a request costs.
const PER_REQUEST_GRAIN: f64 = 0.01;

/// What `c10k compare` compares, trial by trial; memory per connection is a slope over trials and stands apart.
pub static METRICS: [Metric; 7] = [
    Metric {
        better: Better::Higher,
        needs_headroom: true,
        ..lower("rate", "requests", "requests/s", |trial| trial.requests_per_s)
    },
    Metric {
        needs_headroom: true,
        ..lower("p50", "latency p50", "ns", |trial| Some(float(trial.latency_ns?.p50)))
    },
    Metric {
        needs_headroom: true,
        ..lower("p99", "latency p99", "ns", |trial| Some(float(trial.latency_ns?.p99)))
    },
    lower("cpu", "CPU per request", "ns", |trial| trial.server.cpu_ns_per_request),
    Metric { grain: PER_REQUEST_GRAIN, ..lower("switches", "switches per request", "", switches) },
    Metric {
        grain: PER_REQUEST_GRAIN,
        ..lower("syscalls", "syscalls per request", "", |trial| trial.server.syscalls_per_request)
    },
    lower("pss", "memory", "bytes", |trial| trial.server.pss_bytes.map(float)),
];

const fn lower(
    id: &'static str,
    name: &'static str,
    unit: &'static str,
    of: fn(&Trial) -> Option<f64>,
) -> Metric {
    Metric { id, name, unit, better: Better::Lower, needs_headroom: false, grain: 0.0, of }
}

fn switches(trial: &Trial) -> Option<f64> {
    let server = &trial.server;
    Some(server.voluntary_switches_per_request? + server.involuntary_switches_per_request?)
}

/// The metric of that id.
#[must_use]
pub fn metric(id: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.id == id)
}
