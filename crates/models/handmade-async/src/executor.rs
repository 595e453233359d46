//! An executor on one thread: it polls the tasks that are ready, and sleeps in epoll when there are none.
//!
//! ```text
//!   +--> poll each ready task, once --> sleep in epoll, until the first timer at the latest --+
//!   |                                                                                         |
//!   +---- wake those whose socket is ready, whose time has come, whose call has returned <----+
//! ```
//!
//! Read `tasks.rs` first: it says what a waker is. The rest is who wakes: `reactor.rs`, `timer.rs`, `join.rs`.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use contract::Pool;

use crate::join::{JoinHandle, Promise, promise};
use crate::reactor::Reactor;
use crate::tasks::{Ready, Task, Tasks};
use crate::timer::Timers;

/// Reads, writes and accepts of a task until it is the others' turn: 16 reads of 16 KiB are a quarter of a mebibyte.
const BUDGET: usize = 16;

thread_local! {
    static CURRENT: RefCell<Option<Rc<Executor>>> = const { RefCell::new(None) };
}

/// What tasks reach of their executor.
pub(crate) struct Executor {
    pub(crate) reactor: Reactor,
    pub(crate) timers: Timers,
    ready: Arc<Ready>,
    /// Spawned in this turn, polled from the next one on.
    spawned: RefCell<Vec<Task>>,
    /// Those that give way come behind whoever the sleep finds ready.
    giving_way: RefCell<Vec<Waker>>,
    /// What is left to the task that is being polled.
    budget: Cell<usize>,
}

/// The executor that runs the calling task.
pub(crate) fn current() -> Rc<Executor> {
    CURRENT.with_borrow(Clone::clone).expect("only tasks call this, and an executor runs them")
}

/// Runs a task, and all that it spawns, until it is done. Tasks that are not done by then are dropped.
///
/// # Panics
/// When that task does. The panic of another one ends that task alone, and is told to whoever joins it.
pub(crate) fn block_on<T: 'static>(
    reactor: Reactor,
    main: impl Future<Output = T> + 'static,
) -> io::Result<T> {
    let ready = Ready::new(reactor.bell());
    let mut tasks = Tasks::new(Arc::clone(&ready));
    let executor = Rc::new(Executor {
        reactor,
        timers: Timers::default(),
        ready,
        spawned: RefCell::default(),
        giving_way: RefCell::default(),
        budget: Cell::new(BUDGET),
    });
    CURRENT.set(Some(Rc::clone(&executor)));
    let main = spawn(main);
    let result = loop {
        executor.spawned.take().into_iter().for_each(|task| tasks.add(task));
        tasks.turn();
        if let Some(result) = main.take() {
            break Ok(result.unwrap_or_else(|panic| resume_unwind(panic)));
        }
        if let Err(error) = executor.sleep() {
            break Err(error);
        }
    };
    drop((tasks, executor.spawned.take()));
    CURRENT.set(None);
    result
}

impl Executor {
    /// Sleeps unless there is something to do, and wakes the tasks that have waited for what ended it.
    fn sleep(&self) -> io::Result<()> {
        let busy = !self.spawned.borrow().is_empty() || !self.giving_way.borrow().is_empty();
        let idle = !busy && self.ready.fall_asleep();
        let longest = if idle { self.timers.timeout() } else { Some(Duration::ZERO) };
        self.reactor.sleep(longest, || self.ready.get_up())?;
        self.timers.wake();
        self.giving_way.borrow_mut().drain(..).for_each(Waker::wake);
        Ok(())
    }

    /// Takes one from the task's budget. Without it, a client that sends as fast as it is answered would be the only one.
    pub(crate) fn spend(&self, context: &Context<'_>) -> Poll<()> {
        let Some(left) = self.budget.get().checked_sub(1) else {
            self.giving_way.borrow_mut().push(context.waker().clone());
            return Poll::Pending;
        };
        self.budget.set(left);
        Poll::Ready(())
    }
}

/// Starts a task beside the one that calls.
pub(crate) fn spawn<T: 'static>(future: impl Future<Output = T> + 'static) -> JoinHandle<T> {
    let (promise, handle) = promise();
    let task = Spawned { future: Box::pin(future), promise: Some(promise) };
    current().spawned.borrow_mut().push(Box::pin(task));
    handle
}

/// A future whose result was promised.
struct Spawned<T> {
    future: Pin<Box<dyn Future<Output = T>>>,
    promise: Option<Promise<T>>,
}

impl<T> Future for Spawned<T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        current().budget.set(BUDGET);
        let poll = catch_unwind(AssertUnwindSafe(|| self.future.as_mut().poll(context)));
        let result = match poll {
            Ok(poll) => Ok(ready!(poll)),
            Err(panic) => Err(panic),
        };
        self.promise.take().expect("a task that is done is not polled").keep(result);
        Poll::Ready(())
    }
}

/// Runs a call that blocks on a thread of the pool.
///
/// # Errors
/// The system refuses the pool its first thread.
pub(crate) async fn unblock<T: Send + 'static>(
    pool: &Pool,
    call: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (promise, handle) = promise();
    pool.run(move || promise.keep(catch_unwind(AssertUnwindSafe(call))))?;
    Ok(handle.await.unwrap_or_else(|panic| resume_unwind(panic)))
}

/// Gives way to all that are ready.
pub(crate) async fn yield_now() {
    current().budget.set(0);
    poll_fn(|context| current().spend(context)).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timer::{sleep, timeout_at};
    use std::num::NonZero;
    use std::time::Instant;

    const MS: Duration = Duration::from_millis(1);
    const HOUR: Duration = Duration::from_hours(1);

    fn run<T: 'static>(main: impl Future<Output = T> + 'static) -> T {
        block_on(Reactor::new().unwrap(), main).unwrap()
    }

    #[test]
    fn a_panic_ends_its_task_alone_and_is_told_to_whoever_joins() {
        let joined = run(async {
            let (bad, good) = (spawn(async { panic!("on purpose") }), spawn(async { 1 }));
            (bad.await.map(|()| 0).is_err(), good.await.unwrap())
        });
        assert_eq!(joined, (true, 1));
    }

    #[test]
    fn who_yields_lets_each_of_the_others_have_one_turn() {
        let order = Rc::new(RefCell::new(Vec::new()));
        let tasks = ["a", "b"].map(|name| {
            let order = Rc::clone(&order);
            async move {
                for _ in 0..2 {
                    order.borrow_mut().push(name);
                    yield_now().await;
                }
            }
        });
        run(async {
            for task in tasks.map(spawn) {
                task.await.unwrap();
            }
        });
        assert_eq!(*order.borrow(), ["a", "b", "a", "b"]);
    }

    #[test]
    fn who_never_waits_gives_way_when_its_budget_is_spent() {
        let order = Rc::new(RefCell::new(Vec::new()));
        let (busy, other) = (Rc::clone(&order), Rc::clone(&order));
        run(async move {
            let busy = spawn(async move {
                for count in 1..=2 * BUDGET {
                    poll_fn(|context| current().spend(context)).await;
                    busy.borrow_mut().push(count);
                }
            });
            let other = spawn(async move { other.borrow_mut().push(0) });
            busy.await.unwrap();
            other.await.unwrap();
        });
        let place_of_other = order.borrow().iter().position(|&count| count == 0);
        assert_eq!(place_of_other, Some(BUDGET));
    }

    #[test]
    fn sleeps_end_in_the_order_of_their_times_and_not_before_them() {
        let order = run(async {
            let order = Rc::new(RefCell::new(Vec::new()));
            let tasks = [3, 1, 2].map(|duration| {
                let (order, start) = (Rc::clone(&order), Instant::now());
                spawn(async move {
                    sleep(duration * MS).await;
                    assert!(start.elapsed() >= duration * MS);
                    order.borrow_mut().push(duration);
                })
            });
            for task in tasks {
                task.await.unwrap();
            }
            order.take()
        });
        assert_eq!(order, [1, 2, 3]);
    }

    #[test]
    fn what_comes_in_time_leaves_no_timer_and_what_does_not_is_given_up() {
        run(async {
            let early = timeout_at(Instant::now() + HOUR, async {
                yield_now().await;
                1
            });
            assert_eq!(early.await, Some(1));
            assert_eq!(current().timers.timeout(), None);
            assert_eq!(timeout_at(Instant::now() + MS, sleep(HOUR)).await, None);
            assert_eq!(current().timers.timeout(), None);
        });
    }

    #[test]
    fn a_call_on_another_thread_ends_the_sleep() {
        let (pool, here) = (Pool::new(NonZero::<usize>::MIN), std::thread::current().id());
        let there = run(async move { unblock(&pool, || std::thread::current().id()).await });
        assert_ne!(there.unwrap(), here);
    }

    #[test]
    fn tasks_that_are_not_done_are_dropped_with_the_executor() {
        struct Dropped(Rc<Cell<bool>>);
        impl Drop for Dropped {
            fn drop(&mut self) {
                self.0.set(true);
            }
        }
        let dropped = Rc::new(Cell::new(false));
        let guard = Dropped(Rc::clone(&dropped));
        run(async {
            drop(spawn(async move {
                sleep(HOUR).await;
                drop(guard);
            }));
            yield_now().await;
        });
        assert!(dropped.get());
    }
}
