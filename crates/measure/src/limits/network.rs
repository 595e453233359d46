//! Ports, queues and buffers of the network namespace.

use nix::unistd::{SysconfVar, sysconf};

use super::Limit;
use super::facts::{Facts, WIDEST_PORT_RANGE};
use super::list::{binary, grouped, limit, stop_at, text};
use crate::root::Root;

/// What `contract` asks for; the kernel cuts it to `somaxconn`.
pub(super) const BACKLOG: u64 = 4096;
/// All ports that a user may have.
pub(super) const WIDEST: &str = "1024 65535";
/// What a setting is worth raising to.
const CONNECTIONS_MANY: u64 = 1_048_576;

pub(super) fn limits(facts: &Facts, root: &Root) -> Vec<Limit> {
    vec![
        port_range(facts),
        time_wait_reuse(facts, root),
        time_wait(facts, root),
        conntrack(facts, root),
        somaxconn(facts),
        syn_backlog(facts, root),
        tcp_memory(facts, root),
        socket_buffers(facts, root, "net.ipv4.tcp_rmem", "receive"),
        socket_buffers(facts, root, "net.ipv4.tcp_wmem", "send"),
        loopback_mtu(root),
        congestion_control(root),
    ]
}

fn port_range(facts: &Facts) -> Limit {
    let reserved = facts.reserved_ports;
    let value = facts.port_range.map(|(low, high)| match reserved {
        0 => format!("{low}-{high}"),
        _ => format!("{low}-{high}, {reserved} of them reserved"),
    });
    let name = "net.ipv4.ip_local_port_range";
    let sources = "use more source addresses (127.0.0.2 and on)".to_string();
    let wider = facts.ports().filter(|ports| *ports < WIDEST_PORT_RANGE);
    let wider = wider.and_then(|_| facts.sysctl_here(name, WIDEST));
    let remedy = wider.map_or(sources.clone(), |wider| format!("{sources}, or {wider}"));
    limit(
        name,
        value,
        stop_at("connections from one source address to one server port", facts.ports()),
        Some(remedy),
    )
}

/// Documentation/networking/ip-sysctl.rst: 2, the default since 4.19, is for loopback alone.
fn time_wait_reuse(facts: &Facts, root: &Root) -> Limit {
    let name = "net.ipv4.tcp_tw_reuse";
    let mode: Option<u64> = root.number("/proc/sys/net/ipv4/tcp_tw_reuse");
    let caps = match mode {
        Some(0) => match facts.ports() {
            Some(ports) => format!(
                "a port rests for a minute after its connection: {} connections a minute from one source address to \
                 one server port",
                grouped(ports)
            ),
            None => "a port rests for a minute after its connection".to_string(),
        },
        Some(_) => {
            "nothing on loopback: a port in TIME_WAIT is used again after a second".to_string()
        }
        None => "how soon a port is used again".to_string(),
    };
    let remedy = mode.filter(|mode| *mode == 0).map(|_| facts.sysctl(name, 2));
    limit(name, mode.map(text), caps, remedy)
}

fn time_wait(facts: &Facts, root: &Root) -> Limit {
    let name = "net.ipv4.tcp_max_tw_buckets";
    let most: Option<u64> = root.number("/proc/sys/net/ipv4/tcp_max_tw_buckets");
    let now = crate::tcp::time_wait_from(root).ok();
    let value = most.map(|most| match now {
        Some(now) => format!("{most} ({now} used)"),
        None => most.to_string(),
    });
    let caps = "closed connections that are remembered for a minute; those beyond it are forgotten at once";
    limit(name, value, caps, facts.lift(name, most, CONNECTIONS_MANY))
}

fn conntrack(facts: &Facts, root: &Root) -> Limit {
    let name = "net.netfilter.nf_conntrack_max";
    if root.lacks("/proc/sys/net/netfilter/nf_conntrack_max") {
        return limit(
            name,
            Some("absent".to_string()),
            "nothing: connections are not tracked",
            None,
        );
    }
    match (facts.conntrack_max, facts.conntrack_now) {
        (Some(max), Some(used)) if used > 0 => limit(
            name,
            Some(format!("{max} ({used} used)")),
            format!("{}, then packets are dropped", stop_at("tracked connections", Some(max))),
            facts.lift(name, Some(max), CONNECTIONS_MANY),
        ),
        (Some(max), _) => {
            limit(name, Some(text(max)), "nothing now: no connection is tracked", None)
        }
        (None, _) => limit(name, None, "how many tracked connections there can be", None),
    }
}

fn somaxconn(facts: &Facts) -> Limit {
    let name = "net.core.somaxconn";
    let caps = match facts.somaxconn {
        Some(max) => {
            format!("the accept queue: a backlog of {BACKLOG} becomes {}", BACKLOG.min(max))
        }
        None => "the accept queue".to_string(),
    };
    limit(name, facts.somaxconn.map(text), caps, facts.lift(name, facts.somaxconn, BACKLOG))
}

/// `tcp_conn_request` of `net/ipv4/tcp_input.c` (6.x): only where cookies are off is this number looked at, and the last
/// quarter of it is kept for peers that are known; with cookies the listener's backlog decides when they are sent.
fn syn_backlog(facts: &Facts, root: &Root) -> Limit {
    let name = "net.ipv4.tcp_max_syn_backlog";
    let most: Option<u64> = root.number("/proc/sys/net/ipv4/tcp_max_syn_backlog");
    let cookies: Option<u64> = root.number("/proc/sys/net/ipv4/tcp_syncookies");
    let (caps, remedy) = match (cookies, most) {
        (Some(1..), _) => (
            format!(
                "nothing while tcp_syncookies is on: beyond the listener's backlog of {} SYN cookies are sent",
                facts.somaxconn.map_or(BACKLOG, |most| most.min(BACKLOG))
            ),
            None,
        ),
        (Some(0), Some(most)) => (
            format!(
                "{}; then SYNs are dropped",
                stop_at("half-open handshakes", Some(most - most / 4))
            ),
            facts.lift(name, Some(most), 16_384),
        ),
        _ => ("half-open handshakes, where tcp_syncookies is off".to_string(), None),
    };
    limit(name, most.map(text), caps, remedy)
}

/// Three numbers of pages; the last one is the hard limit.
fn tcp_memory(facts: &Facts, root: &Root) -> Limit {
    let name = "net.ipv4.tcp_mem";
    let Some([low, pressure, high]) = three(root, name) else {
        return limit(name, None, "socket buffers of the whole machine", None);
    };
    let page_bytes =
        sysconf(SysconfVar::PAGE_SIZE).ok().flatten().and_then(|bytes| u64::try_from(bytes).ok());
    let caps = format!(
        "socket buffers of the whole machine stop at {}",
        binary(high.saturating_mul(page_bytes.unwrap_or(4096)))
    );
    let twice = [low, pressure, high].map(|pages| pages.saturating_mul(2).to_string()).join(" ");
    let value = format!("{low} {pressure} {high} pages");
    limit(name, Some(value), caps, Some(facts.sysctl(name, twice)))
}

/// Least, first and most bytes of one socket's buffer.
fn socket_buffers(facts: &Facts, root: &Root, name: &str, which: &str) -> Limit {
    /// What lets one connection fill a loopback window whatever the scheduler does; the kernel's own default is more.
    const ENOUGH_BYTES: u64 = 1 << 20;
    let Some([least, first, most]) = three(root, name) else {
        return limit(name, None, format!("one connection's {which} buffer"), None);
    };
    let caps = format!(
        "one connection's {which} buffer begins at {} and grows to {}",
        binary(first),
        binary(most)
    );
    let remedy =
        (most < ENOUGH_BYTES).then(|| facts.sysctl(name, format!("{least} {first} 6291456")));
    limit(name, Some(format!("{least} {first} {most}")), caps, remedy)
}

fn three(root: &Root, name: &str) -> Option<[u64; 3]> {
    let text = root.word(&format!("/proc/sys/{}", name.replace('.', "/")))?;
    let numbers: Result<Vec<u64>, _> = text.split_ascii_whitespace().map(str::parse).collect();
    numbers.ok()?.try_into().ok()
}

fn loopback_mtu(root: &Root) -> Limit {
    let mtu: Option<u64> = root.number("/sys/class/net/lo/mtu");
    let caps = match mtu {
        Some(mtu) => {
            format!("one segment holds {} bytes; on most real networks 1,500", grouped(mtu))
        }
        None => "how much one segment holds".to_string(),
    };
    limit("loopback MTU", mtu.map(text), caps, None)
}

fn congestion_control(root: &Root) -> Limit {
    let value = root.word("/proc/sys/net/ipv4/tcp_congestion_control");
    limit(
        "net.ipv4.tcp_congestion_control",
        value,
        "how senders pace; left alone and recorded",
        None,
    )
}
