//! A parallel iterator over the fetches: rayon divides them among its threads and keeps their order.
//!
//! ```text
//! fetches --+--> thread 1: connect > write > read ... the next --+
//!           +--> thread 2: connect > write > read ... the next --+--> collect, in order
//! ```

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::num::NonZero;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use contract::{ClientStep, Exchange, Fetched, Idiom, IdiomOutcome, READ_SIZE, TIMER_PERIOD};
use rayon::iter::{IndexedParallelIterator as _, IntoParallelIterator as _, ParallelIterator as _};
use rayon::{Scope, ThreadPool, ThreadPoolBuilder};

/// As in the server.
const WORKERS: usize = 128;

/// The default size of stacks, unlike in the server: a thread that waits for another's half works on a third one's
/// meanwhile, on the same stack.
fn pool(threads: usize) -> io::Result<ThreadPool> {
    ThreadPoolBuilder::new().num_threads(threads).build().map_err(io::Error::other)
}

pub(crate) fn fetch(
    exchanges: Vec<Exchange>,
    concurrency: NonZero<usize>,
) -> io::Result<Vec<Fetched>> {
    let pool = pool(concurrency.get().min(exchanges.len()))?;
    // Each a job of its own: rayon would otherwise put several small ones into one, to be done in sequence.
    let fetches = exchanges.into_par_iter().with_max_len(1).map(download);
    Ok(pool.install(|| fetches.collect()))
}

fn download(mut exchange: Exchange) -> Fetched {
    let result = TcpStream::connect(exchange.connect_to())
        .and_then(|stream| converse(stream, &mut exchange));
    exchange.finish(result)
}

fn converse(mut stream: TcpStream, exchange: &mut Exchange) -> io::Result<()> {
    let mut buffer = vec![0; READ_SIZE];
    loop {
        let result = match exchange.step() {
            ClientStep::Write => stream.write(exchange.output()).map(|count| exchange.wrote(count)),
            ClientStep::Read => {
                stream.read(&mut buffer).map(|count| exchange.received(&buffer[..count]))
            }
            ClientStep::Done => return Ok(()),
        };
        match result {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
    }
}

pub(crate) fn idiom(idiom: Idiom, sleeps: &[Duration]) -> io::Result<IdiomOutcome> {
    let count = sleeps.len();
    let (finished, ends) = mpsc::channel();
    let sleep = |index: usize| {
        thread::sleep(sleeps[index]);
        finished.send((index, Instant::now())).expect("the receiver outlives the sleeps");
    };
    let mut ticks = Vec::new();
    let (running, stopped) = mpsc::channel();
    // Room for every sleep and the ticker, up to the pool's size; beyond it sleeps queue.
    pool(WORKERS.min(count + 1))?.in_place_scope(|scope| match idiom {
        Idiom::Sequential => scope.spawn(|_| (0..count).for_each(&sleep)),
        Idiom::Parallel => parallel(scope, count, &sleep, running),
        Idiom::Chained => chained(scope, count, &sleep, 0),
        Idiom::Timer => {
            let ticks = &mut ticks;
            scope.spawn(move |_| *ticks = tick(&stopped));
            parallel(scope, count, &sleep, running);
        }
    });
    drop(finished);
    Ok(IdiomOutcome { finished: ends.into_iter().collect(), ticks })
}

/// A job for each sleep. `running` is gone when the last of them is done.
fn parallel<'a>(
    scope: &Scope<'a>,
    count: usize,
    sleep: &'a (impl Fn(usize) + Sync),
    running: Sender<()>,
) {
    for index in 0..count {
        let running = running.clone();
        scope.spawn(move |_| {
            sleep(index);
            drop(running);
        });
    }
}

/// Each job spawns its successor as the last that it does. The scope lasts until the last of them has ended.
fn chained<'a>(scope: &Scope<'a>, count: usize, sleep: &'a (impl Fn(usize) + Sync), index: usize) {
    if index < count {
        scope.spawn(move |scope| {
            sleep(index);
            chained(scope, count, sleep, index + 1);
        });
    }
}

/// Ticks until the sender is gone. The next tick is due a period after the last was due, so that lateness shows as
/// jitter and never adds up to drift.
fn tick(stopped: &Receiver<()>) -> Vec<Instant> {
    let mut ticks = Vec::new();
    let mut due = Instant::now() + TIMER_PERIOD;
    while let Err(RecvTimeoutError::Timeout) =
        stopped.recv_timeout(due.saturating_duration_since(Instant::now()))
    {
        ticks.push(Instant::now());
        due += TIMER_PERIOD;
    }
    ticks
}
