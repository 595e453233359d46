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

use async_std::channel::{self, Sender};
use async_std::future::timeout;
use async_std::io::{ReadExt as _, WriteExt as _};
use async_std::net::TcpStream;
use async_std::task::{self, sleep};
use contract::{ClientStep, Exchange, Fetched, Idiom, IdiomOutcome, READ_SIZE, TIMER_PERIOD};

pub(crate) fn fetch(
    exchanges: Vec<Exchange>,
    concurrency: NonZero<usize>,
) -> io::Result<Vec<Fetched>> {
    // A channel with room for `concurrency` makes a semaphore: sending takes a place, receiving frees one.
    let (enter, leave) = channel::bounded(concurrency.get().min(exchanges.len()).max(1));
    task::block_on(async {
        let mut tasks = Vec::with_capacity(exchanges.len());
        for exchange in exchanges {
            enter.send(()).await.expect("the receiver is here");
            let leave = leave.clone();
            tasks.push(task::spawn(async move {
                let fetched = download(exchange).await;
                leave.recv().await.expect("a place was taken for this task");
                fetched
            }));
        }
        let mut fetched = Vec::with_capacity(tasks.len());
        for task in tasks {
            fetched.push(task.await);
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

type Finished = Sender<(usize, Instant)>;

pub(crate) fn idiom(idiom: Idiom, sleeps: &[Duration]) -> io::Result<IdiomOutcome> {
    let sleeps: Arc<[Duration]> = sleeps.into();
    let (finished, ends) = channel::unbounded();
    task::block_on(async {
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
    })
}

async fn nap(sleeps: &[Duration], index: usize, finished: &Finished) {
    sleep(sleeps[index]).await;
    finished.send((index, Instant::now())).await.expect("the receiver outlives the sleeps");
}

async fn parallel(sleeps: &Arc<[Duration]>, finished: &Finished) {
    let mut tasks = Vec::with_capacity(sleeps.len());
    for index in 0..sleeps.len() {
        let (sleeps, finished) = (Arc::clone(sleeps), finished.clone());
        tasks.push(task::spawn(async move { nap(&sleeps, index, &finished).await }));
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
            task::spawn(chained(sleeps, index + 1, finished)).await;
        }
    })
}

/// Ticks until `all` is done. The next tick is due a period after the last was due, so that lateness shows as jitter
/// and never adds up to drift, as it would with the runtime's own `interval`.
async fn tick_until(all: impl Future<Output = ()>) -> Vec<Instant> {
    let mut ticks = Vec::new();
    let mut due = Instant::now() + TIMER_PERIOD;
    let mut all = std::pin::pin!(all);
    while timeout(due.saturating_duration_since(Instant::now()), all.as_mut()).await.is_err() {
        ticks.push(Instant::now());
        due += TIMER_PERIOD;
    }
    ticks
}
