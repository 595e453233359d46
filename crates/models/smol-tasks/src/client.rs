//! A task per fetch: spawn them, await them, on an executor that this thread runs itself.
//!
//! ```text
//! main --> task 1: connect > write > read ... --+
//!      --> task 2: connect > write > read ... --+--> await, in order
//! ```

use std::io;
use std::net::TcpStream;
use std::num::NonZero;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use contract::{ClientStep, Exchange, Fetched, Idiom, IdiomOutcome, READ_SIZE, TIMER_PERIOD};
use smol::channel::{self, Sender};
use smol::future::FutureExt as _;
use smol::io::{AsyncReadExt as _, AsyncWriteExt as _};
use smol::lock::Semaphore;
use smol::stream::StreamExt as _;
use smol::{Async, Executor, Timer};

static EXECUTOR: Executor<'static> = Executor::new();

pub(crate) fn fetch(
    exchanges: Vec<Exchange>,
    concurrency: NonZero<usize>,
) -> io::Result<Vec<Fetched>> {
    let places = Arc::new(Semaphore::new(concurrency.get()));
    smol::block_on(EXECUTOR.run(async {
        let mut tasks = Vec::with_capacity(exchanges.len());
        for exchange in exchanges {
            let place = places.acquire_arc().await;
            tasks.push(EXECUTOR.spawn(async move {
                let fetched = download(exchange).await;
                drop(place);
                fetched
            }));
        }
        let mut fetched = Vec::with_capacity(tasks.len());
        for task in tasks {
            fetched.push(task.await);
        }
        Ok(fetched)
    }))
}

async fn download(mut exchange: Exchange) -> Fetched {
    let result = match Async::<TcpStream>::connect(exchange.connect_to()).await {
        Ok(stream) => converse(stream, &mut exchange).await,
        Err(error) => Err(error),
    };
    exchange.finish(result)
}

async fn converse(mut stream: Async<TcpStream>, exchange: &mut Exchange) -> io::Result<()> {
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

type Finished = Sender<(usize, Instant)>;

pub(crate) fn idiom(idiom: Idiom, sleeps: &[Duration]) -> io::Result<IdiomOutcome> {
    let sleeps: Arc<[Duration]> = sleeps.into();
    let (finished, ends) = channel::unbounded();
    smol::block_on(EXECUTOR.run(async {
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
        while let Ok(end) = ends.recv().await {
            outcome.finished.push(end);
        }
        Ok(outcome)
    }))
}

async fn nap(sleeps: &[Duration], index: usize, finished: &Finished) {
    Timer::after(sleeps[index]).await;
    finished.send((index, Instant::now())).await.expect("the receiver outlives the sleeps");
}

async fn parallel(sleeps: &Arc<[Duration]>, finished: &Finished) {
    let mut tasks = Vec::with_capacity(sleeps.len());
    for index in 0..sleeps.len() {
        let (sleeps, finished) = (Arc::clone(sleeps), finished.clone());
        tasks.push(EXECUTOR.spawn(async move { nap(&sleeps, index, &finished).await }));
    }
    for task in tasks {
        task.await;
    }
}

fn chained(
    sleeps: Arc<[Duration]>,
    index: usize,
    finished: Finished,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        if index < sleeps.len() {
            nap(&sleeps, index, &finished).await;
            EXECUTOR.spawn(chained(sleeps, index + 1, finished)).await;
        }
    })
}

/// Ticks until `all` is done. The interval's next tick is due a period after the last was due, so that lateness shows
/// as jitter and never adds up to drift.
async fn tick_until(all: impl Future<Output = ()>) -> Vec<Instant> {
    let mut ticks = Vec::new();
    let ticking = async {
        let mut interval = Timer::interval(TIMER_PERIOD);
        while interval.next().await.is_some() {
            ticks.push(Instant::now());
        }
    };
    all.or(ticking).await;
    ticks
}
