//! One OS thread per fetch: start them, join them.
//!
//! ```text
//! main --> thread 1: connect > write > read ... --+
//!      --> thread 2: connect > write > read ... --+--> join, in order
//! ```

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::num::NonZero;
use std::sync::Mutex;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use contract::{ClientStep, Exchange, Fetched, Idiom, IdiomOutcome, READ_SIZE, TIMER_PERIOD};

/// As in the server.
const STACK_SIZE: usize = 64 * 1024;

pub(crate) fn fetch(
    exchanges: Vec<Exchange>,
    concurrency: NonZero<usize>,
) -> io::Result<Vec<Fetched>> {
    // A channel with room for `concurrency` makes a semaphore: sending takes a place, receiving frees one.
    let (enter, leave) = mpsc::sync_channel(concurrency.get().min(exchanges.len()));
    let leave = Mutex::new(leave);
    thread::scope(|scope| {
        let mut threads = Vec::with_capacity(exchanges.len());
        for exchange in exchanges {
            enter.send(()).expect("the receiver outlives the scope");
            let leave = &leave;
            threads.push(thread::Builder::new().stack_size(STACK_SIZE).spawn_scoped(
                scope,
                move || {
                    let fetched = download(exchange);
                    let left = leave.lock().is_ok_and(|leave| leave.recv().is_ok());
                    debug_assert!(left, "a place was taken for this thread");
                    fetched
                },
            )?);
        }
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| io::Error::other("a fetch panicked")))
            .collect()
    })
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
    let (finished, ends) = mpsc::channel();
    let sleep = |index: usize| {
        thread::sleep(sleeps[index]);
        finished.send((index, Instant::now())).expect("the receiver outlives the sleeps");
    };
    let mut ticks = Vec::new();
    match idiom {
        Idiom::Sequential => (0..sleeps.len()).for_each(sleep),
        Idiom::Parallel => parallel(sleeps.len(), &sleep),
        // Each unit is started by the end of the one before, which lasts until its successor has ended.
        Idiom::Chained => chained(sleeps.len(), &sleep, 0),
        Idiom::Timer => {
            let (stop, stopped) = mpsc::channel::<()>();
            ticks = thread::scope(|scope| {
                let ticker = scope.spawn(move || tick(&stopped));
                parallel(sleeps.len(), &sleep);
                drop(stop);
                ticker.join()
            })
            .map_err(|_| io::Error::other("the ticker panicked"))?;
        }
    }
    drop(finished);
    Ok(IdiomOutcome { finished: ends.into_iter().collect(), ticks })
}

fn parallel(count: usize, sleep: &(impl Fn(usize) + Sync)) {
    thread::scope(|scope| {
        for index in 0..count {
            scope.spawn(move || sleep(index));
        }
    });
}

fn chained(count: usize, sleep: &(impl Fn(usize) + Sync), index: usize) {
    thread::scope(|scope| {
        if index < count {
            scope.spawn(move || {
                sleep(index);
                chained(count, sleep, index + 1);
            });
        }
    });
}

/// Ticks until the sender is gone. The next tick is due a period after the last was due, so that lateness shows as
/// jitter and never adds up to drift.
fn tick(stopped: &mpsc::Receiver<()>) -> Vec<Instant> {
    let mut ticks = Vec::new();
    let mut due = Instant::now() + TIMER_PERIOD;
    while let Err(mpsc::RecvTimeoutError::Timeout) =
        stopped.recv_timeout(due.saturating_duration_since(Instant::now()))
    {
        ticks.push(Instant::now());
        due += TIMER_PERIOD;
    }
    ticks
}
