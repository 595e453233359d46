//! What does it cost to give way to another unit and to get the word back? One round trip, so two switches.
//!
//! Two units hold one number; whoever has it adds one and hands it over, and then waits. So nothing runs in parallel,
//! and on one CPU the time is that of switching alone. Across CPUs, the kernel's mechanisms pay for waking a CPU.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use benches::effects::{checked, effect, proven, timed};
use benches::helper::{self, Helper};
use benches::place::Placement;
use benches::runtimes::{self, SMOL, STACK_BYTES, go};
use corosensei::Coroutine;
use corosensei::stack::DefaultStack;
use criterion::{Criterion, SamplingMode};
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};

/// Effects of a round trip: one on each side.
const SIDES: u64 = 2;

/// Two tasks and two channels. The runtimes that bring no channel of their own get smol's, which suits any of them.
macro_rules! tasks {
    ($iterations:expr, $spawn:expr, $channel:expr, $receive:ident) => {
        async move {
            let iterations: u64 = $iterations;
            #[allow(
                unused_mut,
                reason = "tokio's receivers are taken by `&mut`, the others are not"
            )]
            let ((there, mut arriving), (back, mut returning)) = ($channel, $channel);
            // It ends with the channel.
            let _answering = $spawn(async move {
                while let $receive(number) = arriving.recv().await {
                    let number: u64 = number;
                    // The side that counts has ended.
                    if back.send(number + effect()).await.is_err() {
                        break;
                    }
                }
            });
            let mut number = 0;
            let start = Instant::now();
            for _ in 0..iterations {
                there.send(number + effect()).await.expect("the other side lives");
                let $receive(answer) = returning.recv().await else { break };
                number = answer;
            }
            checked(start.elapsed(), number, iterations * SIDES)
        }
    };
}

/// Makes so many round trips; the time is that of all of them.
type Run = fn(iterations: u64) -> Duration;

/// Dearest first, as FIELD-NOTES has them.
const UNITS: [(&str, Run); 15] = [
    ("process-pipe", process),
    ("thread-pipe", thread_pipe),
    ("thread-channel", thread_channel),
    ("thread-park", thread_park),
    ("green-thread-may", |iterations| runtimes::may(move || green(iterations))),
    ("actor-ractor", |iterations| runtimes::tokio_threads(actor(iterations))),
    ("task-tokio", |iterations| {
        runtimes::tokio_threads(tasks!(
            iterations,
            tokio::spawn,
            tokio::sync::mpsc::channel(1),
            Some
        ))
    }),
    ("task-tokio-local", |iterations| {
        runtimes::tokio_local(tasks!(iterations, tokio::spawn, tokio::sync::mpsc::channel(1), Some))
    }),
    ("task-smol", |iterations| {
        runtimes::smol(tasks!(iterations, |task| SMOL.spawn(task), smol::channel::bounded(1), Ok))
    }),
    ("task-async-std", |iterations| {
        runtimes::async_std(tasks!(
            iterations,
            async_std::task::spawn,
            async_std::channel::bounded(1),
            Ok
        ))
    }),
    ("task-compio", |iterations| {
        runtimes::compio(tasks!(iterations, compio::runtime::spawn, smol::channel::bounded(1), Ok))
    }),
    ("task-monoio", |iterations| {
        runtimes::monoio(tasks!(iterations, monoio::spawn, smol::channel::bounded(1), Ok))
    }),
    ("future-polled", future),
    ("coroutine-corosensei", coroutine),
    ("call", call),
];

/// Two processes, a pipe there and a pipe back.
fn process(iterations: u64) -> Duration {
    let mut helper = Helper::answerer();
    let mut byte = 0;
    timed(iterations, SIDES, || {
        let sent = u64::from(byte);
        byte = helper.round_trip(byte);
        // It is the next number: the effect of the other side; ours is the sending.
        u64::from(byte).wrapping_sub(sent) % 256 + effect()
    })
}

/// The same pipes between two threads of one process.
fn thread_pipe(iterations: u64) -> Duration {
    use std::io::{Read as _, Write as _, pipe};
    let ((mut arriving, mut there), (mut returning, mut back)) =
        (pipe().expect("a pipe is allowed"), pipe().expect("a pipe is allowed"));
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut word = [0; 8];
            while arriving.read_exact(&mut word).is_ok() {
                let number = u64::from_ne_bytes(word) + effect();
                back.write_all(&number.to_ne_bytes()).expect("the bench reads");
            }
        });
        let mut number = 0_u64;
        let start = Instant::now();
        for _ in 0..iterations {
            there.write_all(&(number + effect()).to_ne_bytes()).expect("the other side reads");
            let mut word = [0; 8];
            returning.read_exact(&mut word).expect("the other side answers");
            number = u64::from_ne_bytes(word);
        }
        let took = start.elapsed();
        drop(there);
        checked(took, number, iterations * SIDES)
    })
}

/// Two channels of std's, which spin a little before they sleep.
fn thread_channel(iterations: u64) -> Duration {
    let ((there, arriving), (back, returning)) = (mpsc::sync_channel(1), mpsc::sync_channel(1));
    thread::scope(|scope| {
        scope.spawn(move || {
            for number in arriving {
                let number: u64 = number;
                back.send(number + effect()).expect("the bench receives");
            }
        });
        let mut number = 0;
        let start = Instant::now();
        for _ in 0..iterations {
            there.send(number + effect()).expect("the other side receives");
            number = returning.recv().expect("the other side answers");
        }
        let took = start.elapsed();
        drop(there);
        checked(took, number, iterations * SIDES)
    })
}

/// A shared number, and a futex to wait at: it is odd when it is the other side's turn.
fn thread_park(iterations: u64) -> Duration {
    let number = AtomicU64::new(0);
    let over = AtomicBool::new(false);
    let waiting = thread::current();
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            while !over.load(Ordering::Acquire) {
                if number.load(Ordering::Acquire) % SIDES == 1 {
                    number.fetch_add(effect(), Ordering::Release);
                    waiting.unpark();
                } else {
                    thread::park();
                }
            }
        });
        let start = Instant::now();
        for _ in 0..iterations {
            number.fetch_add(effect(), Ordering::Release);
            other.thread().unpark();
            while number.load(Ordering::Acquire) % SIDES == 1 {
                thread::park();
            }
        }
        let took = start.elapsed();
        over.store(true, Ordering::Release);
        other.thread().unpark();
        checked(took, number.load(Ordering::Acquire), iterations * SIDES)
    })
}

/// Two green threads and may's channels; called in one of them.
fn green(iterations: u64) -> Duration {
    let ((there, arriving), (back, returning)) =
        (may::sync::mpsc::channel(), may::sync::mpsc::channel());
    let other = go(move || {
        for number in arriving {
            let number: u64 = number;
            back.send(number + effect()).expect("the bench receives");
        }
    });
    let mut number = 0;
    let start = Instant::now();
    for _ in 0..iterations {
        there.send(number + effect()).expect("the other side receives");
        number = returning.recv().expect("the other side answers");
    }
    let took = start.elapsed();
    drop(there);
    other.join().expect("it does not panic");
    checked(took, number, iterations * SIDES)
}

/// An actor that answers a number by the next; who asks waits for the answer.
struct Next;

impl Actor for Next {
    type Msg = (u64, RpcReplyPort<u64>);
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Self::Msg>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        (number, answer): Self::Msg,
        (): &mut (),
    ) -> Result<(), ActorProcessingErr> {
        Ok(answer.send(number + effect())?)
    }
}

async fn actor(iterations: u64) -> Duration {
    let (actor, end) = Actor::spawn(None, Next, ()).await.expect("it starts");
    let mut number = 0;
    let start = Instant::now();
    for _ in 0..iterations {
        let ask = |answer| (number + effect(), answer);
        let answer = actor.call(ask, None).await.expect("the actor lives");
        number = answer.expect("the actor answers");
    }
    let took = checked(start.elapsed(), number, iterations * SIDES);
    actor.stop(None);
    end.await.expect("it does not panic");
    took
}

/// A future that gives way for ever, polled by hand: the switch of a stackless coroutine, without any scheduler.
fn future(iterations: u64) -> Duration {
    let number = Arc::new(AtomicU64::new(0));
    let shared = Arc::clone(&number);
    let mut other = pin!(async move {
        loop {
            shared.store(shared.load(Ordering::Relaxed) + effect(), Ordering::Relaxed);
            let mut resumed = false;
            poll_fn(|_| {
                let poll = if resumed { Poll::Ready(()) } else { Poll::Pending };
                resumed = true;
                poll
            })
            .await;
        }
    });
    let mut context = Context::from_waker(Waker::noop());
    timed(iterations, SIDES, || {
        let before = number.load(Ordering::Relaxed);
        let _: Poll<()> = black_box(other.as_mut()).poll(&mut context);
        number.load(Ordering::Relaxed) - before + effect()
    })
}

/// `resume` there and `suspend` back, with the number as what is handed over.
fn coroutine(iterations: u64) -> Duration {
    let stack = DefaultStack::new(STACK_BYTES).expect("a stack is allowed");
    let mut other = Coroutine::with_stack(stack, |yielder, mut number: u64| {
        loop {
            number = yielder.suspend(number + effect());
            if number == u64::MAX {
                return;
            }
        }
    });
    let mut number = 0;
    let start = Instant::now();
    for _ in 0..iterations {
        match other.resume(number + effect()).as_yield() {
            Some(answer) => number = answer,
            None => break,
        }
    }
    let took = checked(start.elapsed(), number, iterations * SIDES);
    // Or its stack would have to be unwound by force.
    other.resume(u64::MAX);
    took
}

/// No switch at all, for comparison: a call that is not inlined.
fn call(iterations: u64) -> Duration {
    #[inline(never)]
    fn next(number: &Cell<u64>) {
        number.set(number.get() + effect());
    }
    let number = Cell::new(0);
    timed(iterations, SIDES, || {
        let before = number.get();
        black_box(next)(&number);
        number.get() - before + effect()
    })
}

fn switch(criterion: &mut Criterion) {
    for placement in Placement::BOTH {
        placement.apply();
        let mut group = criterion.benchmark_group(placement.group("switch"));
        group.sampling_mode(SamplingMode::Flat);
        for (name, run) in UNITS {
            group.bench_function(name, |bencher| bencher.iter_custom(proven(run)));
        }
    }
}

criterion::criterion_group! {
    name = benches;
    // Defaults: what the command line says goes before.
    config = Criterion::default().sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_millis(500)).nresamples(10_000);
    targets = switch
}

fn main() {
    if helper::is_this() {
        return;
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
}
