//! The limits in words, in the order in which they stop a growing number of connections; then what stops nothing
//! and shapes everything.

use super::facts::Facts;
use super::{Limit, network, shape, stops};
use crate::root::Root;

/// What a limit that nobody set caps: a container may still be held from outside.
pub(super) const NOTHING_SEEN: &str = "nothing that can be seen from here";

/// Whether tracepoints work can only be told by trying, so the caller does.
pub(super) fn limits(facts: &Facts, root: &Root, tracepoints: &Result<(), String>) -> Vec<Limit> {
    vec![
        stops::nofile(facts),
        stops::nr_open(facts),
        stops::file_max(facts),
        network::port_range(facts),
        network::conntrack(facts),
        stops::group_pids(facts),
        stops::user_processes(facts),
        stops::threads_max(facts),
        stops::pid_max(facts),
        stops::max_map_count(facts),
        stops::group_memory(facts),
        stops::memory(facts),
        network::somaxconn(facts),
        network::syn_backlog(facts, root),
        network::time_wait(facts, root),
        network::tcp_memory(facts, root),
        network::loopback_mtu(root),
        network::congestion_control(root),
        shape::cpus(facts, root),
        shape::cpu_quota(facts),
        shape::smt(facts, root),
        shape::governor(facts, root),
        shape::turbo(facts, root),
        shape::mitigations(root),
        shape::clock_source(root),
        shape::virtual_machine(root),
        shape::steal(root),
        shape::perf_event_paranoid(facts, root),
        shape::tracepoints(tracepoints),
        shape::cgroup(facts),
    ]
}

/// `value` absent: the machine does not tell.
pub(super) fn limit(
    name: &str,
    value: Option<String>,
    caps: impl Into<String>,
    remedy: Option<String>,
) -> Limit {
    let value = value.unwrap_or_else(|| "unknown".to_string());
    Limit { name: name.to_string(), value, caps: caps.into(), remedy }
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

/// `23.5 GiB`.
pub(super) fn gibibytes(bytes: u64) -> String {
    let tenths = u128::from(bytes) * 10 / (1 << 30);
    format!("{}.{} GiB", tenths / 10, tenths % 10)
}
