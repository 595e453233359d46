//! A task per download in progress: spawn as many as may run at once, and let each take the next URL from the list.
//!
//! ```text
//! main --> task 1: next > connect > write > read ... > next ... --+
//!      --> task 2: next > connect > write > read ... > next ... --+--> await them all
//! ```

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::num::NonZero;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use contract::{ClientStep, Exchange, Fetched, Idiom, IdiomOutcome, TIMER_PERIOD};

use crate::executor::{block_on, spawn};
use crate::join::JoinHandle;
use crate::net::TcpStream;
use crate::reactor::Reactor;
use crate::timer::{sleep, sleep_until};

pub(crate) fn fetch(
    exchanges: Vec<Exchange>,
    concurrency: NonZero<usize>,
) -> io::Result<Vec<Fetched>> {
    let tasks = concurrency.get().min(exchanges.len());
    // One thread runs all tasks, so the list needs no lock.
    let list = Rc::new(RefCell::new(exchanges.into_iter().enumerate()));
    block_on(Reactor::new()?, async move {
        let tasks: Vec<_> = (0..tasks).map(|_| spawn(download_all(Rc::clone(&list)))).collect();
        let mut fetched = Vec::new();
        for task in tasks {
            fetched.extend(task.await.map_err(|_| io::Error::other("a fetch panicked"))?);
        }
        fetched.sort_unstable_by_key(|(place, _)| *place);
        Ok(fetched.into_iter().map(|(_, fetched)| fetched).collect())
    })?
}

/// Downloads until the list is empty; each with its place in it.
async fn download_all(
    list: Rc<RefCell<impl Iterator<Item = (usize, Exchange)>>>,
) -> Vec<(usize, Fetched)> {
    let mut fetched = Vec::new();
    loop {
        // A statement of its own: the list must not stay borrowed in the `.await`.
        let next = list.borrow_mut().next();
        let Some((place, exchange)) = next else { return fetched };
        fetched.push((place, download(exchange).await));
    }
}

async fn download(mut exchange: Exchange) -> Fetched {
    let result = match TcpStream::connect(exchange.connect_to()) {
        Ok(stream) => converse(stream, &mut exchange).await,
        Err(error) => Err(error),
    };
    exchange.finish(result)
}

async fn converse(stream: TcpStream, exchange: &mut Exchange) -> io::Result<()> {
    loop {
        match exchange.step() {
            ClientStep::Write => {
                let count = stream.write(exchange.output()).await?;
                exchange.wrote(count);
            }
            ClientStep::Read => stream.read(|bytes| exchange.received(bytes)).await?,
            ClientStep::Done => return Ok(()),
        }
    }
}

/// Which sleep ended, and when.
type Finished = Rc<RefCell<Vec<(usize, Instant)>>>;

pub(crate) fn idiom(idiom: Idiom, sleeps: &[Duration]) -> io::Result<IdiomOutcome> {
    let sleeps: Rc<[Duration]> = sleeps.into();
    let finished = Finished::default();
    block_on(Reactor::new()?, async move {
        let mut ticks = Vec::new();
        match idiom {
            Idiom::Sequential => {
                for (index, &duration) in sleeps.iter().enumerate() {
                    nap(index, duration, &finished).await;
                }
            }
            Idiom::Parallel => parallel(&sleeps, &finished).await,
            // Each task is spawned by the end of the one before, which lasts until its successor has ended.
            Idiom::Chained => chained(sleeps, 0, Rc::clone(&finished)).await,
            Idiom::Timer => ticks = tick_until(parallel(&sleeps, &finished)).await,
        }
        IdiomOutcome { finished: finished.take(), ticks }
    })
}

async fn nap(index: usize, duration: Duration, finished: &Finished) {
    sleep(duration).await;
    finished.borrow_mut().push((index, Instant::now()));
}

async fn parallel(sleeps: &[Duration], finished: &Finished) {
    let start = |(index, &duration): (usize, &Duration)| {
        let finished = Rc::clone(finished);
        spawn(async move { nap(index, duration, &finished).await })
    };
    let tasks: Vec<JoinHandle<()>> = sleeps.iter().enumerate().map(start).collect();
    for task in tasks {
        task.await.expect("a sleep does not panic");
    }
}

fn chained(
    sleeps: Rc<[Duration]>,
    index: usize,
    finished: Finished,
) -> Pin<Box<dyn Future<Output = ()>>> {
    Box::pin(async move {
        if index < sleeps.len() {
            nap(index, sleeps[index], &finished).await;
            let successor = spawn(chained(sleeps, index + 1, finished));
            successor.await.expect("a sleep does not panic");
        }
    })
}

/// Ticks until `all` is done. The next tick is due a period after the last was due, so that lateness shows as jitter
/// and never adds up to drift.
async fn tick_until(all: impl Future<Output = ()>) -> Vec<Instant> {
    let (mut ticks, mut due) = (Vec::new(), Instant::now() + TIMER_PERIOD);
    let mut all = pin!(all);
    loop {
        let mut tick = sleep_until(due);
        let ended = poll_fn(|context| match all.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(true),
            Poll::Pending => Pin::new(&mut tick).poll(context).map(|()| false),
        });
        if ended.await {
            return ticks;
        }
        ticks.push(Instant::now());
        due += TIMER_PERIOD;
    }
}
