//! A task per fetch: spawn them, await them.
//!
//! ```text
//! main --> task 1: connect > write > read ... --+
//!      --> task 2: connect > write > read ... --+--> await, in order
//! ```

use std::io;
use std::num::NonZero;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use contract::{ClientStep, Exchange, Fetched, Idiom, IdiomOutcome, READ_SIZE, TIMER_PERIOD};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::task::JoinSet;
use tokio::time::{interval_at, sleep};

pub(crate) fn fetch(
    exchanges: Vec<Exchange>,
    concurrency: NonZero<usize>,
) -> io::Result<Vec<Fetched>> {
    // No more places than fetches: a semaphore has a largest number.
    let places = Arc::new(Semaphore::new(concurrency.get().min(exchanges.len())));
    Runtime::new()?.block_on(async {
        let mut tasks = Vec::with_capacity(exchanges.len());
        for exchange in exchanges {
            let place = Arc::clone(&places).acquire_owned().await;
            tasks.push(tokio::spawn(async move {
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

type Finished = UnboundedSender<(usize, Instant)>;

pub(crate) fn idiom(idiom: Idiom, sleeps: &[Duration]) -> io::Result<IdiomOutcome> {
    let sleeps: Arc<[Duration]> = sleeps.into();
    let (finished, mut ends) = mpsc::unbounded_channel();
    Runtime::new()?.block_on(async {
        let mut outcome = IdiomOutcome::default();
        match idiom {
            Idiom::Sequential => {
                for index in 0..sleeps.len() {
                    nap(&sleeps, index, &finished).await;
                }
            }
            Idiom::Parallel => parallel(&sleeps, &finished).await,
            // Each task is spawned by the end of the one before, which lasts until its successor has ended.
            Idiom::Chained => chained(sleeps, 0, finished.clone()).await,
            Idiom::Timer => {
                let all = parallel(&sleeps, &finished);
                outcome.ticks = tick_until(all).await;
            }
        }
        drop(finished);
        while let Some(end) = ends.recv().await {
            outcome.finished.push(end);
        }
        Ok(outcome)
    })
}

async fn nap(sleeps: &[Duration], index: usize, finished: &Finished) {
    sleep(sleeps[index]).await;
    finished.send((index, Instant::now())).expect("the receiver outlives the sleeps");
}

async fn parallel(sleeps: &Arc<[Duration]>, finished: &Finished) {
    let mut tasks = JoinSet::new();
    for index in 0..sleeps.len() {
        let (sleeps, finished) = (Arc::clone(sleeps), finished.clone());
        tasks.spawn(async move { nap(&sleeps, index, &finished).await });
    }
    tasks.join_all().await;
}

fn chained(
    sleeps: Arc<[Duration]>,
    index: usize,
    finished: Finished,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        if index < sleeps.len() {
            nap(&sleeps, index, &finished).await;
            let successor = tokio::spawn(chained(sleeps, index + 1, finished));
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
