//! Two units wait for each other: does it hang, does anybody notice, and what does a deadline save?
//!
//! ```text
//! A: wait for B's message > send mine
//! B: wait for A's message > send mine
//! ```
//!
//! Locks are not needed for it. With locks the same is two mutexes taken in opposite order. Those that have no thread to
//! hang stand in `mutual_wait_by_hand`.

use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use record::claims::LabLine;

use crate::lines::{control, found, ms, yes};
use crate::{Mechanism, Test, green, mutual_wait_by_hand};

pub(crate) const TEST: Test = Test {
    name: "mutual-wait",
    about: "Two units wait for each other on purpose: does it hang, is it detected, what does a deadline cost?",
    mechanisms: &[
        Mechanism { name: "thread-locks", run: locks },
        Mechanism { name: "tasks-without-locks", run: transfers },
        Mechanism { name: "threads", run: || on(threads) },
        Mechanism { name: "may-green-threads", run: || on(green_threads) },
        Mechanism { name: "tokio-tasks", run: || on(tokio_tasks) },
        Mechanism { name: "smol-tasks", run: || on(smol_tasks) },
        Mechanism { name: "coroutines", run: mutual_wait_by_hand::coroutines },
        Mechanism { name: "callbacks", run: mutual_wait_by_hand::callbacks },
    ],
};

pub(crate) const DEADLINE: Duration = Duration::from_millis(50);
/// What takes microseconds and has not ended by then hangs.
const PATIENCE: Duration = Duration::from_millis(250);
/// What ends is waited for longer: the machine may be busy.
const LONG: Duration = Duration::from_secs(5);

/// How the two are set up.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Setup {
    /// Each waits first.
    Mutual,
    /// Each waits first, and no longer than the deadline.
    Deadline,
    /// One sends first, so that nobody waits for ever.
    OneFirst,
}

/// Starts two units that wait by the set-up; each says when it has ended.
type Start = fn(Setup, mpsc::Sender<()>);

fn on(start: Start) -> Vec<LabLine> {
    // One that hangs keeps its handle on the channel: nobody is told.
    let measure = |setup| {
        let (tell, told) = mpsc::channel();
        let began = Instant::now();
        start(setup, tell);
        let patience = if setup == Setup::Mutual { PATIENCE } else { LONG };
        let ended = (0..2).all(|_| told.recv_timeout(patience).is_ok());
        (!ended, began.elapsed())
    };
    report(measure)
}

/// A line for each set-up, of whatever tells whether it hung and how long it took.
pub(crate) fn report(measure: impl Fn(Setup) -> (bool, Duration)) -> Vec<LabLine> {
    let (hung, _) = measure(Setup::Mutual);
    let mutual = found("mutual-wait", [("hung", yes(hung))]);
    let (hung, took) = measure(Setup::Deadline);
    let recovered = (!hung).then(|| ("recovered_ms", ms(took)));
    let deadline = [("hung", yes(hung)), ("deadline_ms", ms(DEADLINE))];
    let deadline = found("deadline", deadline.into_iter().chain(recovered));
    let (hung, _) = measure(Setup::OneFirst);
    let first = found("one-first", [("hung", yes(hung))]);
    vec![mutual, deadline, control(first, "must end", !hung)]
}

/// The deadlock of the textbooks: two locks in opposite order; and in the same order, which is the cure.
fn locks() -> Vec<LabLine> {
    let measure = |opposite: bool| {
        let locks = [Arc::new(Mutex::new(())), Arc::new(Mutex::new(()))];
        // Both hold their first lock before either asks for its second.
        let both = Arc::new(Barrier::new(if opposite { 2 } else { 1 }));
        let (tell, told) = mpsc::channel();
        for unit in 0..2 {
            let (tell, both) = (tell.clone(), Arc::clone(&both));
            let [one, other] = locks.clone();
            let (first, second) = if opposite && unit == 1 { (other, one) } else { (one, other) };
            thread::spawn(move || {
                let held = first.lock();
                both.wait();
                let also = second.lock();
                drop((held, also));
                tell.send(()).ok();
            });
        }
        let patience = if opposite { PATIENCE } else { LONG };
        !(0..2).all(|_| told.recv_timeout(patience).is_ok())
    };
    let (opposite, same) = (measure(true), measure(false));
    vec![
        control(found("opposite-order", [("hung", yes(opposite))]), "must hang", opposite),
        control(found("same-order", [("hung", yes(same))]), "must end", !same),
    ]
}

/// What the locks of the textbook are for, transfers between two accounts in opposite directions, by tasks of one
/// thread: between two suspension points nobody interferes, so there is nothing to lock and nothing to wait for.
fn transfers() -> Vec<LabLine> {
    let accounts = Rc::new([Cell::new(1_000_i64), Cell::new(1_000)]);
    let executor = smol::LocalExecutor::new();
    let transfer = |from: usize| {
        let accounts = Rc::clone(&accounts);
        executor.spawn(async move {
            for _ in 0..1_000 {
                accounts[from].set(accounts[from].get() - 1);
                accounts[1 - from].set(accounts[1 - from].get() + 1);
                smol::future::yield_now().await;
            }
        })
    };
    let both = smol::future::zip(transfer(0), transfer(1));
    let ended = async {
        both.await;
        false
    };
    let hung = smol::block_on(executor.run(smol::future::or(ended, over(LONG))));
    let right = accounts.iter().all(|account| account.get() == 1_000);
    let line = found("opposite-order", [("hung", yes(hung)), ("sums_wrong", yes(!right))]);
    let hung = transfers_with_locks();
    vec![line, control(found("opposite-locks", [("hung", yes(hung))]), "must hang", hung)]
}

/// The control: the same two, each with a lock on either account and a suspension point between; whether they hang.
fn transfers_with_locks() -> bool {
    let locks = Rc::new([smol::lock::Mutex::new(()), smol::lock::Mutex::new(())]);
    let executor = smol::LocalExecutor::new();
    let transfer = |from: usize| {
        let locks = Rc::clone(&locks);
        executor.spawn(async move {
            let held = locks[from].lock().await;
            smol::future::yield_now().await;
            let also = locks[1 - from].lock().await;
            drop((held, also));
        })
    };
    let both = smol::future::zip(transfer(0), transfer(1));
    let ended = async {
        both.await;
        false
    };
    smol::block_on(executor.run(smol::future::or(ended, over(PATIENCE))))
}

/// True after that time.
async fn over(time: Duration) -> bool {
    smol::Timer::after(time).await;
    true
}

fn threads(setup: Setup, tell: mpsc::Sender<()>) {
    let (to_b, from_a) = mpsc::channel();
    let (to_a, from_b) = mpsc::channel();
    for (unit, (to, from)) in [(to_b, from_b), (to_a, from_a)].into_iter().enumerate() {
        let tell = tell.clone();
        thread::spawn(move || {
            if setup == Setup::OneFirst && unit == 0 {
                to.send(()).ok();
            }
            match setup {
                Setup::Deadline => drop(from.recv_timeout(DEADLINE)),
                _ => drop(from.recv()),
            }
            to.send(()).ok();
            tell.send(()).ok();
        });
    }
}

fn green_threads(setup: Setup, tell: mpsc::Sender<()>) {
    let (to_b, from_a) = may::sync::mpsc::channel();
    let (to_a, from_b) = may::sync::mpsc::channel();
    for (unit, (to, from)) in [(to_b, from_b), (to_a, from_a)].into_iter().enumerate() {
        let tell = tell.clone();
        drop(green::go(move || {
            if setup == Setup::OneFirst && unit == 0 {
                to.send(()).ok();
            }
            match setup {
                Setup::Deadline => drop(from.recv_timeout(DEADLINE)),
                _ => drop(from.recv()),
            }
            to.send(()).ok();
            tell.send(()).ok();
        }));
    }
}

/// The two tasks of a runtime, on whose own timer the deadline runs.
async fn tasks<S: Future<Output = ()>>(setup: Setup, tell: mpsc::Sender<()>, sleep: fn() -> S) {
    let (to_b, from_a) = smol::channel::bounded(1);
    let (to_a, from_b) = smol::channel::bounded(1);
    let task = async |unit, to: smol::channel::Sender<()>, from: smol::channel::Receiver<()>| {
        if setup == Setup::OneFirst && unit == 0 {
            to.send(()).await.ok();
        }
        let message = async { from.recv().await.unwrap_or_default() };
        match setup {
            Setup::Deadline => smol::future::or(message, sleep()).await,
            _ => message.await,
        }
        // By a copy: `to` lives on, since a peer that is gone would be an answer, too.
        to.try_send(()).ok();
        tell.send(()).ok();
        (to, from)
    };
    smol::future::zip(task(0, to_b, from_b), task(1, to_a, from_a)).await;
}

fn tokio_tasks(setup: Setup, tell: mpsc::Sender<()>) {
    let sleep = || async { tokio::time::sleep(DEADLINE).await };
    thread::spawn(move || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_time().build().expect("a runtime starts");
        runtime.block_on(tasks(setup, tell, sleep));
    });
}

fn smol_tasks(setup: Setup, tell: mpsc::Sender<()>) {
    let sleep = || async {
        smol::Timer::after(DEADLINE).await;
    };
    thread::spawn(move || smol::block_on(tasks(setup, tell, sleep)));
}
