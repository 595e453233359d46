//! From what generator and machine said to the fields of the record.

use std::collections::BTreeMap;
use std::time::Duration;

use load::{Outcome, Pace};
use measure::tree::Delta;
use record::stats::{encode, float, summary};
use record::trial::{Counters, Generator, Kernel, MachineNoise, PerConnection, Server, Tcp, Trial};

use crate::checks::Entries;
use crate::observe::Seen;
use crate::verdict::Course;

/// Fills in every figure that there is; what is absent has a warning.
pub(crate) fn write(
    course: &Course,
    seen: &Seen,
    body_bytes: Option<u64>,
    usual_probe_ns: Option<f64>,
    trial: &mut Trial,
) {
    trial.server.exit = course.stopped.end.map(|end| end.to_string());
    let Ok(outcome) = &course.result else { return };
    of_generator(outcome, trial);
    of_server(outcome, seen, trial);
    of_machine(outcome, seen, usual_probe_ns, trial);
    trial.checks =
        Entries::of(outcome, trial.settings.pipeline.unwrap_or(1), body_bytes).accounts();
    // Little's law says how many are in flight where each connection always asks again.
    if !outcome.always_asking || outcome.pace != Pace::Closed {
        trial.checks.little = None;
    }
    if trial.beside.is_some() || trial.fault.is_some() {
        // The edges cannot tell whose requests cost what.
        trial.server = Server { exit: trial.server.exit.take(), ..costless(&trial.server) };
        trial.warnings.push(BESIDE.into());
    }
    trial.warnings.extend(outcome.warnings.iter().cloned());
    trial.warnings.extend(seen.warnings.iter().cloned());
}

const BESIDE: &str = "cost per request: other clients asked the same server meanwhile, and theirs cannot be told apart";

/// What does not depend on whose requests were served.
fn costless(server: &Server) -> Server {
    Server {
        pss_bytes: server.pss_bytes,
        pss_idle_bytes: server.pss_idle_bytes,
        processes: server.processes,
        threads: server.threads,
        ..Server::default()
    }
}

fn of_generator(outcome: &Outcome, trial: &mut Trial) {
    let duration_s = outcome.duration.as_secs_f64();
    trial.duration_s = Some(duration_s);
    trial.requests = Some(outcome.requests);
    trial.requests_per_s = (duration_s > 0.0).then(|| float(outcome.requests) / duration_s);
    trial.errors = outcome
        .errors
        .iter()
        .map(|(kind, count)| (kind.name().to_owned(), *count))
        .collect::<BTreeMap<_, _>>();
    trial.censored = Some(outcome.censored);
    trial.latency_ns = summary(&outcome.latency);
    trial.service_time_ns = summary(&outcome.service_time);
    trial.histogram = (!outcome.latency.is_empty()).then(|| encode(&outcome.latency));
    trial.connections_established = Some(count(outcome.established));
    trial.connections_served = Some(count(outcome.served));
    trial.connections_active = Some(count(outcome.active));
    let answers = outcome.connection_requests;
    trial.connection_requests =
        Some(PerConnection { min: answers.min, p50: answers.p50, max: answers.max });
    trial.jain_index = outcome.jain_index;
    trial.open_ms = Some(ms(outcome.open_time));
    trial.all_greeted_ms = outcome.greeted_time.map(ms);
    trial.connections_greeted = outcome.greeted_time.map(|_| count(outcome.greeted));
    trial.generator = Generator {
        cpu_ns_per_request: per_request(outcome.generator_cpu_ns, outcome),
        cpu_share: Some(outcome.generator_cpu_share),
        saturated: Some(outcome.saturated),
        // Open loops have an offered rate to fall short of; a closed loop has none.
        achieved_over_offered: trial
            .pace
            .rate
            .zip(trial.requests_per_s)
            .map(|(due, got)| got / due),
        late_while_free_ns_p99: outcome.late_while_free_ns_p99,
    };
}

fn of_server(outcome: &Outcome, seen: &Seen, trial: &mut Trial) {
    let server = &mut trial.server;
    if let Some(tree) = &seen.tree {
        server.cpu_ns_per_request = per_request(tree.cpu_ns, outcome);
        server.voluntary_switches_per_request = per_request(tree.voluntary_switches, outcome);
        server.involuntary_switches_per_request = per_request(tree.involuntary_switches, outcome);
    }
    server.syscalls_per_request =
        seen.counts.and_then(|counts| per_request(counts.syscalls, outcome));
    let counted = switches(seen);
    server.counters = counted.map(|(by, _)| by);
    server.context_switches_per_request =
        counted.and_then(|(_, switches)| per_request(switches, outcome));
    if let Some(snapshot) = &seen.at_close {
        server.pss_bytes = snapshot.pss_bytes;
        server.processes = Some(snapshot.processes);
        server.threads = Some(snapshot.threads);
    }
}

/// Context switches, and who counted them: tracepoints where they are allowed, /proc where not.
fn switches(seen: &Seen) -> Option<(Counters, u64)> {
    let traced = seen.counts.map(|counts| (Counters::Perf, counts.context_switches));
    let both = |tree: &Delta| tree.voluntary_switches + tree.involuntary_switches;
    traced.or_else(|| seen.tree.as_ref().map(|tree| (Counters::Proc, both(tree))))
}

fn of_machine(outcome: &Outcome, seen: &Seen, usual_probe_ns: Option<f64>, trial: &mut Trial) {
    if let Some(kernel) = &seen.kernel {
        trial.kernel = Kernel {
            slab_bytes: kernel.slab_bytes,
            kernel_stack_bytes: kernel.kernel_stack_bytes,
            page_table_bytes: kernel.page_table_bytes,
        };
    }
    if let Some(tcp) = &seen.tcp {
        trial.tcp = Tcp {
            listen_overflows: tcp.listen_overflows,
            listen_drops: tcp.listen_drops,
            syn_retransmits: tcp.syn_retransmits,
            retransmits: tcp.retransmits,
        };
    }
    // Generators in processes of their own are not among the harness's threads.
    let apart_ns = if outcome.processes > 1 { outcome.generator_cpu_ns } else { 0 };
    let known_ns = seen
        .tree
        .as_ref()
        .zip(seen.own_cpu_ns)
        .map(|(tree, own_ns)| tree.cpu_ns + own_ns + apart_ns);
    trial.machine = MachineNoise {
        steal_share: seen.cpus.map(|cpus| cpus.steal_share()),
        other_cpu_share: seen.cpus.zip(known_ns).map(|(cpus, known_ns)| cpus.other_share(known_ns)),
        probe_ratio: seen.probe_ns.zip(usual_probe_ns).map(|(now, usual)| now / usual),
        // Who knows the trials before this one writes it.
        probe_recent_ratio: None,
        server_cpu_khz: seen.server_cpu_khz,
        observation_cpu_ns: seen.observation_cpu_ns,
    };
}

/// What was read at the edges counts every answer between them, those of the drain too.
fn per_request(total: u64, outcome: &Outcome) -> Option<f64> {
    let requests = outcome.requests_between_edges;
    (requests > 0).then(|| float(total) / float(requests))
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use measure::perf::Counts;

    #[test]
    fn without_tracepoints_switches_come_from_proc_and_the_record_says_so() {
        let tree = Delta { voluntary_switches: 5, involuntary_switches: 2, ..Delta::default() };
        let denied = Seen { tree: Some(tree), ..Seen::default() };
        assert_eq!(switches(&denied), Some((Counters::Proc, 7)));
        let counts = Counts { syscalls: 30, context_switches: 9 };
        let allowed = Seen { counts: Some(counts), ..denied };
        assert_eq!(switches(&allowed), Some((Counters::Perf, 9)));
        assert_eq!(switches(&Seen::default()), None);
    }
}
