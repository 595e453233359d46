//! Tasks that take from one list: a task for each fetch that may run at once, all of them on one ring.
//!
//! ```text
//! main --> task 1: take > connect > write > read ... > take > ... --+
//!      --> task 2: take > connect > write > read ... > take > ... --+--> await them, put in order
//! ```

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::num::NonZero;
use std::pin::Pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use compio::BufResult;
use compio::io::{AsyncRead as _, AsyncWrite as _};
use compio::net::TcpStream;
use compio::runtime::spawn;
use compio::time::{interval_at, sleep};
use contract::{ClientStep, Exchange, Fetched, Idiom, IdiomOutcome, READ_SIZE, TIMER_PERIOD};

use crate::ring;

pub(crate) fn fetch(
    exchanges: Vec<Exchange>,
    concurrency: NonZero<usize>,
) -> io::Result<Vec<Fetched>> {
    let places = concurrency.get().min(exchanges.len());
    ring::runtime()?.block_on(async {
        let waiting = Rc::new(RefCell::new(exchanges.into_iter().enumerate()));
        let tasks: Vec<_> = (0..places).map(|_| spawn(download(Rc::clone(&waiting)))).collect();
        let mut fetched = BTreeMap::new();
        for task in tasks {
            fetched.extend(task.await?);
        }
        Ok(fetched.into_values().collect())
    })
}

/// Downloads what is left, one after the other.
async fn download(
    waiting: Rc<RefCell<impl Iterator<Item = (usize, Exchange)>>>,
) -> Vec<(usize, Fetched)> {
    let mut fetched = Vec::new();
    loop {
        // On a line of its own, so that the list is not borrowed while this task waits.
        let next = waiting.borrow_mut().next();
        let Some((index, mut exchange)) = next else { return fetched };
        let result = match TcpStream::connect(exchange.connect_to()).await {
            Ok(stream) => converse(stream, &mut exchange).await,
            Err(error) => Err(error),
        };
        fetched.push((index, exchange.finish(result)));
    }
}

async fn converse(mut stream: TcpStream, exchange: &mut Exchange) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(READ_SIZE);
    loop {
        let result;
        match exchange.step() {
            ClientStep::Write => {
                BufResult(result, _) = stream.write(exchange.take_output()).await;
                exchange.wrote(result?);
            }
            ClientStep::Read => {
                buffer.clear();
                BufResult(result, buffer) = stream.read(buffer).await;
                result?;
                exchange.received(&buffer);
            }
            ClientStep::Done => return Ok(()),
        }
    }
}

/// What happened, shared by the tasks of one thread.
type Shared<T> = Rc<RefCell<Vec<T>>>;

pub(crate) fn idiom(idiom: Idiom, sleeps: &[Duration]) -> io::Result<IdiomOutcome> {
    let sleeps: Rc<[Duration]> = sleeps.into();
    let (finished, ticks) = (Shared::default(), Shared::default());
    ring::runtime()?.block_on(async {
        match idiom {
            Idiom::Sequential => {
                for index in 0..sleeps.len() {
                    nap(&sleeps, index, &finished).await;
                }
            }
            Idiom::Parallel => parallel(&sleeps, &finished).await,
            // Each task is spawned by the end of the one before, which lasts until its successor has ended.
            Idiom::Chained => chained(sleeps, 0, Rc::clone(&finished)).await,
            Idiom::Timer => {
                let ticker = spawn(tick(Rc::clone(&ticks)));
                parallel(&sleeps, &finished).await;
                drop(ticker);
            }
        }
    });
    Ok(IdiomOutcome { finished: finished.take(), ticks: ticks.take() })
}

async fn nap(sleeps: &[Duration], index: usize, finished: &Shared<(usize, Instant)>) {
    sleep(sleeps[index]).await;
    finished.borrow_mut().push((index, Instant::now()));
}

async fn parallel(sleeps: &Rc<[Duration]>, finished: &Shared<(usize, Instant)>) {
    let spawn_nap = |index| {
        let (sleeps, finished) = (Rc::clone(sleeps), Rc::clone(finished));
        spawn(async move { nap(&sleeps, index, &finished).await })
    };
    let tasks: Vec<_> = (0..sleeps.len()).map(spawn_nap).collect();
    for task in tasks {
        task.await.expect("a sleep does not panic");
    }
}

fn chained(
    sleeps: Rc<[Duration]>,
    index: usize,
    finished: Shared<(usize, Instant)>,
) -> Pin<Box<dyn Future<Output = ()>>> {
    Box::pin(async move {
        if index < sleeps.len() {
            nap(&sleeps, index, &finished).await;
            let successor = spawn(chained(sleeps, index + 1, finished));
            successor.await.expect("a sleep does not panic");
        }
    })
}

/// Ticks until it is cancelled. The first tick of an interval is at once, so it begins a period later; a late tick does
/// not put off the next, so lateness shows as jitter and never adds up to drift.
async fn tick(ticks: Shared<Instant>) {
    let mut interval = interval_at(Instant::now() + TIMER_PERIOD, TIMER_PERIOD);
    loop {
        interval.tick().await;
        ticks.borrow_mut().push(Instant::now());
    }
}
