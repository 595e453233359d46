//! The anchors: the generator beside the barest one and those of the field, the loops beside the barest server.
//!
//! What is compared alternates within each round, so that a machine that grows slower grows slower for all. The figure
//! is CPU time of the whole process by the kernel's account, divided by requests as the server counted them.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::{Args, ValueEnum};
use harness::contestant::{Contestant, Launch};
use harness::summary::table;
use harness::workspace::{self, Profile};
use measure::cpus::{self, CpuSets};
use measure::tree::Tree;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use record::run::{Timestamp, utc};
use record::stats::{float, spread};
use serde::Serialize;
use xshell::Shell;

use crate::{cargo, interrupt};

/// Hold the generator against the bare epoll floor, wrk, h2load and ab, and the loops against the floor's server
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  cargo script anchors\n  \
    cargo script anchors --sides servers --connections 100 --rounds 7 --models mio-loop,callbacks,poll-loop\n\n\
    Each round takes every program once, in turn, with a fresh server; ratios are those within a round.\n\
    wrk, h2load (nghttp2-client) and ab (apache2-utils) take part where they are installed.\n\
    The rounds are stored in `results/`, as JSON.")]
pub(crate) struct Options {
    /// What is compared
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        value_name = "A,B",
        default_value = "generators,servers"
    )]
    sides: Vec<Side>,
    /// Connections, a comparison for each number
    #[arg(long, value_delimiter = ',', value_name = "N,M", default_value = "100,1000,10000")]
    connections: Vec<u32>,
    /// Rounds; six are the fewest that give an interval, below that the range is shown
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Seconds that each program runs in each round
    #[arg(long, value_name = "S", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=60))]
    seconds: u32,
    /// Servers that are held against the floor's
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "A,B",
        default_value = "mio-loop,callbacks,poll-loop"
    )]
    models: Vec<String>,
    /// Measure the release binaries that are there
    #[arg(long)]
    no_build: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Side {
    /// floor-load, c10k-load, wrk, h2load and ab, each against the floor's server
    Generators,
    /// The floor's server and models, each under c10k-load
    Servers,
}

/// The barest of each side.
const FLOOR_LOAD: &str = "floor-load";
const FLOOR_SERVER: &str = "floor-server";

/// Generators of others, and the Debian packages that bring them.
const OTHERS: [(&str, &str); 3] =
    [("wrk", "wrk"), ("h2load", "nghttp2-client"), ("ab", "apache2-utils")];

/// One program in one round.
#[derive(Clone, Copy, Debug, Serialize)]
struct Round {
    cpu_ns: u64,
    /// As the server counted them.
    requests: u64,
}

impl Round {
    fn cpu_ns_per_request(self) -> f64 {
        float(self.cpu_ns) / float(self.requests)
    }
}

/// One program over all rounds.
#[derive(Debug, Serialize)]
struct Column {
    name: String,
    rounds: Vec<Round>,
    /// Why it takes no more part: a program of others may fail here, and the rest goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<String>,
}

/// Programs that alternated; the first is the floor.
#[derive(Debug, Serialize)]
struct Comparison {
    side: Side,
    connections: u32,
    seconds: u32,
    columns: Vec<Column>,
}

/// What is stored.
#[derive(Debug, Serialize)]
struct Stored {
    started_at: String,
    command: String,
    machine: measure::provenance::Provenance,
    server_cpus: String,
    generator_cpus: String,
    comparisons: Vec<Comparison>,
}

pub(crate) fn run(shell: &Shell, options: &Options) -> anyhow::Result<()> {
    let root = shell.current_dir();
    interrupt::catch()?;
    if !options.no_build {
        println!("anchors: cargo build --release: contestants, generator, floor");
        interrupt::run(&mut workspace::build_command(&root, Profile::Release))?;
        crate::run(cargo(shell).args(["build", "--release", "--package", "benches", "--bins"]))?;
    }
    let cpus = cpus::plan().context("failed to divide the CPUs between server and generator")?;
    let bench = Bench { binaries: root.join("target/release"), cpus, seconds: options.seconds };
    let started_at = utc(Timestamp::now());
    let mut comparisons = Vec::new();
    for &side in &options.sides {
        for &connections in &options.connections {
            let comparison = bench.compare(side, connections, options)?;
            print(&comparison);
            comparisons.push(comparison);
        }
    }
    let stored = Stored {
        command: format!("cargo script {}", std::env::args().skip(1).collect::<Vec<_>>().join(" ")),
        machine: measure::provenance::machine(&root),
        server_cpus: cpus::list(&bench.cpus.server),
        generator_cpus: cpus::list(&bench.cpus.generator),
        started_at,
        comparisons,
    };
    let name = format!("anchors-{}.json", stored.started_at.replace([':', '-'], ""));
    let path = root.join("results").join(&name);
    fs::write(&path, serde_json::to_string_pretty(&stored)? + "\n")
        .with_context(|| format!("failed to write `results/{name}`; free some space there"))?;
    println!("\nthe rounds are in results/{name}");
    Ok(())
}

/// Where everything runs.
struct Bench {
    binaries: PathBuf,
    cpus: CpuSets,
    seconds: u32,
}

impl Bench {
    fn compare(
        &self,
        side: Side,
        connections: u32,
        options: &Options,
    ) -> anyhow::Result<Comparison> {
        let names: Vec<String> = match side {
            Side::Generators => generators(),
            Side::Servers => {
                [FLOOR_SERVER].into_iter().map(String::from).chain(options.models.clone()).collect()
            }
        };
        println!(
            "\nanchors: {} at {connections} connections, {} rounds of {} s each",
            names.join(", "),
            options.rounds,
            options.seconds
        );
        let mut columns: Vec<Column> = names
            .into_iter()
            .map(|name| Column { name, rounds: Vec::new(), failed: None })
            .collect();
        for number in 0..options.rounds {
            // There and back again: who comes first in one round comes last in the next.
            let places: Vec<usize> = if number % 2 == 0 {
                (0..columns.len()).collect()
            } else {
                (0..columns.len()).rev().collect()
            };
            for place in places {
                let column = &mut columns[place];
                if column.failed.is_some() {
                    continue;
                }
                let round = match side {
                    Side::Generators => self.generator(&column.name, connections),
                    Side::Servers => self.server(&column.name, connections),
                };
                match round {
                    Ok(round) => column.rounds.push(round),
                    Err(error) if interrupt::requested() => return Err(error),
                    Err(error) if OTHERS.iter().any(|(other, _)| *other == column.name) => {
                        eprintln!("anchors: `{}` is left out: {error:#}", column.name);
                        column.failed = Some(format!("{error:#}"));
                    }
                    Err(error) => return Err(error.context(format!("with `{}`", column.name))),
                }
            }
            eprintln!("anchors: round {} of {} is done", number + 1, options.rounds);
        }
        Ok(Comparison { side, connections, seconds: options.seconds, columns })
    }

    /// The generator's CPU, and the requests that the floor's server counted.
    fn generator(&self, name: &str, connections: u32) -> anyhow::Result<Round> {
        let server = self.start(FLOOR_SERVER)?;
        let before = children_cpu_ns()?;
        self.drive(name, &server.address().to_string(), connections)?;
        let cpu_ns = children_cpu_ns()? - before;
        let stopped = server.stop();
        ensure!(stopped.complaints.is_empty(), "{}", stopped.complaints.join("; "));
        // Last words come quoted.
        let said = stopped.last_words.split("requests ").nth(1);
        let digits = said.map(|said| said.trim_end_matches(|c: char| !c.is_ascii_digit()));
        let requests = digits.and_then(|digits| digits.parse().ok());
        let requests = requests.with_context(|| {
            format!("the server did not say how many requests it read{}", stopped.last_words)
        })?;
        ensure!(requests > 0, "it sent no request");
        Ok(Round { cpu_ns, requests })
    }

    /// The server's CPU, and the requests that the generator sent it, every one of them read and answered.
    fn server(&self, name: &str, connections: u32) -> anyhow::Result<Round> {
        let server = self.start(name)?;
        let tree = Tree::of_group(u32::try_from(server.pid().as_raw())?)?;
        let before = tree.cpu_ns()?;
        let said = self.drive("c10k-load", &server.address().to_string(), connections)?;
        let cpu_ns = tree.cpu_ns()? - before;
        let stopped = server.stop();
        ensure!(stopped.complaints.is_empty(), "{}", stopped.complaints.join("; "));
        let outcome: serde_json::Value = serde_json::from_slice(&said)?;
        let requests =
            outcome["requests_sent"].as_u64().context("the generator counted nothing")?;
        Ok(Round { cpu_ns, requests })
    }

    fn start(&self, name: &str) -> anyhow::Result<Contestant> {
        let serve: &[&str] = &["serve", "--service", "http", "--die-with-parent"];
        let args = if name == FLOOR_SERVER { &serve[3..] } else { serve };
        let launch = Launch {
            program: self.binaries.join(name),
            user: None,
            args: args.iter().map(ToString::to_string).collect(),
            cpus: self.cpus.server.clone(),
            announce_within: Duration::from_secs(5),
            stop_within: Duration::from_secs(5),
        };
        Contestant::start(&launch, || (), || false).context("failed to start it")
    }

    /// Runs a generator on its CPUs and returns what it printed.
    fn drive(&self, name: &str, address: &str, connections: u32) -> anyhow::Result<Vec<u8>> {
        let (c, s, url) = (connections, self.seconds, format!("http://{address}/"));
        let line = match name {
            FLOOR_LOAD => format!("{address} --connections {c} --seconds {s}"),
            "c10k-load" => format!("{url} -c {c} -d {s}s --warmup 0s --json -"),
            "wrk" => format!("-t1 -c{c} -d{s}s {url}"),
            "h2load" => format!("--h1 -t1 -c{c} -D{s} {url}"),
            // -t sets -n, which must come after it.
            "ab" => format!("-q -k -c{c} -t{s} -n100000000 {url}"),
            other => anyhow::bail!("`{other}` is no generator"),
        };
        let own = self.binaries.join(name);
        let program = if own.exists() { own } else { name.into() };
        cpus::pin_current_thread(&self.cpus.generator)?;
        let mut command = Command::new(program);
        let output = interrupt::output(command.args(line.split(' ')).stdin(Stdio::null()))?;
        ensure!(
            output.status.success(),
            "`{name} {line}` failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(output.stdout)
    }
}

/// The floor first, then ours, then those of the field that are installed.
fn generators() -> Vec<String> {
    let mut names = vec![FLOOR_LOAD.to_owned(), "c10k-load".to_owned()];
    for (name, package) in OTHERS {
        let probe = Command::new(name).stdout(Stdio::null()).stderr(Stdio::null()).status();
        if probe.is_ok() {
            names.push(name.to_owned());
        } else {
            println!("anchors: without `{name}`; apt-get install {package}");
        }
    }
    names
}

/// CPU time of all children that have been waited for.
fn children_cpu_ns() -> anyhow::Result<u64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let cpu = usage.user_time() + usage.system_time();
    Ok(u64::try_from(cpu.num_nanoseconds())?)
}

fn print(comparison: &Comparison) {
    let mut table = table(&["", "CPU us/request", "times the floor", "spread"]);
    let floor = &comparison.columns[0].rounds;
    for column in &comparison.columns {
        let costs: Vec<f64> =
            column.rounds.iter().map(|round| round.cpu_ns_per_request()).collect();
        let ratios: Vec<f64> = costs
            .iter()
            .zip(floor)
            .map(|(cost, floor)| cost / floor.cpu_ns_per_request())
            .collect();
        let (Some(cost), Some(ratio)) = (spread(&costs), spread(&ratios)) else { continue };
        let kind = match ratio.coverage {
            Some(coverage) => format!("{:.0} % interval", coverage * 100.0),
            None => "range".to_owned(),
        };
        table.add_row([
            column.name.clone(),
            format!("{:.2}", cost.median / 1e3),
            format!("{:.3}", ratio.median),
            format!("{:.3} to {:.3}, {kind}", ratio.low, ratio.high),
        ]);
    }
    println!("{table}");
}
