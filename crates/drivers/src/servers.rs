//! The four drivers, each as an expert of it would write a query: connect, then ask.

use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, ensure};
use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;
use tokio_postgres::NoTls;

/// Where the servers are; a server that is not named is left out.
#[derive(Clone, Debug)]
pub(crate) struct Urls {
    pub(crate) postgres: Option<String>,
    pub(crate) redis: Option<String>,
}

/// One text to one round trip; [`crate::clock::QUERY`] in seconds.
const SLEEP: &str = "select pg_sleep(0.1)";
const SLEEP_S: &str = "0.1";

/// A connection that blocks its thread while it waits.
pub(crate) trait Blocking: Send {
    /// Waits in the server for the time of one query.
    fn query(&mut self) -> anyhow::Result<()>;
}

impl Blocking for postgres::Client {
    fn query(&mut self) -> anyhow::Result<()> {
        Ok(self.batch_execute(SLEEP)?)
    }
}

impl Blocking for redis::Connection {
    fn query(&mut self) -> anyhow::Result<()> {
        timed_out(blpop().query(self)?)
    }
}

pub(crate) fn postgres(url: &str, count: NonZero<u32>) -> anyhow::Result<Vec<postgres::Client>> {
    let connect = |_| postgres::Client::connect(url, postgres::NoTls);
    (0..count.get()).map(connect).collect::<Result<_, _>>().context(FAILED_POSTGRES)
}

pub(crate) fn redis(url: &str, count: NonZero<u32>) -> anyhow::Result<Vec<redis::Connection>> {
    let client = redis::Client::open(url).context(FAILED_REDIS)?;
    (0..count.get())
        .map(|_| client.get_connection())
        .collect::<Result<_, _>>()
        .context(FAILED_REDIS)
}

/// Connections that tasks share: a query on one needs only `&self`, and goes out at once.
pub(crate) trait Shared: Send + Sync + 'static {
    /// Waits in the server for the time of one query.
    fn query(&self) -> impl Future<Output = anyhow::Result<()>> + Send;
}

impl Shared for tokio_postgres::Client {
    async fn query(&self) -> anyhow::Result<()> {
        Ok(self.batch_execute(SLEEP).await?)
    }
}

impl Shared for MultiplexedConnection {
    async fn query(&self) -> anyhow::Result<()> {
        // A handle to the same connection: the driver wants one for each user.
        timed_out(blpop().query_async(&mut self.clone()).await?)
    }
}

pub(crate) async fn tokio_postgres(
    url: &str,
    count: NonZero<u32>,
) -> anyhow::Result<Vec<tokio_postgres::Client>> {
    let mut clients = Vec::new();
    for _ in 0..count.get() {
        let (client, connection) =
            tokio_postgres::connect(url, NoTls).await.context(FAILED_POSTGRES)?;
        // It moves the bytes; what goes wrong there fails the query that waits for them.
        tokio::spawn(connection);
        clients.push(client);
    }
    Ok(clients)
}

pub(crate) async fn redis_tokio(
    url: &str,
    count: NonZero<u32>,
) -> anyhow::Result<Vec<MultiplexedConnection>> {
    let client = redis::Client::open(url).context(FAILED_REDIS)?;
    // The driver gives up after half a second, and the last query on one connection waits for all before it.
    let config = AsyncConnectionConfig::new().set_response_timeout(None);
    let mut connections = Vec::new();
    for _ in 0..count.get() {
        let connection = client.get_multiplexed_async_connection_with_config(&config);
        connections.push(connection.await.context(FAILED_REDIS)?);
    }
    Ok(connections)
}

const FAILED_POSTGRES: &str =
    "failed to connect to PostgreSQL; check --postgres, and that max_connections allows as many";
const FAILED_REDIS: &str =
    "failed to connect to Redis; check --redis, and that maxclients allows as many";

/// Waits for a list that nobody fills: a key of its own, or one query's answer could be another's.
fn blpop() -> redis::Cmd {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut command = redis::cmd("BLPOP");
    command.arg(format!("c10k:drivers:{}:{number}", std::process::id())).arg(SLEEP_S);
    command
}

fn timed_out(popped: Option<(String, String)>) -> anyhow::Result<()> {
    ensure!(popped.is_none(), "the key was not unique: an answer came before the time was over");
    Ok(())
}
