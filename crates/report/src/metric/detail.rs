//! Figures of the full tables alone: what is looked up once a row of the verdict surprises.

use record::stats::float;

use super::{MIB, Metric, NS_PER_MS, NS_PER_US, metric};

pub(super) static MEAN: Metric =
    metric("mean", "Latency mean", "ms", "mean of all answers of the window", |trial| {
        trial.latency_ns.map(|latency| latency.mean / NS_PER_MS)
    })
    .lower()
    .headroom();
pub(super) static PSS_IDLE: Metric = metric(
    "pss-idle",
    "Memory before",
    "MiB",
    "proportional set size before the first connection",
    |trial| trial.server.pss_idle_bytes.map(|bytes| float(bytes) / MIB),
);
pub(super) static PROCESSES: Metric =
    metric("processes", "Processes", "", "of the server, at the end of the window", |trial| {
        trial.server.processes.map(float)
    })
    .exact();
pub(super) static THREADS: Metric =
    metric("threads", "Threads", "", "of the server, at the end of the window", |trial| {
        trial.server.threads.map(float)
    })
    .exact();
pub(super) static SLAB: Metric = metric(
    "slab",
    "Kernel slab",
    "MiB",
    "what the trial added on the whole machine: sockets of both sides, among others",
    |trial| trial.kernel.slab_bytes.map(signed_mib),
);
pub(super) static STACKS: Metric = metric(
    "stacks",
    "Kernel stacks",
    "MiB",
    "what the trial added on the whole machine",
    |trial| trial.kernel.kernel_stack_bytes.map(signed_mib),
);
pub(super) static TABLES: Metric = metric(
    "page-tables",
    "Page tables",
    "MiB",
    "what the trial added on the whole machine",
    |trial| trial.kernel.page_table_bytes.map(signed_mib),
);
pub(super) static LEAST: Metric = metric(
    "least",
    "Answers least",
    "per connection",
    "answers that the least served active connection got",
    |trial| trial.connection_requests.map(|requests| float(requests.min)),
)
.exact();
pub(super) static MOST: Metric = metric(
    "most",
    "Answers most",
    "per connection",
    "answers that the most served active connection got",
    |trial| trial.connection_requests.map(|requests| float(requests.max)),
)
.exact();
pub(super) static ERRORS: Metric =
    metric("errors", "Errors", "", "requests and connects that failed, of any kind", |trial| {
        Some(float(trial.errors.values().fold(0, |sum: u64, &errors| sum.saturating_add(errors))))
    })
    .exact();
pub(super) static GENERATOR_CPU: Metric = metric(
    "generator-cpu",
    "Generator CPU",
    "µs per request",
    "CPU time of the load generator",
    |trial| trial.generator.cpu_ns_per_request.map(|ns| ns / NS_PER_US),
);
pub(super) static GENERATOR_SHARE: Metric = metric(
    "generator-share",
    "Generator busy",
    "%",
    "share of its CPUs that the generator used in the window",
    |trial| trial.generator.cpu_share.map(|share| share * 100.0),
);
pub(super) static STEAL: Metric =
    metric("steal", "Steal", "%", "share of the trial's CPUs that the hypervisor took", |trial| {
        trial.machine.steal_share.map(|share| share * 100.0)
    });
pub(super) static OTHERS: Metric = metric(
    "others",
    "Others",
    "%",
    "share of the trial's CPUs that neither server nor generator used",
    |trial| trial.machine.other_cpu_share.map(|share| share * 100.0),
);
pub(super) static LITTLE: Metric = metric(
    "little",
    "Little's law",
    "ratio",
    "rate x mean latency over served connections x pipeline depth: 0.9 to 1.1 in an honest closed loop",
    |trial| trial.checks.little.map(|check| check.ratio),
);

fn signed_mib(bytes: i64) -> f64 {
    signed(bytes) / MIB
}

/// A difference of counts, which may have shrunk.
pub(crate) fn signed(count: i64) -> f64 {
    let size = float(count.unsigned_abs());
    if count < 0 { -size } else { size }
}
