//! Descriptors, processes and threads: what a model runs into.

use super::facts::{Facts, PIDS_MOST, RESERVED_PIDS, Rlimit};
use super::list::{NOTHING_SEEN, limit, stop_at, text};
use super::{DESCRIPTORS_OF_A_PROCESS, Limit, MAPS_OF_A_PROCESS, MAPS_PER_THREAD};
use crate::root::Root;

const TASKS_OF_ALL: &str = "processes and threads of the whole machine together";
/// Descriptors to ask for where nothing smaller was named: what `fs.nr_open` allows unless it was changed.
const DESCRIPTORS_MANY: u64 = 1_048_576;

pub(super) fn nofile(facts: &Facts) -> Limit {
    let value =
        facts.nofile.map(|nofile| format!("{} (hard {})", text(nofile.soft), text(nofile.hard)));
    let left = facts.nofile.map(|nofile| nofile.hard.saturating_sub(DESCRIPTORS_OF_A_PROCESS));
    let mut caps = format!(
        "{} ({DESCRIPTORS_OF_A_PROCESS} kept for itself)",
        stop_at("connections of one process", left)
    );
    if facts.nofile.is_some_and(|nofile| nofile.soft < nofile.hard) {
        caps.push_str("; c10k and the contestants raise the soft limit themselves");
    }
    let remedy = facts.nofile.filter(|nofile| nofile.hard < DESCRIPTORS_MANY);
    limit("nofile", value, caps, remedy.map(|nofile| raise_descriptors(facts, nofile)))
}

/// Raising the hard limit, or who can.
fn raise_descriptors(facts: &Facts, nofile: Rlimit) -> String {
    let command = format!("ulimit -n {DESCRIPTORS_MANY}");
    let most = facts.nr_open.filter(|most| *most < DESCRIPTORS_MANY);
    if let Some(most) = most.filter(|_| facts.may_raise_hard_limits) {
        return if nofile.hard < most {
            format!("ulimit -n {most}")
        } else {
            format!("{} and then {command}", facts.sysctl("fs.nr_open", DESCRIPTORS_MANY))
        };
    }
    if facts.may_raise_hard_limits {
        return command;
    }
    let several = "several processes hold more together";
    if facts.uid == 0 {
        format!(
            "not from here: root lacks the machine's CAP_SYS_RESOURCE; {several}, or start it with docker run --ulimit \
             nofile={DESCRIPTORS_MANY}"
        )
    } else {
        format!("{command} (as root), or {several}")
    }
}

pub(super) fn nr_open(facts: &Facts) -> Limit {
    let name = "fs.nr_open";
    let remedy = facts.lift(name, facts.nr_open, 4_194_304);
    limit(name, facts.nr_open.map(text), "how far nofile can be raised, by root too", remedy)
}

pub(super) fn file_max(facts: &Facts) -> Limit {
    let name = "fs.file-max";
    let used = facts.files_now.map(|used| format!(" ({used} used)")).unwrap_or_default();
    let value = facts.file_max.map(|max| format!("{}{used}", text(max)));
    let caps = stop_at("connections with both ends here", facts.files_left().map(|left| left / 2));
    limit(name, value, caps, facts.lift(name, facts.file_max, 8_388_608))
}

/// Both sides watch each connection, as one user.
pub(super) fn epoll_watches(facts: &Facts, root: &Root) -> Limit {
    let name = "fs.epoll.max_user_watches";
    let watches: Option<u64> = root.number("/proc/sys/fs/epoll/max_user_watches");
    let caps = stop_at(
        "connections that epoll watches from both ends",
        watches.map(|watches| watches / 2),
    );
    limit(name, watches.map(text), caps, facts.lift(name, watches, 4_194_304))
}

pub(super) fn group_pids(facts: &Facts) -> Limit {
    let Some(pids) = &facts.group_pids else {
        return limit("cgroup pids.max", Some("none".to_string()), NOTHING_SEEN, None);
    };
    limit(
        "cgroup pids.max",
        Some(format!("{} ({} used)", pids.max, pids.used)),
        stop_at("processes and threads of this control group", Some(pids.max)),
        Some(facts.write(&pids.file, "max", "start it with docker run --pids-limit N")),
    )
}

pub(super) fn user_processes(facts: &Facts) -> Limit {
    let name = "nproc";
    let value = facts.nproc.map(|nproc| match facts.user_tasks_now {
        Some(now) => format!("{} ({now} in use)", text(nproc.soft)),
        None => text(nproc.soft),
    });
    if facts.exempt_from_nproc {
        return limit(name, value, "nothing: root is exempt", None);
    }
    if facts.nproc.is_some_and(|nproc| nproc.soft == u64::MAX) {
        return limit(name, value, "nothing", None);
    }
    let caps = stop_at("processes and threads of this user", facts.nproc.map(|nproc| nproc.soft));
    let remedy = facts.nproc.map(|nproc| {
        if nproc.soft < nproc.hard {
            format!("ulimit -u {}", text(nproc.hard))
        } else if facts.uid == 0 {
            "not from here: root of a user namespace may not raise it".to_string()
        } else {
            "ulimit -u unlimited (as root, before the user's shell starts)".to_string()
        }
    });
    limit(name, value, caps, remedy)
}

pub(super) fn threads_max(facts: &Facts) -> Limit {
    let name = "kernel.threads-max";
    let value = facts.threads_max.map(|max| in_use(facts, max));
    let remedy = facts.lift(name, facts.threads_max, PIDS_MOST);
    limit(name, value, stop_at(TASKS_OF_ALL, facts.threads_max), remedy)
}

pub(super) fn pid_max(facts: &Facts) -> Limit {
    let name = "kernel.pid_max";
    let value = facts.pid_max.map(|max| in_use(facts, max));
    let usable = facts.pid_max.map(|max| max.saturating_sub(RESERVED_PIDS));
    let remedy = facts.lift(name, facts.pid_max, PIDS_MOST);
    let mut caps = stop_at(TASKS_OF_ALL, usable);
    if facts.pid_namespace.is_some() {
        caps.push_str(
            ", or sooner: outside this PID namespace less may be allowed, which it cannot see",
        );
    }
    limit(name, value, caps, remedy)
}

fn in_use(facts: &Facts, max: u64) -> String {
    facts.tasks_now.map_or(text(max), |running| format!("{max} ({running} in use)"))
}

pub(super) fn max_map_count(facts: &Facts) -> Limit {
    let name = "vm.max_map_count";
    let threads =
        facts.max_map_count.map(|maps| maps.saturating_sub(MAPS_OF_A_PROCESS) / MAPS_PER_THREAD);
    let caps =
        format!("{} ({MAPS_PER_THREAD} maps each)", stop_at("threads of one process", threads));
    let remedy = facts.lift(name, facts.max_map_count, 1_048_576);
    limit(name, facts.max_map_count.map(text), caps, remedy)
}

/// Refused by a kernel parameter, by a kernel without it, or by a container's seccomp profile.
pub(super) fn io_uring(facts: &Facts, tried: &Result<(), String>) -> Limit {
    let name = "io_uring";
    let Err(why) = tried else {
        return limit(name, Some("works".to_string()), "nothing: models on io_uring start", None);
    };
    let remedy = match facts.io_uring_disabled {
        Some(1..) => Some(facts.sysctl("kernel.io_uring_disabled", 0)),
        Some(0) if facts.seccomp => Some(
            "not from inside this container: its seccomp profile refuses it; start it with docker run \
             --security-opt seccomp=PROFILE"
                .to_string(),
        ),
        _ => None,
    };
    let caps = format!("models on io_uring do not start: {why}");
    limit(name, Some("does not work".to_string()), caps, remedy)
}
