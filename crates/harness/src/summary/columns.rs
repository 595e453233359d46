//! Which figures a table shows: those that its experiment is about.

use record::run::Cell;
use record::stats::float;
use record::trial::{Beside, Client, Fault, Latency, Trial};

use super::time;

/// One figure.
pub(super) struct Column {
    pub(super) head: &'static str,
    pub(super) value: fn(&Trial) -> Option<f64>,
    pub(super) text: fn(f64) -> String,
}

/// The columns of a cell's table.
pub(super) fn of(cell: &Cell<'_>) -> &'static [Column] {
    match cell.trials.first() {
        Some(Trial { client: Some(client), .. }) if client.sleeps_ms.is_empty() => &FETCH,
        Some(Trial { client: Some(_), .. }) => &IDIOM,
        Some(Trial { fault: Some(_), .. }) => &FAULT,
        Some(Trial { beside: Some(_), .. }) => &BESIDE,
        Some(trial) if trial.pace.rate.is_some() => &OPEN,
        _ => &LOAD,
    }
}

const RATE: Column = Column {
    head: "requests/s",
    value: |trial| trial.requests_per_s,
    text: |rate| format!("{rate:.0}"),
};
const P50: Column = Column { head: "p50", value: |trial| latency(trial, |it| it.p50), text: time };
const P99: Column = Column { head: "p99", value: |trial| latency(trial, |it| it.p99), text: time };
const CPU: Column =
    Column { head: "CPU us/request", value: |trial| trial.server.cpu_ns_per_request, text: us };
const MEMORY: Column =
    Column { head: "memory", value: |trial| trial.server.pss_bytes.map(float), text: mib };

/// A closed loop: the ceiling and its cost.
const LOAD: [Column; 7] = [
    RATE,
    P50,
    P99,
    CPU,
    Column {
        head: "switches/request",
        value: |trial| {
            let voluntary = trial.server.voluntary_switches_per_request?;
            Some(voluntary + trial.server.involuntary_switches_per_request?)
        },
        text: two_digits,
    },
    Column {
        head: "syscalls/request",
        value: |trial| trial.server.syscalls_per_request,
        text: two_digits,
    },
    MEMORY,
];

/// An open loop: what was offered, what was answered, and how late.
const OPEN: [Column; 6] = [
    Column { head: "offered/s", value: |trial| trial.pace.rate, text: |rate| format!("{rate:.0}") },
    RATE,
    P50,
    P99,
    Column { head: "p99.9", value: |trial| latency(trial, |it| it.p999), text: time },
    CPU,
];

/// What everybody else feels, and what those beside get.
const BESIDE: [Column; 7] = [
    RATE,
    P50,
    P99,
    Column { head: "max", value: |trial| latency(trial, |it| it.max), text: time },
    Column {
        head: "beside/s",
        value: |trial| {
            let beside = trial.beside.as_ref()?;
            Some(float(beside.requests?) / beside.duration_s?)
        },
        text: |rate| format!("{rate:.1}"),
    },
    Column { head: "p50 beside", value: |trial| beside(trial, |it| it.p50), text: time },
    Column { head: "p99 beside", value: |trial| beside(trial, |it| it.p99), text: time },
];

/// What a fault cost the others, and for how long.
const FAULT: [Column; 8] = [
    P50,
    P99,
    Column { head: "max", value: |trial| latency(trial, |it| it.max), text: time },
    Column {
        head: "connections lost",
        value: |trial| fault(trial, |it| it.connections_lost),
        text: whole,
    },
    Column {
        head: "requests lost",
        value: |trial| fault(trial, |it| it.requests_lost),
        text: whole,
    },
    Column { head: "shut out", value: |trial| fault(trial, |it| it.shut_out), text: whole },
    Column { head: "next answer", value: |trial| fault(trial, |it| it.next_answer_ns), text: time },
    Column {
        head: "full service",
        value: |trial| fault(trial, |it| it.full_service_ns),
        text: time,
    },
];

/// A client that fetches.
const FETCH: [Column; 6] = [
    Column { head: "wall", value: |trial| client(trial, |it| it.wall_ns), text: time },
    Column { head: "CPU", value: |trial| client(trial, |it| it.cpu_ns), text: time },
    Column {
        head: "switches",
        value: |trial| {
            let involuntary = client(trial, |it| it.involuntary_switches)?;
            Some(client(trial, |it| it.voluntary_switches)? + involuntary)
        },
        text: whole,
    },
    Column { head: "memory", value: |trial| client(trial, |it| it.pss_bytes_max), text: mib },
    Column { head: "processes", value: |trial| client(trial, |it| it.processes_max), text: whole },
    Column { head: "threads", value: |trial| client(trial, |it| it.threads_max), text: whole },
];

/// A client that sleeps.
const IDIOM: [Column; 5] = [
    Column { head: "wall", value: |trial| client(trial, |it| it.wall_ns), text: time },
    Column {
        head: "ticks",
        value: |trial| {
            let client = trial.client.as_ref()?;
            client
                .period_ns
                .map(|_| float(u64::try_from(client.ticks_ns.len()).unwrap_or(u64::MAX)))
        },
        text: whole,
    },
    Column {
        head: "latest tick",
        value: |trial| latest_tick_ns(trial.client.as_ref()?),
        text: time,
    },
    Column { head: "drift", value: |trial| trial.client.as_ref()?.drift_ns(), text: time },
    Column { head: "jitter", value: |trial| trial.client.as_ref()?.jitter_ns(), text: time },
];

fn latency(trial: &Trial, pick: fn(&Latency) -> u64) -> Option<f64> {
    trial.latency_ns.as_ref().map(pick).map(float)
}

fn beside(trial: &Trial, pick: fn(&Latency) -> u64) -> Option<f64> {
    trial.beside.as_ref().and_then(|it: &Beside| it.latency_ns.as_ref()).map(pick).map(float)
}

fn fault(trial: &Trial, pick: fn(&Fault) -> Option<u64>) -> Option<f64> {
    trial.fault.as_ref().and_then(pick).map(float)
}

fn client(trial: &Trial, pick: fn(&Client) -> Option<u64>) -> Option<f64> {
    trial.client.as_ref().and_then(pick).map(float)
}

/// How much later than its period a tick came after the one before, at worst.
fn latest_tick_ns(client: &Client) -> Option<f64> {
    let period_ns = client.period_ns?;
    let gaps = client.ticks_ns.windows(2).map(|pair| pair[1].saturating_sub(pair[0]));
    gaps.map(|gap| float(gap.saturating_sub(period_ns))).max_by(f64::total_cmp)
}

fn us(ns: f64) -> String {
    two_digits(ns / 1e3)
}

fn two_digits(number: f64) -> String {
    format!("{number:.2}")
}

fn whole(number: f64) -> String {
    format!("{number:.0}")
}

fn mib(bytes: f64) -> String {
    format!("{:.1} MiB", bytes / 1024.0 / 1024.0)
}
