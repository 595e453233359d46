//! What a criterion can be about: figures of a trial or of a cell, by name, in units that people read.

use record::run::Cell;
use record::stats::{float, median};
use record::trial::{Client, Latency, Outcome, Trial};

/// A figure by name; its unit stands last in it.
pub(super) struct Metric {
    pub(super) name: &'static str,
    /// Unit; empty of a count or a ratio.
    pub(super) unit: &'static str,
    /// As a criterion in words begins.
    pub(super) words: &'static str,
    figure: Figure,
}

enum Figure {
    /// The cell's is the median over its counted trials.
    OfTrial(fn(&Trial) -> Option<f64>),
    OfCell(fn(&Cell<'_>) -> Option<f64>),
}

impl Metric {
    /// The metric of that name.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        METRICS.iter().find(|metric| metric.name == name)
    }

    pub(super) fn of(&self, cell: &Cell<'_>) -> Option<f64> {
        match self.figure {
            Figure::OfCell(figure) => figure(cell),
            Figure::OfTrial(figure) => {
                let values: Vec<f64> = cell.counted().into_iter().filter_map(figure).collect();
                median(&values)
            }
        }
    }
}

macro_rules! of_trial {
    ($name:literal, $unit:literal, $words:literal, $figure:expr) => {
        Metric { name: $name, unit: $unit, words: $words, figure: Figure::OfTrial($figure) }
    };
}

const METRICS: &[Metric] = &[
    of_trial!("p50_ms", "ms", "median latency", |it| latency(it.latency_ns, |it| it.p50)),
    of_trial!("p99_ms", "ms", "p99 of latency", |it| latency(it.latency_ns, |it| it.p99)),
    of_trial!("beside_p50_ms", "ms", "median latency of those beside", |it| latency(
        it.beside.as_ref()?.latency_ns,
        |it| it.p50
    )),
    of_trial!("beside_per_s", "/s", "answers a second to those beside", |it| {
        let beside = it.beside.as_ref()?;
        Some(float(beside.requests?) / beside.duration_s.filter(|time| *time > 0.0)?)
    }),
    of_trial!("requests_per_s", "/s", "requests a second", |it| it.requests_per_s),
    of_trial!("cpu_us_per_request", "us", "CPU per request", |it| Some(
        it.server.cpu_ns_per_request? / 1e3
    )),
    of_trial!("switches_per_request", "", "context switches per request", |it| {
        let server = &it.server;
        Some(server.voluntary_switches_per_request? + server.involuntary_switches_per_request?)
    }),
    of_trial!("memory_kib", "KiB", "memory, user and kernel,", memory_kib),
    of_trial!("errors", "", "errors", |it| Some(float(it.errors.values().sum()))),
    of_trial!("served_share", "", "share of active connections that were served", |it| Some(
        float(it.connections_served?) / float(it.connections_active?)
    )),
    of_trial!("wall_ms", "ms", "wall time", |it| client(it, |it| it.wall_ns, 1e6)),
    of_trial!("client_cpu_ms", "ms", "CPU of the client", |it| client(it, |it| it.cpu_ns, 1e6)),
    of_trial!("client_memory_kib", "KiB", "memory of the client", |it| client(
        it,
        |it| it.pss_bytes_max,
        1024.0
    )),
    of_trial!("fetched", "", "fetches, in order and right,", |it| client(it, |it| it.fetched, 1.0)),
    of_trial!("fetches_failed", "", "fetches, reported as failed,", |it| client(
        it,
        |it| it.failed,
        1.0
    )),
    of_trial!("ends_in_order", "", "whether each sleep ended after the one before", |it| {
        let ends = &it.client.as_ref()?.ends_ns;
        let in_order = ends.is_sorted_by(|one, next| one < next);
        (!ends.is_empty()).then(|| f64::from(u8::from(in_order)))
    }),
    of_trial!("ticks_share", "", "share of the timer's periods in which it ran", |it| {
        let client = it.client.as_ref()?;
        let periods = (client.wall_ns? / client.period_ns.filter(|it| *it > 0)?).max(1);
        let ticks = u64::try_from(client.ticks_ns.len()).ok()?;
        Some(float(ticks.min(periods)) / float(periods))
    }),
    of_trial!("drift_ms", "ms", "how late the timer's last tick was", |it| {
        let client = it.client.as_ref()?;
        let ticks = u64::try_from(client.ticks_ns.len()).ok()?;
        let due = client.period_ns?.saturating_mul(ticks);
        Some(float(client.ticks_ns.last()?.saturating_sub(due)) / 1e6)
    }),
    of_trial!("jitter_ms", "ms", "largest deviation of a tick's distance from the period", |it| {
        let client = it.client.as_ref()?;
        let period = client.period_ns?;
        let distances = client.ticks_ns.windows(2).map(|pair| pair[1].saturating_sub(pair[0]));
        distances.map(|it| float(it.abs_diff(period)) / 1e6).reduce(f64::max)
    }),
    Metric {
        name: "held",
        unit: "",
        words: "share of repeats in which all connections were held and served",
        figure: Figure::OfCell(|cell| share(cell, |outcome| outcome == Outcome::Ok)),
    },
    Metric {
        name: "died",
        unit: "",
        words: "share of repeats in which the server ended",
        figure: Figure::OfCell(|cell| {
            share(cell, |it| matches!(it, Outcome::Died | Outcome::Killed))
        }),
    },
];

fn latency(latency: Option<Latency>, percentile: fn(&Latency) -> u64) -> Option<f64> {
    Some(float(percentile(&latency?)) / 1e6)
}

fn client(trial: &Trial, figure: fn(&Client) -> Option<u64>, unit: f64) -> Option<f64> {
    Some(float(figure(trial.client.as_ref()?)?) / unit)
}

/// What the process tree shares out, its kernel stacks and page tables, and the sockets' slab, of both sides.
fn memory_kib(trial: &Trial) -> Option<f64> {
    let kernel = &trial.kernel;
    let parts = [kernel.slab_bytes?, kernel.kernel_stack_bytes?, kernel.page_table_bytes?];
    let kernel = parts.iter().map(|bytes| float(bytes.unsigned_abs()).copysign(sign(*bytes)));
    Some((float(trial.server.pss_bytes?) + kernel.sum::<f64>()) / 1024.0)
}

fn sign(bytes: i64) -> f64 {
    if bytes < 0 { -1.0 } else { 1.0 }
}

/// Of all repeats, not of those alone that were measured.
fn share(cell: &Cell<'_>, counts: fn(Outcome) -> bool) -> Option<f64> {
    let finals = cell.finals();
    let decided = finals.iter().filter(|trial| trial.outcome != Outcome::Interrupted);
    let values: Vec<f64> =
        decided.map(|trial| f64::from(u8::from(counts(trial.outcome)))).collect();
    let all = u64::try_from(values.len()).ok().filter(|all| *all > 0)?;
    Some(values.iter().sum::<f64>() / float(all))
}
