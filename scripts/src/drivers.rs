//! The overlap experiment: `drivers` against real servers, given by URL or started from this machine's own packages.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::num::NonZero;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use clap::Args;
use harness::summary::table;
use record::run::{Timestamp, utc};
use record::{DriverCase, Drivers, SCHEMA};
use xshell::Shell;

use crate::local::{self, Local};
use crate::{cargo, interrupt};

/// How many queries of 100 ms overlap through real drivers of PostgreSQL and Redis, in threads, a pool and tasks
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  cargo script drivers\n  \
    cargo script drivers --queries 64 --connections 1,8,64\n  \
    cargo script drivers --postgres 'host=db user=me password=...' --redis redis://127.0.0.1:6379\n\n\
    Without a URL a server of this machine's packages is started in a temporary folder, on a unix socket, and ended\n\
    afterwards: apt-get install postgresql redis-server. The cases land in `results/`, as JSON; URLs do not.")]
pub(crate) struct Options {
    /// A PostgreSQL server to ask, as libpq writes it [default: one is started]
    #[arg(long, value_name = "URL")]
    postgres: Option<String>,
    /// A Redis server to ask, 6.0 or later, with `hz 500`: at the default of 10 its waits end up to 100 ms late
    /// [default: one is started]
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    /// Queries of each case
    #[arg(long, value_name = "N", default_value = "16")]
    queries: NonZero<u32>,
    /// Connections that they share, a case for each number
    #[arg(long, value_name = "N,M", value_delimiter = ',', default_value = "1,4,16")]
    connections: Vec<NonZero<u32>>,
}

/// What each server is called in the record, and how to get it.
const POSTGRES: &str = "PostgreSQL";
const REDIS: &str = "Redis";
const MISSING_POSTGRES: &str =
    "PostgreSQL is not installed; apt-get install postgresql, or name a server by --postgres URL";
const MISSING_REDIS: &str =
    "Redis is not installed; apt-get install redis-server, or name a server by --redis URL";
/// With the workspace's features, so that what they share with the contestants is built once.
const BUILD: [&str; 5] = ["build", "--quiet", "--workspace", "--bin", "drivers"];
/// As many as the controls of `drivers` open.
const CONTROL_CONNECTIONS: u32 = 8;

pub(crate) fn run(shell: &Shell, options: &Options) -> anyhow::Result<()> {
    interrupt::catch()?;
    println!("drivers: cargo build --release --workspace --bin drivers");
    interrupt::run(&mut cargo(shell).args(BUILD).arg("--release").into())?;
    let root = shell.current_dir();
    let machine = measure::provenance::machine(&root);
    let mut record = Drivers {
        schema: SCHEMA,
        started_at: utc(Timestamp::now()),
        command: command(options),
        kernel: machine.kernel.clone(),
        cpu_model: machine.cpu_model.clone(),
        git_revision: machine.git_revision.clone(),
        git_dirty: machine.git_dirty,
        ..Drivers::default()
    };
    measure(&root.join("target/release/drivers"), options, &mut record)?;
    print(&record);
    let name = format!("drivers-{}.json", record.started_at.replace([':', '-'], ""));
    fs::write(root.join("results").join(&name), serde_json::to_string_pretty(&record)? + "\n")
        .with_context(|| format!("failed to write `results/{name}`; free some space there"))?;
    println!("\nthe cases are in results/{name}");
    let unsound = record.cases.iter().filter(|case| !case.is_sound()).count();
    ensure!(
        unsound == 0,
        "{unsound} rows did not come out as they must; if the machine was busy, do it again on an idle one"
    );
    Ok(())
}

/// What was asked, without what a URL may tell.
fn command(options: &Options) -> String {
    let connections: Vec<String> = options.connections.iter().map(ToString::to_string).collect();
    let url = |name: &str, url: &Option<String>| match url {
        Some(_) => format!(" --{name} URL"),
        None => String::new(),
    };
    format!(
        "cargo script drivers --queries {} --connections {}{}{}",
        options.queries,
        connections.join(","),
        url("postgres", &options.postgres),
        url("redis", &options.redis)
    )
}

/// Starts what is not given, asks, and ends what was started, also where something fails.
fn measure(program: &Path, options: &Options, record: &mut Drivers) -> anyhow::Result<()> {
    let folder = Shell::new()?.create_temp_dir()?;
    let most = options.connections.iter().map(|most| most.get()).max().unwrap_or_default();
    let start_postgres = || local::postgres(folder.path(), most.max(CONTROL_CONNECTIONS));
    let (postgres, postgres_url) =
        server(POSTGRES, options.postgres.as_deref(), start_postgres, record)?;
    let start_redis = || local::redis(folder.path());
    let (redis, redis_url) = server(REDIS, options.redis.as_deref(), start_redis, record)?;
    let mut command = Command::new(program);
    command.args(["--queries", &options.queries.to_string(), "--connections"]);
    command.arg(options.connections.iter().map(ToString::to_string).collect::<Vec<_>>().join(","));
    for (option, url) in [("--postgres", &postgres_url), ("--redis", &redis_url)] {
        if let Some(url) = url {
            command.args([option, url]);
        }
    }
    for (url, missing) in [(postgres_url, MISSING_POSTGRES), (redis_url, MISSING_REDIS)] {
        if url.is_none() {
            record.missing.push(missing.to_owned());
        }
    }
    ensure!(!record.servers.is_empty(), "{}", record.missing.join("; "));
    let asked = ask(command, record);
    drop((postgres, redis));
    asked
}

/// The server that is asked: the user's, or one that is started here; neither where it is not installed.
fn server(
    name: &str,
    given: Option<&str>,
    start: impl FnOnce() -> anyhow::Result<Option<Local>>,
    record: &mut Drivers,
) -> anyhow::Result<(Option<Local>, Option<String>)> {
    if let Some(url) = given {
        record.servers.insert(name.to_owned(), "given by URL".to_owned());
        return Ok((None, Some(url.to_owned())));
    }
    println!("drivers: starting {name} in a temporary folder, on a unix socket");
    let local = start().with_context(|| format!("failed to start {name}"))?;
    let url = local.as_ref().map(|local| local.url.clone());
    if let Some(local) = &local {
        record.servers.insert(name.to_owned(), local.version.clone());
    }
    Ok((local, url))
}

/// Takes the lines of `drivers` in as they come.
fn ask(mut command: Command, record: &mut Drivers) -> anyhow::Result<()> {
    let mut worker = interrupt::start(command.stdout(Stdio::piped()))?;
    let lines = BufReader::new(worker.stdout()?).lines();
    for line in lines {
        record.cases.push(serde_json::from_str(&line?).context("`drivers` wrote no case")?);
        eprintln!("drivers: {} cases are done", record.cases.len());
    }
    let status = worker.wait()?;
    // Cases that are not as they must be are shown first, and fail the script then.
    let explained = record.cases.iter().any(|case| !case.is_sound());
    ensure!(status.success() || explained, "`drivers` ended with {status}; see above");
    Ok(())
}

fn print(record: &Drivers) {
    let mut table =
        table(&["driver", "in", "queries", "connections", "wall ms", "expected ms", "CPU ms", ""]);
    for case in &record.cases {
        table.add_row([
            case.driver.clone(),
            case.mode.clone(),
            case.queries.to_string(),
            case.connections.to_string(),
            format!("{:.1}", case.wall_ms),
            format!("{:.0}", case.expected_ms),
            format!("{:.2}", case.cpu_ms),
            words(case).to_owned(),
        ]);
    }
    println!("\n{table}");
    for (name, version) in &record.servers {
        println!("{name}: {version}");
    }
    for missing in &record.missing {
        println!("missing: {missing}");
    }
}

fn words(case: &DriverCase) -> &'static str {
    match (case.control, case.ok) {
        (None, true) => "as expected",
        (None, false) => "NOT AS EXPECTED",
        (Some(true), true) => "control: overlaps, as it must",
        (Some(false), false) => "control: does not overlap, as it must not",
        (Some(_), _) => "THE CONTROL FAILED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(queries: u32, connections: &[u32]) -> Options {
        let number = |number| NonZero::new(number).unwrap();
        Options {
            postgres: None,
            redis: None,
            queries: number(queries),
            connections: connections.iter().copied().map(number).collect(),
        }
    }

    #[test]
    fn the_recorded_command_tells_no_password() {
        let url = Some("postgresql://me:secret@db/x".to_owned());
        let command = command(&Options { postgres: url, ..options(16, &[1, 4]) });
        assert_eq!(command, "cargo script drivers --queries 16 --connections 1,4 --postgres URL");
    }

    #[test]
    #[ignore = "needs PostgreSQL and Redis; run by `cargo script ci drivers`"]
    fn queries_overlap_as_the_connections_allow_and_not_without_them() {
        let alone = interrupt::ALONE.lock();
        let shell = crate::shell().unwrap();
        cargo(&shell).args(BUILD).quiet().run().unwrap();
        let program = shell.current_dir().join("target/debug/drivers");
        let mut record = Drivers::default();
        measure(&program, &options(8, &[1, 8]), &mut record).unwrap();
        drop(alone);
        print(&record);
        assert_eq!((record.missing.len(), record.servers.len()), (0, 2), "{:?}", record.missing);
        let find = |driver: &str, mode: &str, connections: u64, control: Option<bool>| {
            let is = |case: &&DriverCase| {
                (case.driver.as_str(), case.mode.as_str(), case.connections, case.control)
                    == (driver, mode, connections, control)
            };
            record.cases.iter().find(is).unwrap_or_else(|| panic!("no {driver} in {mode}"))
        };
        let drivers = [
            ("postgres", "threads"),
            ("postgres", "pool"),
            ("tokio-postgres", "tasks"),
            ("redis", "threads"),
            ("redis", "pool"),
            ("redis-tokio", "tasks"),
        ];
        for (driver, mode) in drivers {
            let (one, all) = (find(driver, mode, 1, None), find(driver, mode, 8, None));
            assert_eq!((one.errors, all.errors), (0, 0), "{driver} in {mode}");
            // Not a measurement: eight queries on one connection cannot overlap, whatever the driver is.
            assert!(
                one.wall_ms >= 800.0 && all.wall_ms >= 100.0,
                "{driver} in {mode}: {one:?} {all:?}"
            );
            assert!(all.wall_ms < one.wall_ms / 2.0, "{driver} in {mode}: {one:?} {all:?}");
            assert!(
                !find(driver, mode, 1, Some(false)).ok,
                "{driver} in {mode}: the control must fail"
            );
        }
    }
}
