//! The reactor: it knows objects that are ready and calls that are due, and nothing of connections.
//!
//! ```text
//! +-> wait in epoll --> events: methods of the objects that are ready --> times, jobs, calls that are due --+
//! +---------------------------------------------------------------------------------------------------------+
//! ```

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use contract::{Block, Pool, READ_SIZE, listener};
use mio::event::Source;
use mio::{Events, Interest, Poll, Token, Waker};

/// Events taken from one wait: a tenth of ten thousand that are all active.
const EVENTS: usize = 1024;

const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);
/// No descriptor's number.
const WAKER: Token = Token(usize::MAX);

/// What the reactor calls: a listening port, or a connection's transport.
pub(crate) trait Selectable {
    /// An edge: there is something to read, or the end of input behind it.
    fn ready_to_read(self: Rc<Self>, input_ended: bool);
    /// An edge: the socket takes bytes.
    fn ready_to_write(self: Rc<Self>) {}
}

type Call = Box<dyn FnOnce()>;
/// When it is due, and a number that tells it from others of that time.
pub(crate) type Timer = (Instant, u64);

/// One for each thread, where it lives as long as the process: so every object may hold it, and none counts.
pub(crate) struct Reactor {
    poll: RefCell<Poll>,
    events: RefCell<Events>,
    /// By descriptor, which is the token too: the kernel hands out the lowest that is free.
    selectables: RefCell<Vec<Option<Rc<dyn Selectable>>>>,
    /// In the order in which they are due.
    timers: RefCell<BTreeMap<Timer, Call>>,
    /// Due in this turn, or in the next if they come up in it.
    calls: RefCell<VecDeque<Call>>,
    block: Block,
    threads: Pool,
    waker: Arc<Waker>,
    /// Who waits for a job of the pool.
    jobs: RefCell<BTreeMap<u64, Call>>,
    finish: mpsc::Sender<u64>,
    finished: mpsc::Receiver<u64>,
    /// Numbers given to timers and jobs.
    numbers: Cell<u64>,
    /// One for all transports, since what is read goes to a protocol at once.
    pub(crate) buffer: RefCell<Vec<u8>>,
    stopped: Cell<bool>,
}

impl Reactor {
    /// Takes from the system what a reactor needs; the reactor itself is made by its thread.
    pub(crate) fn prepare(
        block: Block,
        threads: Pool,
    ) -> io::Result<impl FnOnce() -> &'static Self + Send> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let (finish, finished) = mpsc::channel();
        Ok(move || -> &'static Self {
            Box::leak(Box::new(Self {
                poll: RefCell::new(poll),
                events: RefCell::new(Events::with_capacity(EVENTS)),
                selectables: RefCell::default(),
                timers: RefCell::default(),
                calls: RefCell::default(),
                block,
                threads,
                waker,
                jobs: RefCell::default(),
                finish,
                finished,
                numbers: Cell::default(),
                buffer: RefCell::new(vec![0; READ_SIZE]),
                stopped: Cell::default(),
            }))
        })
    }

    /// Watches a socket, once and for both directions, until it is removed.
    pub(crate) fn register(&self, socket: &mut (impl Source + AsRawFd)) -> io::Result<Token> {
        let token = Token(slot(socket));
        self.poll.borrow().registry().register(socket, token, BOTH)?;
        Ok(token)
    }

    /// The object whose methods are called when that socket is ready.
    pub(crate) fn add(&self, Token(slot): Token, selectable: Rc<dyn Selectable>) {
        let mut selectables = self.selectables.borrow_mut();
        let slots = selectables.len().max(slot + 1);
        selectables.resize_with(slots, || None);
        selectables[slot] = Some(selectable);
    }

    /// Forgets the object of a socket, and closes that.
    pub(crate) fn remove(&self, socket: impl AsRawFd) {
        let removed = self.selectables.borrow_mut()[slot(&socket)].take();
        // Not while the table is borrowed: it may be the last to hold the object.
        drop(removed);
    }

    /// Calls at that time.
    pub(crate) fn call_at(&self, due: Instant, call: impl FnOnce() + 'static) -> Timer {
        let timer = (due, self.next_number());
        self.timers.borrow_mut().insert(timer, Box::new(call));
        timer
    }

    /// Calls after that time.
    pub(crate) fn call_later(&self, time: Duration, call: impl FnOnce() + 'static) {
        self.call_at(Instant::now() + time, call);
    }

    /// Takes back what was to be called.
    pub(crate) fn cancel(&self, timer: Timer) {
        let call = self.timers.borrow_mut().remove(&timer);
        // As above.
        drop(call);
    }

    /// Calls when the events of this turn are dealt with.
    pub(crate) fn call_soon(&self, call: impl FnOnce() + 'static) {
        self.calls.borrow_mut().push_back(Box::new(call));
    }

    /// Calls with what the job returns. It runs on a thread of the pool, or holds the loop if blocking is inline.
    pub(crate) fn call_from_thread<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
        call: impl FnOnce(io::Result<T>) + 'static,
    ) {
        let (give, take) = mpsc::sync_channel(1);
        let give_error = give.clone();
        let job = move || {
            let outcome = panic::catch_unwind(AssertUnwindSafe(job));
            let outcome = outcome.map_err(|_| io::Error::other("the job panicked"));
            // Room for one; whoever takes it may be gone with the loop.
            drop(give.send(outcome));
        };
        let call = move || call(take.try_recv().map_err(io::Error::other).flatten());
        if self.block == Block::Inline {
            job();
            return self.call_soon(call);
        }
        let number = self.next_number();
        self.jobs.borrow_mut().insert(number, Box::new(call));
        let (finish, waker) = (self.finish.clone(), Arc::clone(&self.waker));
        let started = self.threads.run(move || {
            job();
            if finish.send(number).is_ok() {
                drop(waker.wake());
            }
        });
        if let Err(error) = started {
            let _pause =
                listener::back_off("failed to start a thread, which ends a request", &error);
            drop(give_error.send(Err(error)));
            let call = self.jobs.borrow_mut().remove(&number).expect("it was put there above");
            self.calls.borrow_mut().push_back(call);
        }
    }

    /// Makes `run` return.
    pub(crate) fn stop(&self) {
        self.stopped.set(true);
    }

    /// Turns until it is stopped.
    pub(crate) fn run(&self) -> io::Result<()> {
        while !self.stopped.get() {
            self.turn(None)?;
        }
        Ok(())
    }

    /// Waits, for `nap` at most, and calls whoever's turn has come.
    pub(crate) fn turn(&self, nap: Option<Duration>) -> io::Result<()> {
        let mut events = self.events.borrow_mut();
        match self.poll.borrow_mut().poll(&mut events, self.timeout(nap)) {
            // No events, then.
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => result?,
        }
        for event in events.iter() {
            let find = || self.selectables.borrow().get(event.token().0).cloned().flatten();
            if event.is_writable()
                && let Some(selectable) = find()
            {
                selectable.ready_to_write();
            }
            if (event.is_readable() || event.is_read_closed())
                && let Some(selectable) = find()
            {
                selectable.ready_to_read(event.is_read_closed());
            }
        }
        self.call_what_is_due();
        Ok(())
    }

    fn timeout(&self, nap: Option<Duration>) -> Option<Duration> {
        if !self.calls.borrow().is_empty() {
            return Some(Duration::ZERO);
        }
        let timers = self.timers.borrow();
        let first = timers.first_key_value();
        let first = first.map(|((due, _), _)| due.saturating_duration_since(Instant::now()));
        first.into_iter().chain(nap).min()
    }

    fn call_what_is_due(&self) {
        let now = Instant::now();
        let (mut timers, mut jobs) = (self.timers.borrow_mut(), self.jobs.borrow_mut());
        let mut calls = self.calls.borrow_mut();
        while let Some(first) = timers.first_entry()
            && first.key().0 <= now
        {
            calls.push_back(first.remove());
        }
        calls.extend(self.finished.try_iter().filter_map(|job| jobs.remove(&job)));
        let due = calls.len();
        drop((timers, jobs, calls));
        for _ in 0..due {
            let call = self.calls.borrow_mut().pop_front();
            call.expect("only this loop takes calls")();
        }
    }

    fn next_number(&self) -> u64 {
        self.numbers.replace(self.numbers.get() + 1)
    }
}

fn slot(socket: &impl AsRawFd) -> usize {
    usize::try_from(socket.as_raw_fd()).expect("descriptors count from zero")
}
