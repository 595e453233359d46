//! Lost updates: eight units read a counter, and write what they read plus one.
//!
//! ```text
//! check: seen = counter --> [ yield ] --> act: counter = seen + 1
//! ```
//!
//! Who is interrupted between check and act overwrites what others wrote meanwhile. The counter is atomic, so that no
//! reading or writing is torn: what is lost is lost by the order of whole steps, as in any language.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use corosensei::{Coroutine, CoroutineResult};
use record::claims::LabLine;

use crate::lines::{control, found, yes};
use crate::{Mechanism, Test, green};

pub(crate) const TEST: Test = Test {
    name: "race",
    about: "Are updates lost by check-then-act: with a yield between, without, and under a lock?",
    mechanisms: &[
        Mechanism { name: "threads", run: || with_control(on_several(threads)) },
        // Many first: in the one process of the test, whoever is first decides how many workers there are.
        Mechanism { name: "may-many", run: || on_green(MANY) },
        Mechanism { name: "may-one", run: || on_green(1) },
        Mechanism { name: "coroutines", run: || on_one(coroutines) },
        Mechanism { name: "tokio-one", run: || with_control(on_one(tokio_one)) },
        Mechanism { name: "tokio-many", run: || with_control(on_several(tokio_many)) },
        Mechanism { name: "smol-one", run: || with_control(on_one(|it| smol_tasks(it, 1))) },
        Mechanism {
            name: "smol-many",
            run: || with_control(on_several(|it| smol_tasks(it, MANY))),
        },
    ],
};

const UNITS: u64 = 8;
const MANY: usize = 4;
/// A yield takes up to a few microseconds: 16,000 of them are some hundredths of a second.
const ROUNDS: u64 = 2_000;
/// Without one a round takes a nanosecond, and a unit must live long enough to meet another.
const ROUNDS_WITHOUT: u64 = 500_000;

static COUNTER: AtomicU64 = AtomicU64::new(0);

#[derive(Clone, Copy, PartialEq)]
enum Variant {
    Yield,
    NoYield,
    /// Held from before the check until after the act, the yield included.
    Lock,
}

impl Variant {
    fn rounds(self) -> u64 {
        if self == Self::NoYield { ROUNDS_WITHOUT } else { ROUNDS }
    }
}

/// Goes at what would lose updates if units ran at once: a first one may be over before the second has started.
const GOES: u32 = 20;

/// Units in their rounds now, and the most there were.
static INSIDE: AtomicU64 = AtomicU64::new(0);
static INSIDE_MOST: AtomicU64 = AtomicU64::new(0);

/// A unit in its rounds.
struct Inside;

impl Inside {
    fn enter() -> Self {
        INSIDE_MOST.fetch_max(INSIDE.fetch_add(1, Relaxed) + 1, Relaxed);
        Self
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.fetch_sub(1, Relaxed);
    }
}

/// Counts what one go loses, and whether it does.
#[expect(clippy::cast_precision_loss, clippy::as_conversions, reason = "counts of a few million")]
fn go(name: &str, variant: Variant, run: impl Fn(Variant)) -> (LabLine, bool) {
    COUNTER.store(0, Relaxed);
    run(variant);
    let (expected, counted) = (UNITS * variant.rounds(), COUNTER.load(Relaxed));
    let lost = (expected - counted) as f64;
    let figures = [("expected", expected as f64), ("counted", counted as f64), ("lost", lost)];
    let share = ("lost_share", lost / expected as f64);
    (found(name, figures.into_iter().chain([share])), lost > 0.0)
}

/// The three variants, of what runs on one thread.
fn on_one(run: impl Fn(Variant)) -> Vec<LabLine> {
    let (locked, loses) = go("lock", Variant::Lock, &run);
    vec![
        go("yield", Variant::Yield, &run).0,
        go("no-yield", Variant::NoYield, &run).0,
        control(locked, "must lose nothing", !loses),
    ]
}

/// The same of what runs on several threads. That nothing is lost says nothing where no two units were at it at once.
fn on_several(run: impl Fn(Variant)) -> Vec<LabLine> {
    let mut lines = on_one(&run);
    INSIDE_MOST.store(0, Relaxed);
    for _ in 0..GOES {
        let (line, loses) = go("no-yield", Variant::NoYield, &run);
        lines[1] = line;
        if loses {
            break;
        }
    }
    let most = INSIDE_MOST.load(Relaxed);
    let at_once = found("at-once", [("two_at_once", yes(most >= 2))]);
    lines.push(control(at_once, "must have two units in their rounds at once", most >= 2));
    lines
}

/// Where the yield is not what is asked about, it is the control that must lose.
fn with_control(mut lines: Vec<LabLine>) -> Vec<LabLine> {
    let loses = lines[0].figures.get("lost").is_some_and(|lost| *lost > 0.0);
    lines[0] = control(lines[0].clone(), "must lose updates", loses);
    lines
}

fn threads(variant: Variant) {
    let lock = Mutex::new(());
    let unit = || {
        let _inside = Inside::enter();
        for _ in 0..variant.rounds() {
            let held = (variant == Variant::Lock).then(|| lock.lock());
            let seen = COUNTER.load(Relaxed);
            if variant != Variant::NoYield {
                thread::yield_now();
            }
            COUNTER.store(seen + 1, Relaxed);
            drop(held);
        }
    };
    thread::scope(|scope| (0..UNITS).for_each(|_| drop(scope.spawn(unit))));
}

fn on_green(workers: usize) -> Vec<LabLine> {
    green::workers(workers);
    if workers == 1 { on_one(green_threads) } else { on_several(green_threads) }
}

fn green_threads(variant: Variant) {
    let lock = Arc::new(may::sync::Mutex::new(()));
    let unit = move |lock: Arc<may::sync::Mutex<()>>| {
        let _inside = Inside::enter();
        for _ in 0..variant.rounds() {
            let held = (variant == Variant::Lock)
                .then(|| lock.lock().unwrap_or_else(PoisonError::into_inner));
            let seen = COUNTER.load(Relaxed);
            if variant != Variant::NoYield {
                may::coroutine::yield_now();
            }
            COUNTER.store(seen + 1, Relaxed);
            drop(held);
        }
    };
    let started: Vec<_> = (0..UNITS)
        .map(|_| {
            let lock = Arc::clone(&lock);
            green::go(move || unit(lock))
        })
        .collect();
    for unit in started {
        unit.join().expect("no unit panics");
    }
}

/// Resumed in turn on one thread; the lock is a flag, since nobody is interrupted but at a yield.
fn coroutines(variant: Variant) {
    let locked = std::rc::Rc::new(std::cell::Cell::new(false));
    let mut units: Vec<Coroutine<(), (), ()>> = (0..UNITS)
        .map(|_| {
            let locked = std::rc::Rc::clone(&locked);
            Coroutine::new(move |yielder, ()| {
                for _ in 0..variant.rounds() {
                    while variant == Variant::Lock && locked.replace(true) {
                        yielder.suspend(());
                    }
                    let seen = COUNTER.load(Relaxed);
                    if variant != Variant::NoYield {
                        yielder.suspend(());
                    }
                    COUNTER.store(seen + 1, Relaxed);
                    locked.set(false);
                }
            })
        })
        .collect();
    while !units.is_empty() {
        units.retain_mut(|unit| matches!(unit.resume(()), CoroutineResult::Yield(())));
    }
}

/// A task; `pause` is its executor's own yield.
async fn task<Y: Future<Output = ()>>(
    variant: Variant,
    lock: Arc<smol::lock::Mutex<()>>,
    pause: impl Fn() -> Y,
) {
    let _inside = Inside::enter();
    for _ in 0..variant.rounds() {
        let held = if variant == Variant::Lock { Some(lock.lock().await) } else { None };
        let seen = COUNTER.load(Relaxed);
        if variant != Variant::NoYield {
            pause().await;
        }
        COUNTER.store(seen + 1, Relaxed);
        drop(held);
    }
}

fn tokio_one(variant: Variant) {
    on_tokio(tokio::runtime::Builder::new_current_thread(), variant);
}

fn tokio_many(variant: Variant) {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(MANY);
    on_tokio(builder, variant);
}

fn on_tokio(mut builder: tokio::runtime::Builder, variant: Variant) {
    let lock = Arc::new(smol::lock::Mutex::new(()));
    builder.build().expect("a runtime starts").block_on(async {
        let spawn = |_| {
            let unit = task(variant, Arc::clone(&lock), tokio::task::yield_now);
            tokio::spawn(unit)
        };
        for unit in (0..UNITS).map(spawn).collect::<Vec<_>>() {
            unit.await.expect("no unit panics");
        }
    });
}

fn smol_tasks(variant: Variant, workers: usize) {
    let lock = Arc::new(smol::lock::Mutex::new(()));
    let executor = smol::Executor::new();
    let units: Vec<_> = (0..UNITS)
        .map(|_| executor.spawn(task(variant, Arc::clone(&lock), smol::future::yield_now)))
        .collect();
    let (end, ended) = smol::channel::unbounded::<()>();
    thread::scope(|scope| {
        for _ in 1..workers {
            scope.spawn(|| smol::block_on(executor.run(ended.recv())));
        }
        smol::block_on(executor.run(async {
            for unit in units {
                unit.await;
            }
        }));
        end.close();
    });
}
