//! The limits in words, group by group, in each the ones first that a growing number of connections meets first.

use super::facts::Facts;
use super::{Limit, Tried, memory, network, shape, stops};
use crate::root::Root;
use crate::settings;

/// What a limit that nobody set caps: a container may still be held from outside.
pub(super) const NOTHING_SEEN: &str = "nothing that can be seen from here";
/// The value of what this machine does not tell.
pub(super) const UNKNOWN: &str = "unknown";

/// What only trying can tell comes in `tried`.
pub(super) fn limits(facts: &Facts, root: &Root, tried: &Tried) -> Vec<Limit> {
    let groups = [
        (
            "open files",
            vec![
                stops::nofile(facts),
                stops::nr_open(facts),
                stops::file_max(facts),
                stops::epoll_watches(facts, root),
            ],
        ),
        (
            "processes and threads",
            vec![
                stops::group_pids(facts),
                stops::user_processes(facts),
                stops::threads_max(facts),
                stops::pid_max(facts),
                stops::max_map_count(facts),
                stops::io_uring(facts, &tried.io_uring),
            ],
        ),
        (
            "memory",
            vec![
                memory::group(facts),
                memory::available(facts),
                memory::swap(facts),
                memory::overcommit(facts, root),
                memory::huge_pages(facts, root),
            ],
        ),
        ("network", network::limits(facts, root)),
        (
            "CPUs",
            vec![
                shape::cpus(facts, root),
                shape::cpuset(facts, root),
                shape::cpu_quota(facts),
                shape::smt(facts, root),
                shape::governor(facts, root),
                shape::turbo(facts, root),
            ],
        ),
        ("machine", shape::machine(facts, root)),
        (
            "observing",
            vec![
                shape::perf_event_paranoid(facts, root),
                shape::tracepoints(&tried.tracepoints),
                shape::cgroup(facts),
            ],
        ),
    ];
    let grouped = groups.into_iter().flat_map(|(group, limits)| {
        limits.into_iter().map(move |limit| Limit { group: group.to_string(), ..limit })
    });
    grouped.map(|limit| explained(limit, root)).collect()
}

/// What is unknown says why: `unknown` alone could be our mistake.
fn explained(mut limit: Limit, root: &Root) -> Limit {
    if limit.value == UNKNOWN {
        let path = match limit.name.as_str() {
            "nofile" | "nproc" => "/proc/self/limits".to_string(),
            "memory available" | "swap" => "/proc/meminfo".to_string(),
            "transparent huge pages" => settings::HUGE_PAGES.to_string(),
            "loopback MTU" => "/sys/class/net/lo/mtu".to_string(),
            "CPUs" => "/sys/devices/system/cpu/online".to_string(),
            "clock source" => settings::CLOCK_SOURCE.to_string(),
            "steal" => "/proc/stat".to_string(),
            sysctl => format!("/proc/sys/{}", sysctl.replace('.', "/")),
        };
        limit.caps = format!("{} ({})", limit.caps, root.why_not(&path));
    }
    limit
}

/// `value` absent: the machine does not tell. The group is filled in by [`limits`].
pub(super) fn limit(
    name: &str,
    value: Option<String>,
    caps: impl Into<String>,
    remedy: Option<String>,
) -> Limit {
    let value = value.unwrap_or_else(|| UNKNOWN.to_string());
    Limit { group: String::new(), name: name.to_string(), value, caps: caps.into(), remedy }
}

/// `threads stop at 16,367`; without the number where it is not known.
pub(super) fn stop_at(what: &str, number: Option<u64>) -> String {
    match number {
        Some(number) => format!("{what} stop at {}", grouped(number)),
        None => format!("how many {what} there can be"),
    }
}

/// As the kernel writes it.
pub(super) fn text(number: u64) -> String {
    if number == u64::MAX { "unlimited".to_string() } else { number.to_string() }
}

/// `16,367`: thousands are told apart in sentences, values stay as the kernel writes them.
pub(super) fn grouped(number: u64) -> String {
    if number == u64::MAX {
        return text(number);
    }
    let digits = number.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `23.5 GiB`, `128 KiB`: in the largest unit of which there is one.
pub(super) fn binary(bytes: u64) -> String {
    let scaled = |shift: u32| {
        let tenths = (u128::from(bytes) * 10) >> shift;
        format!("{}.{}", tenths / 10, tenths % 10)
    };
    match bytes {
        0..0x400 => format!("{bytes} bytes"),
        0x400..0x10_0000 => format!("{} KiB", scaled(10)),
        0x10_0000..0x4000_0000 => format!("{} MiB", scaled(20)),
        _ => format!("{} GiB", scaled(30)),
    }
}
