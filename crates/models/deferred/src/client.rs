//! A fetch is a chain, and its error path ends in a result too, so that all of them can be gathered.
//!
//! ```text
//!                           +--> connect --> write --> read --+
//! begin up to `concurrency` |       |          |         |    +--> gathered, in order
//!                           |       +--error---+-----errback --+
//!                           +--> connect --> ...
//! ```

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write as _};
use std::num::NonZero;
use std::rc::Rc;
use std::time::{Duration, Instant};

use contract::{Block, ClientStep, Exchange, Fetched, Idiom, IdiomOutcome, Pool, TIMER_PERIOD};
use mio::Token;
use mio::net::TcpStream;

use crate::server::deferred::{Deferred, Panicked, Promise, gather};
use crate::server::event_loop::{EventLoop, Loop};

pub(crate) fn fetch(
    exchanges: Vec<Exchange>,
    concurrency: NonZero<usize>,
) -> io::Result<Vec<Fetched>> {
    let event_loop = event_loop()?;
    let places = Rc::new(Semaphore::new(concurrency.get()));
    let begin = |exchange| places.run(move || download(event_loop, exchange));
    let all = gather(exchanges.into_iter().map(begin).collect());
    // No fetch fails: what its errback got is its result.
    wait_for(event_loop, all)?.map_err(|failed| io::Error::other(failed.error.unwrap_or_default()))
}

fn event_loop() -> io::Result<Loop> {
    let new = EventLoop::prepare(Block::Inline, Pool::new(NonZero::<usize>::MIN))?;
    Ok(new())
}

/// Turns the loop until the deferred has fired.
fn wait_for<T: 'static, E: 'static>(
    event_loop: Loop,
    deferred: Deferred<T, E>,
) -> io::Result<Result<T, E>> {
    let result = Rc::new(Cell::new(None));
    let place = Rc::clone(&result);
    deferred.done(move |result| place.set(Some(result)));
    loop {
        if let Some(result) = result.take() {
            return Ok(result);
        }
        event_loop.turn(None)?;
    }
}

/// Lets so many chains run at once; the others wait for a place.
struct Semaphore {
    places: Cell<usize>,
    waiting: RefCell<VecDeque<Promise<()>>>,
}

impl Semaphore {
    fn new(places: usize) -> Self {
        Self { places: Cell::new(places), waiting: RefCell::default() }
    }

    fn run<T: 'static, E: From<Panicked> + 'static>(
        self: &Rc<Self>,
        begin: impl FnOnce() -> Deferred<T, E> + 'static,
    ) -> Deferred<T, E> {
        let this = Rc::clone(self);
        self.enter().add_both(|_| begin()).add_both(move |result| {
            this.leave();
            Deferred::Now(result)
        })
    }

    fn enter(&self) -> Deferred<()> {
        if let Some(left) = self.places.get().checked_sub(1) {
            self.places.set(left);
            return Deferred::Now(Ok(()));
        }
        let (entered, promise) = Deferred::new();
        self.waiting.borrow_mut().push_back(promise);
        entered
    }

    fn leave(&self) {
        let next = self.waiting.borrow_mut().pop_front();
        match next {
            Some(promise) => promise.fire(Ok(())),
            None => self.places.set(self.places.get() + 1),
        }
    }
}

/// A callback that panicked took its exchange along.
impl From<Panicked> for Fetched {
    fn from(panicked: Panicked) -> Self {
        Self { error: Some(io::Error::from(panicked).to_string()), ..Self::default() }
    }
}

/// An error anywhere ends what an exchange was, and the errback makes that a result like any other.
fn download(event_loop: Loop, exchange: Exchange) -> Deferred<Fetched, Fetched> {
    connect(event_loop, exchange)
        .add_callback(write)
        .add_callback(read)
        .add_callback(|download| Deferred::Now(Ok(download.finish(Ok(())))))
        .add_errback(|failed| Deferred::Now(Ok(failed)))
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
fn connect(event_loop: Loop, mut exchange: Exchange) -> Deferred<Download, Fetched> {
    let connected = TcpStream::connect(exchange.connect_to())
        .and_then(|mut stream| Ok((event_loop.register(&mut stream)?, stream)));
    match connected {
        Ok((token, stream)) => event_loop.writable(token).add_both(move |_| {
            Deferred::Now(Ok(Box::new(Open { event_loop, token, stream, exchange })))
        }),
        // Not now, or a thousand that are refused would begin each other on one stack.
        Err(error) => {
            event_loop.soon().add_both(move |_| Deferred::Now(Err(exchange.finish(Err(error)))))
        }
    }
}

fn write(mut download: Download) -> Deferred<Download, Fetched> {
    if download.exchange.step() != ClientStep::Write {
        return Deferred::Now(Ok(download));
    }
    let (event_loop, token) = (download.event_loop, download.token);
    match download.stream.write(download.exchange.output()) {
        Ok(count) => {
            download.exchange.wrote(count);
            event_loop.soon().add_both(|_| write(download))
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            event_loop.writable(token).add_both(|_| write(download))
        }
        Err(error) => Deferred::Now(Err(download.finish(Err(error)))),
    }
}

/// Reads until the answer is whole.
fn read(download: Download) -> Deferred<Download, Fetched> {
    let (answered, promise) = Deferred::new();
    read_on(download, promise);
    answered
}

/// Each read is a chain of its own, and all have one promise: deferreds that return deferreds would nest as deep as
/// the answer is long.
fn read_on(mut download: Download, promise: Promise<Download, Fetched>) {
    if download.exchange.step() == ClientStep::Done {
        return promise.fire(Ok(download));
    }
    let (event_loop, token) = (download.event_loop, download.token);
    event_loop.readable(token, None).done(move |_| {
        let Open { stream, exchange, .. } = &mut *download;
        match event_loop.read(token, stream, |bytes| exchange.received(bytes)) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => {
                promise.fire(Err(download.finish(Err(error))));
            }
            _ => read_on(download, promise),
        }
    });
}

impl Open {
    fn finish(self: Box<Self>, result: io::Result<()>) -> Fetched {
        self.exchange.finish(result)
    }
}

/// What the chains of an idiom share.
struct Run {
    event_loop: Loop,
    sleeps: Box<[Duration]>,
    outcome: RefCell<IdiomOutcome>,
}

/// The unit of concurrency is a chain.
pub(crate) fn idiom(idiom: Idiom, sleeps: &[Duration]) -> io::Result<IdiomOutcome> {
    let event_loop = event_loop()?;
    let run = Rc::new(Run { event_loop, sleeps: sleeps.into(), outcome: RefCell::default() });
    let all = match idiom {
        Idiom::Sequential => sequential(&run),
        Idiom::Parallel => parallel(&run),
        Idiom::Chained => chained(Rc::clone(&run), 0),
        Idiom::Timer => {
            tick(Rc::clone(&run), Instant::now() + TIMER_PERIOD);
            parallel(&run)
        }
    };
    wait_for(event_loop, all)??;
    Ok(run.outcome.take())
}

fn sleep(run: Rc<Run>, index: usize) -> Deferred<()> {
    run.event_loop.after(run.sleeps[index]).add_callback(move |()| {
        run.outcome.borrow_mut().finished.push((index, Instant::now()));
        Deferred::Now(Ok(()))
    })
}

/// One chain, made before it begins.
fn sequential(run: &Rc<Run>) -> Deferred<()> {
    (0..run.sleeps.len()).fold(Deferred::Now(Ok(())), |chain, index| {
        let run = Rc::clone(run);
        chain.add_callback(move |()| sleep(run, index))
    })
}

fn parallel(run: &Rc<Run>) -> Deferred<()> {
    let sleeps = (0..run.sleeps.len()).map(|index| sleep(Rc::clone(run), index)).collect();
    gather(sleeps).add_callback(|_| Deferred::Now(Ok(())))
}

/// Each chain is begun by the end of the one before, which lasts until its successor has ended.
fn chained(run: Rc<Run>, index: usize) -> Deferred<()> {
    if index == run.sleeps.len() {
        return Deferred::Now(Ok(()));
    }
    sleep(Rc::clone(&run), index).add_callback(move |()| chained(run, index + 1))
}

/// The next tick is due a period after the last was due, so that lateness shows as jitter and never adds up to drift.
fn tick(run: Rc<Run>, due: Instant) {
    let (_, passed) = run.event_loop.at(due);
    passed.done(move |_| {
        run.outcome.borrow_mut().ticks.push(Instant::now());
        tick(run, due + TIMER_PERIOD);
    });
}
