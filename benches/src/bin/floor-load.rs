//! The floor's generator by hand: prints one JSON line.

use std::net::SocketAddr;
use std::num::NonZero;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use benches::floor::load::{Load, Until};
use clap::Parser;
use serde_json::json;

/// The bare epoll generator that load generators are held against: it counts answers, and nothing else
#[derive(Debug, Parser)]
#[command(
    after_help = "Examples:\n  floor-load 127.0.0.1:8080 --connections 10000 --seconds 5\n  \
    floor-load 127.0.0.1:8080 --connections 100 --requests 1000000"
)]
struct Options {
    /// The server; any whose answers to one path have one length, told by content-length
    #[arg(value_name = "ADDRESS")]
    address: SocketAddr,
    /// Path to ask for
    #[arg(long, default_value = "/")]
    path: String,
    /// Connections, all open before the first request
    #[arg(short, long, value_name = "N", default_value = "100")]
    connections: NonZero<usize>,
    /// Seconds to go on sending
    #[arg(long, value_name = "S", default_value = "10", conflicts_with = "requests")]
    seconds: u64,
    /// Requests to send instead
    #[arg(short, long, value_name = "N")]
    requests: Option<u64>,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let until = match options.requests {
        Some(requests) => Until::Requests(requests),
        None => Until::Time(Duration::from_secs(options.seconds)),
    };
    benches::floor::raise_descriptor_limit()?;
    let start = Instant::now();
    let mut load = Load::open(options.address, &options.path, options.connections.get())
        .with_context(|| format!("failed to reach `{}`", options.address))?;
    let open = start.elapsed();
    let counts = load.run(until)?;
    println!(
        "{}",
        json!({
            "connections": options.connections,
            "open_ns": nanoseconds(open),
            "requests": counts.requests,
            "bytes": counts.bytes,
            "answer_bytes": load.answer_bytes(),
            "duration_ns": nanoseconds(counts.duration),
            "cpu_ns": nanoseconds(counts.cpu),
        })
    );
    Ok(())
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
