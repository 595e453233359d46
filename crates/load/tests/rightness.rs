//! Times against the truth. Ignored by default, since a busy machine would fail them; on a quiet one with two CPUs:
//!
//! ```text
//! cargo test --release -p load --test rightness -- --ignored --nocapture --test-threads 1
//! ```
//!
//! Each prints its figures. That Poisson arrivals are what they should be is a test of the schedule, beside it.

#![expect(clippy::unwrap_used, reason = "this is all test")]

mod support;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use load::words::{float, time};
use load::{Event, Load, Outcome, Pace, Stop, Target, Until};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::{Seen, Server, requests, short};

/// Set for the child that is the server.
const SERVER_VARIABLE: &str = "C10K_LOAD_RIGHTNESS_SERVER";
/// Distance from the truth that is allowed.
const TOLERANCE: f64 = 0.02;

/// An echo in a process of its own, which can be stopped; ended and reaped when dropped.
struct ServerProcess {
    child: Child,
    target: Target,
}

impl ServerProcess {
    fn start() -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_server", "--ignored", "--nocapture"])
            .env(SERVER_VARIABLE, "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let listening = lines.map(Result::unwrap).find_map(|line| {
            line.split_once("listening ").map(|(_, address)| address.parse().unwrap())
        });
        Self { child, target: Target::Echo { addr: listening.unwrap() } }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// No test: what the child of the others does, until it is killed.
#[test]
#[ignore = "the server that other tests start"]
fn the_server() {
    if std::env::var_os(SERVER_VARIABLE).is_none() {
        return;
    }
    let (_, server_cpu) = cpus();
    pin(server_cpu);
    let server = Server::echo(64);
    println!("listening {}", server.addr);
    loop {
        std::thread::park();
    }
}

/// One for the generator and one for the server; the same when there is but one.
fn cpus() -> (usize, usize) {
    let allowed = sched_getaffinity(Pid::from_raw(0)).unwrap();
    let mut allowed = (0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu).unwrap());
    let first = allowed.next().unwrap();
    (first, allowed.next_back().unwrap_or(first))
}

/// Pins this thread and those that it starts.
fn pin(cpu: usize) {
    let mut set = CpuSet::new();
    set.set(cpu).unwrap();
    sched_setaffinity(Pid::from_raw(0), &set).unwrap();
}

/// The value at a share of all, by rank: no histogram between.
fn quantile(sorted_ns: &[u64], quantile: f64) -> u64 {
    let count = u32::try_from(sorted_ns.len()).unwrap();
    let is_enough = |rank: &u32| f64::from(*rank) >= f64::from(count) * quantile;
    let rank = (1..=count).find(is_enough).unwrap();
    sorted_ns[usize::try_from(rank - 1).unwrap()]
}

#[track_caller]
fn close(name: &str, measured_ns: u64, truth_ns: u64, tolerance: f64) {
    let ratio = float(measured_ns) / float(truth_ns);
    println!(
        "{name}: {} measured, {} true, {ratio:.4}",
        time(float(measured_ns)),
        time(float(truth_ns))
    );
    assert!((ratio - 1.0).abs() <= tolerance, "{name}: {measured_ns} ns, in truth {truth_ns} ns");
}

/// 2,000 requests a second for 4 s over 10 connections.
fn four_seconds(target: Target) -> Load {
    Load {
        pace: Pace::Rate(2_000.0),
        until: Until::Duration(Duration::from_secs(4)),
        cpus: vec![cpus().0],
        ..short(target, 10)
    }
}

/// Stops the server for a second, 1.5 s after the window opened; returns when, in ns since then.
fn freeze(server: &Arc<ServerProcess>, opened: Instant) -> JoinHandle<(u64, u64)> {
    let server = Arc::clone(server);
    std::thread::spawn(move || {
        let since = || u64::try_from(opened.elapsed().as_nanos()).unwrap();
        std::thread::sleep(Duration::from_millis(1_500));
        server.signal(Signal::SIGSTOP);
        let stopped_ns = since();
        std::thread::sleep(Duration::from_secs(1));
        server.signal(Signal::SIGCONT);
        (stopped_ns, since())
    })
}

#[test]
#[ignore = "measures times: needs a quiet machine"]
fn a_server_that_freezes_shows_in_the_tail_and_not_in_the_middle() {
    let server = Arc::new(ServerProcess::start());
    let load = four_seconds(server.target.clone());
    let calm = load::run(&load, &mut |_| {}, &Stop::new()).unwrap();
    let mut freezing = None;
    let mut observer = |event: Event| {
        if event == Event::WindowOpens {
            freezing = Some(freeze(&server, Instant::now()));
        }
    };
    let frozen = load::run(&load, &mut observer, &Stop::new()).unwrap();
    let (stopped_ns, resumed_ns) = freezing.unwrap().join().unwrap();
    assert_eq!((frozen.errors_total(), frozen.requests + frozen.censored), (0, 8_000));

    // A request that falls due in the freeze is answered when it ends, any other in the usual time.
    let usual_ns = calm.latency.value_at_quantile(0.5);
    let mut truth_ns: Vec<u64> = (0..8_000_u64)
        .map(|request| request * 500_000)
        .map(
            |due| if (stopped_ns..resumed_ns).contains(&due) { resumed_ns - due } else { usual_ns },
        )
        .collect();
    truth_ns.sort_unstable();
    println!("from send: p99 {}", time(float(frozen.service_time.value_at_quantile(0.99))));
    close("p50, frozen and calm", frozen.latency.value_at_quantile(0.5), usual_ns, 0.2);
    close("p90", frozen.latency.value_at_quantile(0.9), quantile(&truth_ns, 0.9), 0.2);
    close("p99", frozen.latency.value_at_quantile(0.99), quantile(&truth_ns, 0.99), TOLERANCE);
    close("max", frozen.latency.max(), *truth_ns.last().unwrap(), TOLERANCE);
}

/// Takes 5 ms and more for an answer, by a series that is the same each time; notes how long each took.
fn slow(mut stream: TcpStream, seen: &Seen, took_ns: &Mutex<Vec<u64>>) {
    // Otherwise the kernel may let a sleep be 50 us longer.
    nix::sys::prctl::set_timerslack(1).unwrap();
    let mut message = [0; 64];
    while stream.read_exact(&mut message).is_ok() {
        let begun = Instant::now();
        let mixed = seen.request().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 11;
        let unit = float(mixed) / float(1 << 53);
        // 5 ms, and an exponential part of 8 ms in the mean.
        std::thread::sleep(Duration::from_secs_f64(0.005 - 0.008 * (1.0 - unit).ln()));
        let elapsed = u64::try_from(begun.elapsed().as_nanos()).unwrap();
        took_ns.lock().unwrap().push(elapsed);
        if stream.write_all(&message).is_err() {
            return;
        }
    }
}

#[test]
#[ignore = "measures times: needs a quiet machine"]
fn every_percentile_of_a_known_server_is_right() {
    let (generator_cpu, server_cpu) = cpus();
    pin(server_cpu);
    for pace in [Pace::Closed, Pace::Rate(800.0), Pace::Poisson(800.0)] {
        let took = Arc::new(Mutex::new(Vec::new()));
        let taking = Arc::clone(&took);
        let server = Server::start(move |stream, seen| slow(stream, seen, &taking));
        let load =
            Load { pace, cpus: vec![generator_cpu], ..requests(server.echo_target(), 40, 6_000) };
        let outcome = load::run(&load, &mut |_| {}, &Stop::new()).unwrap();
        assert_eq!((outcome.requests, outcome.errors_total()), (6_000, 0));
        let mut truth_ns = took.lock().unwrap().clone();
        truth_ns.sort_unstable();
        for at in [0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1.0] {
            let truth_ns = quantile(&truth_ns, at);
            let name = format!("{pace:?}, p{}", at * 100.0);
            close(
                &format!("{name} from send"),
                outcome.service_time.value_at_quantile(at),
                truth_ns,
                TOLERANCE,
            );
            close(
                &format!("{name} from schedule"),
                outcome.latency.value_at_quantile(at),
                truth_ns,
                TOLERANCE,
            );
        }
    }
}

#[test]
#[ignore = "measures times: needs a quiet machine"]
fn twenty_thousand_a_second_are_sent_on_time() {
    let server = ServerProcess::start();
    let load =
        Load { pace: Pace::Rate(20_000.0), connections: 50, ..four_seconds(server.target.clone()) };
    let outcome: Outcome = load::run(&load, &mut |_| {}, &Stop::new()).unwrap();
    assert_eq!((outcome.errors_total(), outcome.requests + outcome.censored), (0, 80_000));
    let late = outcome.send_lateness.as_ref().unwrap();
    let while_free = outcome.send_lateness_while_free.as_ref().unwrap();
    for (name, late) in [("sent late", late), ("while a connection was free", while_free)] {
        let at = |quantile| time(float(late.value_at_quantile(quantile)));
        println!("{name}: p50 {}, p99 {}, p99.9 {}, max {}", at(0.5), at(0.99), at(0.999), at(1.0));
    }
    println!(
        "of its CPU: {:.0} %, lost it {} times",
        outcome.generator_cpu_share * 100.0,
        outcome.generator_preempted
    );
    assert!(late.value_at_quantile(0.99) < 200_000, "p99 {} ns", late.value_at_quantile(0.99));
    assert!(!outcome.saturated, "{outcome:?}");
}
