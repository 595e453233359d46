//! Wakers, queue and promises in every order in which threads may come to them.
//!
//! ```sh
//! RUSTFLAGS="--cfg loom" cargo test -p handmade-async --release --test loom --target-dir target/loom
//! ```
//!
//! The executor's side of each model is the real code and the order in which `executor.rs` calls it; only its sleep in
//! epoll is a condition variable here. A wake-up that gets lost leaves it asleep for ever, which loom calls a deadlock.
//! What a task waits for is written without any ordering of its own, so that only waking can make it seen.

#![cfg(loom)]

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Condvar, Mutex};
use loom::thread;

use crate::join::promise;
use crate::tasks::{Ready, Tasks};

#[path = "../src/join.rs"]
mod join;
#[path = "../src/sync.rs"]
mod sync;
#[path = "../src/tasks.rs"]
mod tasks;

/// Remembers a ring until the next sleep, as an eventfd in epoll does.
#[derive(Default)]
struct Bell {
    rings: Mutex<usize>,
    sleeper: Condvar,
}

impl Bell {
    fn ring(&self) {
        *self.rings.lock().unwrap() += 1;
        self.sleeper.notify_one();
    }

    /// Sleeps until there are more rings than that.
    fn sleep(&self, heard: usize) -> usize {
        let mut rings = self.rings.lock().unwrap();
        while *rings == heard {
            rings = self.sleeper.wait(rings).unwrap();
        }
        *rings
    }
}

struct Executor {
    bell: Arc<Bell>,
    ready: Arc<Ready>,
    tasks: Tasks,
    heard: usize,
    sleeps: usize,
}

impl Executor {
    fn new() -> Self {
        let bell = Arc::new(Bell::default());
        let ring = Arc::clone(&bell);
        let ready = Ready::new(move || ring.ring());
        let tasks = Tasks::new(Arc::clone(&ready));
        Self { bell, ready, tasks, heard: 0, sleeps: 0 }
    }

    /// What `block_on` does, without sockets and timers. Every sleep is ended by one ring, and nobody rings in vain.
    fn run_until(&mut self, done: impl Fn() -> bool) {
        loop {
            self.tasks.turn();
            if done() {
                break;
            }
            if self.ready.fall_asleep() {
                self.sleeps += 1;
                self.heard = self.bell.sleep(self.heard);
            }
            self.ready.get_up();
        }
        assert_eq!(*self.bell.rings.lock().unwrap(), self.sleeps);
    }
}

/// A task that waits for calls, as seen from outside.
struct Waiting {
    calls: Arc<AtomicUsize>,
    /// From its first poll; kept, as a careless thread would.
    waker: Waker,
    polls: Rc<Cell<usize>>,
    done: Rc<Cell<bool>>,
}

impl Waiting {
    /// Adds a task that waits for so many calls, and polls it for the first time.
    fn for_calls(executor: &mut Executor, count: usize) -> Self {
        let calls = Arc::new(AtomicUsize::new(0));
        let (waker, polls, done) = (Rc::new(RefCell::new(None)), Rc::default(), Rc::default());
        executor.tasks.add({
            let (calls, waker) = (Arc::clone(&calls), Rc::clone(&waker));
            let (polls, done): (Rc<Cell<usize>>, Rc<Cell<bool>>) =
                (Rc::clone(&polls), Rc::clone(&done));
            Box::pin(poll_fn(move |context| {
                assert!(!done.get(), "polled again after its end");
                polls.set(polls.get() + 1);
                waker.borrow_mut().get_or_insert_with(|| context.waker().clone());
                done.set(calls.load(Ordering::Relaxed) >= count);
                if done.get() { Poll::Ready(()) } else { Poll::Pending }
            }))
        });
        executor.tasks.turn();
        let waker = waker.take().unwrap();
        Self { calls, waker, polls, done }
    }

    /// A thread that calls, then wakes.
    fn call_from_thread(&self) -> thread::JoinHandle<()> {
        let (calls, waker) = (Arc::clone(&self.calls), self.waker.clone());
        thread::spawn(move || {
            calls.fetch_add(1, Ordering::Relaxed);
            waker.wake();
        })
    }
}

#[test]
fn a_wake_up_from_another_thread_is_never_lost() {
    loom::model(|| {
        let mut executor = Executor::new();
        let waiting = Waiting::for_calls(&mut executor, 1);
        let thread = waiting.call_from_thread();
        executor.run_until(|| waiting.done.get());
        assert_eq!(waiting.polls.get(), 2);
        thread.join().unwrap();
    });
}

#[test]
fn of_two_wake_ups_at_once_the_second_is_seen_too() {
    loom::model(|| {
        let mut executor = Executor::new();
        let waiting = Waiting::for_calls(&mut executor, 2);
        let threads = [waiting.call_from_thread(), waiting.call_from_thread()];
        executor.run_until(|| waiting.done.get());
        assert!((2..=3).contains(&waiting.polls.get()), "{} polls", waiting.polls.get());
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn two_tasks_woken_by_two_threads_both_end() {
    loom::model(|| {
        let mut executor = Executor::new();
        let tasks = [1, 1].map(|count| Waiting::for_calls(&mut executor, count));
        let threads = tasks.each_ref().map(Waiting::call_from_thread);
        executor.run_until(|| tasks.iter().all(|task| task.done.get()));
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn a_task_that_is_done_is_not_polled_however_late_it_is_woken() {
    loom::model(|| {
        let mut executor = Executor::new();
        // One call would do, so the other may come at any time: before the end, in it, or after.
        let waiting = Waiting::for_calls(&mut executor, 1);
        let threads = [waiting.call_from_thread(), waiting.call_from_thread()];
        executor.run_until(|| waiting.done.get());
        let other = Waiting::for_calls(&mut executor, 1);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        executor.tasks.turn();
        assert_eq!(other.polls.get(), 1, "a late waker found another task");
    });
}

#[test]
fn a_task_that_wakes_itself_in_its_poll_comes_in_the_next_turn_and_no_bell_rings() {
    loom::model(|| {
        let mut executor = Executor::new();
        let polls = Rc::new(Cell::new(0));
        executor.tasks.add({
            let polls = Rc::clone(&polls);
            Box::pin(poll_fn(move |context| {
                polls.set(polls.get() + 1);
                context.waker().wake_by_ref();
                if polls.get() == 3 { Poll::Ready(()) } else { Poll::Pending }
            }))
        });
        executor.tasks.turn();
        assert_eq!(polls.get(), 1);
        executor.run_until(|| polls.get() == 3);
        assert_eq!(executor.sleeps, 0);
    });
}

#[test]
fn a_task_woken_many_times_before_its_turn_is_polled_once() {
    loom::model(|| {
        let mut executor = Executor::new();
        let waiting = Waiting::for_calls(&mut executor, 1);
        for _ in 0..3 {
            waiting.waker.wake_by_ref();
        }
        executor.tasks.turn();
        executor.tasks.turn();
        assert_eq!(waiting.polls.get(), 2);
    });
}

#[test]
fn a_promise_kept_by_another_thread_reaches_the_task_that_awaits_it() {
    loom::model(|| {
        let mut executor = Executor::new();
        let (promise, handle) = promise();
        let thread = thread::spawn(move || promise.keep(Ok("kept")));
        let result = Rc::new(Cell::new(None));
        executor.tasks.add({
            let result = Rc::clone(&result);
            Box::pin(async move { result.set(handle.await.ok()) })
        });
        executor.run_until(|| result.get().is_some());
        assert_eq!(result.get(), Some("kept"));
        thread.join().unwrap();
    });
}

#[test]
fn a_result_is_there_once_its_promise_is_kept() {
    loom::model(|| {
        let (promise, handle) = promise();
        let thread = thread::spawn(move || promise.keep(Ok("kept")));
        assert!(matches!(handle.take(), None | Some(Ok("kept"))));
        thread.join().unwrap();
        drop(handle.take());
        assert!(handle.take().is_none(), "taken twice");
    });
}
