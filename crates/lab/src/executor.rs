//! Five blocking calls on five workers: as long as one, or as long as five?
//!
//! ```text
//! inline:  call > call > call > call > call          on the thread that runs the tasks
//! offload: call                                      on a pool of five, each
//! ```

use std::num::NonZero;
use std::thread;
use std::time::{Duration, Instant};

use record::claims::LabLine;

use crate::lines::{control, found, ms};
use crate::{Mechanism, Test};

pub(crate) const TEST: Test = Test {
    name: "executor",
    about: "Do five blocking calls on five workers take as long as one?",
    mechanisms: &[
        Mechanism { name: "threads", run: || both(on_threads, in_turn) },
        Mechanism { name: "rayon-pool", run: || both(on_rayon, in_turn) },
        Mechanism { name: "tokio-blocking", run: || both(on_tokio, inline_on_tokio) },
        Mechanism { name: "smol-blocking", run: || both(on_smol, inline_on_smol) },
        Mechanism { name: "async-std-blocking", run: || both(on_async_std, inline_on_smol) },
    ],
};

const CALLS: usize = 5;
const FIVE: NonZero<usize> = NonZero::new(CALLS).expect("five is not zero");
/// A twentieth of the claim's second: the ratio is what is compared, and a sleep that is late by half a millisecond is 1 %.
const CALL: Duration = Duration::from_millis(50);
/// Of so many the median counts: another program may have the CPU for a moment.
const REPEATS: usize = 3;

fn call() {
    thread::sleep(CALL);
}

fn both(offloaded: fn(), inline: fn()) -> Vec<LabLine> {
    let mut repeats: Vec<f64> = (0..REPEATS).map(|_| calls(offloaded)).collect();
    repeats.sort_by(f64::total_cmp);
    let (five, one) = (calls(inline), calls(call));
    vec![
        wall("offload", repeats[REPEATS / 2]),
        control(wall("inline", five), "must take at least five calls", five >= 5.0),
        control(wall("one-call", one), "must take at least one call", one >= 1.0),
    ]
}

/// How long it takes, in calls.
fn calls(run: fn()) -> f64 {
    let start = Instant::now();
    run();
    ms(start.elapsed()) / ms(CALL)
}

fn wall(variant: &str, calls: f64) -> LabLine {
    found(variant, [("wall_ms", calls * ms(CALL)), ("wall_in_calls", calls)])
}

fn in_turn() {
    (0..CALLS).for_each(|_| call());
}

fn on_threads() {
    thread::scope(|scope| (0..CALLS).for_each(|_| drop(scope.spawn(call))));
}

fn on_rayon() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(CALLS).build().expect("threads start");
    pool.scope(|scope| (0..CALLS).for_each(|_| scope.spawn(|_| call())));
}

fn tokio() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.max_blocking_threads(CALLS).build().expect("a runtime starts")
}

fn on_tokio() {
    tokio().block_on(async {
        for call in (0..CALLS).map(|_| tokio::task::spawn_blocking(call)).collect::<Vec<_>>() {
            call.await.expect("no call panics");
        }
    });
}

fn inline_on_tokio() {
    tokio().block_on(async {
        for task in (0..CALLS).map(|_| tokio::spawn(async { call() })).collect::<Vec<_>>() {
            task.await.expect("no call panics");
        }
    });
}

fn on_smol() {
    blocking::set_max_blocking_threads(FIVE);
    smol::block_on(async {
        for call in (0..CALLS).map(|_| smol::unblock(call)).collect::<Vec<_>>() {
            call.await;
        }
    });
}

fn inline_on_smol() {
    let executor = smol::LocalExecutor::new();
    let tasks: Vec<_> = (0..CALLS).map(|_| executor.spawn(async { call() })).collect();
    smol::block_on(executor.run(async {
        for task in tasks {
            task.await;
        }
    }));
}

fn on_async_std() {
    // Its pool is that of smol.
    blocking::set_max_blocking_threads(FIVE);
    async_std::task::block_on(async {
        for call in (0..CALLS).map(|_| async_std::task::spawn_blocking(call)).collect::<Vec<_>>() {
            call.await;
        }
    });
}
