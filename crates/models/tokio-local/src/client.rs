//! A task per fetch, all on this thread: spawn them, await them; what they share needs no lock.
//!
//! ```text
//! main --> task 1: connect > write > read ... --+
//!      --> task 2: connect > write > read ... --+--> await, in order
//! ```

use std::cell::RefCell;
use std::io;
use std::num::NonZero;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use contract::{ClientStep, Exchange, Fetched, Idiom, IdiomOutcome, READ_SIZE, TIMER_PERIOD};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::LocalRuntime;
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, spawn_local};
use tokio::time::{interval_at, sleep};

pub(crate) fn fetch(
    exchanges: Vec<Exchange>,
    concurrency: NonZero<usize>,
) -> io::Result<Vec<Fetched>> {
    // No more places than fetches: a semaphore has a largest number. An owned place holds an `Arc`, needed or not.
    let places = Arc::new(Semaphore::new(concurrency.get().min(exchanges.len())));
    LocalRuntime::new()?.block_on(async {
        let mut tasks = Vec::with_capacity(exchanges.len());
        for exchange in exchanges {
            let place = Arc::clone(&places).acquire_owned().await;
            tasks.push(spawn_local(async move {
                let fetched = download(exchange).await;
                drop(place);
                fetched
            }));
        }
        let mut fetched = Vec::with_capacity(tasks.len());
        for task in tasks {
            fetched.push(task.await?);
        }
        Ok(fetched)
    })
}

async fn download(mut exchange: Exchange) -> Fetched {
    let result = match TcpStream::connect(exchange.connect_to()).await {
        Ok(stream) => converse(stream, &mut exchange).await,
        Err(error) => Err(error),
    };
    exchange.finish(result)
}

async fn converse(mut stream: TcpStream, exchange: &mut Exchange) -> io::Result<()> {
    let mut buffer = vec![0; READ_SIZE];
    loop {
        match exchange.step() {
            ClientStep::Write => {
                let count = stream.write(exchange.output()).await?;
                exchange.wrote(count);
            }
            ClientStep::Read => {
                let count = stream.read(&mut buffer).await?;
                exchange.received(&buffer[..count]);
            }
            ClientStep::Done => return Ok(()),
        }
    }
}

/// One thread needs no channel: whoever ends writes it down.
type Finished = Rc<RefCell<Vec<(usize, Instant)>>>;

pub(crate) fn idiom(idiom: Idiom, sleeps: &[Duration]) -> io::Result<IdiomOutcome> {
    let sleeps: Rc<[Duration]> = sleeps.into();
    let finished = Finished::default();
    LocalRuntime::new()?.block_on(async {
        let mut outcome = IdiomOutcome::default();
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
                let all = parallel(&sleeps, &finished);
                outcome.ticks = tick_until(all).await;
            }
        }
        outcome.finished = finished.take();
        Ok(outcome)
    })
}

async fn nap(sleeps: &[Duration], index: usize, finished: &Finished) {
    sleep(sleeps[index]).await;
    finished.borrow_mut().push((index, Instant::now()));
}

async fn parallel(sleeps: &Rc<[Duration]>, finished: &Finished) {
    let mut tasks = JoinSet::new();
    for index in 0..sleeps.len() {
        let (sleeps, finished) = (Rc::clone(sleeps), Rc::clone(finished));
        tasks.spawn_local(async move { nap(&sleeps, index, &finished).await });
    }
    tasks.join_all().await;
}

fn chained(
    sleeps: Rc<[Duration]>,
    index: usize,
    finished: Finished,
) -> Pin<Box<dyn Future<Output = ()>>> {
    Box::pin(async move {
        if index < sleeps.len() {
            nap(&sleeps, index, &finished).await;
            let successor = spawn_local(chained(sleeps, index + 1, finished));
            successor.await.expect("a sleep does not panic");
        }
    })
}

/// Ticks until `all` is done. The first tick of an interval is at once, so it begins a period later; a late tick does
/// not put off the next, so lateness shows as jitter and never adds up to drift.
async fn tick_until(all: impl Future<Output = ()>) -> Vec<Instant> {
    let mut ticks = Vec::new();
    let mut interval = interval_at(tokio::time::Instant::now() + TIMER_PERIOD, TIMER_PERIOD);
    tokio::pin!(all);
    loop {
        tokio::select! {
            () = &mut all => return ticks,
            _ = interval.tick() => ticks.push(Instant::now()),
        }
    }
}
