//! The figures of a trial: what each is called, its unit, which way is better, and where it stands in the record.

mod beside;
mod client;
mod detail;
mod fault;
mod opening;

use record::stats::float;
use record::{Trial, compare};

use crate::across::Column;
use crate::cells::{Group, Kind};

use self::beside::{BESIDE, DISTURBED, DISTURBED_CURVES};
use self::client::{CLIENT, FETCH, FETCH_CURVES, IDIOM, IDIOM_CURVES};
pub(crate) use self::client::{CPU_EACH, LATE, MEMORY as CLIENT_MEMORY};
pub(crate) use self::detail::signed;
use self::detail::{
    ERRORS, GENERATOR_CPU, GENERATOR_SHARE, LEAST, LITTLE, MEAN, MOST, OTHERS, PROCESSES, PSS_IDLE,
    SLAB, STACKS, STEAL, TABLES, THREADS,
};
use self::fault::FAULT;
pub(crate) use self::opening::ALL_GREETED;
use self::opening::{GREETED, OPENED, OVERFLOWS, STORM, STORM_CURVES, SYNS};

/// One figure of a trial.
pub(crate) struct Metric {
    /// Last part of the ids of its cells.
    pub(crate) id: &'static str,
    /// Column heading.
    pub(crate) name: &'static str,
    /// Beneath the heading; empty for plain numbers.
    pub(crate) unit: &'static str,
    /// What exactly is shown.
    pub(crate) meaning: &'static str,
    /// Which way is better; `None` is never ranked.
    pub(crate) better: Option<Better>,
    /// Says as much about the generator as about the server, unless the generator had headroom.
    pub(crate) needs_headroom: bool,
    /// Counts are shown exactly.
    pub(crate) exact: bool,
    /// What is smaller is not told apart: a switch in a thousand requests is nobody's advantage.
    pub(crate) resolution: f64,
    /// The figure in `unit`.
    pub(crate) of: fn(&Trial) -> Option<f64>,
}

/// Which way is better.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Better {
    /// The lower the better.
    Lower,
    /// The higher the better.
    Higher,
}

impl Metric {
    /// The figure, where it was measured and is a number.
    pub(crate) fn value(&self, trial: &Trial) -> Option<f64> {
        (self.of)(trial).filter(|value| value.is_finite())
    }

    /// Recorded, but not a number.
    pub(crate) fn is_broken(&self, trial: &Trial) -> bool {
        (self.of)(trial).is_some_and(|value| !value.is_finite())
    }

    /// As the record compares it. What has no better side is compared as if lower were better, and nobody leads it.
    pub(crate) fn compared(&self) -> compare::Metric {
        let known = compare::metric(self.id);
        compare::Metric {
            id: self.id,
            name: self.name,
            unit: self.unit,
            better: match self.better {
                Some(Better::Higher) => compare::Better::Higher,
                Some(Better::Lower) | None => compare::Better::Lower,
            },
            needs_headroom: self.needs_headroom,
            // Grains of counts only: the record's times have other units, and no grain.
            grain: known.map_or(0.0, |known| known.grain).max(self.resolution),
            of: self.of,
        }
    }

    /// What stands above its figures.
    pub(crate) fn column(&self) -> Column {
        Column { id: self.id, name: self.name, unit: self.unit, meaning: self.meaning }
    }

    /// A value of it, without the unit.
    pub(crate) fn text(&self, value: f64) -> String {
        if value.abs() < self.resolution {
            return format!("<{}", self.resolution);
        }
        if self.exact { crate::format::counted(value) } else { crate::format::significant(value) }
    }

    /// A value of it, with the unit.
    pub(crate) fn with_unit(&self, value: f64) -> String {
        let text = self.text(value);
        if self.unit.is_empty() { text } else { format!("{text} {}", self.unit) }
    }
}

const NS_PER_US: f64 = 1e3;
const NS_PER_MS: f64 = 1e6;
const KIB: f64 = 1024.0;
const MIB: f64 = 1024.0 * 1024.0;

const fn metric(
    id: &'static str,
    name: &'static str,
    unit: &'static str,
    meaning: &'static str,
    of: fn(&Trial) -> Option<f64>,
) -> Metric {
    Metric {
        id,
        name,
        unit,
        meaning,
        better: None,
        needs_headroom: false,
        exact: false,
        resolution: 0.0,
        of,
    }
}

impl Metric {
    const fn lower(mut self) -> Self {
        self.better = Some(Better::Lower);
        self
    }

    const fn higher(mut self) -> Self {
        self.better = Some(Better::Higher);
        self
    }

    const fn headroom(mut self) -> Self {
        self.needs_headroom = true;
        self
    }

    const fn exact(mut self) -> Self {
        self.exact = true;
        self
    }

    const fn resolution(mut self, least: f64) -> Self {
        self.resolution = least;
        self
    }
}

fn ms(ns: u64) -> f64 {
    float(ns) / NS_PER_MS
}

pub(crate) static RATE: Metric =
    metric("rate", "Rate", "requests/s", "verified answers per second of the window", |trial| {
        trial.requests_per_s
    })
    .higher()
    .headroom();
pub(crate) static P50: Metric =
    metric("p50", "Latency p50", "ms", "half of the answers came within this time", |trial| {
        trial.latency_ns.map(|latency| ms(latency.p50))
    })
    .lower()
    .headroom();
pub(crate) static P90: Metric =
    metric("p90", "Latency p90", "ms", "nine of ten answers came within this time", |trial| {
        trial.latency_ns.map(|latency| ms(latency.p90))
    })
    .lower()
    .headroom();
pub(crate) static P99: Metric =
    metric("p99", "Latency p99", "ms", "99 of 100 answers came within this time", |trial| {
        trial.latency_ns.map(|latency| ms(latency.p99))
    })
    .lower()
    .headroom();
pub(crate) static P999: Metric =
    metric("p999", "Latency p99.9", "ms", "999 of 1000 answers came within this time", |trial| {
        trial.latency_ns.map(|latency| ms(latency.p999))
    })
    .lower()
    .headroom();
pub(crate) static MAX: Metric = metric("max", "Latency max", "ms", "the slowest answer", |trial| {
    trial.latency_ns.map(|latency| ms(latency.max))
})
.lower()
.headroom();
pub(crate) static CPU: Metric = metric(
    "cpu",
    "CPU per request",
    "µs",
    "user and system time of the server's whole process tree per request",
    |trial| trial.server.cpu_ns_per_request.map(|ns| ns / NS_PER_US),
)
.lower();
pub(crate) static VOLUNTARY: Metric = metric(
    "voluntary",
    "Voluntary switches",
    "per request",
    "times a thread of the server gave up its CPU to wait",
    |trial| trial.server.voluntary_switches_per_request,
)
.lower()
.resolution(0.001);
pub(crate) static INVOLUNTARY: Metric = metric(
    "involuntary",
    "Involuntary switches",
    "per request",
    "times a thread of the server was made to give up its CPU",
    |trial| trial.server.involuntary_switches_per_request,
)
.lower()
.resolution(0.001);
pub(crate) static SWITCHES: Metric = metric(
    "switches",
    "Switches",
    "per request",
    "voluntary and involuntary context switches together",
    |trial| {
        Some(
            trial.server.voluntary_switches_per_request?
                + trial.server.involuntary_switches_per_request?,
        )
    },
)
.lower()
.resolution(0.001);
pub(crate) static SYSCALLS: Metric = metric(
    "syscalls",
    "System calls",
    "per request",
    "system calls on the server's CPUs, whoever made them",
    |trial| trial.server.syscalls_per_request,
)
.lower();
pub(crate) static MEMORY: Metric = metric(
    "memory",
    "Memory per connection",
    "KiB",
    "growth of the process tree's PSS since before the first connection, by connections open; the kernel's part is not in it",
    |trial| {
        let grown = float(trial.server.pss_bytes?) - float(trial.server.pss_idle_bytes?);
        let open = trial.connections_established.filter(|&open| open > 0)?;
        Some(grown / float(open) / KIB)
    },
)
.lower();
pub(crate) static PSS: Metric = metric(
    "pss",
    "Memory",
    "MiB",
    "proportional set size of the server's process tree, connections open",
    |trial| trial.server.pss_bytes.map(|bytes| float(bytes) / MIB),
)
.lower();
pub(crate) static JAIN: Metric = metric(
    "jain",
    "Fairness",
    "Jain",
    "Jain's index over the active connections: 1 when each got the same number of answers, 1/n when one got all",
    |trial| trial.jain_index,
)
// One in a hundred is nobody's reason.
.resolution(0.01)
.higher();
pub(crate) static SERVED: Metric = metric(
    "served",
    "Connections served",
    "",
    "active connections with at least one answer in the window",
    |trial| trial.connections_served.map(float),
)
.exact();
pub(crate) static ESTABLISHED: Metric =
    metric("established", "Connections open", "", "open before measuring began", |trial| {
        trial.connections_established.map(float)
    })
    .exact();
pub(crate) static ACTIVE: Metric =
    metric("active", "Connections active", "", "connections that sent requests", |trial| {
        active(trial).map(float)
    })
    .exact();

/// Connections that were to be served: those that send, or all.
pub(crate) fn active(trial: &Trial) -> Option<u64> {
    trial.connections_active.or(trial.settings.active).or(Some(trial.connections))
}

/// The columns of the verdict table that are measured in the cell itself.
pub(crate) static VERDICT: [&Metric; 8] =
    [&RATE, &P50, &P99, &CPU, &SWITCHES, &SYSCALLS, &MEMORY, &JAIN];

/// What is drawn against connections.
pub(crate) static CURVES: [&Metric; 6] = [&RATE, &P50, &P99, &CPU, &SWITCHES, &PSS];

/// What is drawn of what a connection weighs.
static WEIGHED_CURVES: [&Metric; 2] = [&PSS, &MEMORY];
/// What is drawn on the way to the wall.
static WALL_CURVES: [&Metric; 4] = [&PSS, &CPU, &P99, &OPENED];

/// Columns of the verdict table of a group.
pub(crate) fn verdict(group: &Group<'_>) -> Vec<&'static Metric> {
    let columns: &[&Metric] = match group.kind() {
        Kind::Storm => &STORM,
        Kind::Fetch => &FETCH,
        Kind::Idiom => &IDIOM,
        Kind::Disturbed => return disturbed(group),
        Kind::Served if group.churns() => {
            return VERDICT.iter().filter(|metric| metric.id != MEMORY.id).copied().collect();
        }
        Kind::Served => return VERDICT.to_vec(),
    };
    // What belongs to some variants only has no column in the others.
    columns.iter().filter(|metric| group.has(metric)).copied().collect()
}

/// What a fault cost stands before what everybody else felt.
fn disturbed(group: &Group<'_>) -> Vec<&'static Metric> {
    let columns = FAULT.iter().chain(&DISTURBED).copied();
    columns.filter(|metric| group.has(metric)).collect()
}

/// What is drawn of a group against connections.
pub(crate) fn curves(group: &Group<'_>) -> &'static [&'static Metric] {
    match group.kind() {
        // What is asked is not how they serve: few of their connections send.
        Kind::Served if group.experiment == "memory" => &WEIGHED_CURVES,
        Kind::Served if group.experiment == "wall" => &WALL_CURVES,
        Kind::Storm => &STORM_CURVES,
        Kind::Fetch => &FETCH_CURVES,
        Kind::Idiom => &IDIOM_CURVES,
        Kind::Disturbed => &DISTURBED_CURVES,
        Kind::Served => &CURVES,
    }
}

/// Every figure that a trial can have: those of servers, of clients, and of what went on beside.
pub(crate) fn all() -> impl Iterator<Item = &'static Metric> {
    ALL.iter().chain(&CLIENT).chain(&BESIDE).chain(&FAULT).copied()
}

/// All columns of the full tables.
pub(crate) static ALL: [&Metric; 37] = [
    &RATE,
    &P50,
    &P90,
    &P99,
    &P999,
    &MAX,
    &MEAN,
    &CPU,
    &VOLUNTARY,
    &INVOLUNTARY,
    &SWITCHES,
    &SYSCALLS,
    &MEMORY,
    &PSS,
    &PSS_IDLE,
    &PROCESSES,
    &THREADS,
    &SLAB,
    &STACKS,
    &TABLES,
    &ESTABLISHED,
    &ACTIVE,
    &SERVED,
    &LEAST,
    &MOST,
    &JAIN,
    &OPENED,
    &GREETED,
    &ALL_GREETED,
    &OVERFLOWS,
    &SYNS,
    &ERRORS,
    &GENERATOR_CPU,
    &GENERATOR_SHARE,
    &STEAL,
    &OTHERS,
    &LITTLE,
];
