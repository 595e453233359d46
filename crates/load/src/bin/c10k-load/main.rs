//! `c10k-load`: the load generator alone, against any HTTP/1.1 or echo server.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use load::{Error, Event, Interval, Load, Observer, Outcome, Stop, Target};

use args::Args;
use live::Live;
use output::{Files, Missed};
use record::Record;

mod args;
mod ask;
mod csv;
mod hdr;
mod life;
mod live;
mod output;
mod pace;
mod picture;
mod record;
mod summary;

const FAILED: u8 = 1;
const USAGE: u8 = 2;
const MISSED: u8 = 3;
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    load::child_entry();
    // Before it is asked how many processes that takes.
    if let Err(error) = load::raise_descriptor_limit() {
        return fail(
            &anyhow::Error::from(error).context("failed to raise the limit of open files"),
            FAILED,
        );
    }
    let args = Args::parse();
    let load = Target::parse(&args.url).map_err(anyhow::Error::from).and_then(|t| args.load(t));
    let load = match load {
        Ok(load) => load,
        Err(error) => return fail(&error, USAGE),
    };
    match measure(&args, &load) {
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
    let load = Load { interval: args.output.interval(Live::is_watched()), ..load.clone() };
    let steps = args.steps();
    let mut files = args.output.open(&args.url, &load)?;
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
    let outcomes = load::run_steps(&load, &steps, &mut Both(&mut live, &mut files), &stop);
    live.clear();

    let of_step = |outcome: Outcome| {
        let missed = args.output.missed(&outcome);
        (Load { pace: outcome.pace, ..load.clone() }, outcome, missed)
    };
    let seen: Vec<_> = outcomes?.into_iter().map(of_step).collect();
    let texts = seen.iter().map(|(load, outcome, _)| summary::summary(&args.url, load, outcome));
    let text = texts.collect::<Vec<_>>().join("\n");
    if files.has_json() {
        // Standard output may be the JSON's.
        eprint!("{text}");
    } else {
        io::stdout().write_all(text.as_bytes()).context("failed to print the summary")?;
    }
    let missed = seen.iter().flat_map(|(_, _, missed)| missed);
    for Missed { threshold, by } in missed {
        eprintln!("c10k-load: missed {threshold}: {by}");
    }
    let records =
        seen.iter().map(|(load, outcome, missed)| Record::new(&args.url, load, outcome, missed));
    files.finish(&records.collect::<Vec<_>>())?;
    let statuses = seen.iter().map(|(_, outcome, missed)| status(outcome, missed));
    // An interruption says more than a missed threshold, and that more than a failure of one step among others.
    Ok(if stop.requested() { INTERRUPTED } else { statuses.max().unwrap_or(FAILED) })
}

fn status(outcome: &Outcome, missed: &[Missed]) -> u8 {
    match outcome {
        _ if outcome.interrupted => INTERRUPTED,
        _ if outcome.requests == 0 && outcome.greeted == 0 => FAILED,
        _ if !missed.is_empty() => MISSED,
        _ => 0,
    }
}

/// Two who watch.
struct Both<'a>(&'a mut Live, &'a mut Files);

impl Observer for Both<'_> {
    fn event(&mut self, event: Event) {
        self.0.event(event);
        self.1.event(event);
    }

    fn interval(&mut self, interval: &Interval) {
        self.0.interval(interval);
        self.1.interval(interval);
    }
}
