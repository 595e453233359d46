//! The figures of a model's client: of what it fetched, and of how it slept.

use record::stats::float;
use record::trial::Client;

use super::{MIB, Metric, NS_PER_MS, NS_PER_US, metric};

/// The verdict on fetching.
pub(super) static FETCH: [&Metric; 8] =
    [&WALL, &CPU, &CPU_EACH, &SWITCHES, &MEMORY, &PROCESSES, &THREADS, &FAILED];
/// The verdict on sleeping.
pub(super) static IDIOM: [&Metric; 8] =
    [&WALL, &DUE, &LATE, &DRIFT, &JITTER, &MEMORY, &PROCESSES, &THREADS];
/// What is drawn of each.
pub(super) static FETCH_CURVES: [&Metric; 2] = [&CPU_EACH, &MEMORY];
pub(super) static IDIOM_CURVES: [&Metric; 1] = [&LATE];
/// All of them.
pub(super) static CLIENT: [&Metric; 12] = [
    &WALL, &DUE, &LATE, &DRIFT, &JITTER, &CPU, &CPU_EACH, &SWITCHES, &MEMORY, &PROCESSES, &THREADS,
    &FAILED,
];

static WALL: Metric = metric(
    "client-wall",
    "Wall time",
    "ms",
    "from the first fetch or sleep to the end of the last, inside the process",
    |trial| ms(trial.client.as_ref()?.wall_ns?),
)
.lower();
static CPU: Metric = metric(
    "client-cpu",
    "CPU",
    "ms",
    "user and system time of the client's process and its children, its start included",
    |trial| ms(trial.client.as_ref()?.cpu_ns?),
)
.lower();
pub(crate) static CPU_EACH: Metric = metric(
    "client-cpu-each",
    "CPU per good fetch",
    "µs",
    "CPU by the fetches that succeeded; the start of the process is in it",
    |trial| {
        let client = trial.client.as_ref()?;
        let fetched = client.fetched.filter(|&fetched| fetched > 0)?;
        Some(float(client.cpu_ns?) / float(fetched) / NS_PER_US)
    },
)
.lower();
static SWITCHES: Metric = metric(
    "client-switches",
    "Switches",
    "",
    "voluntary and involuntary context switches of the whole run, children included",
    |trial| {
        let client = trial.client.as_ref()?;
        Some(float(client.voluntary_switches?) + float(client.involuntary_switches?))
    },
)
.lower()
.exact();
pub(crate) static MEMORY: Metric = metric(
    "client-memory",
    "Memory",
    "MiB",
    "largest proportional set size of the process tree, seen every few milliseconds in a run of its own",
    |trial| Some(float(trial.client.as_ref()?.pss_bytes_max?) / MIB),
)
.lower();
static PROCESSES: Metric = metric(
    "client-processes",
    "Processes",
    "at most",
    "most processes at a time, seen in the run that memory was seen in",
    |trial| trial.client.as_ref()?.processes_max.map(float),
)
.exact();
static THREADS: Metric = metric(
    "client-threads",
    "Threads",
    "at most",
    "most threads at a time, seen in the run that memory was seen in",
    |trial| trial.client.as_ref()?.threads_max.map(float),
)
.exact();
static FAILED: Metric =
    metric("client-failed", "Failed", "fetches", "fetches that failed", |trial| {
        trial.client.as_ref()?.failed.map(float)
    })
    .exact();
static DUE: Metric = metric(
    "client-due",
    "Due",
    "ms",
    "the sum of sleeps that follow one another, the longest of those that run together",
    |trial| due_ms(trial.client.as_ref()?),
);
pub(crate) static LATE: Metric = metric(
    "client-late",
    "Late",
    "ms",
    "wall time beyond what is due: what starting, waking and changing over took",
    |trial| {
        let client = trial.client.as_ref()?;
        Some(ms(client.wall_ns?)? - due_ms(client)?)
    },
)
.lower();
static DRIFT: Metric = metric(
    "client-drift",
    "Drift",
    "ms",
    "how far the last tick of the periodic task was behind its place: ticks times the period",
    |trial| Some(trial.client.as_ref()?.drift_ns()? / NS_PER_MS),
)
.lower();
static JITTER: Metric = metric(
    "client-jitter",
    "Jitter",
    "ms",
    "standard deviation of the time from tick to tick about the period",
    |trial| Some(trial.client.as_ref()?.jitter_ns()? / NS_PER_MS),
)
.lower();

#[expect(clippy::unnecessary_wraps, reason = "it ends a chain of what may be absent")]
fn ms(ns: u64) -> Option<f64> {
    Some(float(ns) / NS_PER_MS)
}

/// What the sleeps of an idiom take at least.
fn due_ms(client: &Client) -> Option<f64> {
    let sleeps = client.sleeps_ms.iter().copied();
    let due = match client.task.as_str() {
        "sequential" | "chained" => sleeps.reduce(u64::saturating_add),
        "parallel" | "timer" => sleeps.max(),
        _ => None,
    };
    due.map(float)
}
