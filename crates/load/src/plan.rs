//! What all threads of a run share: what to do, how far it is, and the signals between them.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::interval::Slices;
use crate::life::{Churn, Opening, Think};
use crate::number::{count, index, ns};
use crate::observer::Stop;
use crate::options::{Load, Until};
use crate::slow::Slow;

/// Ports that the kernel hands out, unless it says otherwise.
const PORTS_DEFAULT: usize = 28_232;
/// Ports in `TIME_WAIT` when the generator closes: loopback uses one again after a second, and a CPU opens fewer than
/// this in one.
const PORTS_RESTING: usize = 100_000;
/// Open loops: a sleep ends this much before the next request is due, and the rest is spent polling, since a wake-up
/// takes that long.
const SPIN_NS: u64 = 60_000;

/// Where a process stands among those of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// From 0.
    pub(crate) process: usize,
}

/// What to do; does not change during the run.
#[derive(Debug)]
pub(crate) struct Plan<P> {
    pub(crate) protocol: P,
    pub(crate) addr: SocketAddr,
    pub(crate) until: Until,
    pub(crate) connections: usize,
    pub(crate) opening: Opening,
    pub(crate) greet: bool,
    pub(crate) churn: Option<Churn>,
    pub(crate) think: Option<Think>,
    pub(crate) slow: Option<Slow>,
    /// Which connections send.
    pub(crate) active: Vec<bool>,
    pub(crate) depth: usize,
    pub(crate) timeout_ns: u64,
    /// Processes of the run, and threads of all of them.
    pub(crate) processes: usize,
    pub(crate) threads_total: usize,
    /// Whether there is an open loop among the steps.
    pub(crate) any_open: bool,
    /// The number of this process's first thread among all.
    pub(crate) first_thread: usize,
    /// CPUs that all threads together may use.
    pub(crate) cpus_total: usize,
    /// The CPU of each thread of this process, or none.
    pub(crate) cpus: Vec<Option<usize>>,
    pub(crate) sources: Vec<IpAddr>,
    pub(crate) seed: u64,
    /// Length of an interval of the window, if somebody wants them.
    pub(crate) interval_ns: Option<u64>,
    /// How long to poll instead of sleeping.
    pub(crate) spin_ns: u64,
}

impl<P> Plan<P> {
    pub(crate) fn new(load: &Load, protocol: P, place: Place, any_open: bool) -> Self {
        let addr = load.target.addr();
        let wanted = if load.cpus.is_empty() { load.threads } else { load.cpus.len() };
        let threads = wanted.div_ceil(load.processes);
        let first_thread = place.process * threads;
        let cpu = |thread: usize| load.cpus.get(thread % load.cpus.len().max(1)).copied();
        let cpus_given: BTreeSet<usize> = load.cpus.iter().copied().collect();
        Self {
            protocol,
            addr,
            processes: load.processes,
            threads_total: threads * load.processes,
            any_open,
            first_thread,
            cpus_total: if load.cpus.is_empty() { usable_cpus() } else { cpus_given.len() },
            until: place.until(load),
            connections: load.connections,
            opening: load.opening,
            greet: load.greet,
            churn: load.churn,
            think: load.think,
            slow: load.slow,
            active: crate::random::choose(load.active(), load.connections, load.seed),
            depth: load.pipeline,
            timeout_ns: ns(load.timeout),
            cpus: (first_thread..first_thread + threads).map(cpu).collect(),
            sources: sources(&load.sources, addr, ports(load)),
            seed: load.seed,
            interval_ns: load.interval.map(ns),
            // On a machine with one CPU, polling would take it from the server.
            spin_ns: if online_cpus() > 1 { SPIN_NS } else { 0 },
        }
    }

    /// Connections of the run, the slow ones too.
    pub(crate) fn all_connections(&self) -> usize {
        self.connections + self.slow.map_or(0, |slow| slow.connections)
    }

    /// Threads of this process.
    pub(crate) fn threads(&self) -> usize {
        self.cpus.len()
    }

    /// The source address of a connection, unless the kernel is to choose.
    pub(crate) fn source(&self, id: u64) -> Option<SocketAddr> {
        let place = index(id).checked_rem(self.sources.len())?;
        Some(SocketAddr::new(self.sources[place], 0))
    }
}

/// CPUs that this process may use.
fn usable_cpus() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// CPUs of this machine; those of this process may be fewer.
fn online_cpus() -> i64 {
    use nix::unistd::{SysconfVar, sysconf};
    sysconf(SysconfVar::_NPROCESSORS_ONLN).ok().flatten().unwrap_or(1)
}

/// Ports that a load uses at one time.
fn ports(load: &Load) -> usize {
    let resting = if load.churn == Some(Churn::Client) { PORTS_RESTING } else { 0 };
    load.all_connections() + resting
}

/// The sources that were given, or as many of 127.0.0.0/8 as there are `ports` needed.
fn sources(given: &[IpAddr], addr: SocketAddr, ports: usize) -> Vec<IpAddr> {
    // The kernel tries every second port first. Once those are taken, each connect looks at all of them before it tries
    // the others, which takes 0.4 ms: well below half of them, it is quick. Some are in TIME_WAIT, too.
    let ports_per_source = ports_per_source() / 10 * 4;
    let is_v4_loopback = addr.ip().is_loopback() && addr.is_ipv4();
    if !given.is_empty() || ports <= ports_per_source || !is_v4_loopback {
        return given.to_vec();
    }
    let sources = u32::try_from(ports.div_ceil(ports_per_source)).unwrap_or(u32::MAX);
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

impl Place {
    /// A number of requests is shared out beforehand: processes have no counter in common.
    fn until(self, load: &Load) -> Until {
        match load.until {
            Until::Requests(all) => {
                let processes = count(load.processes);
                let one_more = count(self.process) < all % processes;
                Until::Requests(all / processes + u64::from(one_more))
            }
            duration @ Until::Duration(_) => duration,
        }
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
    /// When the window opens, for threads that open it together; 0 as long as that is not known.
    pub(crate) window_ns: AtomicU64,
    /// Requests of the window that nobody has taken on yet.
    unclaimed: AtomicU64,
}

impl<'a> Signals<'a> {
    pub(crate) fn new(stop: &'a Stop) -> Self {
        Self {
            stop,
            warming_up: AtomicBool::new(true),
            abort: AtomicBool::new(false),
            window_ns: AtomicU64::new(0),
            unclaimed: AtomicU64::new(u64::MAX),
        }
    }

    /// Before a window: nothing of it is known, and nothing is claimed.
    pub(crate) fn new_window(&self, until: Until) {
        let unclaimed = match until {
            Until::Duration(_) => u64::MAX,
            Until::Requests(requests) => requests,
        };
        self.window_ns.store(0, Ordering::Relaxed);
        self.unclaimed.store(unclaimed, Ordering::Relaxed);
    }

    pub(crate) fn stop_requested(&self) -> bool {
        self.stop.requested()
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
    pub(crate) slices: Slices,
}

impl Gauge {
    pub(crate) fn set(&self, established: u64, answers: u64, errors: u64, in_flight: u64) {
        self.established.store(established, Ordering::Relaxed);
        self.answers.store(answers, Ordering::Relaxed);
        self.errors.store(errors, Ordering::Relaxed);
        self.in_flight.store(in_flight, Ordering::Relaxed);
    }

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
        let signals = Signals::new(&stop);
        signals.new_window(Until::Requests(10));
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
