//! A green thread per fetch: start them, join them.
//!
//! ```text
//! main --> green thread 1: connect > write > read ... --+
//!      --> green thread 2: connect > write > read ... --+--> join, in order
//! ```

use std::io::{self, Read as _, Write as _};
use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use contract::{ClientStep, Exchange, Fetched, Idiom, IdiomOutcome, READ_SIZE, TIMER_PERIOD};
use may::coroutine::{JoinHandle, sleep};
use may::net::TcpStream;
use may::sync::Semphore;
use may::sync::mpsc::{self, Sender};

use crate::green::{configure, go};

pub(crate) fn fetch(
    exchanges: Vec<Exchange>,
    concurrency: NonZero<usize>,
) -> io::Result<Vec<Fetched>> {
    let most = concurrency.get().min(exchanges.len());
    set_up(most);
    let places = Arc::new(Semphore::new(most));
    let mut green_threads = Vec::with_capacity(exchanges.len());
    for exchange in exchanges {
        // In a thread, may's calls block that thread.
        places.wait();
        let places = Arc::clone(&places);
        green_threads.push(go(move || {
            let fetched = download(exchange);
            places.post();
            fetched
        })?);
    }
    green_threads.into_iter().map(join).collect()
}

/// As many workers as CPUs, and no more stacks than green threads at once: making a thousand of them takes 10 ms.
fn set_up(most_green_threads: usize) {
    configure(available_parallelism().map_or(1, NonZero::get), most_green_threads);
}

fn join<T>(green_thread: JoinHandle<T>) -> io::Result<T> {
    green_thread.join().map_err(|_| io::Error::other("a green thread panicked"))
}

fn download(mut exchange: Exchange) -> Fetched {
    let result = TcpStream::connect(exchange.connect_to())
        .and_then(|stream| converse(stream, &mut exchange));
    exchange.finish(result)
}

fn converse(mut stream: TcpStream, exchange: &mut Exchange) -> io::Result<()> {
    let mut buffer = vec![0; READ_SIZE];
    loop {
        match exchange.step() {
            ClientStep::Write => {
                let count = stream.write(exchange.output())?;
                exchange.wrote(count);
            }
            ClientStep::Read => {
                let count = stream.read(&mut buffer)?;
                exchange.received(&buffer[..count]);
            }
            ClientStep::Done => return Ok(()),
        }
    }
}

type Finished = Sender<(usize, Instant)>;

pub(crate) fn idiom(idiom: Idiom, sleeps: &[Duration]) -> io::Result<IdiomOutcome> {
    set_up(sleeps.len() + 1);
    let sleeps: Arc<[Duration]> = sleeps.into();
    let (finished, ends) = mpsc::channel();
    let (ticking, ticks) = mpsc::channel();
    match idiom {
        Idiom::Sequential => join(go(move || {
            (0..sleeps.len()).for_each(|index| nap(&sleeps, index, &finished));
        })?)?,
        Idiom::Parallel => parallel(&sleeps, &finished)?,
        // Each green thread is started by the end of the one before, which lasts until its successor has ended.
        Idiom::Chained => chained(sleeps, 0, finished)?,
        Idiom::Timer => {
            go(move || tick(&ticking))?;
            parallel(&sleeps, &finished)?;
        }
    }
    Ok(IdiomOutcome { finished: ends.try_iter().collect(), ticks: ticks.try_iter().collect() })
}

fn nap(sleeps: &[Duration], index: usize, finished: &Finished) {
    sleep(sleeps[index]);
    finished.send((index, Instant::now())).expect("the receiver outlives the sleeps");
}

fn parallel(sleeps: &Arc<[Duration]>, finished: &Finished) -> io::Result<()> {
    let start = |index| {
        let (sleeps, finished) = (Arc::clone(sleeps), finished.clone());
        go(move || nap(&sleeps, index, &finished))
    };
    let green_threads = (0..sleeps.len()).map(start).collect::<io::Result<Vec<_>>>()?;
    green_threads.into_iter().try_for_each(join)
}

fn chained(sleeps: Arc<[Duration]>, index: usize, finished: Finished) -> io::Result<()> {
    if index == sleeps.len() {
        return Ok(());
    }
    join(go(move || {
        nap(&sleeps, index, &finished);
        chained(sleeps, index + 1, finished)
    })?)?
}

/// Ticks until nobody listens. The next tick is due a period after the last was due, so that lateness shows as jitter
/// and never adds up to drift.
fn tick(ticks: &Sender<Instant>) {
    let mut due = Instant::now();
    loop {
        due += TIMER_PERIOD;
        sleep(due.saturating_duration_since(Instant::now()));
        if ticks.send(Instant::now()).is_err() {
            return;
        }
    }
}
