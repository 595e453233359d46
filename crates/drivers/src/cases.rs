//! The cases: each driver in each way that it can be used, with each number of connections, then the controls.

use std::collections::VecDeque;
use std::num::NonZero;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use anyhow::anyhow;
use record::DriverCase;

use crate::clock::{self, Clock};
use crate::servers::{self, Blocking, Shared, Urls};

/// How many queries, over how many connections.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) queries: NonZero<u32>,
    pub(crate) connections: Vec<NonZero<u32>>,
}

/// One measurement.
#[derive(Clone, Copy, Debug)]
struct Case {
    queries: NonZero<u32>,
    connections: NonZero<u32>,
    /// Of a control what must come out of it.
    control: Option<bool>,
}

/// Enough that one connection takes many times as long as one query.
const CONTROL_QUERIES: NonZero<u32> = NonZero::new(8).expect("8 is not zero");
const ONE: NonZero<u32> = NonZero::<u32>::MIN;

impl Plan {
    fn cases(&self) -> Vec<Case> {
        let case = |connections| Case { queries: self.queries, connections, control: None };
        let control =
            |connections, must| Case { queries: CONTROL_QUERIES, connections, control: Some(must) };
        let cases = self.connections.iter().copied().map(case);
        cases.chain([control(CONTROL_QUERIES, true), control(ONE, false)]).collect()
    }
}

impl Case {
    /// Queries one after the other; a control claims that all overlap, whether they can or not.
    fn rounds(self) -> u32 {
        if self.control.is_some() { 1 } else { clock::rounds(self.queries, self.connections) }
    }

    fn named(self, driver: &str, mode: &str, measured: DriverCase) -> DriverCase {
        DriverCase {
            driver: driver.to_owned(),
            mode: mode.to_owned(),
            queries: self.queries.get().into(),
            connections: self.connections.get().into(),
            control: self.control,
            ..measured
        }
    }
}

/// Measures everything and hands out each case as it ends.
pub(crate) fn run(
    urls: &Urls,
    plan: &Plan,
    mut done: impl FnMut(DriverCase) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    // One thread for all tasks: what overlaps there does so without threads.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for case in plan.cases() {
        if let Some(url) = &urls.postgres {
            let connect = || servers::postgres(url, case.connections);
            done(case.named("postgres", "threads", in_threads(connect()?, case)?))?;
            done(case.named("postgres", "pool", in_a_pool(connect()?, case)?))?;
            let tasks = async {
                in_tasks(servers::tokio_postgres(url, case.connections).await?, case).await
            };
            done(case.named("tokio-postgres", "tasks", runtime.block_on(tasks)?))?;
        }
        if let Some(url) = &urls.redis {
            let connect = || servers::redis(url, case.connections);
            done(case.named("redis", "threads", in_threads(connect()?, case)?))?;
            done(case.named("redis", "pool", in_a_pool(connect()?, case)?))?;
            let tasks =
                async { in_tasks(servers::redis_tokio(url, case.connections).await?, case).await };
            done(case.named("redis-tokio", "tasks", runtime.block_on(tasks)?))?;
        }
    }
    Ok(())
}

/// A thread for each query; each waits for a connection, asks, and gives it back.
fn in_threads<C: Blocking>(connections: Vec<C>, case: Case) -> anyhow::Result<DriverCase> {
    let (free, freed) = (Mutex::new(connections), Condvar::new());
    let query = || {
        let mut waiting = free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut connection = loop {
            match waiting.pop() {
                Some(connection) => break connection,
                None => waiting = freed.wait(waiting).unwrap_or_else(PoisonError::into_inner),
            }
        };
        drop(waiting);
        let result = connection.query();
        free.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        freed.notify_one();
        result
    };
    let clock = Clock::start()?;
    let errors = thread::scope(|scope| {
        let threads: Vec<_> = (0..case.queries.get()).map(|_| scope.spawn(query)).collect();
        threads
            .into_iter()
            .map(|thread| failed(joined(thread.join())))
            .filter(|failed| *failed)
            .count()
    });
    clock.stop(case.rounds(), u64::try_from(errors)?)
}

/// A thread for each connection, and a queue of queries.
fn in_a_pool<C: Blocking>(connections: Vec<C>, case: Case) -> anyhow::Result<DriverCase> {
    let queue: Mutex<VecDeque<u32>> = Mutex::new((0..case.queries.get()).collect());
    let work = |mut connection: C| {
        let mut errors = 0_usize;
        // The guard of the queue ends with this line, not with the query.
        let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        while next().is_some() {
            errors += usize::from(failed(connection.query()));
        }
        errors
    };
    let clock = Clock::start()?;
    let errors: usize = thread::scope(|scope| {
        let work = &work;
        let spawn = |connection| scope.spawn(move || work(connection));
        let threads: Vec<_> = connections.into_iter().map(spawn).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or(1)).sum()
    });
    clock.stop(case.rounds(), u64::try_from(errors)?)
}

/// A task for each query, dealt out over the connections, which all of them share; nobody waits for a free one.
async fn in_tasks<C: Shared>(connections: Vec<C>, case: Case) -> anyhow::Result<DriverCase> {
    let connections: Vec<Arc<C>> = connections.into_iter().map(Arc::new).collect();
    let clock = Clock::start()?;
    let spawn = |connection: &Arc<C>| {
        let connection = Arc::clone(connection);
        tokio::spawn(async move { connection.query().await })
    };
    let dealt = connections.iter().cycle().take(usize::try_from(case.queries.get())?);
    let tasks: Vec<_> = dealt.map(spawn).collect();
    let mut errors = 0;
    for task in tasks {
        errors += u64::from(failed(task.await.unwrap_or_else(|error| Err(error.into()))));
    }
    clock.stop(case.rounds(), errors)
}

/// Says what went wrong with a query, which counts as an error and ends nothing.
fn failed(query: anyhow::Result<()>) -> bool {
    query.inspect_err(|error| eprintln!("drivers: a query failed: {error:#}")).is_err()
}

/// What became of a thread's query.
fn joined(thread: thread::Result<anyhow::Result<()>>) -> anyhow::Result<()> {
    thread.unwrap_or_else(|_| Err(anyhow!("its thread panicked")))
}
