//! A fetch is a pyramid of callbacks; who waits for all of them counts by hand.
//!
//! ```text
//! begin up to `concurrency` --> connect( --> write( --> read( --> done: its place is filled, the count falls, the next begins
//! ```

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind, Write as _};
use std::iter::Enumerate;
use std::num::NonZero;
use std::rc::Rc;
use std::time::{Duration, Instant};
use std::vec;

use contract::{Block, ClientStep, Exchange, Fetched, Idiom, IdiomOutcome, Pool, TIMER_PERIOD};
use mio::Token;
use mio::net::TcpStream;

use crate::server::event_loop::{EventLoop, Loop};

/// What gathers the fetches, and would be a local variable if anything here could wait.
struct Gathering {
    event_loop: Loop,
    waiting: RefCell<Enumerate<vec::IntoIter<Exchange>>>,
    /// Each fetch in its place.
    fetched: RefCell<Vec<Option<Fetched>>>,
    /// Kept by hand: a callback that is forgotten, or called twice, makes it wrong for good.
    left: Cell<usize>,
}

pub(crate) fn fetch(
    exchanges: Vec<Exchange>,
    concurrency: NonZero<usize>,
) -> io::Result<Vec<Fetched>> {
    let event_loop = event_loop()?;
    let count = exchanges.len();
    let all = Rc::new(Gathering {
        event_loop,
        waiting: RefCell::new(exchanges.into_iter().enumerate()),
        fetched: RefCell::new(vec![None; count]),
        left: Cell::new(count),
    });
    for _ in 0..concurrency.get().min(count) {
        begin(Rc::clone(&all));
    }
    while all.left.get() > 0 {
        event_loop.turn(None)?;
    }
    Ok(all.fetched.take().into_iter().flatten().collect())
}

fn event_loop() -> io::Result<Loop> {
    let new = EventLoop::prepare(Block::Inline, Pool::new(NonZero::<usize>::MIN))?;
    Ok(new())
}

/// Begins the fetch that is next, and after it another.
fn begin(all: Rc<Gathering>) {
    let next = all.waiting.borrow_mut().next();
    let Some((place, exchange)) = next else { return };
    download(all.event_loop, exchange, move |fetched| {
        all.fetched.borrow_mut()[place] = Some(fetched);
        all.left.set(all.left.get() - 1);
        begin(all);
    });
}

/// The pyramid. What failed is passed on by hand from level to level: a level that forgot to would lose the fetch, and
/// whoever waits for it would wait for ever.
fn download(event_loop: Loop, exchange: Exchange, then: impl FnOnce(Fetched) + 'static) {
    connect(event_loop, exchange, |result| {
        let download = match result {
            Ok(download) => download,
            Err(failed) => return then(failed),
        };
        write(download, |result| {
            let download = match result {
                Ok(download) => download,
                Err(failed) => return then(failed),
            };
            read(download, |result| match result {
                Ok(download) => then(download.finish(Ok(()))),
                Err(failed) => then(failed),
            });
        });
    });
}

/// As in the server.
type Download = Box<Open>;

struct Open {
    event_loop: Loop,
    token: Token,
    stream: TcpStream,
    exchange: Exchange,
}

/// Begins to connect; whether that succeeds is said by the first write.
fn connect(
    event_loop: Loop,
    mut exchange: Exchange,
    then: impl FnOnce(Result<Download, Fetched>) + 'static,
) {
    let connected = TcpStream::connect(exchange.connect_to())
        .and_then(|mut stream| Ok((event_loop.register(&mut stream)?, stream)));
    match connected {
        Ok((token, stream)) => event_loop.when_writable(token, move |_| {
            then(Ok(Box::new(Open { event_loop, token, stream, exchange })));
        }),
        Err(error) => event_loop.soon(move |_| then(Err(exchange.finish(Err(error))))),
    }
}

fn write(mut download: Download, then: impl FnOnce(Result<Download, Fetched>) + 'static) {
    if download.exchange.step() != ClientStep::Write {
        return then(Ok(download));
    }
    let (event_loop, token) = (download.event_loop, download.token);
    match download.stream.write(download.exchange.output()) {
        Ok(count) => {
            download.exchange.wrote(count);
            event_loop.soon(move |_| write(download, then));
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            event_loop.when_writable(token, move |_| write(download, then));
        }
        Err(error) => event_loop.soon(move |_| then(Err(download.finish(Err(error))))),
    }
}

/// Reads until the answer is whole.
fn read(mut download: Download, then: impl FnOnce(Result<Download, Fetched>) + 'static) {
    if download.exchange.step() == ClientStep::Done {
        return then(Ok(download));
    }
    let (event_loop, token) = (download.event_loop, download.token);
    event_loop.when_readable(token, None, move |_| {
        let Open { stream, exchange, .. } = &mut *download;
        match event_loop.read(token, stream, |bytes| exchange.received(bytes)) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => {
                then(Err(download.finish(Err(error))));
            }
            _ => read(download, then),
        }
    });
}

impl Open {
    fn finish(self: Box<Self>, result: io::Result<()>) -> Fetched {
        self.exchange.finish(result)
    }
}

/// What the callbacks of an idiom share.
struct Run {
    event_loop: Loop,
    sleeps: Box<[Duration]>,
    /// As for fetches.
    left: Cell<usize>,
    outcome: RefCell<IdiomOutcome>,
}

/// The unit of concurrency is a callback among the loop's timers. Sequential and chained are one here, since what comes
/// after a sleep can only be begun by its callback.
pub(crate) fn idiom(idiom: Idiom, sleeps: &[Duration]) -> io::Result<IdiomOutcome> {
    let event_loop = event_loop()?;
    let run = Rc::new(Run {
        event_loop,
        sleeps: sleeps.into(),
        left: Cell::new(sleeps.len()),
        outcome: RefCell::default(),
    });
    match idiom {
        Idiom::Sequential | Idiom::Chained => one_by_one(Rc::clone(&run), 0),
        Idiom::Parallel => parallel(&run),
        Idiom::Timer => {
            tick(Rc::clone(&run), Instant::now() + TIMER_PERIOD);
            parallel(&run);
        }
    }
    while run.left.get() > 0 {
        event_loop.turn(None)?;
    }
    Ok(run.outcome.take())
}

fn sleep(run: Rc<Run>, index: usize, then: impl FnOnce(Rc<Run>) + 'static) {
    run.event_loop.after(run.sleeps[index], move |_| {
        run.outcome.borrow_mut().finished.push((index, Instant::now()));
        run.left.set(run.left.get() - 1);
        then(run);
    });
}

/// A loop, once its body is a callback, is a recursion.
fn one_by_one(run: Rc<Run>, index: usize) {
    if index < run.sleeps.len() {
        sleep(run, index, move |run| one_by_one(run, index + 1));
    }
}

fn parallel(run: &Rc<Run>) {
    for index in 0..run.sleeps.len() {
        sleep(Rc::clone(run), index, drop);
    }
}

/// The next tick is due a period after the last was due, so that lateness shows as jitter and never adds up to drift.
fn tick(run: Rc<Run>, due: Instant) {
    run.event_loop.at(due, move |_| {
        run.outcome.borrow_mut().ticks.push(Instant::now());
        tick(run, due + TIMER_PERIOD);
    });
}
