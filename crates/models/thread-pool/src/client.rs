//! A pool of threads takes fetches from a queue; what comes out is put in order.
//!
//! ```text
//! main --> queue --> thread 1: connect > write > read ... take the next --+
//!                --> thread 2: connect > write > read ... take the next --+--> results
//! ```

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use contract::{ClientStep, Exchange, Fetched, Idiom, IdiomOutcome, READ_SIZE, TIMER_PERIOD};

/// As in the server.
const WORKERS: usize = 128;

/// As in the server.
const STACK_SIZE: usize = 64 * 1024;

type Job<'a> = Box<dyn FnOnce() + Send + 'a>;

/// Starts the threads, has jobs submitted, and returns when all jobs are done and nobody can submit another.
fn with_pool<'a>(threads: usize, submit: impl FnOnce(Sender<Job<'a>>)) -> io::Result<()> {
    let (jobs, queue) = mpsc::channel();
    let queue = Mutex::new(queue);
    thread::scope(|scope| {
        for _ in 0..threads {
            thread::Builder::new().stack_size(STACK_SIZE).spawn_scoped(scope, || work(&queue))?;
        }
        submit(jobs);
        Ok(())
    })
}

fn work(queue: &Mutex<Receiver<Job<'_>>>) {
    loop {
        // One free worker waits for the queue, the others for the lock; both are given up before working.
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        // As in the server: a panic costs its job, not the worker.
        drop(catch_unwind(AssertUnwindSafe(job)));
    }
}

pub(crate) fn fetch(
    exchanges: Vec<Exchange>,
    concurrency: NonZero<usize>,
) -> io::Result<Vec<Fetched>> {
    let count = exchanges.len();
    let (done, results) = mpsc::channel();
    with_pool(concurrency.get().min(count), |jobs| {
        for (index, exchange) in exchanges.into_iter().enumerate() {
            let done = done.clone();
            submit(&jobs, move || drop(done.send((index, download(exchange)))));
        }
    })?;
    drop(done);
    let mut fetched: Vec<_> = results.into_iter().collect();
    if fetched.len() < count {
        return Err(io::Error::other("a fetch panicked"));
    }
    fetched.sort_by_key(|(index, _)| *index);
    Ok(fetched.into_iter().map(|(_, fetched)| fetched).collect())
}

fn submit<'a>(jobs: &Sender<Job<'a>>, job: impl FnOnce() + Send + 'a) {
    jobs.send(Box::new(job)).expect("the queue outlives the threads");
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
    with_pool(WORKERS.min(count + 1), |jobs| match idiom {
        Idiom::Sequential => submit(&jobs, || (0..count).for_each(sleep)),
        Idiom::Parallel => parallel(count, &sleep, &jobs, running),
        Idiom::Chained => chained(count, &sleep, jobs, 0),
        Idiom::Timer => {
            let ticks = &mut ticks;
            submit(&jobs, move || *ticks = tick(&stopped));
            parallel(count, &sleep, &jobs, running);
        }
    })?;
    drop(finished);
    Ok(IdiomOutcome { finished: ends.into_iter().collect(), ticks })
}

/// A job for each sleep. `running` is gone when the last of them is done.
fn parallel<'a>(
    count: usize,
    sleep: &'a (impl Fn(usize) + Sync),
    jobs: &Sender<Job<'a>>,
    running: Sender<()>,
) {
    for index in 0..count {
        let running = running.clone();
        submit(jobs, move || {
            sleep(index);
            drop(running);
        });
    }
}

/// Each job submits its successor as the last that it does. It must not wait for it: a pool whose workers all wait for
/// jobs in its own queue stands still.
fn chained<'a>(
    count: usize,
    sleep: &'a (impl Fn(usize) + Sync),
    jobs: Sender<Job<'a>>,
    index: usize,
) {
    if index < count {
        let next = jobs.clone();
        submit(&jobs, move || {
            sleep(index);
            chained(count, sleep, next, index + 1);
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
