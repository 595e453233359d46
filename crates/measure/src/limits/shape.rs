//! CPUs, clocks, the hypervisor, and who may observe: they stop nothing and shape everything.

use super::Limit;
use super::facts::Facts;
use super::list::{NOTHING_SEEN, limit};
use crate::cgroup::CpuSet;
use crate::cpus::{list, parse_list, plan_from};
use crate::noise::CpuTimes;
use crate::root::Root;
use crate::settings;

/// Most virtual machines do not see how their CPUs are clocked.
const UNSEEN_CLOCK: &str =
    "nothing that can be seen from here: whoever sets the clock does not tell";

pub(super) fn cpus(facts: &Facts, root: &Root) -> Limit {
    let allowed = &facts.cpus_allowed;
    let online = online(root);
    let sets = plan_from(root, allowed);
    let mut caps = format!(
        "server on CPUs {}, generator on CPUs {}",
        list(&sets.server),
        list(&sets.generator)
    );
    for warning in &sets.warnings {
        caps.push_str("; ");
        caps.push_str(warning);
    }
    if allowed.is_empty() {
        caps = "which side runs where".to_string();
    }
    let value = online.as_ref().map(|online| {
        format!("{} online, {} allowed ({})", online.len(), allowed.len(), list(allowed))
    });
    // What the control group has taken away, no affinity mask brings back.
    let within = facts.group_cpus.as_ref().map(|set| &set.cpus).or(online.as_ref());
    let held_back = within.filter(|within| within.len() > allowed.len() && !allowed.is_empty());
    limit("CPUs", value, caps, held_back.map(|within| format!("taskset -c {}", list(within))))
}

fn online(root: &Root) -> Option<Vec<usize>> {
    root.word("/sys/devices/system/cpu/online").and_then(|text| parse_list(&text))
}

pub(super) fn cpuset(facts: &Facts, root: &Root) -> Limit {
    let name = "cgroup cpuset";
    let Some(CpuSet { cpus, file }) = &facts.group_cpus else {
        return limit(name, Some("none".to_string()), NOTHING_SEEN, None);
    };
    let online = online(root).unwrap_or_default();
    let taken: Vec<usize> = online.iter().copied().filter(|cpu| !cpus.contains(cpu)).collect();
    if taken.is_empty() {
        return limit(name, Some(list(cpus)), "nothing: all CPUs that are online", None);
    }
    let all = list(&online);
    let remedy = facts.write(file, &all, &format!("start it with docker run --cpuset-cpus {all}"));
    limit(name, Some(list(cpus)), format!("CPUs {} are out of reach", list(&taken)), Some(remedy))
}

pub(super) fn cpu_quota(facts: &Facts) -> Limit {
    let name = "cgroup CPU quota";
    let Some(quota) = &facts.group_cpu else {
        return limit(name, Some("none".to_string()), NOTHING_SEEN, None);
    };
    let without = if quota.file.ends_with("cpu.max") { "max" } else { "-1" };
    limit(
        name,
        Some(format!("{}.{:03} CPUs", quota.milli / 1000, quota.milli % 1000)),
        "both sides are stopped for the rest of each period: rates and latencies are the quota's, not the model's",
        Some(facts.write(&quota.file, without, "start it with docker run without --cpus")),
    )
}

pub(super) fn smt(facts: &Facts, root: &Root) -> Limit {
    let control = settings::smt(root);
    let siblings = settings::siblings(root);
    let value = match (&control, siblings.len()) {
        (control, 0) => control.clone(),
        (control, _) => {
            let control = control.as_deref().unwrap_or("on");
            Some(format!("{control}: {}", siblings.join(" ")))
        }
    };
    let path = "/sys/devices/system/cpu/smt/control";
    let on = control.as_deref() == Some("on") && !siblings.is_empty();
    let remedy = on.then(|| {
        facts.write(path, "off", "echo off > /sys/devices/system/cpu/smt/control on its host")
    });
    let caps = if siblings.is_empty() {
        "nothing: no two CPUs are told to share a core"
    } else {
        "siblings share a core; they are never split between server and generator if there is another core"
    };
    limit("SMT", or_absent(value), caps, remedy)
}

pub(super) fn governor(facts: &Facts, root: &Root) -> Limit {
    let value = settings::governor(root);
    let slow = value.as_deref().is_some_and(|governor| governor != "performance");
    let remedy = slow.then(|| facts.command("cpupower frequency-set -g performance"));
    let caps = if value.is_none() {
        UNSEEN_CLOCK
    } else {
        "a clock that follows the load makes light loads look slow"
    };
    limit("governor", or_absent(value), caps, remedy)
}

pub(super) fn turbo(facts: &Facts, root: &Root) -> Limit {
    let value = settings::turbo(root);
    let remedy =
        (value.as_deref() == Some("on")).then(|| facts.command("cpupower set --turbo-boost 0"));
    let caps =
        if value.is_none() { UNSEEN_CLOCK } else { "a clock that depends on heat adds spread" };
    limit("turbo", or_absent(value), caps, remedy)
}

/// What it is, and what of it nobody here can change.
pub(super) fn machine(facts: &Facts, root: &Root) -> Vec<Limit> {
    let mut limits =
        vec![virtual_machine(root), steal(root), clock_source(facts, root), mitigations(root)];
    limits.extend(fixed_layout(facts, root));
    limits
}

fn mitigations(root: &Root) -> Limit {
    let name = "mitigations";
    if !root.path(settings::VULNERABILITIES).is_dir() {
        return limit(
            name,
            Some("not told".to_string()),
            "what system calls and switches cost",
            None,
        );
    }
    let all = settings::mitigations(root);
    let value = match all.len() {
        0 => "none".to_string(),
        count => format!("{count}: {}", all.into_keys().collect::<Vec<_>>().join(" ")),
    };
    limit(
        name,
        Some(value),
        "each makes system calls and switches dearer; left alone and recorded",
        None,
    )
}

fn clock_source(facts: &Facts, root: &Root) -> Limit {
    let value = settings::clock_source(root);
    // These are read without entering the kernel; hpet and acpi_pm are not.
    let fast = value.as_deref().is_none_or(|source| {
        ["tsc", "kvm-clock", "arch_sys_counter", "hyperv"]
            .iter()
            .any(|fast| source.starts_with(fast))
    });
    let remedy = (!fast).then(|| {
        let path = settings::CLOCK_SOURCE;
        facts.write(path, "tsc", &format!("echo tsc > {path} on its host"))
    });
    let caps = if fast {
        "what one reading of the time costs"
    } else {
        "each reading of the time is a system call, for both sides"
    };
    limit("clock source", value, caps, remedy)
}

fn virtual_machine(root: &Root) -> Limit {
    let value = settings::hypervisor(root);
    let caps = if value.is_some() {
        "wake-ups across CPUs and timers cost more than on bare metal, and neighbours are felt"
    } else {
        "nothing that can be seen from here"
    };
    let value = value.unwrap_or_else(|| "no sign of one".to_string());
    limit("virtual machine", Some(value), caps, None)
}

fn steal(root: &Root) -> Limit {
    let share = CpuTimes::read_from(root).ok().and_then(|times| times.steal_share_since_boot());
    let value = share.map(|share| format!("{:.2} % since boot", share * 100.0));
    limit(
        "steal",
        value,
        "CPU time that the hypervisor gave to others; sampled during each trial",
        None,
    )
}

/// Shown only where it matters: randomised layouts differ from repeat to repeat, so their luck is in the spread.
fn fixed_layout(facts: &Facts, root: &Root) -> Option<Limit> {
    let name = "kernel.randomize_va_space";
    let mode: Option<u64> = root.number("/proc/sys/kernel/randomize_va_space");
    let caps =
        "every repeat gets the same memory layout, so the luck of one layout does not average out";
    (mode == Some(0)).then(|| limit(name, Some("0".to_string()), caps, Some(facts.sysctl(name, 2))))
}

pub(super) fn perf_event_paranoid(facts: &Facts, root: &Root) -> Limit {
    let name = "kernel.perf_event_paranoid";
    let level: Option<i32> = root.number("/proc/sys/kernel/perf_event_paranoid");
    let strict = facts.uid != 0 && level.is_some_and(|level| level > 0);
    let remedy = strict.then(|| facts.sysctl(name, 0));
    let caps = "who may count on a whole CPU: at 0 everybody, above it root and CAP_PERFMON";
    limit(name, level.map(|level| level.to_string()), caps, remedy)
}

/// The remedy of an error stands after its last semicolon.
pub(super) fn tracepoints(tried: &Result<(), String>) -> Limit {
    let name = "tracepoints";
    match tried {
        Ok(()) => limit(
            name,
            Some("work".to_string()),
            "system calls and switches per request are counted",
            None,
        ),
        Err(said) => {
            let (reason, remedy) = said.rsplit_once("; ").unwrap_or((said, ""));
            let remedy = Some(remedy.to_string()).filter(|remedy| !remedy.is_empty());
            let caps =
                format!("system calls per request are absent, switches come from /proc: {reason}");
            limit(name, Some("do not work".to_string()), caps, remedy)
        }
    }
}

pub(super) fn cgroup(facts: &Facts) -> Limit {
    limit(
        "cgroup",
        Some(facts.cgroup_version.clone()),
        "where the limits of this control group were looked for",
        None,
    )
}

/// Unlike a limit that is not told, a setting that is not there changes nothing.
fn or_absent(value: Option<String>) -> Option<String> {
    value.or_else(|| Some("absent".to_string()))
}
