//! What does it cost to create a unit that does next to nothing, and to wait for its end?
//!
//! Single: one at a time, created and joined. Batched: a thousand created, then all joined, which shows what a wake-up
//! for each join hides, and what a thousand alive at once need. Divide a batch's time by its units, as criterion does
//! for the throughput. Units are created from inside: by a worker, a green thread, a process with one thread.

use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use std::{iter, thread};

use benches::effects::{checked, effect, proven, timed};
use benches::helper::{self, Helper};
use benches::live;
use benches::place::Placement;
use benches::runtimes::{self, SMOL, STACK_BYTES, go};
use contract::Pool;
use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult};
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use ractor::{Actor, ActorProcessingErr, ActorRef};

const BATCH: u64 = 1_000;
const BATCH_SMOKE: u64 = 20;

/// The same lines on each runtime: their handles differ in type, and in whether they may move between threads.
macro_rules! tasks {
    ($iterations:expr, $units:expr, $spawn:expr, $effect:expr) => {
        async move {
            let (iterations, units): (u64, u64) = ($iterations, $units);
            let mut tasks = Vec::new();
            let mut effects = 0;
            let start = Instant::now();
            for _ in 0..iterations {
                tasks.extend((0..units).map(|_| $spawn(async { effect() })));
                for task in tasks.drain(..) {
                    // A task that panicked has no effect.
                    effects += $effect(task.await).unwrap_or(0);
                }
            }
            checked(start.elapsed(), effects, iterations * units)
        }
    };
}

/// Runs so many iterations of so many units; the time is that of all of them.
type Run = fn(iterations: u64, units: u64) -> Duration;

/// Dearest first, as FIELD-NOTES has them.
const UNITS: [(&str, Run); 15] = [
    ("process", |iterations, units| Helper::forker().fork(iterations, units, Duration::ZERO)),
    ("thread", thread),
    ("pool-job", pool_job),
    ("rayon-job", rayon_job),
    ("rayon-join", rayon_join),
    ("green-thread-may", |iterations, units| runtimes::may(move || green(iterations, units))),
    ("actor-ractor", |iterations, units| runtimes::tokio_threads(actors(iterations, units))),
    ("task-tokio", |iterations, units| {
        runtimes::tokio_threads(tasks!(iterations, units, tokio::spawn, Result::ok))
    }),
    ("task-tokio-local", |iterations, units| {
        runtimes::tokio_local(tasks!(iterations, units, tokio::spawn, Result::ok))
    }),
    ("task-smol", |iterations, units| {
        runtimes::smol(tasks!(iterations, units, |task| SMOL.spawn(task), Some))
    }),
    ("task-async-std", |iterations, units| {
        runtimes::async_std(tasks!(iterations, units, async_std::task::spawn, Some))
    }),
    ("task-compio", |iterations, units| {
        runtimes::compio(tasks!(iterations, units, compio::runtime::spawn, Result::ok))
    }),
    ("task-monoio", |iterations, units| {
        runtimes::monoio(tasks!(iterations, units, monoio::spawn, Some))
    }),
    ("coroutine-corosensei-mapped", |iterations, units| coroutines(iterations, units, 0)),
    ("coroutine-corosensei", |iterations, units| coroutines(iterations, units, units)),
];

fn thread(iterations: u64, units: u64) -> Duration {
    let mut threads = Vec::new();
    timed(iterations, units, || {
        threads.extend((0..units).map(|_| {
            let thread = thread::Builder::new().stack_size(STACK_BYTES);
            thread.spawn(effect).expect("a thousand threads are allowed")
        }));
        threads.drain(..).map(|thread| thread.join().expect("it does not panic")).sum()
    })
}

/// A queue that a fixed number of threads take from; each job tells its end by a channel.
fn pool_job(iterations: u64, units: u64) -> Duration {
    let pool = Pool::new(NonZero::new(runtimes::workers()).expect("there is a CPU"));
    let (done, ends) = mpsc::channel();
    timed(iterations, units, || {
        for _ in 0..units {
            let done = done.clone();
            let job = move || done.send(effect()).expect("the bench waits for it");
            pool.run(job).expect("a thread is allowed");
        }
        ends.iter().take(size(units)).sum()
    })
}

/// From a worker; the scope's end waits for all of its jobs.
fn rayon_job(iterations: u64, units: u64) -> Duration {
    rayon_pool().install(|| {
        timed(iterations, units, || {
            let effects = AtomicU64::new(0);
            rayon::scope(|scope| {
                for _ in 0..units {
                    scope.spawn(|_| {
                        effects.fetch_add(effect(), Ordering::Relaxed);
                    });
                }
            });
            effects.into_inner()
        })
    })
}

/// What rayon is made for: two closures, the second of which another worker may steal; a batch is a tree of them.
fn rayon_join(iterations: u64, units: u64) -> Duration {
    fn halve(units: u64) -> u64 {
        match units {
            0 => 0,
            1 => effect(),
            _ => {
                let (left, right) = rayon::join(|| halve(units / 2), || halve(units.div_ceil(2)));
                left + right
            }
        }
    }
    rayon_pool().install(|| {
        timed(iterations, units, || match units {
            1 => rayon::join(effect, || ()).0,
            _ => halve(units),
        })
    })
}

fn rayon_pool() -> rayon::ThreadPool {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(runtimes::workers());
    pool.build().expect("a thread for each CPU is allowed")
}

/// Called in a green thread.
fn green(iterations: u64, units: u64) -> Duration {
    let mut threads = Vec::new();
    timed(iterations, units, || {
        threads.extend((0..units).map(|_| go(effect)));
        threads.drain(..).map(|thread| thread.join().expect("it does not panic")).sum()
    })
}

/// Resumed once, to their ends, by this thread. As many stacks are kept as `spare` says: mapping one is system calls,
/// and its first use a page fault, so that those which are kept have been used before.
fn coroutines(iterations: u64, units: u64, spare: u64) -> Duration {
    let stack = || DefaultStack::new(STACK_BYTES).expect("a thousand stacks are allowed");
    let mut stacks: Vec<_> = iter::repeat_with(stack).take(size(spare)).collect();
    let mut coroutines = Vec::new();
    let mut batch = || {
        coroutines.extend((0..units).map(|_| {
            let stack = stacks.pop().unwrap_or_else(stack);
            Coroutine::<(), (), u64, _>::with_stack(stack, |_, ()| effect())
        }));
        let mut effects = 0;
        for mut coroutine in coroutines.drain(..) {
            if let CoroutineResult::Return(effect) = coroutine.resume(()) {
                effects += effect;
            }
            if spare > 0 {
                stacks.push(coroutine.into_stack());
            }
        }
        effects
    };
    if spare > 0 {
        assert_eq!(batch(), units);
    }
    timed(iterations, units, batch)
}

/// An actor that is told to stop at once; it counts itself when it starts.
struct Unit;

impl Actor for Unit {
    type Msg = ();
    type State = ();
    type Arguments = &'static AtomicU64;

    async fn pre_start(
        &self,
        _: ActorRef<()>,
        started: &'static AtomicU64,
    ) -> Result<(), ActorProcessingErr> {
        started.fetch_add(effect(), Ordering::Relaxed);
        Ok(())
    }
}

async fn actors(iterations: u64, units: u64) -> Duration {
    static STARTED: AtomicU64 = AtomicU64::new(0);
    let before = STARTED.load(Ordering::Relaxed);
    let mut actors = Vec::new();
    let start = Instant::now();
    for _ in 0..iterations {
        for _ in 0..units {
            let spawned = Actor::spawn(None, Unit, &STARTED).await.expect("it starts");
            actors.push(spawned);
        }
        for (actor, end) in actors.drain(..) {
            actor.stop(None);
            end.await.expect("it does not panic");
        }
    }
    checked(start.elapsed(), STARTED.load(Ordering::Relaxed) - before, iterations * units)
}

fn size(count: u64) -> usize {
    count.try_into().expect("a count fits")
}

fn spawn(criterion: &mut Criterion) {
    let batch = if live::smoke() { BATCH_SMOKE } else { BATCH };
    for placement in Placement::BOTH {
        placement.apply();
        let mut group = criterion.benchmark_group(placement.group("spawn"));
        group.sampling_mode(SamplingMode::Flat);
        for (name, run) in UNITS {
            for units in [1, batch] {
                group.throughput(Throughput::Elements(units));
                group.bench_function(BenchmarkId::new(name, units), |bencher| {
                    bencher.iter_custom(proven(|iterations| run(iterations, units)));
                });
            }
        }
    }
}

criterion::criterion_group! {
    name = benches;
    // Defaults: what the command line says goes before.
    config = Criterion::default().sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_millis(500)).nresamples(10_000);
    targets = spawn
}

fn main() {
    if helper::is_this() {
        return;
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
}
