//! Who notices a failure: an error that is returned, or a panic, in a unit of work beside three others.
//!
//! ```text
//! unit 0: fails      --> a handle that is asked? a loop that ends? a line on stderr? nobody?
//! unit 1, 2, 3: work --> do they finish?
//! ```
//!
//! Noticed means that code can act on it. A panic also prints a line, which is for people and is not counted.

use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;

use record::claims::LabLine;

use crate::lines::{control, found, saying, yes};
use crate::{Mechanism, Test, green};

pub(crate) const TEST: Test = Test {
    name: "swallow",
    about: "An error or a panic in a callback, a task, a thread: who notices, and what else is lost?",
    mechanisms: &[
        Mechanism { name: "callbacks", run: || callbacks(Guard::None) },
        Mechanism { name: "callbacks-caught", run: || callbacks(Guard::Catches) },
        Mechanism { name: "threads", run: || on(threads) },
        Mechanism { name: "may-green-threads", run: || on(green_threads) },
        Mechanism { name: "tokio-tasks", run: || on(tokio_tasks) },
        Mechanism { name: "smol-tasks", run: || on(smol_tasks) },
    ],
};

const OTHERS: u64 = 3;

#[derive(Clone, Copy, PartialEq)]
enum Failure {
    None,
    Error,
    Panic,
}

type Finished = Arc<AtomicU64>;

/// What the units panic with.
struct OnPurpose;

/// A panic on purpose prints nothing: its line and its backtrace would only frighten.
fn hush() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |panicked| {
        if !panicked.payload().is::<OnPurpose>() {
            usual(panicked);
        }
    }));
}

/// Unit 0 fails, the others finish.
fn unit(index: u64, failure: Failure, finished: &Finished) -> Result<(), &'static str> {
    match failure {
        Failure::Error if index == 0 => return Err("the unit failed"),
        Failure::Panic if index == 0 => panic::panic_any(OnPurpose),
        _ => {}
    }
    finished.fetch_add(u64::from(index > 0), Relaxed);
    Ok(())
}

/// Runs the units, and asks unit 0's handle or drops it; whether anybody noticed a failure.
type Run = fn(Failure, asked: bool, &Finished) -> bool;

fn on(run: Run) -> Vec<LabLine> {
    hush();
    let measure = |variant, failure, asked| {
        let finished = Finished::default();
        let noticed = run(failure, asked, &finished);
        (line(variant, noticed, &finished), noticed)
    };
    let (sound, noticed) = measure("no-failure", Failure::None, true);
    let (joined, heard) = measure("panic-joined", Failure::Panic, true);
    vec![
        measure("error-joined", Failure::Error, true).0,
        measure("error-dropped", Failure::Error, false).0,
        measure("panic-dropped", Failure::Panic, false).0,
        control(joined, "must be noticed", heard),
        control(sound, "must be noticed by nobody", !noticed),
    ]
}

fn line(variant: &str, noticed: bool, finished: &Finished) -> LabLine {
    let lost = u32::try_from(OTHERS - finished.load(Relaxed)).map_or(f64::NAN, f64::from);
    found(variant, [("noticed", yes(noticed)), ("others_lost", lost)])
}

fn threads(failure: Failure, asked: bool, finished: &Finished) -> bool {
    let start = |index| {
        let finished = Finished::clone(finished);
        thread::spawn(move || unit(index, failure, &finished))
    };
    let first = start(0);
    let noticed = asked && !matches!(first.join(), Ok(Ok(())));
    (1..=OTHERS).map(start).collect::<Vec<_>>().into_iter().for_each(|it| drop(it.join()));
    noticed
}

fn green_threads(failure: Failure, asked: bool, finished: &Finished) -> bool {
    let start = |index| {
        let finished = Finished::clone(finished);
        green::go(move || unit(index, failure, &finished))
    };
    let first = start(0);
    let noticed = asked && !matches!(first.join(), Ok(Ok(())));
    (1..=OTHERS).map(start).collect::<Vec<_>>().into_iter().for_each(|it| drop(it.join()));
    noticed
}

fn tokio_tasks(failure: Failure, asked: bool, finished: &Finished) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime starts");
    runtime.block_on(async {
        let start = |index| {
            let finished = Finished::clone(finished);
            tokio::spawn(async move { unit(index, failure, &finished) })
        };
        let first = start(0);
        let others: Vec<_> = (1..=OTHERS).map(start).collect();
        let noticed = if asked { !matches!(first.await, Ok(Ok(()))) } else { false };
        for other in others {
            drop(other.await);
        }
        noticed
    })
}

/// smol has no result for a panic: whoever awaits the task panics with it.
fn smol_tasks(failure: Failure, asked: bool, finished: &Finished) -> bool {
    let executor = smol::Executor::new();
    let start = |index| {
        let finished = Finished::clone(finished);
        executor.spawn(async move { unit(index, failure, &finished) })
    };
    let first = start(0);
    let others: Vec<_> = (1..=OTHERS).map(start).collect();
    let run = || {
        smol::block_on(executor.run(async {
            let failed = if asked {
                first.await.is_err()
            } else {
                first.detach();
                false
            };
            for other in others {
                other.await.ok();
            }
            failed
        }))
    };
    catch_unwind(AssertUnwindSafe(run)).unwrap_or(true)
}

/// What the loop makes of a callback that fails.
#[derive(Clone, Copy, PartialEq)]
enum Guard {
    /// Nothing.
    None,
    /// As Twisted's reactor does: a panic is caught, and the loop goes on.
    Catches,
    /// Of the control: it looks at what the callback returned.
    Asks,
}

/// Callbacks on a loop: there is no handle to ask, and what a callback returns has nobody to go to.
fn callbacks(guard: Guard) -> Vec<LabLine> {
    hush();
    let measure = |variant, failure, guard| {
        let finished = Finished::default();
        let noticed = turn(failure, guard, &finished);
        (line(variant, noticed, &finished), noticed)
    };
    let (sound, false_alarm) = measure("no-failure", Failure::None, guard);
    let (asked, noticed) = measure("error-asked", Failure::Error, Guard::Asks);
    let said = match guard {
        Guard::Catches => "the loop catches the panic and goes on; no code is told",
        _ => "the panic unwinds through the loop and ends it, and the program with it",
    };
    vec![
        saying(
            measure("error", Failure::Error, guard).0,
            "nobody looks at what a callback returns",
        ),
        saying(measure("panic", Failure::Panic, guard).0, said),
        control(asked, "must be noticed", noticed),
        control(sound, "must be noticed by nobody", !false_alarm),
    ]
}

/// One turn of a loop over four callbacks; whether any code noticed a failure.
fn turn(failure: Failure, guard: Guard, finished: &Finished) -> bool {
    let mut noticed = false;
    let callbacks = (0..=OTHERS).map(|index| move || unit(index, failure, finished));
    let mut each = |callback: &dyn Fn() -> Result<(), &'static str>| match guard {
        Guard::None => drop(callback()),
        Guard::Catches => drop(catch_unwind(AssertUnwindSafe(callback))),
        Guard::Asks => noticed |= callback().is_err(),
    };
    // What comes through is the program's end, and noticed by whoever started it.
    let ended = catch_unwind(AssertUnwindSafe(|| callbacks.for_each(|one| each(&one)))).is_err();
    noticed | ended
}
