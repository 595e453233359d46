//! CPUs, clocks, the hypervisor, and who may observe: they stop nothing and shape everything.

use super::Limit;
use super::facts::Facts;
use super::list::{NOTHING_SEEN, limit};
use crate::cpus::{list, parse_list, plan_from};
use crate::noise::CpuTimes;
use crate::root::Root;
use crate::settings;

pub(super) fn cpus(facts: &Facts, root: &Root) -> Limit {
    let allowed = &facts.cpus_allowed;
    let online = root.word("/sys/devices/system/cpu/online").and_then(|text| parse_list(&text));
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
    let held_back = online.as_ref().is_some_and(|online| online.len() > allowed.len());
    let value = online.map(|online| {
        format!("{} online, {} allowed ({})", online.len(), allowed.len(), list(allowed))
    });
    let remedy = held_back.then(|| "taskset -c LIST, or docker run --cpuset-cpus LIST".to_string());
    limit(
        "CPUs",
        value,
        if allowed.is_empty() { "which side runs where".to_string() } else { caps },
        remedy,
    )
}

pub(super) fn cpu_quota(facts: &Facts) -> Limit {
    let Some(milli) = facts.group_cpu_milli else {
        return limit("CPU quota", Some("none".to_string()), NOTHING_SEEN, None);
    };
    limit(
        "CPU quota",
        Some(format!("{}.{:03} CPUs", milli / 1000, milli % 1000)),
        "both sides are stopped for the rest of each period: rates and latencies are the quota's, not the model's",
        Some("docker run without --cpus, or systemctl set-property UNIT CPUQuota=".to_string()),
    )
}

pub(super) fn smt(facts: &Facts, root: &Root) -> Limit {
    let value = settings::smt(root);
    let on = value.as_deref() == Some("on");
    let remedy = on.then(|| facts.command("echo off > /sys/devices/system/cpu/smt/control"));
    let caps = "siblings share a core; they are never split between server and generator if there is another core";
    limit("SMT", or_absent(value), caps, remedy)
}

pub(super) fn governor(facts: &Facts, root: &Root) -> Limit {
    let value = settings::governor(root);
    let slow = value.as_deref().is_some_and(|governor| governor != "performance");
    let remedy = slow.then(|| facts.command("cpupower frequency-set -g performance"));
    limit(
        "governor",
        or_absent(value),
        "a clock that follows the load makes light loads look slow",
        remedy,
    )
}

pub(super) fn turbo(facts: &Facts, root: &Root) -> Limit {
    let value = settings::turbo(root);
    let remedy =
        (value.as_deref() == Some("on")).then(|| facts.command("cpupower set --turbo-boost 0"));
    limit("turbo", or_absent(value), "a clock that depends on heat adds spread", remedy)
}

pub(super) fn mitigations(root: &Root) -> Limit {
    let all = settings::mitigations(root);
    let value = match all.len() {
        0 => "none".to_string(),
        count => format!("{count}: {}", all.into_keys().collect::<Vec<_>>().join(" ")),
    };
    limit(
        "mitigations",
        Some(value),
        "each makes system calls and switches dearer; left alone and recorded",
        None,
    )
}

pub(super) fn clock_source(root: &Root) -> Limit {
    limit("clock source", settings::clock_source(root), "what one reading of the time costs", None)
}

pub(super) fn virtual_machine(root: &Root) -> Limit {
    let value = settings::hypervisor(root).unwrap_or_else(|| "no sign of one".to_string());
    let caps = "in one, wake-ups across CPUs and timers cost more, and neighbours are felt";
    limit("virtual machine", Some(value), caps, None)
}

pub(super) fn steal(root: &Root) -> Limit {
    let share = CpuTimes::read_from(root).ok().and_then(|times| times.steal_share_since_boot());
    let value = share.map(|share| format!("{:.2} % of the CPU time since boot", share * 100.0));
    limit(
        "steal",
        value,
        "time that the hypervisor gave to others; sampled during each trial",
        None,
    )
}

pub(super) fn perf_event_paranoid(facts: &Facts, root: &Root) -> Limit {
    let name = "kernel.perf_event_paranoid";
    let level: Option<i32> = root.number("/proc/sys/kernel/perf_event_paranoid");
    let strict = facts.uid != 0 && level.is_some_and(|level| level > 0);
    let remedy = strict.then(|| facts.command(&format!("sysctl -w {name}=0")));
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
