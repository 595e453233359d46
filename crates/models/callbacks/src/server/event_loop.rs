//! The loop: who waits has left a callback, and whoever's event comes is called back.
//!
//! ```text
//! +-> wait in epoll --> events, times and jobs put callbacks in line --> call those in line, which leave others --+
//! +---------------------------------------------------------------------------------------------------------------+
//! ```
//!
//! Nothing is called back before the call that left the callback has returned: stacks stay flat, and who leaves one
//! last knows that nothing has happened meanwhile.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsRawFd;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use contract::{Block, Pool, READ_SIZE, listener};
use mio::event::Source;
use mio::{Events, Interest, Poll, Token, Waker};

/// Events taken from one wait: a tenth of ten thousand that are all active.
const EVENTS: usize = 1024;
/// Rounds of the line before the kernel is asked again. A read or a write of one connection is one round, so that 16 of
/// 16 KiB are a quarter of a mebibyte.
const ROUNDS: usize = 16;

const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);
/// No descriptor's number.
const WAKER: Token = Token(usize::MAX);

/// The error comes as an argument: whoever made the call has returned long ago.
type Callback = Box<dyn FnOnce(io::Result<()>)>;
/// When it is due, and a number that tells it from others of that time.
type Timer = (Instant, u64);

/// One for each thread, where it lives as long as the process: so every callback may hold it, and none counts.
pub(crate) type Loop = &'static EventLoop;

pub(crate) struct EventLoop {
    poll: RefCell<Poll>,
    events: RefCell<Events>,
    /// By descriptor, which is the token too: the kernel hands out the lowest that is free.
    sockets: RefCell<Vec<Socket>>,
    /// In the order in which they are due.
    timers: RefCell<BTreeMap<Timer, Callback>>,
    /// Whose turn has come, and with what.
    line: RefCell<VecDeque<(Callback, io::Result<()>)>>,
    block: Block,
    threads: Pool,
    waker: Arc<Waker>,
    /// Who waits for a job of the pool.
    jobs: RefCell<BTreeMap<u64, Callback>>,
    finish: mpsc::Sender<u64>,
    finished: mpsc::Receiver<u64>,
    /// Numbers given to timers and jobs.
    numbers: Cell<u64>,
    /// One for all sockets, since what is read is taken at once.
    buffer: RefCell<Vec<u8>>,
    stopped: Cell<bool>,
}

/// The continuations of a socket, by interest.
#[derive(Default)]
struct Socket {
    on_readable: Option<Callback>,
    /// When that one is called with an error instead.
    deadline: Option<Timer>,
    on_writable: Option<Callback>,
    /// An edge came that nobody waited for, or was not used up: it will not be reported again.
    readable: bool,
    /// The end of input came with an edge, and will be found behind the last bytes.
    input_ended: bool,
}

impl EventLoop {
    /// Takes from the system what a loop needs; the loop itself is made by its thread.
    pub(crate) fn prepare(block: Block, threads: Pool) -> io::Result<impl FnOnce() -> Loop + Send> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let (finish, finished) = mpsc::channel();
        Ok(move || -> Loop {
            Box::leak(Box::new(Self {
                poll: RefCell::new(poll),
                events: RefCell::new(Events::with_capacity(EVENTS)),
                sockets: RefCell::default(),
                timers: RefCell::default(),
                line: RefCell::default(),
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

    /// Watches a socket, once and for both directions, until it is closed.
    pub(crate) fn register(&self, socket: &mut (impl Source + AsRawFd)) -> io::Result<Token> {
        let slot = usize::try_from(socket.as_raw_fd()).expect("descriptors count from zero");
        self.poll.borrow().registry().register(socket, Token(slot), BOTH)?;
        let mut sockets = self.sockets.borrow_mut();
        let slots = sockets.len().max(slot + 1);
        sockets.resize_with(slots, Socket::default);
        sockets[slot] = Socket::default();
        Ok(Token(slot))
    }

    /// Calls back when there is something to read, or with `TimedOut` when the deadline passes before.
    pub(crate) fn when_readable(
        &'static self,
        token: Token,
        deadline: Option<Instant>,
        then: impl FnOnce(io::Result<()>) + 'static,
    ) {
        let socket = &mut self.sockets.borrow_mut()[token.0];
        if std::mem::take(&mut socket.readable) {
            return self.soon(then);
        }
        socket.on_readable = Some(Box::new(then));
        socket.deadline = deadline.map(|due| self.at(due, move |_| self.expire(token)));
    }

    /// Calls back when the socket, which has refused to be written, will take bytes again.
    pub(crate) fn when_writable(&self, token: Token, then: impl FnOnce(io::Result<()>) + 'static) {
        self.sockets.borrow_mut()[token.0].on_writable = Some(Box::new(then));
    }

    /// Reads once. A read that does not fill the buffer has emptied the socket, and more will be a new edge.
    pub(crate) fn read(
        &self,
        token: Token,
        stream: &mut impl Read,
        take: impl FnOnce(&[u8]),
    ) -> io::Result<()> {
        let mut buffer = self.buffer.borrow_mut();
        let count = stream.read(&mut buffer)?;
        let socket = &mut self.sockets.borrow_mut()[token.0];
        socket.readable |= count == buffer.len() || socket.input_ended;
        take(&buffer[..count]);
        Ok(())
    }

    /// Calls back when those that are in line have been.
    pub(crate) fn soon(&self, then: impl FnOnce(io::Result<()>) + 'static) {
        self.line.borrow_mut().push_back((Box::new(then), Ok(())));
    }

    /// Calls back after that time.
    pub(crate) fn after(&self, time: Duration, then: impl FnOnce(io::Result<()>) + 'static) {
        self.at(Instant::now() + time, then);
    }

    /// Calls back at that time.
    pub(crate) fn at(&self, due: Instant, then: impl FnOnce(io::Result<()>) + 'static) -> Timer {
        let timer = (due, self.next_number());
        self.timers.borrow_mut().insert(timer, Box::new(then));
        timer
    }

    /// Calls back with what the job returns. It runs on a thread of the pool, or holds the loop if blocking is inline.
    pub(crate) fn offload<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
        then: impl FnOnce(io::Result<T>) + 'static,
    ) {
        let (give, take) = mpsc::sync_channel(1);
        let job = move || {
            let outcome = panic::catch_unwind(AssertUnwindSafe(job));
            let outcome = outcome.map_err(|_| io::Error::other("the job panicked"));
            // Room for one; whoever takes it may be gone with the loop.
            drop(give.send(outcome));
        };
        let then = move |done: io::Result<()>| {
            then(done.and_then(|()| take.try_recv().map_err(io::Error::other).flatten()));
        };
        if self.block == Block::Inline {
            job();
            return self.soon(then);
        }
        let number = self.next_number();
        self.jobs.borrow_mut().insert(number, Box::new(then));
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
            let then = self.jobs.borrow_mut().remove(&number).expect("it was put there above");
            self.line.borrow_mut().push_back((then, Err(error)));
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

    /// Waits, for `nap` at most, and calls back whoever's turn has come.
    pub(crate) fn turn(&self, nap: Option<Duration>) -> io::Result<()> {
        let polled = self.poll.borrow_mut().poll(&mut self.events.borrow_mut(), self.timeout(nap));
        match polled {
            // No events, then.
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => result?,
        }
        self.line_up();
        for _ in 0..ROUNDS {
            let round = self.line.borrow().len();
            if round == 0 {
                break;
            }
            for _ in 0..round {
                let next = self.line.borrow_mut().pop_front();
                let (callback, result) = next.expect("only this loop takes from the line");
                callback(result);
            }
        }
        Ok(())
    }

    fn timeout(&self, nap: Option<Duration>) -> Option<Duration> {
        if !self.line.borrow().is_empty() {
            return Some(Duration::ZERO);
        }
        let timers = self.timers.borrow();
        let first = timers.first_key_value();
        first
            .map(|((due, _), _)| due.saturating_duration_since(Instant::now()))
            .into_iter()
            .chain(nap)
            .min()
    }

    /// Puts in line whoever waits for what has happened.
    fn line_up(&self) {
        let (mut line, mut timers) = (self.line.borrow_mut(), self.timers.borrow_mut());
        let mut sockets = self.sockets.borrow_mut();
        for event in self.events.borrow().iter() {
            let Token(slot) = event.token();
            let Some(socket) = sockets.get_mut(slot) else { continue };
            socket.input_ended |= event.is_read_closed();
            if event.is_readable() || event.is_read_closed() {
                match socket.on_readable.take() {
                    Some(callback) => line.push_back((callback, Ok(()))),
                    None => socket.readable = true,
                }
                drop(socket.deadline.take().and_then(|deadline| timers.remove(&deadline)));
            }
            if event.is_writable()
                && let Some(callback) = socket.on_writable.take()
            {
                line.push_back((callback, Ok(())));
            }
        }
        let now = Instant::now();
        while let Some(first) = timers.first_entry()
            && first.key().0 <= now
        {
            line.push_back((first.remove(), Ok(())));
        }
        let mut jobs = self.jobs.borrow_mut();
        line.extend(self.finished.try_iter().filter_map(|job| Some((jobs.remove(&job)?, Ok(())))));
    }

    /// Calls the one who waits to read, since nothing has come in time.
    fn expire(&self, token: Token) {
        let waiting = {
            let socket = &mut self.sockets.borrow_mut()[token.0];
            socket.deadline = None;
            socket.on_readable.take()
        };
        if let Some(callback) = waiting {
            callback(Err(ErrorKind::TimedOut.into()));
        }
    }

    fn next_number(&self) -> u64 {
        self.numbers.replace(self.numbers.get() + 1)
    }
}

#[cfg(test)]
mod tests;
