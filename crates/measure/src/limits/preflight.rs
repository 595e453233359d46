//! Whether a cell can run on this machine, and which limit stops it when not.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Limit;
use super::facts::{Facts, PIDS_MOST, RESERVED_PIDS, Rlimit, WIDEST_PORT_RANGE};
use super::network::{BACKLOG, WIDEST};
use crate::cgroup::Quota;
use crate::root::Root;

/// What a cell needs; 0 is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// Connections that are open together, both ends on this machine.
    pub connections: u64,
    /// Descriptors in the busiest process of the generator.
    pub generator_descriptors: u64,
    /// Descriptors in the busiest process of the contestant.
    pub server_descriptors: u64,
    /// Processes, all sides together.
    pub processes: u64,
    /// Threads beyond the first of each process, all sides together.
    pub threads: u64,
    /// Memory maps in the process that has most.
    pub maps: u64,
    /// Memory of the whole machine: all sides and the kernel.
    pub memory_bytes: u64,
    /// Connections from one source address to one destination.
    pub ports_per_source: u64,
    /// Connections that wait in the contestant's accept queue for as long as the cell lasts.
    pub accept_queue: u64,
}

/// A limit that stops a cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitHit {
    /// As in [`Limit::name`](super::Limit::name).
    pub limit: String,
    /// What there is.
    pub have: u64,
    /// What it would take.
    pub need: u64,
    /// Both in a sentence.
    pub message: String,
    /// What lifts it.
    pub remedy: String,
}

impl fmt::Display for LimitHit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}; {}", self.message, self.remedy)
    }
}

/// The first limit that stops the cell, if one does. Limits are read anew, so a raised one counts at once.
pub fn preflight(need: &Need) -> Result<(), LimitHit> {
    match Now::read().hits(need).into_iter().next() {
        Some(hit) => Err(hit),
        None => Ok(()),
    }
}

/// The limits as they are at one moment: for whoever asks about many cells at once.
#[derive(Debug)]
pub struct Now(Facts);

impl Now {
    /// Reads them.
    #[must_use]
    pub fn read() -> Self {
        Self(Facts::read(&Root::machine()))
    }

    /// Every limit that stops the cell.
    #[must_use]
    pub fn hits(&self, need: &Need) -> Vec<LimitHit> {
        hits(&self.0, need)
    }

    /// The limit that stops models on `io_uring`, when it does not work here.
    #[must_use]
    pub fn without_ring(&self) -> Option<LimitHit> {
        let why = super::io_uring().err()?;
        let Limit { name, caps, remedy, .. } = super::stops::io_uring(&self.0, &Err(why.clone()));
        let message = format!("needs io_uring: {why}");
        let remedy = remedy.unwrap_or(caps);
        Some(LimitHit { limit: name, have: 0, need: 1, message, remedy })
    }
}

/// In the order in which a growing number of connections meets them.
pub(super) fn hits(facts: &Facts, need: &Need) -> Vec<LimitHit> {
    let descriptors = need.generator_descriptors.max(need.server_descriptors);
    let tasks = need.processes.saturating_add(need.threads);
    let mut hits = vec![facts.nofile.and_then(|nofile| descriptor_hit(facts, nofile, descriptors))];
    hits.push(hit(
        "fs.file-max",
        facts.files_left(),
        need.connections.saturating_mul(2),
        |short| Words {
            what: "open files on the whole machine",
            allows: "fs.file-max leaves",
            remedy: facts.sysctl("fs.file-max", facts.file_max.unwrap_or(0).saturating_add(short)),
        },
    ));
    hits.push(hit("net.ipv4.ip_local_port_range", facts.ports(), need.ports_per_source, |_| {
        Words {
            what: "ports of one source address",
            allows: "ip_local_port_range has",
            remedy: ports_remedy(facts, need.ports_per_source),
        }
    }));
    // The kernel takes one more than the backlog into the queue.
    let queue = facts.somaxconn.map(|most| most.min(BACKLOG) + 1);
    hits.push(hit("net.core.somaxconn", queue, need.accept_queue, |_| Words {
        what: "places in the accept queue, since the model accepts no more than it serves",
        allows: "net.core.somaxconn and the contestants' backlog allow",
        remedy: "open fewer connections: no setting makes such a model serve more at once".into(),
    }));
    hits.push(hit(
        "net.netfilter.nf_conntrack_max",
        facts.tracked_left(),
        need.connections,
        |short| Words {
            what: "tracked connections",
            allows: "nf_conntrack_max leaves",
            remedy: facts
                .sysctl("net.netfilter.nf_conntrack_max", facts.conntrack_max.unwrap_or(0) + short),
        },
    ));
    hits.extend(task_hits(facts, tasks));
    hits.push(hit("vm.max_map_count", facts.max_map_count, need.maps, |_| Words {
        what: "memory maps in one process",
        allows: "vm.max_map_count allows",
        remedy: facts.sysctl("vm.max_map_count", need.maps),
    }));
    hits.extend(memory_hits(facts, need.memory_bytes));
    hits.into_iter().flatten().collect()
}

/// How a hit is put into words: `needs 7 WHAT, ALLOWS 5; REMEDY`.
struct Words {
    what: &'static str,
    allows: &'static str,
    remedy: String,
}

/// A limit that is not known stops nothing. `words` gets what is short.
fn hit(
    limit: &str,
    have: Option<u64>,
    need: u64,
    words: impl FnOnce(u64) -> Words,
) -> Option<LimitHit> {
    let have = have.filter(|have| *have < need)?;
    let Words { what, allows, remedy } = words(need - have);
    let message = format!("needs {need} {what}, {allows} {have}");
    Some(LimitHit { limit: limit.to_string(), have, need, message, remedy })
}

fn descriptor_hit(facts: &Facts, nofile: Rlimit, need: u64) -> Option<LimitHit> {
    let command = format!("raise it with ulimit -n {need}");
    let remedy = if need <= nofile.hard {
        command
    } else if facts.may_raise_hard_limits {
        match facts.nr_open.filter(|nr_open| *nr_open < need) {
            Some(_) => format!("{} and then {command}", facts.sysctl("fs.nr_open", need)),
            None => command,
        }
    } else {
        let who = if facts.uid == 0 { "CAP_SYS_RESOURCE, which root lacks here" } else { "root" };
        format!(
            "{command} (hard limit {}: needs {who}), or spread the connections over several processes",
            nofile.hard
        )
    };
    hit("nofile", Some(nofile.soft), need, |_| Words {
        what: "descriptors in one process",
        allows: "nofile allows",
        remedy,
    })
}

/// Processes and threads are one kind to the kernel, and four limits count them.
fn task_hits(facts: &Facts, need: u64) -> [Option<LimitHit>; 4] {
    let what = "processes and threads";
    let running = facts.tasks_now.unwrap_or(0);
    let raised = |name: &str, count: u64| match count {
        ..=PIDS_MOST => facts.sysctl(name, count),
        _ => format!("open fewer connections: no setting allows more than {PIDS_MOST}"),
    };
    let pids = facts.group_pids.as_ref();
    let threads = facts.threads_max.map(|max| max.saturating_sub(running));
    [
        hit("cgroup pids.max", pids.map(Quota::left), need, |short| Words {
            what,
            allows: "the control group's pids.max leaves",
            remedy: pids.map_or_else(String::new, |pids| {
                let enough = pids.max.saturating_add(short).to_string();
                let start = format!("start it with docker run --pids-limit {enough}");
                facts.write(&pids.file, &enough, &start)
            }),
        }),
        hit("nproc", facts.user_tasks_left(), need, |short| Words {
            what,
            allows: "ulimit -u leaves",
            remedy: format!(
                "raise it with ulimit -u {} (above the hard limit: needs root)",
                facts.nproc.map_or(need, |nproc| nproc.soft.saturating_add(short))
            ),
        }),
        hit("kernel.threads-max", threads, need, |_| Words {
            what,
            allows: "kernel.threads-max leaves",
            remedy: raised("kernel.threads-max", need.saturating_add(running)),
        }),
        hit("kernel.pid_max", facts.pids_left(), need, |_| Words {
            what,
            allows: "kernel.pid_max leaves",
            remedy: raised(
                "kernel.pid_max",
                need.saturating_add(running).saturating_add(RESERVED_PIDS),
            ),
        }),
    ]
}

fn memory_hits(facts: &Facts, need: u64) -> [Option<LimitHit>; 2] {
    let group = facts.group_memory.as_ref();
    [
        hit("cgroup memory", group.map(Quota::left), need, |short| Words {
            what: "bytes of memory",
            allows: "the control group leaves",
            remedy: group.map_or_else(String::new, |group| {
                let enough = group.max.saturating_add(short).to_string();
                let start = format!("start it with docker run --memory {enough}");
                facts.write(&group.file, &enough, &start)
            }),
        }),
        hit("memory available", facts.memory_available, need, |_| Words {
            what: "bytes of memory",
            allows: "this machine has available",
            remedy: "ask for fewer connections, or free memory".to_string(),
        }),
    ]
}

/// More source addresses always help; a wider range only as far as ports go.
fn ports_remedy(facts: &Facts, need: u64) -> String {
    let ports = facts.ports().unwrap_or(1).max(1);
    let sources =
        format!("spread them over {} source addresses (127.0.0.2 and on)", need.div_ceil(ports));
    let wider = (need <= WIDEST_PORT_RANGE)
        .then(|| facts.sysctl_here("net.ipv4.ip_local_port_range", WIDEST))
        .flatten();
    wider.map_or(sources.clone(), |wider| format!("{sources}, or {wider}"))
}
