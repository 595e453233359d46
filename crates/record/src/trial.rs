//! One trial: one contestant, one load, one line of `trials.jsonl`.
//!
//! Absent means not measured, and `warnings` says why: there is no -1 and no 0 for "unknown".
//! Units stand last in every name.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::stats::float;

/// The version of the format that this code writes; raised when a field changes its meaning.
pub const SCHEMA: u32 = 1;

/// One measured trial.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Trial {
    /// Version of the record format.
    pub schema: u32,
    /// Name of the run: the name of its folder.
    pub run: String,
    /// What was asked: `sweep`, `idle-mass`, ...
    pub experiment: String,
    /// The contestant, by its one name.
    pub model: String,
    /// `echo` or `http`; `none` where nothing is served.
    pub service: String,
    /// Connections that the trial was to open.
    pub connections: u64,
    /// What the settings change: `default`, `offload`, `burn`, `rate-50%`, ...
    pub variant: String,
    /// Which repeat of the cell, from 1.
    pub repeat: u32,
    /// Which attempt at this repeat, from 1; an interrupted trial earns another when its run is resumed.
    pub attempt: u32,
    /// Place in the run's seeded order, from 1.
    pub order: u32,
    /// UTC, RFC 3339.
    pub started_at: String,
    /// What contestant and generator were told.
    pub settings: Settings,
    /// How it ended.
    pub outcome: Outcome,
    /// The outcome in plain words: which limit, how many connections were served, last words on stderr.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome_detail: Option<String>,
    /// Where something stopped it: what, and whose limit that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped_by: Option<StoppedBy>,
    /// What taints the figures: see [`Flag`].
    pub flags: Vec<Flag>,
    /// How requests were timed.
    pub pace: Pace,
    /// Where the plan asked for a share of the model's own ceiling: that share, in percent; `pace.rate` is what it came to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offered_ceiling_percent: Option<f64>,
    /// Length of the measured window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<f64>,
    /// Responses verified inside the window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<u64>,
    /// `requests / duration_s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_s: Option<f64>,
    /// Errors by kind: refused, reset, timeout, short, mismatch, status, no-fd, no-port.
    pub errors: BTreeMap<String, u64>,
    /// Requests due but unsent or unanswered when the window closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub censored: Option<u64>,
    /// From the intended start of a request to the last byte of its answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ns: Option<Latency>,
    /// From the actual send of a request to the last byte of its answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_time_ns: Option<Latency>,
    /// `latency_ns` whole: HdrHistogram V2, base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub histogram: Option<String>,
    /// Connections that were open before measuring began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections_established: Option<u64>,
    /// Connections with at least one verified answer inside the window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections_served: Option<u64>,
    /// Connections that sent requests: fewer than `connections` when most stay idle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections_active: Option<u64>,
    /// Requests answered per active connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_requests: Option<PerConnection>,
    /// Jain's fairness index over the active connections, 1/n to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jain_index: Option<f64>,
    /// Time to open all connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_ms: Option<f64>,
    /// Where each connection asks once as soon as it is open: from the first connect to the last of these answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all_greeted_ms: Option<f64>,
    /// Where each connection asks once as soon as it is open: those that got an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections_greeted: Option<u64>,
    /// Other clients of the same server, counted apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beside: Option<Beside>,
    /// What was done to the contestant on purpose, and what that cost the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// Where the model's client was measured instead of its server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<Client>,
    /// The contestant, over its whole process tree.
    pub server: Server,
    /// Kernel memory, whole machine: what the trial added.
    pub kernel: Kernel,
    /// The load generator's own cost.
    pub generator: Generator,
    /// TCP counters: what the trial added.
    pub tcp: Tcp,
    /// Who else used the machine.
    pub machine: MachineNoise,
    /// The accounts of the trial: see [`Checks`].
    pub checks: Checks,
    /// In plain words: what is missing or doubtful, and why.
    pub warnings: Vec<String>,
}

/// The variant of a model's second entry in the same experiment: the A in an A/A comparison, measured once more.
const TWIN: &str = "twin";

/// The variant of the second entry of a model that is measured as `variant`: `twin`, or `offload+twin`.
#[must_use]
pub fn twin_of(variant: &str) -> String {
    if variant == DEFAULT { TWIN.to_owned() } else { format!("{variant}+{TWIN}") }
}

/// The variant whose second entry this is; `None` of a variant in its own right.
///
/// Twins tell how far two entries of one model differ by chance. They are compared with their first entry and with
/// nothing else.
#[must_use]
pub fn twin_base(variant: &str) -> Option<&str> {
    if variant == TWIN { Some(DEFAULT) } else { variant.strip_suffix(TWIN)?.strip_suffix('+') }
}

/// The variant in which nothing is changed.
const DEFAULT: &str = "default";

/// A trial's place in the plan; resuming a run compares these.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub struct Key {
    /// See [`Trial::experiment`].
    pub experiment: String,
    /// See [`Trial::model`].
    pub model: String,
    /// See [`Trial::service`].
    pub service: String,
    /// See [`Trial::connections`].
    pub connections: u64,
    /// See [`Trial::variant`].
    pub variant: String,
    /// See [`Trial::repeat`].
    pub repeat: u32,
}

impl Trial {
    /// The trial's place in the plan.
    #[must_use]
    pub fn key(&self) -> Key {
        Key {
            experiment: self.experiment.clone(),
            model: self.model.clone(),
            service: self.service.clone(),
            connections: self.connections,
            variant: self.variant.clone(),
            repeat: self.repeat,
        }
    }
}

/// What contestant and generator were told.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Settings {
    /// `--workers`, where one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers: Option<u64>,
    /// `--blocking-threads`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocking_threads: Option<u64>,
    /// `--block`: `inline` or `offload`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block: Option<String>,
    /// `--burn`: iterations of extra work a request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burn: Option<u64>,
    /// Nanoseconds that those iterations take, by the run's calibration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burn_ns: Option<u64>,
    /// Connections that send; the others stay open and idle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<u64>,
    /// Bytes of an echo message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Path of the HTTP request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Requests in flight on one connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<u64>,
    /// How connections are opened: `burst` for all at once; absent where the server's accept queue sets the pace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opening: Option<String>,
    /// Each connection, active or not, asks once as soon as it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub greet: Option<bool>,
    /// A connection for each request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub churn: Option<bool>,
    /// `--processes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processes: Option<u64>,
    /// The kernel's default congestion control.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub congestion_control: Option<String>,
    /// CPUs of the contestant, as a list: `1`, `4-7`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_cpus: Option<String>,
    /// CPUs of the generator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generator_cpus: Option<String>,
    /// Longest warm-up allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warmup_s: Option<f64>,
    /// Length of the window asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<f64>,
}

/// How a trial ended.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Measured, and the accounts close.
    #[default]
    Ok,
    /// Measured, but some active connections were never served.
    Starved,
    /// The contestant announced itself and then answered nothing.
    Hung,
    /// No announcement: end of file, exit, or silence.
    FailedStart,
    /// The contestant ended in mid-trial by itself.
    Died,
    /// A limit of the machine stopped it before it began.
    Limit,
    /// The contestant was killed by a signal in mid-trial.
    Killed,
    /// Measured, but the accounts do not close; shown and never ranked.
    Inconsistent,
    /// The run was interrupted during this trial.
    Interrupted,
}

/// What stopped a trial; `outcome_detail` has it in a sentence, with its figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StoppedBy {
    /// Whose limit it is.
    pub set_by: SetBy,
    /// Which limit, in plain words.
    pub limit: String,
}

/// Who set a limit.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum SetBy {
    /// The generator or the harness: the model may go further.
    Suite,
    /// The kernel or the hardware, whoever serves here.
    Machine,
    /// What carries its connections, or how it uses that.
    Model,
}

impl SetBy {
    /// As the record spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Suite => "suite",
            Self::Machine => "machine",
            Self::Model => "model",
        }
    }
}

/// What taints a trial's figures without making it worthless.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Flag {
    /// The generator used more than 90 % of its CPUs, or sent late while a connection was free:
    /// rate, latency and ceiling leave the ranking; CPU, switches and memory stay.
    GeneratorBound,
    /// Steal time or other processes took more than their share of the CPUs, or the server's CPU was slower or quicker
    /// than beside the trials just before.
    Noisy,
    /// The server's CPU was slower or quicker than when the run began: the figures compare with those measured beside
    /// them, and not with another run's.
    Drifted,
    /// The kernel dropped SYNs or connections from the listen queue.
    TcpDrops,
    /// Warm-up reached its cap before two windows agreed.
    ColdStart,
    /// The contestant did not stop as the contract says.
    UncleanExit,
    /// The model failed a case of the battery before the run: nothing of it is ranked.
    Nonconforming,
}

/// How requests were timed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Pace {
    /// `closed`, `rate` or `poisson`.
    pub kind: String,
    /// Offered requests per second, for the open loops.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { kind: "closed".into(), rate: None }
    }
}

/// Summary of a latency histogram, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[expect(missing_docs, reason = "the names are the field's own")]
pub struct Latency {
    pub min: u64,
    pub mean: f64,
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub p999: u64,
    pub max: u64,
}

/// Requests answered per active connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[expect(missing_docs, reason = "the names are the field's own")]
pub struct PerConnection {
    pub min: u64,
    pub p50: u64,
    pub max: u64,
}

/// One run of a model's client, from the start of its process to its end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Client {
    /// `fetch`, or the scheduling idiom: `sequential`, `parallel`, `chained`, `timer`.
    pub task: String,
    /// Fetches that succeeded, each with the right status and length, reported in their order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fetched: Option<u64>,
    /// Fetches that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<u64>,
    /// Body bytes of the fetches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_bytes: Option<u64>,
    /// From the first fetch or sleep to the end of the last, inside the process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wall_ns: Option<u64>,
    /// CPU time of the process and its children, its start included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_ns: Option<u64>,
    /// Times that a thread gave up its CPU to wait, children included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voluntary_switches: Option<u64>,
    /// Times that a thread was made to give up its CPU, children included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub involuntary_switches: Option<u64>,
    /// Largest proportional set size of the tree, seen every few milliseconds in a run of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pss_bytes_max: Option<u64>,
    /// Most processes at a time, seen in that run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processes_max: Option<u64>,
    /// Most threads at a time, seen in that run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads_max: Option<u64>,
    /// What an idiom slept, in the order given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sleeps_ms: Vec<u64>,
    /// When each of these sleeps ended, since the start of the first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ends_ns: Vec<u64>,
    /// Period of the task that runs beside the sleeps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period_ns: Option<u64>,
    /// When it ran.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ticks_ns: Vec<u64>,
}

impl Client {
    /// How far the last tick of the periodic task was behind its place: ticks times the period, ns.
    #[must_use]
    pub fn drift_ns(&self) -> Option<f64> {
        let (period_ns, ticks) = (float(self.period_ns?), self.ticks_ns.len());
        Some(float(*self.ticks_ns.last()?) - period_ns * float(u64::try_from(ticks).ok()?))
    }

    /// Standard deviation of the time from tick to tick about the period, ns.
    #[must_use]
    pub fn jitter_ns(&self) -> Option<f64> {
        let period_ns = float(self.period_ns?);
        let gaps = self.ticks_ns.windows(2).map(|pair| float(pair[1]) - float(pair[0]));
        let squares: Vec<f64> = gaps.map(|gap_ns| (gap_ns - period_ns).powi(2)).collect();
        let count = u64::try_from(squares.len()).ok().filter(|&count| count > 0)?;
        Some((squares.iter().sum::<f64>() / float(count)).sqrt())
    }
}

/// A fault in the middle of the window, and what it cost those who had no part in it.
///
/// Witnesses ask for `/` beside the load, from the opening of the window on: four keep their connection and ask again 2 ms
/// after each answer, two open a connection for each request and begin the next 5 ms after an answer. A request is lost
/// when its connection ends or 2 s pass without its right answer. Times are no finer than these rests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Fault {
    /// `none` (the control), `panic`, `killed-child` or `descriptors`.
    pub kind: String,
    /// How it was seen to happen, in plain words; absent: it was not, and `outcome_detail` says why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<String>,
    /// From the opening of the window to the beginning of the fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_ms: Option<f64>,
    /// From its beginning to its end, of a fault that lasts: the first connection of the crowd, and its release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lasted_ms: Option<f64>,
    /// Descriptors that each of the server's processes had; where a connection takes a process, its processes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Connections that were opened to meet that limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crowd: Option<u64>,
    /// Of the crowd, those without an answer when it was released.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shut_out: Option<u64>,
    /// Witnesses that asked.
    pub witnesses: u64,
    /// Connections of witnesses and of the measured clients that broke, all where the server ended; whose handler panicked is
    /// not counted, nor is the crowd.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections_lost: Option<u64>,
    /// Requests of witnesses since the fault began, and of the measured clients inside the window, without a right answer.
    /// Absent where the server ended: from then on they are all lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_lost: Option<u64>,
    /// From the end of the fault to the first right answer to a request that any witness sent after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_answer_ns: Option<u64>,
    /// From the end of the fault until each witness had a right answer to a request sent after it and after the last that
    /// this witness lost. Absent: that did not come within 5 s of the window's end, or the server had ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_service_ns: Option<u64>,
}

/// Other clients of the same server, from before the warm-up until after the window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Beside {
    /// What they asked for.
    pub path: String,
    /// How many connections they had.
    pub connections: u64,
    /// Requests that they were to send a second; absent: each asked again as soon as it was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// What they were slow at: `read` or `write`, a few bytes every 100 ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow: Option<String>,
    /// Slow clients that the server ended without an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut_off: Option<u64>,
    /// Slow clients that were in the middle of it at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trickling: Option<u64>,
    /// How long they asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<f64>,
    /// Right answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<u64>,
    /// Connections with at least one right answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections_served: Option<u64>,
    /// Errors by kind.
    pub errors: BTreeMap<String, u64>,
    /// From the intended start of a request to the last byte of its answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ns: Option<Latency>,
}

/// The contestant, over its whole process tree.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Server {
    /// CPU time, user and system, of every process and thread, between the edges of the window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_ns_per_request: Option<f64>,
    /// Times a thread gave up its CPU to wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voluntary_switches_per_request: Option<f64>,
    /// Times a thread was made to give up its CPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub involuntary_switches_per_request: Option<f64>,
    /// What counted `syscalls_per_request` and `context_switches_per_request`; the two kinds of switches are from /proc always.
    ///
    /// With `perf` the two hold whatever else ran on the server's CPUs: the more, the higher
    /// [`MachineNoise::other_cpu_share`]. The two kinds of switches hold the contestant's alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counters: Option<Counters>,
    /// Context switches, voluntary or not, by `counters`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_switches_per_request: Option<f64>,
    /// System calls on the server's CPUs, whoever made them; absent where /proc was all there was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub syscalls_per_request: Option<f64>,
    /// Proportional set size of the tree at the end of the window, connections open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pss_bytes: Option<u64>,
    /// Proportional set size before the first connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pss_idle_bytes: Option<u64>,
    /// Processes of the tree at the end of the window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processes: Option<u64>,
    /// Threads of the tree at the end of the window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<u64>,
    /// How it ended: `0`, `signal 9`, ...
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<String>,
}

/// What counted system calls and context switches.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Counters {
    /// Tracepoints on the server's CPUs: whoever runs there, threads that ended in the window included.
    Perf,
    /// /proc/PID/task/TID/status at the edges: the contestant's threads that were alive at the end.
    Proc,
}

/// Kernel memory, whole machine: what the trial added between start and window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Kernel {
    /// `Slab` of /proc/meminfo: sockets of both sides, among others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slab_bytes: Option<i64>,
    /// `KernelStack` of /proc/meminfo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel_stack_bytes: Option<i64>,
    /// `PageTables` of /proc/meminfo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_table_bytes: Option<i64>,
}

/// The load generator's own cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Generator {
    /// CPU time of the generator's threads per request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_ns_per_request: Option<f64>,
    /// Share of its CPUs that it used inside the window, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_share: Option<f64>,
    /// More than 90 % of its CPUs, or late while a connection was free.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saturated: Option<bool>,
    /// Requests sent over requests due, for the open loops.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub achieved_over_offered: Option<f64>,
    /// How late requests were sent although a connection was free, p99.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub late_while_free_ns_p99: Option<u64>,
}

/// TCP counters of the network namespace: what the trial added.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Tcp {
    /// `TcpExt ListenOverflows`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen_overflows: Option<u64>,
    /// `TcpExt ListenDrops`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen_drops: Option<u64>,
    /// `TcpExt TCPSynRetrans`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub syn_retransmits: Option<u64>,
    /// `Tcp RetransSegs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retransmits: Option<u64>,
}

/// Who else used the machine during the window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct MachineNoise {
    /// Share of the trial's CPUs that the hypervisor took, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steal_share: Option<f64>,
    /// Share of the trial's CPUs used by neither contestant nor harness, whose threads are the generator, other clients and
    /// witnesses; 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_cpu_share: Option<f64>,
    /// What a probe of short system calls took on the server's CPU beside the window, over what it took when the run
    /// began: more than 1 is a slower CPU, for whatever reason. Absent where other clients ask beside the window, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe_ratio: Option<f64>,
    /// The same over the median of up to 21 trials before this one in the same sitting: far from 1 is noise of the moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe_recent_ratio: Option<f64>,
    /// Clock rate of the server's CPUs, their mean at both edges of the window; absent where the machine tells none, as
    /// most virtual ones, of which its `warnings` speak. `probe_ratio` sees a slower clock, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_cpu_khz: Option<u64>,
    /// CPU time that observing cost, outside the window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observation_cpu_ns: Option<u64>,
}

/// The accounts of a closed-loop trial; absent where a check does not apply.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Checks {
    /// Little's law: (rate x mean latency) / (served connections x pipeline), in flight at the end included;
    /// within 0.9 to 1.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub little: Option<Check>,
    /// (requests / duration) / rate; within 0.999 to 1.001.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Check>,
    /// p50 <= p90 <= p99 <= p999 <= max: 1 when they are in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_of_percentiles: Option<Check>,
    /// Body bytes received / (requests x size): 1 exactly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<Check>,
}

/// One account: the ratio found and whether it is within its bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Check {
    /// Found over expected.
    pub ratio: f64,
    /// Within the check's bounds.
    pub passed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_twin_knows_whose_second_entry_it_is() {
        for variant in ["default", "offload", "rate-50%"] {
            assert_eq!(twin_base(&twin_of(variant)), Some(variant));
            assert_eq!(twin_base(variant), None);
        }
    }
}
