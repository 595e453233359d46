//! Ports, queues and buffers of the network namespace.

use super::Limit;
use super::facts::Facts;
use super::list::{gibibytes, grouped, limit, stop_at, text};
use crate::root::Root;

/// What `contract` asks for; the kernel cuts it to `somaxconn`.
pub(super) const BACKLOG: u64 = 4096;
/// The kernel counts socket buffers in pages.
const PAGE_BYTES: u64 = 4096;

pub(super) fn port_range(facts: &Facts) -> Limit {
    let reserved = facts.reserved_ports;
    let value = facts.port_range.map(|(low, high)| match reserved {
        0 => format!("{low}-{high}"),
        _ => format!("{low}-{high}, {reserved} of them reserved"),
    });
    let wider = facts.command("sysctl -w net.ipv4.ip_local_port_range='1024 65535'");
    limit(
        "net.ipv4.ip_local_port_range",
        value,
        stop_at("connections from one source address to one server port", facts.ports()),
        Some(format!("use more source addresses (127.0.0.2 and on), or {wider}")),
    )
}

pub(super) fn conntrack(facts: &Facts) -> Limit {
    let name = "nf_conntrack_max";
    match (facts.conntrack_max, facts.conntrack_now) {
        (None, _) => {
            limit(name, Some("absent".to_string()), "nothing: connections are not tracked", None)
        }
        (Some(max), Some(used)) if used > 0 => limit(
            name,
            Some(format!("{max} ({used} used)")),
            format!("{}, then packets are dropped", stop_at("tracked connections", Some(max))),
            Some(facts.sysctl("net.netfilter.nf_conntrack_max", 4_194_304)),
        ),
        (Some(max), _) => {
            limit(name, Some(text(max)), "nothing now: no connection is tracked", None)
        }
    }
}

pub(super) fn somaxconn(facts: &Facts) -> Limit {
    let max = facts.somaxconn;
    let caps = match max {
        Some(max) => {
            format!("the accept queue: a backlog of {BACKLOG} becomes {}", BACKLOG.min(max))
        }
        None => "the accept queue".to_string(),
    };
    let remedy =
        max.filter(|max| *max < BACKLOG).map(|_| facts.sysctl("net.core.somaxconn", BACKLOG));
    limit("net.core.somaxconn", max.map(text), caps, remedy)
}

pub(super) fn syn_backlog(facts: &Facts, root: &Root) -> Limit {
    let name = "net.ipv4.tcp_max_syn_backlog";
    let value: Option<u64> = root.number("/proc/sys/net/ipv4/tcp_max_syn_backlog");
    let caps = "handshakes half done; beyond it SYN cookies are sent";
    limit(name, value.map(text), caps, Some(facts.sysctl(name, 16_384)))
}

pub(super) fn time_wait(facts: &Facts, root: &Root) -> Limit {
    let name = "net.ipv4.tcp_max_tw_buckets";
    let value: Option<u64> = root.number("/proc/sys/net/ipv4/tcp_max_tw_buckets");
    let caps = "closed connections remembered for a minute; beyond it they are forgotten at once";
    limit(name, value.map(text), caps, Some(facts.sysctl(name, 1_048_576)))
}

/// Three numbers of pages; the last one is the hard limit.
pub(super) fn tcp_memory(facts: &Facts, root: &Root) -> Limit {
    let name = "net.ipv4.tcp_mem";
    let text = root.word("/proc/sys/net/ipv4/tcp_mem");
    let pages: Vec<u64> =
        text.iter().flat_map(|text| text.split_ascii_whitespace()).flat_map(str::parse).collect();
    let Some(&high) = pages.get(2) else {
        return limit(name, None, "data in flight of all connections", None);
    };
    let caps = format!(
        "data in flight of all connections: {}",
        gibibytes(high.saturating_mul(PAGE_BYTES))
    );
    let twice: Vec<String> =
        pages.iter().map(|pages| pages.saturating_mul(2).to_string()).collect();
    let remedy = facts.command(&format!("sysctl -w {name}='{}'", twice.join(" ")));
    limit(name, text.map(|text| text.replace('\t', " ")), caps, Some(remedy))
}

pub(super) fn loopback_mtu(root: &Root) -> Limit {
    let mtu: Option<u64> = root.number("/sys/class/net/lo/mtu");
    let caps = match mtu {
        Some(mtu) => {
            format!("one segment holds {} bytes; on most real networks 1,500", grouped(mtu))
        }
        None => "how much one segment holds".to_string(),
    };
    limit("loopback MTU", mtu.map(text), caps, None)
}

pub(super) fn congestion_control(root: &Root) -> Limit {
    let value = root.word("/proc/sys/net/ipv4/tcp_congestion_control");
    limit(
        "net.ipv4.tcp_congestion_control",
        value,
        "how senders pace; left alone and recorded",
        None,
    )
}
