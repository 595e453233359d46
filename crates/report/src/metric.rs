//! The figures of a trial: what each is called, its unit, which way is better, and where it stands in the record.

mod opening;

use record::Trial;
use record::stats::float;

pub(crate) use self::opening::ALL_GREETED;
use self::opening::{GREETED, OPENED, OVERFLOWS, STORM, SYNS};

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

    /// A value of it, without the unit.
    pub(crate) fn text(&self, value: f64) -> String {
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
    Metric { id, name, unit, meaning, better: None, needs_headroom: false, exact: false, of }
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
}

fn ms(ns: u64) -> f64 {
    float(ns) / NS_PER_MS
}

fn signed_mib(bytes: i64) -> f64 {
    let size = float(bytes.unsigned_abs()) / MIB;
    if bytes < 0 { -size } else { size }
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
    "Switches voluntary",
    "per request",
    "times a thread of the server gave up its CPU to wait",
    |trial| trial.server.voluntary_switches_per_request,
)
.lower();
pub(crate) static INVOLUNTARY: Metric = metric(
    "involuntary",
    "Switches involuntary",
    "per request",
    "times a thread of the server was made to give up its CPU",
    |trial| trial.server.involuntary_switches_per_request,
)
.lower();
pub(crate) static SWITCHES: Metric = metric(
    "switches",
    "Switches all",
    "per request",
    "voluntary and involuntary context switches together",
    |trial| {
        Some(
            trial.server.voluntary_switches_per_request?
                + trial.server.involuntary_switches_per_request?,
        )
    },
)
.lower();
pub(crate) static SYSCALLS: Metric = metric(
    "syscalls",
    "System calls",
    "per request",
    "system calls on the server's CPUs",
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

/// The columns of the verdict table, the served connections and the lines of code aside.
pub(crate) static VERDICT: [&Metric; 10] =
    [&RATE, &P50, &P99, &CPU, &VOLUNTARY, &INVOLUNTARY, &SYSCALLS, &MEMORY, &PSS, &JAIN];

/// Columns of the verdict table of an experiment.
pub(crate) fn verdict(experiment: &str) -> &'static [&'static Metric] {
    if experiment == "storm" { &STORM } else { &VERDICT }
}

/// What is drawn against connections.
pub(crate) static CURVES: [&Metric; 6] = [&RATE, &P50, &P99, &CPU, &SWITCHES, &PSS];

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

static MEAN: Metric =
    metric("mean", "Latency mean", "ms", "mean of all answers of the window", |trial| {
        trial.latency_ns.map(|latency| latency.mean / NS_PER_MS)
    })
    .lower()
    .headroom();
static PSS_IDLE: Metric = metric(
    "pss-idle",
    "Memory before",
    "MiB",
    "proportional set size before the first connection",
    |trial| trial.server.pss_idle_bytes.map(|bytes| float(bytes) / MIB),
);
static PROCESSES: Metric =
    metric("processes", "Processes", "", "of the server, at the end of the window", |trial| {
        trial.server.processes.map(float)
    })
    .exact();
static THREADS: Metric =
    metric("threads", "Threads", "", "of the server, at the end of the window", |trial| {
        trial.server.threads.map(float)
    })
    .exact();
static SLAB: Metric = metric(
    "slab",
    "Kernel slab",
    "MiB",
    "what the trial added on the whole machine: sockets of both sides, among others",
    |trial| trial.kernel.slab_bytes.map(signed_mib),
);
static STACKS: Metric = metric(
    "stacks",
    "Kernel stacks",
    "MiB",
    "what the trial added on the whole machine",
    |trial| trial.kernel.kernel_stack_bytes.map(signed_mib),
);
static TABLES: Metric = metric(
    "page-tables",
    "Page tables",
    "MiB",
    "what the trial added on the whole machine",
    |trial| trial.kernel.page_table_bytes.map(signed_mib),
);
static LEAST: Metric = metric(
    "least",
    "Answers least",
    "per connection",
    "answers that the least served active connection got",
    |trial| trial.connection_requests.map(|requests| float(requests.min)),
)
.exact();
static MOST: Metric = metric(
    "most",
    "Answers most",
    "per connection",
    "answers that the most served active connection got",
    |trial| trial.connection_requests.map(|requests| float(requests.max)),
)
.exact();
static ERRORS: Metric =
    metric("errors", "Errors", "", "requests and connects that failed, of any kind", |trial| {
        Some(float(trial.errors.values().fold(0, |sum: u64, &errors| sum.saturating_add(errors))))
    })
    .exact();
static GENERATOR_CPU: Metric = metric(
    "generator-cpu",
    "Generator CPU",
    "µs per request",
    "CPU time of the load generator",
    |trial| trial.generator.cpu_ns_per_request.map(|ns| ns / NS_PER_US),
);
static GENERATOR_SHARE: Metric = metric(
    "generator-share",
    "Generator busy",
    "%",
    "share of its CPUs that the generator used in the window",
    |trial| trial.generator.cpu_share.map(|share| share * 100.0),
);
static STEAL: Metric =
    metric("steal", "Steal", "%", "share of the trial's CPUs that the hypervisor took", |trial| {
        trial.machine.steal_share.map(|share| share * 100.0)
    });
static OTHERS: Metric = metric(
    "others",
    "Others",
    "%",
    "share of the trial's CPUs that neither server nor generator used",
    |trial| trial.machine.other_cpu_share.map(|share| share * 100.0),
);
static LITTLE: Metric = metric(
    "little",
    "Little's law",
    "ratio",
    "rate x mean latency over served connections x pipeline depth: 0.9 to 1.1 in an honest closed loop",
    |trial| trial.checks.little.map(|check| check.ratio),
);
