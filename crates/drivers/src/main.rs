//! The overlap experiment: queries of 100 ms through real drivers, and how many of them wait at the same time.
//!
//! ```text
//! N queries, C connections --> each connection has one query at a time --> ceil(N / C) x 100 ms
//! ```
//!
//! An async driver does not change that: what is sent ahead over a connection waits in the server. PostgreSQL runs the
//! queries of a connection in their order, also when they are pipelined, and `BLPOP` blocks its connection, also when
//! that is multiplexed. What async saves is the thread for each query, not the connection.

mod cases;
mod clock;
mod servers;

use std::num::NonZero;
use std::process::ExitCode;

use clap::Parser;

use crate::cases::Plan;
use crate::servers::Urls;

/// Queries of 100 ms through real drivers of PostgreSQL and Redis: how many overlap, and what that costs
///
/// Prints one JSON line a case. Each driver's cases end with two controls: as many connections as queries must take
/// one query's time, and a single connection must not.
#[derive(Debug, Parser)]
#[command(name = "drivers", after_help = EXAMPLES)]
struct Options {
    /// A PostgreSQL server, as libpq writes it
    #[arg(long, value_name = "URL")]
    postgres: Option<String>,
    /// A Redis server, 6.0 or later, with `hz 500`: at the default of 10 its waits end up to 100 ms late
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    /// Queries of each case
    #[arg(long, value_name = "N", default_value = "16")]
    queries: NonZero<u32>,
    /// Connections that they share, a case for each number
    #[arg(long, value_name = "N,M", value_delimiter = ',', default_value = "1,4,16")]
    connections: Vec<NonZero<u32>>,
}

const EXAMPLES: &str = "Examples:\n  drivers --redis redis://127.0.0.1:6379\n  \
    drivers --postgres postgresql://postgres@127.0.0.1:5432/postgres --queries 64 --connections 1,8,64\n  \
    drivers --postgres 'host=/var/run/postgresql user=postgres'\n\n\
    `cargo script drivers` starts servers of its own.\n\
    Exit status: 0 every case and control came out as it must, 1 one did not or a server failed, 2 called wrongly.";

/// Exit status of a command that was called wrongly.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let options = Options::parse();
    let urls = Urls { postgres: options.postgres, redis: options.redis };
    if urls.postgres.is_none() && urls.redis.is_none() {
        eprintln!(
            "drivers: no server; name one by --postgres or --redis, or use cargo script drivers"
        );
        return ExitCode::from(USAGE);
    }
    let plan = Plan { queries: options.queries, connections: options.connections };
    let mut sound = true;
    let done = cases::run(&urls, &plan, |case| {
        sound &= case.is_sound();
        println!("{}", serde_json::to_string(&case)?);
        Ok(())
    });
    match done {
        Ok(()) if sound => ExitCode::SUCCESS,
        Ok(()) => {
            eprintln!(
                "drivers: a case or a control did not come out as it must; see the lines above"
            );
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("drivers: {error:#}");
            ExitCode::FAILURE
        }
    }
}
