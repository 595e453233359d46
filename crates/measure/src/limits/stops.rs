//! Descriptors, processes, threads and memory: what a model runs into.

use super::facts::{Facts, RESERVED_PIDS};
use super::list::{NOTHING_SEEN, gibibytes, grouped, limit, stop_at, text};
use super::{DESCRIPTORS_OF_A_PROCESS, Limit, MAPS_OF_A_PROCESS, MAPS_PER_THREAD};

/// `THREAD_SIZE` of `x86_64` and `aarch64`.
const KERNEL_STACK_BYTES: u64 = 16 * 1024;
const TASKS_OF_ALL: &str = "processes and threads of the whole machine together";

pub(super) fn nofile(facts: &Facts) -> Limit {
    let remedy = facts.nofile.map(|nofile| {
        let more = "or let several processes hold more together";
        if nofile.soft < nofile.hard {
            format!("ulimit -n {}", text(nofile.hard))
        } else if facts.may_raise_hard_limits {
            "ulimit -n 1048576".to_string()
        } else if facts.uid == 0 {
            format!("ulimit -n 1048576 (needs CAP_SYS_RESOURCE, which root lacks here), {more}")
        } else {
            format!("ulimit -n 1048576 (as root), {more}")
        }
    });
    let value =
        facts.nofile.map(|nofile| format!("{} (hard {})", text(nofile.soft), text(nofile.hard)));
    let left = facts.nofile.map(|nofile| nofile.soft.saturating_sub(DESCRIPTORS_OF_A_PROCESS));
    limit("nofile", value, stop_at("connections of one process", left), remedy)
}

pub(super) fn nr_open(facts: &Facts) -> Limit {
    let remedy = Some(facts.sysctl("fs.nr_open", 4_194_304));
    limit(
        "fs.nr_open",
        facts.nr_open.map(text),
        "how far nofile can be raised, by root too",
        remedy,
    )
}

pub(super) fn file_max(facts: &Facts) -> Limit {
    let used = facts.files_now.map(|used| format!(" ({used} used)")).unwrap_or_default();
    let value = facts.file_max.map(|max| format!("{}{used}", text(max)));
    let caps = stop_at("connections with both ends here", facts.files_left().map(|left| left / 2));
    limit("fs.file-max", value, caps, Some(facts.sysctl("fs.file-max", 8_388_608)))
}

pub(super) fn group_pids(facts: &Facts) -> Limit {
    let Some(pids) = facts.group_pids else {
        return limit("cgroup pids.max", Some("none".to_string()), NOTHING_SEEN, None);
    };
    let remedy = "docker run --pids-limit N, or systemctl set-property UNIT TasksMax=N";
    limit(
        "cgroup pids.max",
        Some(format!("{} ({} used)", pids.max, pids.used)),
        stop_at("processes and threads of this control group", Some(pids.max)),
        Some(remedy.to_string()),
    )
}

pub(super) fn user_processes(facts: &Facts) -> Limit {
    let value = facts.nproc.map(|nproc| text(nproc.soft));
    if facts.exempt_from_nproc {
        return limit("user processes", value, "nothing: root is exempt", None);
    }
    if facts.nproc.is_some_and(|nproc| nproc.soft == u64::MAX) {
        return limit("user processes", value, "nothing", None);
    }
    let caps = stop_at("processes and threads of this user", facts.nproc.map(|nproc| nproc.soft));
    let remedy = "ulimit -u unlimited (above the hard limit: as root)";
    limit("user processes", value, caps, Some(remedy.to_string()))
}

pub(super) fn threads_max(facts: &Facts) -> Limit {
    let value = facts.threads_max.map(|max| in_use(facts, max));
    let remedy = Some(facts.sysctl("kernel.threads-max", 4_194_304));
    limit("kernel.threads-max", value, stop_at(TASKS_OF_ALL, facts.threads_max), remedy)
}

pub(super) fn pid_max(facts: &Facts) -> Limit {
    let value = facts.pid_max.map(|max| in_use(facts, max));
    let usable = facts.pid_max.map(|max| max.saturating_sub(RESERVED_PIDS));
    let remedy = Some(facts.sysctl("kernel.pid_max", 4_194_304));
    limit("kernel.pid_max", value, stop_at(TASKS_OF_ALL, usable), remedy)
}

fn in_use(facts: &Facts, max: u64) -> String {
    facts.tasks_now.map_or(text(max), |running| format!("{max} ({running} in use)"))
}

pub(super) fn max_map_count(facts: &Facts) -> Limit {
    let threads =
        facts.max_map_count.map(|maps| maps.saturating_sub(MAPS_OF_A_PROCESS) / MAPS_PER_THREAD);
    let caps =
        format!("{} ({MAPS_PER_THREAD} maps each)", stop_at("threads of one process", threads));
    let remedy = Some(facts.sysctl("vm.max_map_count", 1_048_576));
    limit("vm.max_map_count", facts.max_map_count.map(text), caps, remedy)
}

pub(super) fn group_memory(facts: &Facts) -> Limit {
    let Some(memory) = facts.group_memory else {
        return limit("cgroup memory", Some("none".to_string()), NOTHING_SEEN, None);
    };
    let remedy = "docker run --memory N, or systemctl set-property UNIT MemoryMax=N";
    limit(
        "cgroup memory",
        Some(format!("{} ({} used)", gibibytes(memory.max), gibibytes(memory.used))),
        "both sides and their kernel memory together; beyond it processes are killed",
        Some(remedy.to_string()),
    )
}

pub(super) fn memory(facts: &Facts) -> Limit {
    let total =
        facts.memory_total.map(|total| format!(" of {}", gibibytes(total))).unwrap_or_default();
    let value = facts.memory_available.map(|available| format!("{}{total}", gibibytes(available)));
    let threads = facts.memory_available.map(|bytes| bytes / KERNEL_STACK_BYTES);
    let caps = match threads {
        Some(threads) => format!(
            "both sides, stacks, sockets and page tables together; kernel stacks alone would take it at {} threads",
            grouped(threads)
        ),
        None => "both sides, stacks, sockets and page tables together".to_string(),
    };
    limit("memory available", value, caps, None)
}
