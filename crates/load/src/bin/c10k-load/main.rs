//! `c10k-load`: the load generator alone, against any HTTP/1.1 or echo server.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use load::{Error, Load, Outcome, Pace, Stop, Target};
use serde::Serialize;

use args::Args;
use live::Live;

mod args;
mod live;
mod summary;
mod words;

const FAILED: u8 = 1;
const USAGE: u8 = 2;
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let args = Args::parse();
    let target = match Target::parse(&args.url) {
        Ok(target) => target,
        Err(error) => return fail(&error.into(), USAGE),
    };
    match measure(&args, &args.load(target)) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            let status = match error.downcast_ref() {
                Some(Error::Usage(_)) => USAGE,
                Some(Error::Interrupted) => INTERRUPTED,
                _ => FAILED,
            };
            fail(&error, status)
        }
    }
}

fn fail(error: &anyhow::Error, status: u8) -> ExitCode {
    eprintln!("c10k-load: {error:#}");
    ExitCode::from(status)
}

/// Runs the load and prints what it saw; returns the exit status.
fn measure(args: &Args, load: &Load) -> anyhow::Result<u8> {
    let mut json = args.json.as_deref().map(Sink::open).transpose()?;
    load::raise_descriptor_limit().context("failed to raise the limit of open files")?;
    let stop = Stop::new();
    let stopper = stop.clone();
    ctrlc::set_handler(move || {
        // Once ends the run and keeps what was measured; twice ends everything.
        if stopper.requested() {
            std::process::exit(i32::from(INTERRUPTED));
        }
        stopper.request();
    })
    .context("failed to catch Ctrl-C")?;

    let mut live = Live::new(load.until);
    let outcome = load::run(load, &mut live, &stop);
    live.clear();
    let outcome = outcome?;

    let text = summary::summary(&args.url, load, &outcome);
    match &mut json {
        Some(sink) => {
            sink.write(&Record::new(&args.url, load, &outcome))?;
            // Standard output may be the JSON's.
            eprint!("{text}");
        }
        None => io::stdout().write_all(text.as_bytes()).context("failed to print the summary")?,
    }
    Ok(match outcome {
        _ if outcome.interrupted => INTERRUPTED,
        _ if outcome.requests == 0 => FAILED,
        _ => 0,
    })
}

/// Where the JSON goes: opened before anything is measured, so that it cannot fail after.
enum Sink {
    Stdout,
    File(File, PathBuf),
}

impl Sink {
    fn open(path: &Path) -> anyhow::Result<Self> {
        if path.as_os_str() == "-" {
            return Ok(Self::Stdout);
        }
        let file = File::create(path).with_context(|| {
            format!("failed to create `{}`; give a file that can be written", path.display())
        })?;
        Ok(Self::File(file, path.to_owned()))
    }

    fn write(&mut self, record: &Record<'_>) -> anyhow::Result<()> {
        let mut text =
            serde_json::to_string_pretty(record).context("failed to make JSON of the outcome")?;
        text.push('\n');
        match self {
            Self::Stdout => {
                io::stdout().write_all(text.as_bytes()).context("failed to print the JSON")
            }
            Self::File(file, path) => file
                .write_all(text.as_bytes())
                .with_context(|| format!("failed to write `{}`", path.display())),
        }
    }
}

/// One run as JSON: what was asked, then the outcome.
#[derive(Serialize)]
struct Record<'a> {
    url: &'a str,
    pace: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<usize>,
    seed: u64,
    requests_per_s: f64,
    #[serde(flatten)]
    outcome: &'a Outcome,
}

impl<'a> Record<'a> {
    fn new(url: &'a str, load: &Load, outcome: &'a Outcome) -> Self {
        let (pace, rate) = match load.pace {
            Pace::Closed => ("closed", None),
            Pace::Rate(rate) => ("rate", Some(rate)),
            Pace::Poisson(rate) => ("poisson", Some(rate)),
        };
        let size = matches!(load.target, Target::Echo { .. }).then_some(load.size);
        Self {
            url,
            pace,
            rate,
            size,
            seed: load.seed,
            requests_per_s: outcome.requests_per_s(),
            outcome,
        }
    }
}
