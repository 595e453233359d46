//! What all threads of a run share: what to do, how far it is, and the signals between them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::number::{count, index, ns};
use crate::observer::Stop;
use crate::options::{Load, Pace, Until};

/// Ports that the kernel hands out, unless it says otherwise.
const PORTS_DEFAULT: usize = 28_232;
/// Open loops: a sleep ends this much before the next request is due, and the rest is spent polling, since a wake-up
/// takes that long.
const SPIN_NS: u64 = 60_000;

/// What to do; does not change during the run.
#[derive(Debug)]
pub(crate) struct Plan<P> {
    pub(crate) protocol: P,
    pub(crate) addr: SocketAddr,
    pub(crate) pace: Pace,
    pub(crate) until: Until,
    pub(crate) connections: usize,
    /// Which connections send.
    pub(crate) active: Vec<bool>,
    pub(crate) depth: usize,
    pub(crate) timeout_ns: u64,
    /// The CPU of each thread, or none.
    pub(crate) cpus: Vec<Option<usize>>,
    pub(crate) sources: Vec<IpAddr>,
    pub(crate) seed: u64,
    /// How long to poll instead of sleeping.
    pub(crate) spin_ns: u64,
}

impl<P> Plan<P> {
    pub(crate) fn new(load: &Load, protocol: P) -> Self {
        let addr = load.target.addr();
        let cpus = match load.cpus.as_slice() {
            [] => vec![None; load.threads],
            cpus => cpus.iter().copied().map(Some).collect(),
        };
        Self {
            protocol,
            addr,
            pace: load.pace,
            until: load.until,
            connections: load.connections,
            active: crate::random::choose(load.active(), load.connections, load.seed),
            depth: load.pipeline,
            timeout_ns: ns(load.timeout),
            cpus,
            sources: sources(&load.sources, addr, load.connections),
            seed: load.seed,
            // On a machine with one CPU, polling would take it from the server.
            spin_ns: if online_cpus() > 1 { SPIN_NS } else { 0 },
        }
    }

    pub(crate) fn threads(&self) -> usize {
        self.cpus.len()
    }

    /// Whether requests are due by the clock and not by the answers.
    pub(crate) fn open_loop(&self) -> bool {
        self.pace != Pace::Closed
    }

    /// The source address of a connection, unless the kernel is to choose.
    pub(crate) fn source(&self, id: u64) -> Option<SocketAddr> {
        let place = index(id).checked_rem(self.sources.len())?;
        Some(SocketAddr::new(self.sources[place], 0))
    }
}

/// CPUs of this machine; those of this process may be fewer.
fn online_cpus() -> i64 {
    use nix::unistd::{SysconfVar, sysconf};
    sysconf(SysconfVar::_NPROCESSORS_ONLN).ok().flatten().unwrap_or(1)
}

/// The sources that were given, or as many of 127.0.0.0/8 as `connections` need ports.
fn sources(given: &[IpAddr], addr: SocketAddr, connections: usize) -> Vec<IpAddr> {
    // A tenth is left to others: an earlier run's ports may still be in TIME_WAIT.
    let ports_per_source = ports_per_source() / 10 * 9;
    let is_v4_loopback = addr.ip().is_loopback() && addr.is_ipv4();
    if !given.is_empty() || connections <= ports_per_source || !is_v4_loopback {
        return given.to_vec();
    }
    let sources = u32::try_from(connections.div_ceil(ports_per_source)).unwrap_or(u32::MAX);
    let first = u32::from(Ipv4Addr::LOCALHOST);
    (0..sources.min(65_536)).map(|place| IpAddr::V4(Ipv4Addr::from(first + place))).collect()
}

/// Local ports that the kernel hands out for one source, destination and port.
pub(crate) fn ports_per_source() -> usize {
    let range =
        std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut ends = range.split_ascii_whitespace().filter_map(|end| end.parse::<usize>().ok());
    match (ends.next(), ends.next()) {
        (Some(first), Some(last)) if first <= last => last - first + 1,
        _ => PORTS_DEFAULT,
    }
}

/// Signals between the threads of a run.
#[derive(Debug)]
pub(crate) struct Signals<'a> {
    stop: &'a Stop,
    /// Raised while requests flow before the window.
    pub(crate) warming_up: AtomicBool,
    /// Raised when the run fails in another thread.
    pub(crate) abort: AtomicBool,
    /// Requests of the window that nobody has taken on yet.
    unclaimed: AtomicU64,
}

impl<'a> Signals<'a> {
    pub(crate) fn new(stop: &'a Stop, until: Until) -> Self {
        let unclaimed = match until {
            Until::Duration(_) => u64::MAX,
            Until::Requests(requests) => requests,
        };
        Self {
            stop,
            warming_up: AtomicBool::new(true),
            abort: AtomicBool::new(false),
            unclaimed: AtomicU64::new(unclaimed),
        }
    }

    pub(crate) fn stopped(&self) -> bool {
        self.stop.requested() || self.abort.load(Ordering::Relaxed)
    }

    /// Takes on up to `wanted` of the requests that are left.
    pub(crate) fn claim(&self, wanted: u64) -> u64 {
        let take = |left: u64| Some(left.saturating_sub(wanted));
        let left = self.unclaimed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        left.unwrap_or(0).min(wanted)
    }

    pub(crate) fn exhausted(&self) -> bool {
        self.unclaimed.load(Ordering::Relaxed) == 0
    }
}

/// How far one thread is, for whoever watches; written once a turn of its loop, each on a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Gauge {
    pub(crate) established: AtomicU64,
    pub(crate) answers: AtomicU64,
    pub(crate) errors: AtomicU64,
    pub(crate) in_flight: AtomicU64,
}

impl Gauge {
    /// The sum of one field over all threads.
    pub(crate) fn sum(gauges: &[Self], field: impl Fn(&Self) -> &AtomicU64) -> u64 {
        gauges.iter().map(|gauge| field(gauge).load(Ordering::Relaxed)).sum()
    }
}

/// Connections of one thread: every `threads`-th, beginning with its own number.
pub(crate) fn share(
    thread: usize,
    threads: usize,
    connections: usize,
) -> impl Iterator<Item = u64> {
    (thread..connections).step_by(threads).map(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_add_up_to_the_requests_asked_for() {
        let stop = Stop::new();
        let signals = Signals::new(&stop, Until::Requests(10));
        assert_eq!(
            [signals.claim(4), signals.claim(4), signals.claim(4), signals.claim(4)],
            [4, 4, 2, 0]
        );
        assert!(signals.exhausted());
    }

    #[test]
    fn threads_share_connections_without_gap_or_overlap() {
        let mut all: Vec<u64> = (0..3).flat_map(|thread| share(thread, 3, 10)).collect();
        all.sort_unstable();
        assert_eq!(all, (0..10).collect::<Vec<_>>());
        assert_eq!(share(2, 3, 2).count(), 0);
    }

    #[test]
    fn more_connections_than_ports_take_more_loopback_sources() {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 80));
        assert!(sources(&[], loopback, 100).is_empty());
        let many = sources(&[], loopback, 200_000);
        assert!(many.len() * ports_per_source() >= 200_000);
        assert!(many.iter().all(IpAddr::is_loopback));
        let remote = SocketAddr::from(([192, 0, 2, 1], 80));
        assert!(sources(&[], remote, 200_000).is_empty());
        assert_eq!(sources(&many[1..3], loopback, 100), many[1..3]);
    }
}
