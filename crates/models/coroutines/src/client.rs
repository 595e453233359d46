//! A coroutine per download in progress: start as many as may run at once, and let each take the next URL from the list.
//!
//! ```text
//! coroutine 1: next > connect > write > suspend > read ... > next ... --+
//! coroutine 2: next > connect > write > suspend > read ... > next ... --+--> until all have been fetched
//! ```

use std::cell::RefCell;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::iter::Enumerate;
use std::net::TcpStream;
use std::num::NonZero;
use std::os::fd::AsRawFd as _;
use std::rc::Rc;
use std::time::{Duration, Instant};
use std::vec;

use contract::{ClientStep, Exchange, Fetched, Idiom, IdiomOutcome, Pool, READ_SIZE, TIMER_PERIOD};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};

use crate::poller::Poller;
use crate::scheduler::{STEPS, Scheduler, Wait, Yielder};

fn scheduler() -> io::Result<Scheduler> {
    // Nothing here blocks, so the pool starts no thread.
    Ok(Scheduler::new(Poller::new()?, Pool::new(NonZero::<usize>::MIN)))
}

/// What the coroutines share: one thread runs them all, and none holds a borrow when it suspends itself.
struct Shared {
    scheduler: Scheduler,
    waiting: RefCell<Enumerate<vec::IntoIter<Exchange>>>,
    fetched: RefCell<Vec<(usize, Fetched)>>,
    buffer: RefCell<Vec<u8>>,
}

pub(crate) fn fetch(
    exchanges: Vec<Exchange>,
    concurrency: NonZero<usize>,
) -> io::Result<Vec<Fetched>> {
    let count = exchanges.len();
    let shared = Rc::new(Shared {
        scheduler: scheduler()?,
        waiting: RefCell::new(exchanges.into_iter().enumerate()),
        fetched: RefCell::default(),
        buffer: RefCell::new(vec![0; READ_SIZE]),
    });
    for _ in 0..concurrency.get().min(count) {
        let downloading = Rc::clone(&shared);
        shared.scheduler.spawn(move |yielder| download_all(yielder, &downloading))?;
    }
    shared.scheduler.run_until(|| shared.fetched.borrow().len() == count)?;
    let mut fetched = shared.fetched.take();
    if fetched.len() < count {
        return Err(io::Error::other("a fetch panicked"));
    }
    fetched.sort_unstable_by_key(|(place, _)| *place);
    Ok(fetched.into_iter().map(|(_, fetched)| fetched).collect())
}

/// Downloads until the list is empty.
fn download_all(yielder: &Yielder, shared: &Shared) {
    loop {
        let next = shared.waiting.borrow_mut().next();
        let Some((place, mut exchange)) = next else { return };
        let result = download(yielder, shared, &mut exchange);
        shared.fetched.borrow_mut().push((place, exchange.finish(result)));
    }
}

/// Whether connecting succeeds is said by the first write, which waits for it.
fn download(yielder: &Yielder, shared: &Shared, exchange: &mut Exchange) -> io::Result<()> {
    let address = exchange.connect_to();
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let stream = TcpStream::from(socket_with(family, SocketType::STREAM, flags, None)?);
    match connect(&stream, &address) {
        Err(Errno::INPROGRESS) => {}
        result => result?,
    }
    shared.scheduler.poller.register(&stream)?;
    converse(yielder, shared, stream, exchange)
}

fn converse(
    yielder: &Yielder,
    shared: &Shared,
    mut stream: TcpStream,
    exchange: &mut Exchange,
) -> io::Result<()> {
    let descriptor = stream.as_raw_fd();
    // As in the server.
    let mut emptied = true;
    let mut steps = 0;
    loop {
        match exchange.step() {
            ClientStep::Write => match stream.write(exchange.output()) {
                Ok(count) => exchange.wrote(count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    yielder.suspend(Wait::Writable { descriptor });
                    steps = 0;
                }
                Err(error) => return Err(error),
            },
            ClientStep::Read if emptied => {
                yielder.suspend(Wait::Readable { descriptor, until: None });
                emptied = false;
                steps = 0;
            }
            ClientStep::Read => {
                let mut buffer = shared.buffer.borrow_mut();
                match stream.read(&mut buffer) {
                    Ok(count) => {
                        emptied = count < buffer.len();
                        let bytes = &buffer[..count];
                        yielder.on_parent_stack(|| exchange.received(bytes));
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => emptied = true,
                    Err(error) => return Err(error),
                }
            }
            ClientStep::Done => return Ok(()),
        }
        steps += 1;
        if steps == STEPS {
            yielder.suspend(Wait::Turn);
            steps = 0;
        }
    }
}

/// What the coroutines of an idiom share.
struct Sleeps {
    scheduler: Scheduler,
    durations: Vec<Duration>,
    /// Which sleep ended, and when.
    finished: RefCell<Vec<(usize, Instant)>>,
    ticks: RefCell<Vec<Instant>>,
}

pub(crate) fn idiom(idiom: Idiom, sleeps: &[Duration]) -> io::Result<IdiomOutcome> {
    let (scheduler, durations) = (scheduler()?, sleeps.to_vec());
    let (finished, ticks) = (RefCell::default(), RefCell::default());
    let sleeps = Rc::new(Sleeps { scheduler, durations, finished, ticks });
    let count = sleeps.durations.len();
    match idiom {
        Idiom::Sequential => {
            let all = Rc::clone(&sleeps);
            sleeps
                .scheduler
                .spawn(move |yielder| (0..count).for_each(|index| all.nap(yielder, index)))?;
        }
        Idiom::Parallel => parallel(&sleeps)?,
        Idiom::Chained => chained(&sleeps, 0)?,
        Idiom::Timer => {
            parallel(&sleeps)?;
            let ticking = Rc::clone(&sleeps);
            sleeps.scheduler.spawn(move |yielder| ticking.tick(yielder))?;
        }
    }
    sleeps.scheduler.run_until(|| sleeps.finished.borrow().len() == count)?;
    if sleeps.finished.borrow().len() < count {
        return Err(io::Error::other("a sleep was not started"));
    }
    Ok(IdiomOutcome { finished: sleeps.finished.take(), ticks: sleeps.ticks.take() })
}

fn parallel(sleeps: &Rc<Sleeps>) -> io::Result<()> {
    (0..sleeps.durations.len()).try_for_each(|index| {
        let one = Rc::clone(sleeps);
        sleeps.scheduler.spawn(move |yielder| one.nap(yielder, index))
    })
}

/// Each coroutine is started by the end of the one before.
fn chained(sleeps: &Rc<Sleeps>, index: usize) -> io::Result<()> {
    if index == sleeps.durations.len() {
        return Ok(());
    }
    let one = Rc::clone(sleeps);
    sleeps.scheduler.spawn(move |yielder| {
        one.nap(yielder, index);
        if let Err(error) = chained(&one, index + 1) {
            eprintln!("failed to start the next coroutine: {error}");
        }
    })
}

impl Sleeps {
    fn nap(&self, yielder: &Yielder, index: usize) {
        yielder.suspend(Wait::Time(Instant::now() + self.durations[index]));
        self.finished.borrow_mut().push((index, Instant::now()));
    }

    /// Ticks until it is dropped. The next tick is due a period after the last was due, so that lateness shows as
    /// jitter and never adds up to drift.
    fn tick(&self, yielder: &Yielder) {
        let mut due = Instant::now() + TIMER_PERIOD;
        loop {
            yielder.suspend(Wait::Time(due));
            self.ticks.borrow_mut().push(Instant::now());
            due += TIMER_PERIOD;
        }
    }
}
