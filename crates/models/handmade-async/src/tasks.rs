//! Tasks, their wakers, and the queue of those that are ready: a task that nobody has woken costs nothing.
//!
//! ```text
//! wake, on any thread --> queue --> turn: poll each of them once --+--> Pending: stays, until somebody wakes it
//!                           ^                                      +--> Ready: gone
//!                           +-- woken while it was being polled ---+
//! ```
//!
//! Futures stay on the thread of their executor. What crosses threads is a waker: a task's number, and the queue to put
//! it into. This file is all that other threads reach of the executor, and `tests/loom.rs` tries it in every order.

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Wake, Waker};

use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, MutexGuard};

/// A future as the table holds it; its result goes elsewhere.
pub(crate) type Task = Pin<Box<dyn Future<Output = ()>>>;

/// The tasks of one executor.
pub(crate) struct Tasks {
    ready: Arc<Ready>,
    /// By number. Numbers are not used twice, so a late waker finds nobody rather than somebody else.
    table: HashMap<u64, Task>,
    next: u64,
    /// Those that are polled in this turn.
    turn: VecDeque<Arc<Handle>>,
}

impl Tasks {
    pub(crate) fn new(ready: Arc<Ready>) -> Self {
        Self { ready, table: HashMap::new(), next: 0, turn: VecDeque::new() }
    }

    /// Takes a task in, which is ready: its first poll will say what it waits for.
    pub(crate) fn add(&mut self, task: Task) {
        let (id, ready) = (self.next, Arc::clone(&self.ready));
        self.next += 1;
        self.table.insert(id, task);
        Waker::from(Arc::new(Handle { id, queued: AtomicBool::new(false), ready })).wake();
    }

    /// Polls each task that is ready, once. Who is woken meanwhile comes in the next turn, behind sockets and timers.
    pub(crate) fn turn(&mut self) {
        mem::swap(&mut self.ready.lock().queue, &mut self.turn);
        for handle in self.turn.drain(..) {
            let id = handle.id;
            handle.leave_queue();
            // Woken, but done already: others may keep a waker for as long as they like.
            let Some(task) = self.table.get_mut(&id) else { continue };
            let waker = Waker::from(handle);
            if task.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                self.table.remove(&id);
            }
        }
    }
}

/// The queue of the tasks that are ready.
pub(crate) struct Ready {
    state: Mutex<State>,
    /// Ends the executor's sleep.
    ring: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Arc<Handle>>,
    /// The executor sleeps, or is about to. It says so under the lock of the queue, so nobody can miss it.
    asleep: bool,
}

impl Ready {
    pub(crate) fn new(ring: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State::default()), ring: Box::new(ring) })
    }

    /// Whether the executor may sleep, since no task is ready; from now on a wake-up rings, until [`Self::get_up`].
    pub(crate) fn fall_asleep(&self) -> bool {
        let mut state = self.lock();
        state.asleep = state.queue.is_empty();
        state.asleep
    }

    /// The executor is up, and will look at the queue by itself: its own wake-ups need no bell, which costs a system call.
    pub(crate) fn get_up(&self) {
        self.lock().asleep = false;
    }

    fn push(&self, handle: Arc<Handle>) {
        let mut state = self.lock();
        state.queue.push_back(handle);
        let asleep = mem::take(&mut state.asleep);
        drop(state);
        if asleep {
            (self.ring)();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a task's wakers are made of: safe to send, since it holds the task's number and not the task.
struct Handle {
    id: u64,
    /// Once in the queue is enough.
    queued: AtomicBool,
    ready: Arc<Ready>,
}

impl Handle {
    /// Called before the poll: who wakes the task from now on may have seen none of what this poll will see.
    ///
    /// A swap, and not a store: whoever found `queued` true relies on this poll to see what he did before he woke, and
    /// only reading what he wrote makes sure of that.
    fn leave_queue(&self) {
        self.queued.swap(false, Ordering::AcqRel);
    }
}

impl Wake for Handle {
    fn wake(self: Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            Arc::clone(&self.ready).push(self);
        }
    }

    fn wake_by_ref(self: &Arc<Self>) {
        Arc::clone(self).wake();
    }
}
