//! From what each thread saw to one outcome.

use std::time::Duration;

use crate::error::{Error, ErrorKind};
use crate::number::{count, float};
use crate::open::Opened;
use crate::options::Pace;
use crate::outcome::{ConnectionRequests, Outcome};
use crate::plan::Plan;
use crate::slow::{Slow, SlowSeen};
use crate::tally::Tally;
use crate::worker::Part;

/// Above this share of its CPUs a run measures the generator.
const SATURATED_SHARE: f64 = 0.9;
/// An open loop that sends later than this although a connection is free measures the generator, ns.
const LATE_NS_MAX: u64 = 1_000_000;

/// What is known before the window opens.
#[derive(Debug, Default)]
pub(crate) struct Before {
    pub(crate) expected: String,
    /// To learn what to expect.
    pub(crate) requests_sent: u64,
    pub(crate) warnings: Vec<String>,
    pub(crate) established: usize,
    pub(crate) open_time: Duration,
    pub(crate) greeted: usize,
    pub(crate) greeted_time: Option<Duration>,
    pub(crate) warmup_time: Duration,
    pub(crate) warmup_converged: bool,
}

impl Before {
    /// For a later step over the same connections: what came before the first is the first's.
    pub(crate) fn next_step(&mut self) {
        self.requests_sent = 0;
        self.warnings.clear();
    }

    /// Notes how the opening went; an error when not one connection is open.
    pub(crate) fn opening<P>(&mut self, plan: &Plan<P>, opened: &[Opened]) -> Result<(), Error> {
        let begun_ns = opened.iter().map(|part| part.begun_ns).min().unwrap_or(0);
        let since_begun = |end: fn(&Opened) -> u64| {
            let end_ns = opened.iter().map(end).max().unwrap_or(0);
            Duration::from_nanos(end_ns.saturating_sub(begun_ns))
        };
        self.open_time = since_begun(|part| part.established_ns);
        self.greeted = opened.iter().map(|part| part.greeted).sum();
        self.greeted_time = (self.greeted > 0).then(|| since_begun(|part| part.greeted_ns));
        self.established = opened.iter().map(|part| part.established).sum();
        let total = plan.connections;
        let first_failure = opened.iter().find_map(|part| part.first_failure);
        if self.established == 0 {
            let kind = first_failure.unwrap_or(ErrorKind::Other);
            let remedy = remedy(kind).to_owned();
            return Err(Error::NotOpened { kind, total, address: plan.addr, remedy });
        }
        if let (Some(kind), true) = (first_failure, self.established < total) {
            let missing = total - self.established;
            self.warnings.push(format!(
                "{missing} of {total} connections could not be opened, the first: {kind}"
            ));
        }
        if opened.iter().any(|part| part.queue_stuck) {
            let stuck = "the server stopped accepting while connections were opened: later ones were not held back";
            self.warnings.push(stuck.to_owned());
        }
        Ok(())
    }
}

fn remedy(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Refused => "nobody listens there: start the server, or check host and port",
        ErrorKind::Timeout => {
            "check that the server accepts connections and that no firewall drops them"
        }
        ErrorKind::Closed | ErrorKind::Reset => {
            "the server hangs up at once: check its log and its limits"
        }
        ErrorKind::Unreachable => "check the address and the route",
        _ => "check the server's log",
    }
}

/// Adds up what the threads saw.
pub(crate) fn sum_up<P>(plan: &Plan<P>, before: &Before, pace: Pace, parts: Vec<Part>) -> Outcome {
    let mut tally = Tally::new(pace != Pace::Closed);
    for part in &parts {
        tally.merge(&part.tally);
    }
    let duration_ns = parts.iter().map(|part| part.duration_ns).max().unwrap_or(0);
    let cpu = CpuShares::of(&parts, duration_ns, plan.cpus_total);
    let late_ns_p99 = tally.late_while_free.as_ref().map(|late| late.value_at_quantile(0.99));
    let verified: Vec<u64> = parts.iter().flat_map(|part| part.verified.iter().copied()).collect();
    let (connection_requests, jain_index) = fairness(verified);
    let mut outcome = Outcome {
        pace,
        duration: Duration::from_nanos(duration_ns),
        requests: tally.requests,
        requests_between_edges: parts.iter().map(|part| part.edges_answers).sum(),
        requests_sent: before.requests_sent + tally.requests_sent,
        errors: tally.errors(),
        errors_in_window: tally.errors_in_window,
        censored: tally.in_flight_end.count + tally.unsent,
        service_time: tally.service_time.take().unwrap_or_else(|| tally.latency.clone()),
        latency: tally.latency,
        unanswered: tally.unanswered,
        in_window_ns: tally.in_window_ns,
        in_flight_start: tally.in_flight_start,
        in_flight_end: tally.in_flight_end,
        pipeline: plan.depth,
        body_bytes: tally.body_bytes,
        connections: plan.connections,
        established: before.established,
        active: plan.active.iter().filter(|active| **active).count(),
        served: connection_requests.served,
        reopened: tally.reopened,
        dead: tally.dead,
        slow: plan.slow.map(|slow| slow_seen(slow, &parts)),
        connection_requests: connection_requests.counts,
        jain_index,
        open_time: before.open_time,
        connect_time: tally.connect_time,
        connects: tally.connects,
        greeted: before.greeted,
        greeted_time: before.greeted_time,
        greeting: tally.greeting,
        close_time: None,
        always_asking: plan.churn.is_none() && plan.think.is_none(),
        warmup_time: before.warmup_time,
        warmup_converged: before.warmup_converged,
        generator_cpu_ns: parts.iter().map(|part| part.edges_cpu_ns).sum(),
        generator_cpu_share: cpu.worked,
        generator_polled_share: cpu.polled,
        generator_preempted: parts.iter().map(|part| part.preempted).sum(),
        processes: plan.processes,
        threads: plan.threads_total,
        saturated: cpu.worked > SATURATED_SHARE || late_ns_p99 > Some(LATE_NS_MAX),
        send_lateness: tally.send_lateness,
        send_lateness_while_free: tally.late_while_free,
        late_while_free_ns_p99: late_ns_p99,
        expected: before.expected.clone(),
        interrupted: parts.iter().any(|part| part.interrupted),
        warnings: before.warnings.clone(),
    };
    let warnings = warnings(&outcome, parts.iter().any(|part| part.all_dead));
    outcome.warnings.extend(warnings);
    outcome
}

/// What the generator took of its CPUs, from 0 to 1.
struct CpuShares {
    worked: f64,
    /// Asked the kernel for events while there were none.
    polled: f64,
}

impl CpuShares {
    fn of(parts: &[Part], duration_ns: u64, cpus: usize) -> Self {
        let in_windows_ns: u64 = parts.iter().map(|part| part.duration_ns).sum();
        // Threads that share a CPU cannot use more than that.
        let available_ns = in_windows_ns.min(duration_ns.saturating_mul(count(cpus)));
        let share = |ns: u64| if available_ns == 0 { 0.0 } else { float(ns) / float(available_ns) };
        let used_ns: u64 = parts.iter().map(|part| part.cpu_ns).sum();
        let polled_ns: u64 = parts.iter().map(|part| part.polled_ns.min(part.cpu_ns)).sum();
        Self { worked: share(used_ns - polled_ns), polled: share(polled_ns) }
    }
}

fn slow_seen(slow: Slow, parts: &[Part]) -> SlowSeen {
    let all = SlowSeen { connections: slow.connections, ..SlowSeen::default() };
    parts.iter().fold(all, |mut all, part| {
        all.merge(&part.slow);
        all
    })
}

fn warnings(outcome: &Outcome, all_dead: bool) -> Vec<String> {
    let dead = format!("{} connections broke and could not be opened again", outcome.dead);
    let unserved = format!(
        "{} of {} active connections got no answer",
        outcome.active - outcome.served,
        outcome.active
    );
    let cpu =
        format!("the generator needed {:.0} % of its CPUs", outcome.generator_cpu_share * 100.0);
    let late_us = outcome.late_while_free_ns_p99.unwrap_or(0) / 1_000;
    let preempted = match outcome.generator_preempted {
        0 => String::new(),
        times => format!(", and its threads lost their CPU {times} times"),
    };
    let late = format!(
        "requests were sent {late_us} us late (p99) although a connection was free{preempted}"
    );
    let bound =
        "these figures are the generator's and not the server's; give it more threads and CPUs";
    let cold = "the rate still changed when the warm-up ended; give a longer one";
    let behind = outcome.slow.as_ref().map_or(0, |slow| slow.fell_behind);
    let list = [
        (
            behind > 0,
            format!("the slow clients fell behind {behind} times; give more threads and CPUs"),
        ),
        (outcome.dead > 0, dead),
        (all_dead, "the window ended early: every connection of a thread was dead".to_owned()),
        (outcome.served < outcome.active && outcome.requests > 0, unserved),
        (
            outcome.requests == 0 && outcome.active > 0,
            "not one right answer came inside the window".to_owned(),
        ),
        (!outcome.warmup_converged, cold.to_owned()),
        (outcome.generator_cpu_share > SATURATED_SHARE, format!("{cpu}: {bound}")),
        (outcome.late_while_free_ns_p99 > Some(LATE_NS_MAX), format!("{late}: {bound}")),
    ];
    list.into_iter().filter(|(applies, _)| *applies).map(|(_, warning)| warning).collect()
}

struct Counts {
    served: usize,
    counts: ConnectionRequests,
}

/// How the answers are spread over the active connections, and Jain's index of it: (sum x)^2 / (n * sum x^2).
fn fairness(mut verified: Vec<u64>) -> (Counts, Option<f64>) {
    verified.sort_unstable();
    let (sum, squares) = verified
        .iter()
        .fold((0.0, 0.0), |(sum, squares), x| (sum + float(*x), squares + float(*x) * float(*x)));
    let place = |quantile: usize| {
        verified.get(verified.len().saturating_sub(1) * quantile / 2).copied().unwrap_or(0)
    };
    let counts = ConnectionRequests { min: place(0), p50: place(1), max: place(2) };
    let jain = (squares > 0.0).then(|| sum * sum / (float(count(verified.len())) * squares));
    (Counts { served: verified.iter().filter(|x| **x > 0).count(), counts }, jain)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A window of a second on one CPU, with so much of it used and polled, and every request so late.
    fn of_a_second(pace: Pace, cpu_ms: u64, polled_ms: u64, late_us: u64) -> Outcome {
        let target = crate::Target::parse("echo://127.0.0.1:9").unwrap();
        let load = crate::Load { cpus: vec![0], ..crate::Load::new(target, 1) };
        let plan = Plan::new(&load, (), crate::plan::Place { process: 0 }, true);
        let mut tally = Tally::new(pace != Pace::Closed);
        tally.sent_late(1_000, 0, 1_000 + late_us * 1_000);
        let part = Part {
            duration_ns: 1_000_000_000,
            cpu_ns: cpu_ms * 1_000_000,
            polled_ns: polled_ms * 1_000_000,
            ..Part::of(tally)
        };
        sum_up(&plan, &Before::default(), pace, vec![part])
    }

    #[test]
    fn a_generator_that_is_the_bottleneck_says_so_and_why() {
        let why = |outcome: &Outcome| {
            let is_why = |warning: &&String| warning.contains("figures are the generator's");
            let mut whys = outcome.warnings.iter().filter(is_why);
            let first = whys.next().map(|why| why.split(':').next().unwrap_or_default().to_owned());
            assert_eq!(outcome.saturated, first.is_some());
            (first, whys.count())
        };
        let needed = |percent| Some(format!("the generator needed {percent} % of its CPUs"));
        let late = "requests were sent 1500 us late (p99) although a connection was free";
        for open in [Pace::Rate(1.0), Pace::Poisson(1.0)] {
            assert_eq!(why(&of_a_second(open, 1_000, 980, 20)), (None, 0), "it only polled");
            assert_eq!(why(&of_a_second(open, 950, 20, 20)), (needed(93), 0));
            let (first, more) = why(&of_a_second(open, 500, 0, 1_500));
            assert!(first.is_some_and(|why| why == late) && more == 0);
            assert_eq!(why(&of_a_second(open, 950, 0, 1_500)), (needed(95), 1), "both");
        }
        assert_eq!(why(&of_a_second(Pace::Closed, 950, 0, 0)), (needed(95), 0));
        assert_eq!(why(&of_a_second(Pace::Closed, 900, 0, 0)), (None, 0));
        let polled = of_a_second(Pace::Rate(1.0), 1_000, 980, 20).generator_polled_share;
        assert!((polled - 0.98).abs() < 1e-9);
    }

    #[test]
    fn equal_shares_have_index_one() {
        let (counts, jain) = fairness(vec![7; 10]);
        assert_eq!((counts.served, jain), (10, Some(1.0)));
        assert_eq!(counts.counts, ConnectionRequests { min: 7, p50: 7, max: 7 });
    }

    #[test]
    fn one_served_of_many_has_index_one_over_many() {
        let (counts, jain) = fairness(vec![0, 0, 0, 9]);
        assert_eq!((counts.served, jain), (1, Some(0.25)));
        assert_eq!(counts.counts, ConnectionRequests { min: 0, p50: 0, max: 9 });
    }

    #[test]
    fn nobody_served_has_no_index() {
        assert_eq!(fairness(vec![0; 3]).1, None);
        assert_eq!(fairness(vec![]).1, None);
    }
}
