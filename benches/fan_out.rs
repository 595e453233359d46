//! How long do a hundred waits of a millisecond take when they are started together and all waited for?
//!
//! A millisecond is what cannot be saved; the rest is a hundred units created, a hundred timers set, and a hundred
//! wake-ups. Timers differ in grain: those of tokio and monoio count whole milliseconds, and round up.

use std::thread;
use std::time::{Duration, Instant};

use benches::effects::{checked, effect, proven, timed};
use benches::helper::{self, Helper};
use benches::live;
use benches::place::Placement;
use benches::runtimes::{self, SMOL, STACK_BYTES, go};
use criterion::{Criterion, SamplingMode, Throughput};

const WAITS: u64 = 100;
const WAITS_SMOKE: u64 = 10;
const WAIT: Duration = Duration::from_millis(1);

/// Spawns a task for each wait, and awaits them all.
macro_rules! tasks {
    ($iterations:expr, $waits:expr, $spawn:expr, $sleep:expr, $effect:expr) => {
        async move {
            let (iterations, waits): (u64, u64) = ($iterations, $waits);
            let mut tasks = Vec::new();
            let mut effects = 0;
            let start = Instant::now();
            for _ in 0..iterations {
                tasks.extend((0..waits).map(|_| {
                    $spawn(async {
                        let start = Instant::now();
                        $sleep(WAIT).await;
                        waited(start)
                    })
                }));
                for task in tasks.drain(..) {
                    // A task that panicked has no effect.
                    effects += $effect(task.await).unwrap_or(0);
                }
            }
            checked(start.elapsed(), effects, iterations * waits)
        }
    };
}

/// An effect, if the wait was as long as it should be.
fn waited(start: Instant) -> u64 {
    if start.elapsed() >= WAIT { effect() } else { 0 }
}

/// Gathers so many waits, so many times; the time is that of all of them.
type Run = fn(iterations: u64, waits: u64) -> Duration;

const UNITS: [(&str, Run); 9] = [
    ("process", |iterations, waits| Helper::forker().fork(iterations, waits, WAIT)),
    ("thread", threads),
    ("green-thread-may", |iterations, waits| runtimes::may(move || green(iterations, waits))),
    ("task-tokio", |iterations, waits| {
        runtimes::tokio_threads(tasks!(
            iterations,
            waits,
            tokio::spawn,
            tokio::time::sleep,
            Result::ok
        ))
    }),
    ("task-tokio-local", |iterations, waits| {
        runtimes::tokio_local(tasks!(
            iterations,
            waits,
            tokio::spawn,
            tokio::time::sleep,
            Result::ok
        ))
    }),
    ("task-smol", |iterations, waits| {
        runtimes::smol(tasks!(iterations, waits, |task| SMOL.spawn(task), smol::Timer::after, Some))
    }),
    ("task-async-std", |iterations, waits| {
        runtimes::async_std(tasks!(
            iterations,
            waits,
            async_std::task::spawn,
            async_std::task::sleep,
            Some
        ))
    }),
    ("task-compio", |iterations, waits| {
        runtimes::compio(tasks!(
            iterations,
            waits,
            compio::runtime::spawn,
            compio::time::sleep,
            Result::ok
        ))
    }),
    ("task-monoio", |iterations, waits| {
        runtimes::monoio(tasks!(iterations, waits, monoio::spawn, monoio::time::sleep, Some))
    }),
];

fn threads(iterations: u64, waits: u64) -> Duration {
    let mut threads = Vec::new();
    timed(iterations, waits, || {
        threads.extend((0..waits).map(|_| {
            let wait = || {
                let start = Instant::now();
                thread::sleep(WAIT);
                waited(start)
            };
            let thread = thread::Builder::new().stack_size(STACK_BYTES);
            thread.spawn(wait).expect("a hundred threads are allowed")
        }));
        threads.drain(..).map(|thread| thread.join().expect("it does not panic")).sum()
    })
}

/// Called in a green thread.
fn green(iterations: u64, waits: u64) -> Duration {
    let mut threads = Vec::new();
    timed(iterations, waits, || {
        threads.extend((0..waits).map(|_| {
            go(|| {
                let start = Instant::now();
                may::coroutine::sleep(WAIT);
                waited(start)
            })
        }));
        threads.drain(..).map(|thread| thread.join().expect("it does not panic")).sum()
    })
}

fn fan_out(criterion: &mut Criterion) {
    let waits = if live::smoke() { WAITS_SMOKE } else { WAITS };
    for placement in Placement::BOTH {
        placement.apply();
        let mut group = criterion.benchmark_group(placement.group("fan_out"));
        group.sampling_mode(SamplingMode::Flat);
        group.throughput(Throughput::Elements(waits));
        for (name, run) in UNITS {
            group.bench_function(name, |bencher| {
                bencher.iter_custom(proven(|iterations| run(iterations, waits)));
            });
        }
    }
}

criterion::criterion_group! {
    name = benches;
    // Defaults: what the command line says goes before.
    config = Criterion::default().sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1)).nresamples(10_000);
    targets = fan_out
}

fn main() {
    if helper::is_this() {
        return;
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
}
