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

fn scheduler() -> io::Result<Rc<Scheduler>> {
    // Nothing here blocks, so the pool starts no thread.
    Ok(Scheduler::new(Poller::new()?, Pool::new(NonZero::<usize>::MIN)))
}

/// What the coroutines share: one thread runs them all, and none holds a borrow when it suspends itself.
struct Shared {
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
        waiting: RefCell::new(exchanges.into_iter().enumerate()),
        fetched: RefCell::default(),
        buffer: RefCell::new(vec![0; READ_SIZE]),
    });
    let scheduler = scheduler()?;
    for _ in 0..concurrency.get().min(count) {
        let shared = Rc::clone(&shared);
        scheduler.spawn(move |yielder, scheduler| download_all(yielder, scheduler, &shared))?;
    }
    scheduler.run_until(|| shared.fetched.borrow().len() == count)?;
    let mut fetched = shared.fetched.take();
    if fetched.len() < count {
        return Err(io::Error::other("a fetch panicked"));
    }
    fetched.sort_unstable_by_key(|(place, _)| *place);
    Ok(fetched.into_iter().map(|(_, fetched)| fetched).collect())
}

/// Downloads until the list is empty.
fn download_all(yielder: &Yielder, scheduler: &Scheduler, shared: &Shared) {
    loop {
        let next = shared.waiting.borrow_mut().next();
        let Some((place, mut exchange)) = next else { return };
        let result = download(yielder, scheduler, shared, &mut exchange);
        shared.fetched.borrow_mut().push((place, exchange.finish(result)));
    }
}

/// Whether connecting succeeds is said by the first write, which waits for it.
fn download(
    yielder: &Yielder,
    scheduler: &Scheduler,
    shared: &Shared,
    exchange: &mut Exchange,
) -> io::Result<()> {
    let address = exchange.connect_to();
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let stream = TcpStream::from(socket_with(family, SocketType::STREAM, flags, None)?);
    match connect(&stream, &address) {
        Err(Errno::INPROGRESS) => {}
        result => result?,
    }
    scheduler.poller.register(&stream)?;
    converse(yielder, stream, shared, exchange)
}

fn converse(
    yielder: &Yielder,
    mut stream: TcpStream,
    shared: &Shared,
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
                        exchange.received(&buffer[..count]);
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

/// Which sleep ended, and when.
type Finished = Rc<RefCell<Vec<(usize, Instant)>>>;

pub(crate) fn idiom(idiom: Idiom, sleeps: &[Duration]) -> io::Result<IdiomOutcome> {
    let (finished, ticks) = (Finished::default(), Rc::new(RefCell::new(Vec::new())));
    let scheduler = scheduler()?;
    match idiom {
        Idiom::Sequential => {
            let (sleeps, finished) = (sleeps.to_vec(), Rc::clone(&finished));
            scheduler.spawn(move |yielder, _| {
                let nap = |(index, &duration)| nap(yielder, index, duration, &finished);
                sleeps.iter().enumerate().for_each(nap);
            })?;
        }
        Idiom::Parallel => parallel(&scheduler, sleeps, &finished)?,
        Idiom::Chained => chained(&scheduler, sleeps.into(), 0, Rc::clone(&finished))?,
        Idiom::Timer => {
            parallel(&scheduler, sleeps, &finished)?;
            let ticks = Rc::clone(&ticks);
            scheduler.spawn(move |yielder, _| tick(yielder, &ticks))?;
        }
    }
    scheduler.run_until(|| finished.borrow().len() == sleeps.len())?;
    if finished.borrow().len() < sleeps.len() {
        return Err(io::Error::other("a sleep was not started"));
    }
    Ok(IdiomOutcome { finished: finished.take(), ticks: ticks.take() })
}

fn nap(yielder: &Yielder, index: usize, duration: Duration, finished: &Finished) {
    yielder.suspend(Wait::Time(Instant::now() + duration));
    finished.borrow_mut().push((index, Instant::now()));
}

fn parallel(scheduler: &Rc<Scheduler>, sleeps: &[Duration], finished: &Finished) -> io::Result<()> {
    sleeps.iter().enumerate().try_for_each(|(index, &duration)| {
        let finished = Rc::clone(finished);
        scheduler.spawn(move |yielder, _| nap(yielder, index, duration, &finished))
    })
}

/// Each coroutine is started by the end of the one before.
fn chained(
    scheduler: &Rc<Scheduler>,
    sleeps: Rc<[Duration]>,
    index: usize,
    finished: Finished,
) -> io::Result<()> {
    let Some(&duration) = sleeps.get(index) else { return Ok(()) };
    scheduler.spawn(move |yielder, scheduler| {
        nap(yielder, index, duration, &finished);
        if let Err(error) = chained(scheduler, sleeps, index + 1, finished) {
            eprintln!("failed to start the next coroutine: {error}");
        }
    })
}

/// Ticks for ever. The next tick is due a period after the last was due, so that lateness shows as jitter and never
/// adds up to drift.
fn tick(yielder: &Yielder, ticks: &RefCell<Vec<Instant>>) {
    let mut due = Instant::now() + TIMER_PERIOD;
    loop {
        yielder.suspend(Wait::Time(due));
        ticks.borrow_mut().push(Instant::now());
        due += TIMER_PERIOD;
    }
}
