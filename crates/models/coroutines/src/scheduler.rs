//! A scheduler: it resumes the coroutines that are ready, one after the other, and sleeps in epoll when there are none.
//!
//! ```text
//!   +--> resume each that is ready, until it suspends itself and says what it waits for --+
//!   |                                                                                     |
//!   +---- whose descriptor is ready, whose time has come, whose call has returned? <------+
//! ```
//!
//! Nobody is interrupted: between two `suspend`s a coroutine has the thread, and all that is on it, for itself.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::os::fd::RawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use contract::{Pool, listener};
use corosensei::CoroutineResult;

use crate::poller::Poller;
use crate::stacks::Stacks;

/// Steps of a coroutine that never has to wait, until it gives way: 16 reads of 16 KiB are a quarter of a mebibyte.
pub(crate) const STEPS: usize = 16;

/// What a coroutine waits for, said when it suspends itself.
pub(crate) enum Wait {
    /// The descriptor is readable, or the time is over.
    Readable { descriptor: RawFd, until: Option<Instant> },
    /// The descriptor, which has refused, is writable.
    Writable { descriptor: RawFd },
    /// The time has come.
    Time(Instant),
    /// The others have had their turn.
    Turn,
    /// The call has returned; a thread of the pool performs it.
    Call(Box<dyn FnOnce() + Send>),
}

/// Why a coroutine is resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// What it waited for is there.
    Ready,
    /// The time is over.
    TimeOver,
    /// There is no thread for the call.
    Refused,
}

pub(crate) type Yielder = corosensei::Yielder<Woken, Wait>;
type Coroutine = corosensei::Coroutine<Woken, Wait, ()>;

/// What coroutines reach of the scheduler that runs them.
pub(crate) struct Scheduler {
    pub(crate) poller: Poller,
    threads: Pool,
    stacks: Stacks,
    /// Resumed from the next turn on.
    spawned: RefCell<Vec<Coroutine>>,
}

impl Scheduler {
    pub(crate) fn new(poller: Poller, threads: Pool) -> Self {
        Self { poller, threads, stacks: Stacks::default(), spawned: RefCell::default() }
    }

    /// Starts a coroutine beside the one that calls.
    ///
    /// # Errors
    /// The system refuses a stack.
    pub(crate) fn spawn(&self, body: impl FnOnce(&Yielder) + 'static) -> io::Result<()> {
        let coroutine = Coroutine::with_stack(self.stacks.take()?, |yielder, _| body(yielder));
        self.spawned.borrow_mut().push(coroutine);
        Ok(())
    }

    /// Runs coroutines until that is so, or none is left. Those that have not ended by then are unwound.
    pub(crate) fn run_until(&self, done: impl Fn() -> bool) -> io::Result<()> {
        let mut run = Run::new(self);
        loop {
            run.turn();
            if done() || (run.coroutines.is_empty() && self.spawned.borrow().is_empty()) {
                self.spawned.take();
                return Ok(());
            }
            run.sleep()?;
        }
    }
}

/// The coroutines of a scheduler that runs.
struct Run<'a> {
    scheduler: &'a Scheduler,
    /// By number, each with its time if it waits for one. Numbers are not used twice.
    coroutines: HashMap<u64, (Coroutine, Option<Instant>)>,
    next: u64,
    ready: VecDeque<(u64, Woken)>,
    /// Those that give way come behind whoever the sleep finds ready.
    giving_way: VecDeque<(u64, Woken)>,
    /// In the order in which they are due; with the descriptor that is then waited for no longer.
    times: BTreeMap<(Instant, u64), Option<RawFd>>,
    finish: mpsc::Sender<u64>,
    finished: mpsc::Receiver<u64>,
}

impl<'a> Run<'a> {
    fn new(scheduler: &'a Scheduler) -> Self {
        let (ready, giving_way) = (VecDeque::new(), VecDeque::new());
        let (coroutines, next, times) = (HashMap::new(), 0, BTreeMap::new());
        let (finish, finished) = mpsc::channel();
        Self { scheduler, coroutines, next, ready, giving_way, times, finish, finished }
    }

    /// Resumes the coroutines that are ready, and those that find at once what they wait for: an edge, of which each
    /// sleep brings one at most.
    fn turn(&mut self) {
        for coroutine in self.scheduler.spawned.take() {
            self.coroutines.insert(self.next, (coroutine, None));
            self.ready.push_back((self.next, Woken::Ready));
            self.next += 1;
        }
        while let Some((number, woken)) = self.ready.pop_front() {
            let Some((coroutine, _)) = self.coroutines.get_mut(&number) else { continue };
            match catch_unwind(AssertUnwindSafe(|| coroutine.resume(woken))) {
                Ok(CoroutineResult::Yield(wait)) => self.arrange(number, wait),
                // A panic has unwound the coroutine's stack, and comes out of `resume`: it ends this coroutine alone.
                Ok(CoroutineResult::Return(())) | Err(_) => {
                    if let Some((ended, _)) = self.coroutines.remove(&number) {
                        self.scheduler.stacks.put(ended.into_stack());
                    }
                }
            }
        }
    }

    /// Arranges for the end of a wait.
    fn arrange(&mut self, number: u64, wait: Wait) {
        let poller = &self.scheduler.poller;
        match wait {
            Wait::Readable { descriptor, until } => {
                if !poller.wait_readable(descriptor, number) {
                    self.ready.push_back((number, Woken::Ready));
                } else if let Some(due) = until {
                    self.wait_until(due, number, Some(descriptor));
                }
            }
            Wait::Writable { descriptor } => poller.wait_writable(descriptor, number),
            Wait::Time(due) => self.wait_until(due, number, None),
            Wait::Turn => self.giving_way.push_back((number, Woken::Ready)),
            Wait::Call(call) => self.call(number, call),
        }
    }

    fn wait_until(&mut self, due: Instant, number: u64, descriptor: Option<RawFd>) {
        self.times.insert((due, number), descriptor);
        self.coroutines.entry(number).and_modify(|(_, time)| *time = Some(due));
    }

    fn call(&mut self, number: u64, call: Box<dyn FnOnce() + Send>) {
        let (finish, ring) = (self.finish.clone(), self.scheduler.poller.bell());
        let job = move || {
            // Its panic is its caller's, who finds no result.
            drop(catch_unwind(AssertUnwindSafe(call)));
            let _over = finish.send(number);
            ring();
        };
        if let Err(error) = self.scheduler.threads.run(job) {
            let what = "failed to start a thread, so the scheduler blocks";
            let _pause: Duration = listener::back_off(what, &error);
            self.giving_way.push_back((number, Woken::Refused));
        }
    }

    /// Sleeps unless there is something to do, and finds out who may go on.
    fn sleep(&mut self) -> io::Result<()> {
        let scheduler = self.scheduler;
        let idle = self.giving_way.is_empty() && scheduler.spawned.borrow().is_empty();
        let until = |due: &Instant| due.saturating_duration_since(Instant::now());
        let first = self.times.first_key_value().map(|((due, _), _)| until(due));
        let longest = if idle { first } else { Some(Duration::ZERO) };
        scheduler.poller.sleep(longest, |number| self.wake(number, Woken::Ready))?;
        while let Ok(number) = self.finished.try_recv() {
            self.wake(number, Woken::Ready);
        }
        while let Some(entry) = self.times.first_entry()
            && entry.key().0 <= Instant::now()
        {
            let ((_, number), descriptor) = entry.remove_entry();
            if let Some(descriptor) = descriptor {
                scheduler.poller.forget(descriptor);
            }
            self.wake(number, Woken::TimeOver);
        }
        self.ready.append(&mut self.giving_way);
        Ok(())
    }

    fn wake(&mut self, number: u64, woken: Woken) {
        if let Some((_, time)) = self.coroutines.get_mut(&number)
            && let Some(due) = time.take()
        {
            self.times.remove(&(due, number));
        }
        self.ready.push_back((number, woken));
    }
}

#[cfg(test)]
mod tests;
