//! The loop: who waits has got a deferred, and the loop keeps the promise that fires it.
//!
//! ```text
//! +-> wait in epoll --> events, times and jobs put promises in line --> fire those in line, which brings others --+
//! +---------------------------------------------------------------------------------------------------------------+
//! ```
//!
//! None fires before the call that returned its deferred has come back to the loop: stacks stay flat.

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

use super::deferred::{Deferred, Promise};

/// Events taken from one wait: a tenth of ten thousand that are all active.
const EVENTS: usize = 1024;
/// Rounds of the line before the kernel is asked again. A read or a write of one connection is one round, so that 16 of
/// 16 KiB are a quarter of a mebibyte.
const ROUNDS: usize = 16;

const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);
/// No descriptor's number.
const WAKER: Token = Token(usize::MAX);

/// When it is due, and a number that tells it from others of that time.
type Timer = (Instant, u64);

/// One for each thread, where it lives as long as the process: so every chain may hold it, and none counts.
pub(crate) type Loop = &'static EventLoop;

pub(crate) struct EventLoop {
    poll: RefCell<Poll>,
    events: RefCell<Events>,
    /// By descriptor, which is the token too: the kernel hands out the lowest that is free.
    sockets: RefCell<Vec<Socket>>,
    /// In the order in which they are due.
    timers: RefCell<BTreeMap<Timer, Promise<()>>>,
    /// Whose turn has come, and with what.
    line: RefCell<VecDeque<(Promise<()>, io::Result<()>)>>,
    block: Block,
    threads: Pool,
    waker: Arc<Waker>,
    /// Who waits for a job of the pool.
    jobs: RefCell<BTreeMap<u64, Promise<()>>>,
    finish: mpsc::Sender<u64>,
    finished: mpsc::Receiver<u64>,
    /// Numbers given to timers and jobs.
    numbers: Cell<u64>,
    /// One for all sockets, since what is read is taken at once.
    buffer: RefCell<Vec<u8>>,
    stopped: Cell<bool>,
}

/// The promises of a socket, by interest.
#[derive(Default)]
struct Socket {
    on_readable: Option<Promise<()>>,
    /// When that one fires with an error instead.
    deadline: Option<Timer>,
    on_writable: Option<Promise<()>>,
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

    /// Fires when there is something to read, or with `TimedOut` when the deadline passes before.
    pub(crate) fn readable(&'static self, token: Token, deadline: Option<Instant>) -> Deferred<()> {
        let socket = &mut self.sockets.borrow_mut()[token.0];
        if std::mem::take(&mut socket.readable) {
            return self.soon();
        }
        let (readable, promise) = Deferred::new();
        socket.on_readable = Some(promise);
        socket.deadline = deadline.map(|due| {
            let (timer, passed) = self.at(due);
            passed.done(move |_| self.expire(token));
            timer
        });
        readable
    }

    /// Fires when the socket, which has refused to be written, will take bytes again.
    pub(crate) fn writable(&self, token: Token) -> Deferred<()> {
        let (writable, promise) = Deferred::new();
        self.sockets.borrow_mut()[token.0].on_writable = Some(promise);
        writable
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

    /// Fires when those that are in line have.
    pub(crate) fn soon(&self) -> Deferred<()> {
        let (soon, promise) = Deferred::new();
        self.line.borrow_mut().push_back((promise, Ok(())));
        soon
    }

    /// Fires after that time.
    pub(crate) fn after(&self, time: Duration) -> Deferred<()> {
        self.at(Instant::now() + time).1
    }

    /// Fires at that time.
    pub(crate) fn at(&self, due: Instant) -> (Timer, Deferred<()>) {
        let timer = (due, self.next_number());
        let (passed, promise) = Deferred::new();
        self.timers.borrow_mut().insert(timer, promise);
        (timer, passed)
    }

    /// Fires with what the job returns. It runs on a thread of the pool, or holds the loop if blocking is inline.
    pub(crate) fn offload<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Deferred<T> {
        let (give, take) = mpsc::sync_channel(1);
        let job = move || {
            let outcome = panic::catch_unwind(AssertUnwindSafe(job));
            let outcome = outcome.map_err(|_| io::Error::other("the job panicked"));
            // Room for one; whoever takes it may be gone with the loop.
            drop(give.send(outcome));
        };
        let (done, promise) = Deferred::new();
        let done = done.add_callback(move |()| {
            Deferred::Now(take.try_recv().map_err(io::Error::other).flatten())
        });
        if self.block == Block::Inline {
            job();
            self.line.borrow_mut().push_back((promise, Ok(())));
            return done;
        }
        let number = self.next_number();
        self.jobs.borrow_mut().insert(number, promise);
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
            let promise = self.jobs.borrow_mut().remove(&number).expect("it was put there above");
            self.line.borrow_mut().push_back((promise, Err(error)));
        }
        done
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

    /// Waits, for `nap` at most, and fires whatever is in line.
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
                let (promise, result) = next.expect("only this loop takes from the line");
                promise.fire(result);
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

    /// Puts in line the promises of what has happened.
    fn line_up(&self) {
        let (mut line, mut timers) = (self.line.borrow_mut(), self.timers.borrow_mut());
        let mut sockets = self.sockets.borrow_mut();
        for event in self.events.borrow().iter() {
            let Token(slot) = event.token();
            let Some(socket) = sockets.get_mut(slot) else { continue };
            socket.input_ended |= event.is_read_closed();
            if event.is_readable() || event.is_read_closed() {
                match socket.on_readable.take() {
                    Some(promise) => line.push_back((promise, Ok(()))),
                    None => socket.readable = true,
                }
                drop(socket.deadline.take().and_then(|deadline| timers.remove(&deadline)));
            }
            if event.is_writable()
                && let Some(promise) = socket.on_writable.take()
            {
                line.push_back((promise, Ok(())));
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

    /// Fires what waits for reading, since nothing has come in time.
    fn expire(&self, token: Token) {
        let waiting = {
            let socket = &mut self.sockets.borrow_mut()[token.0];
            socket.deadline = None;
            socket.on_readable.take()
        };
        if let Some(promise) = waiting {
            promise.fire(Err(ErrorKind::TimedOut.into()));
        }
    }

    fn next_number(&self) -> u64 {
        self.numbers.replace(self.numbers.get() + 1)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZero;
    use std::rc::Rc;

    use super::*;

    fn event_loop(block: Block) -> Loop {
        EventLoop::prepare(block, Pool::new(NonZero::<usize>::MIN)).unwrap()()
    }

    /// Turns the loop until the deferred has fired.
    fn wait_for<T: 'static>(event_loop: &EventLoop, deferred: Deferred<T>) -> io::Result<T> {
        let result = Rc::new(Cell::new(None));
        let place = Rc::clone(&result);
        deferred.done(move |result| place.set(Some(result)));
        loop {
            if let Some(result) = result.take() {
                return result;
            }
            event_loop.turn(None).unwrap();
        }
    }

    #[test]
    fn times_fire_in_the_order_in_which_they_are_due() {
        let event_loop = event_loop(Block::Inline);
        let start = Instant::now();
        let fired = Rc::new(RefCell::new(Vec::new()));
        for ms in [3, 1, 2] {
            let fired = Rc::clone(&fired);
            event_loop
                .at(start + Duration::from_millis(ms))
                .1
                .done(move |_| fired.borrow_mut().push(ms));
        }
        wait_for(event_loop, event_loop.at(start + Duration::from_millis(4)).1).unwrap();
        assert_eq!(fired.take(), [1, 2, 3]);
    }

    #[test]
    fn a_deadline_takes_the_path_of_error() {
        let event_loop = event_loop(Block::Inline);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let mut listener = mio::net::TcpListener::from_std(listener);
        let token = event_loop.register(&mut listener).unwrap();
        let passed = wait_for(event_loop, event_loop.readable(token, Some(Instant::now())));
        assert_eq!(passed.unwrap_err().kind(), ErrorKind::TimedOut);
    }

    #[test]
    fn a_job_fires_with_its_value_and_its_panic_takes_the_path_of_error() {
        for block in [Block::Inline, Block::Offload] {
            let event_loop = event_loop(block);
            assert_eq!(wait_for(event_loop, event_loop.offload(|| 42)).unwrap(), 42);
            let broken = event_loop.offload(|| panic!("on purpose"));
            assert_eq!(wait_for::<()>(event_loop, broken).unwrap_err().kind(), ErrorKind::Other);
        }
    }
}
