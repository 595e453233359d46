//! A callback API becomes a future, and a future calls back: value and error, both ways, on each runtime.
//!
//! ```text
//! ask(question, callback) <-- Answer, a future: polled, it asks; called back, it keeps the answer and wakes its task
//! a task that awaits a future and hands the result to a callback
//! ```

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use record::claims::LabLine;

use crate::lines::{control, found, not_run, yes};
use crate::{Mechanism, Test};

pub(crate) const TEST: Test = Test {
    name: "future-eats-callback",
    about: "Can a callback API be wrapped into a future, and a future into a callback API?",
    mechanisms: &[
        Mechanism { name: "tokio-tasks", run: || on(tokio_many) },
        Mechanism { name: "tokio-local", run: || on(tokio_one) },
        Mechanism { name: "smol-tasks", run: || on(smol) },
        Mechanism { name: "async-std-tasks", run: || on(async_std) },
        Mechanism { name: "compio-cores", run: || on(compio) },
        Mechanism { name: "monoio-cores", run: || on(monoio) },
    ],
};

type Reply = Result<u64, String>;

/// The callback API: from a thread of its own it answers twice the question, or an error to an odd one.
fn ask(question: u64, callback: impl FnOnce(Reply) + Send + 'static) {
    thread::spawn(move || callback(right(question)));
}

fn right(question: u64) -> Reply {
    if question.is_multiple_of(2) { Ok(question * 2) } else { Err("odd".into()) }
}

/// The way there: what callback and task share.
#[derive(Default)]
struct Slot {
    reply: Option<Reply>,
    /// Set by the task that waits; the callback wakes it.
    waker: Option<Waker>,
}

struct Answer {
    question: Option<u64>,
    /// Off in the control alone: the callback that keeps the answer and tells nobody.
    wakes: bool,
    slot: Arc<Mutex<Slot>>,
}

impl Answer {
    fn to(question: u64, wakes: bool) -> Self {
        Self { question: Some(question), wakes, slot: Arc::default() }
    }
}

impl Future for Answer {
    type Output = Reply;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Reply> {
        let asked = self.question.take();
        let (slot, tells) = (Arc::clone(&self.slot), self.wakes);
        let mut own = lock(&slot);
        if let Some(reply) = own.reply.take() {
            return Poll::Ready(reply);
        }
        own.waker = Some(context.waker().clone());
        drop(own);
        if let Some(question) = asked {
            ask(question, move |reply| {
                let mut slot = lock(&slot);
                slot.reply = Some(reply);
                let waker = slot.waker.take();
                drop(slot);
                if let Some(waker) = waker.filter(|_| tells) {
                    waker.wake();
                }
            });
        }
        Poll::Pending
    }
}

fn lock(slot: &Mutex<Slot>) -> MutexGuard<'_, Slot> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The way back: awaits, then calls.
async fn call_back(answer: Answer, callback: impl FnOnce(Reply)) {
    callback(answer.await);
}

/// Runs one future on a runtime of its own, or says why there is none.
type BlockOn = fn(Work) -> Result<(), String>;
type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// An answer across threads takes microseconds.
const PATIENCE: Duration = Duration::from_millis(100);
/// What is to come is waited for longer: the machine may be busy.
const LONG: Duration = Duration::from_secs(2);

fn on(block_on: BlockOn) -> Vec<LabLine> {
    let reply = |question, wakes, patience| {
        let (tell, told) = mpsc::channel();
        let failed = tell.clone();
        thread::spawn(move || {
            let answer = Answer::to(question, wakes);
            let back = call_back(answer, move |reply| drop(tell.send(Ok(reply))));
            if let Err(why) = block_on(Box::pin(back)) {
                failed.send(Err(why)).ok();
            }
        });
        told.recv_timeout(patience).ok()
    };
    let value = match reply(2, true, LONG) {
        Some(Err(why)) => return vec![not_run(&why)],
        other => other == Some(Ok(right(2))),
    };
    let error = reply(1, true, LONG) == Some(Ok(right(1)));
    let forgotten = reply(2, false, PATIENCE).is_none();
    let (tell, told) = mpsc::channel();
    ask(2, move |reply| drop(tell.send(reply)));
    let bare = told.recv_timeout(LONG) == Ok(right(2));
    let arrived = found(
        "both-ways",
        [("value", yes(value)), ("error", yes(error)), ("arrived", yes(value && error))],
    );
    vec![
        arrived,
        control(
            found("forgets-to-wake", [("arrived", yes(!forgotten))]),
            "must never arrive",
            forgotten,
        ),
        control(found("callback-alone", [("arrived", yes(bare))]), "must arrive", bare),
    ]
}

fn tokio_many(work: Work) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build();
    runtime
        .map(|runtime| drop(runtime.block_on(runtime.spawn(work))))
        .map_err(|error| error.to_string())
}

fn tokio_one(work: Work) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.map(|runtime| runtime.block_on(work)).map_err(|error| error.to_string())
}

fn smol(work: Work) -> Result<(), String> {
    let executor = smol::Executor::new();
    smol::block_on(executor.run(executor.spawn(work)));
    Ok(())
}

fn async_std(work: Work) -> Result<(), String> {
    async_std::task::block_on(async_std::task::spawn(work));
    Ok(())
}

fn compio(work: Work) -> Result<(), String> {
    let runtime = compio::runtime::Runtime::new();
    runtime.map(|runtime| runtime.block_on(work)).map_err(|error| error.to_string())
}

fn monoio(work: Work) -> Result<(), String> {
    let runtime = monoio::RuntimeBuilder::<monoio::IoUringDriver>::new().build();
    runtime.map(|mut runtime| runtime.block_on(work)).map_err(|error| error.to_string())
}
