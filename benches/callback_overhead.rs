//! What do ten steps cost as a chain of continuations, as ten awaits, and as ten plain calls?
//!
//! Nothing waits and no scheduler is involved: the difference is what each style adds to a step that could go on at
//! once. A step is never inlined, so that ten are ten. Boxed is how continuations and futures are kept when their types
//! are not known, as in a table of connections; unboxed is how the compiler sees through them.

use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use benches::effects::{effect, proven, timed};
use criterion::Criterion;

const STEPS: u64 = 10;

/// A step of each style, so that the styles differ in nothing else.
#[inline(never)]
fn step(sum: u64) -> u64 {
    sum + effect()
}

fn calls() -> u64 {
    (0..STEPS).fold(0, |sum, _| step(sum))
}

type Continuation = Box<dyn FnOnce(u64) -> u64>;

/// Does its step and then calls what comes next, with the result.
#[inline(never)]
fn step_then(sum: u64, next: impl FnOnce(u64) -> u64) -> u64 {
    next(step(sum))
}

/// Written out, as people wrote it: each continuation inside the one before.
fn continuations() -> u64 {
    step_then(0, |sum| {
        step_then(sum, |sum| {
            step_then(sum, |sum| {
                step_then(sum, |sum| {
                    step_then(sum, |sum| {
                        step_then(sum, |sum| {
                            step_then(sum, |sum| {
                                step_then(sum, |sum| {
                                    step_then(sum, |sum| step_then(sum, |sum| sum))
                                })
                            })
                        })
                    })
                })
            })
        })
    })
}

/// An allocation and an indirect call a step; the chain is built from its end.
fn continuations_boxed() -> u64 {
    let end: Continuation = Box::new(|sum| sum);
    let chain = (0..STEPS).fold(end, |next, _| black_box(Box::new(|sum| step_then(sum, next))));
    chain(0)
}

#[expect(clippy::unused_async, reason = "a step that could go on at once is the subject")]
async fn step_async(sum: u64) -> u64 {
    step(sum)
}

async fn awaits() -> u64 {
    let mut sum = 0;
    for _ in 0..STEPS {
        sum = step_async(sum).await;
    }
    sum
}

async fn awaits_boxed() -> u64 {
    let mut sum = 0;
    for _ in 0..STEPS {
        let step: Pin<Box<dyn Future<Output = u64>>> = black_box(Box::pin(step_async(sum)));
        sum = step.await;
    }
    sum
}

/// Each step gives way once before it goes on, as one that has to wait does.
async fn awaits_suspended() -> u64 {
    let mut sum = 0;
    for _ in 0..STEPS {
        let mut resumed = false;
        poll_fn(|_| {
            let poll = if resumed { Poll::Ready(()) } else { Poll::Pending };
            resumed = true;
            poll
        })
        .await;
        sum = step_async(sum).await;
    }
    sum
}

/// Polls until it is over; returns what it came to.
fn drive(future: impl Future<Output = u64>) -> u64 {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(sum) = future.as_mut().poll(&mut context) {
            return sum;
        }
    }
}

/// Takes all steps, and says what they came to.
type Style = fn() -> u64;

fn callback_overhead(criterion: &mut Criterion) {
    let styles: [(&str, Style); 6] = [
        ("calls", calls),
        ("continuations", continuations),
        ("continuations-boxed", continuations_boxed),
        ("awaits", || drive(awaits())),
        ("awaits-boxed", || drive(awaits_boxed())),
        ("awaits-suspended", || drive(awaits_suspended())),
    ];
    let mut group = criterion.benchmark_group("callback_overhead");
    for (name, run) in styles {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(proven(|iterations| timed(iterations, STEPS, black_box(run))));
        });
    }
}

criterion::criterion_group! {
    name = benches;
    // Defaults: what the command line says goes before.
    config = Criterion::default().sample_size(30).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1)).nresamples(10_000);
    targets = callback_overhead
}
criterion::criterion_main!(benches);
