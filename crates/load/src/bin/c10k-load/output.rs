//! The part of the command line that says where results go, and the files that they go to.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use clap::Args;
use load::{Event, Interval, Load, Observer, Outcome, Pace, Threshold};
use serde::Serialize;

use crate::csv::Csv;
use crate::hdr::HdrLog;
use crate::record::Record;

/// What `--csv`, `--hdr` and the live line are told at once.
const INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct Output {
    /// Write the result as JSON to a file, or to standard output with -
    #[arg(long, value_name = "FILE|-")]
    json: Option<PathBuf>,

    /// Write the histogram of each second to a file, as a log that HdrHistogram's tools read
    #[arg(long, value_name = "FILE")]
    hdr: Option<PathBuf>,

    /// Write a line for each second to a file: requests, rate, p50, p99, max, errors, in flight
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,

    /// Exit with 3 if this is so: p50, p90, p99, p999, mean or max against a time, errors or one kind of them, unanswered
    /// and served against a number or a share, rate or requests against a number; separated by commas, or repeated
    #[arg(long, value_name = "EXPR", value_delimiter = ',')]
    fail_if: Vec<Threshold>,
}

/// The files of a run, opened before anything is measured, so that what fails does so then.
pub(crate) struct Files {
    json: Option<Sink>,
    csv: Option<Csv<File>>,
    hdr: Hdr,
    url: String,
    step: Step,
    /// The first that went wrong while writing.
    failed: Option<io::Error>,
}

/// One of the paces that are held one after the other.
#[derive(Clone, Copy)]
pub(crate) struct Step {
    /// From 1.
    pub(crate) number: usize,
    total: usize,
    pace: Pace,
}

/// The only one, a closed loop.
impl Default for Step {
    fn default() -> Self {
        Self { number: 1, total: 1, pace: Pace::Closed }
    }
}

impl Step {
    pub(crate) fn is_only(self) -> bool {
        self.total == 1
    }

    /// Requests a second that are offered; a closed loop offers what is taken.
    pub(crate) fn rate(self) -> Option<f64> {
        match self.pace {
            Pace::Closed => None,
            Pace::Rate(rate) | Pace::Poisson(rate) => Some(rate),
        }
    }
}

/// A log that begins when the first window does.
enum Hdr {
    Unwanted,
    Waiting(File),
    Open(HdrLog<File>),
}

enum Sink {
    Stdout,
    File(File, PathBuf),
}

impl Output {
    /// Opens what is to be written.
    pub(crate) fn open(&self, url: &str, load: &Load) -> anyhow::Result<Files> {
        let csv = self.csv.as_deref().map(create).transpose()?.map(Csv::begin).transpose();
        Ok(Files {
            json: self.json.as_deref().map(Sink::open).transpose()?,
            csv: csv.context("failed to write the CSV")?,
            hdr: self.hdr.as_deref().map(create).transpose()?.map_or(Hdr::Unwanted, Hdr::Waiting),
            url: url.to_owned(),
            step: Step { pace: load.pace, ..Step::default() },
            failed: None,
        })
    }

    /// How long the intervals are that somebody wants to hear of.
    pub(crate) fn interval(&self, is_watched: bool) -> Option<Duration> {
        (is_watched || self.csv.is_some() || self.hdr.is_some()).then_some(INTERVAL)
    }

    /// Each threshold that was missed, and by how much.
    pub(crate) fn missed(&self, outcome: &Outcome) -> Vec<Missed> {
        let missed = |threshold: &Threshold| {
            let by = threshold.missed(outcome)?;
            Some(Missed { threshold: threshold.to_string(), by })
        };
        self.fail_if.iter().filter_map(missed).collect()
    }
}

/// A threshold that was missed, in words.
#[derive(Debug, Serialize)]
pub(crate) struct Missed {
    pub(crate) threshold: String,
    pub(crate) by: String,
}

impl Files {
    /// Whether standard output is the JSON's, or may be.
    pub(crate) fn has_json(&self) -> bool {
        self.json.is_some()
    }

    /// Writes what is written at the end; says what could not be written in between.
    /// Several steps are an array.
    pub(crate) fn finish(mut self, records: &[Record<'_>]) -> anyhow::Result<()> {
        match (&mut self.json, records) {
            (Some(sink), [record]) => sink.write(record)?,
            (Some(sink), records) => sink.write(&records)?,
            (None, _) => {}
        }
        self.failed.map_or(Ok(()), Err).context("failed to write the intervals; free some space")
    }

    /// The window of a step opens.
    fn begin_step(&mut self) {
        let begun = match std::mem::replace(&mut self.hdr, Hdr::Unwanted) {
            Hdr::Waiting(file) => HdrLog::begin(file, &self.url, SystemTime::now()).map(Hdr::Open),
            other => Ok(other),
        };
        let begun = begun.and_then(|mut hdr| {
            if let Hdr::Open(log) = &mut hdr {
                log.step(self.step)?;
            }
            self.hdr = hdr;
            Ok(())
        });
        self.note(begun);
    }

    fn note(&mut self, result: io::Result<()>) {
        if let (Err(error), None) = (result, &self.failed) {
            self.failed = Some(error);
        }
    }
}

impl Observer for Files {
    fn event(&mut self, event: Event) {
        match event {
            Event::Step { number, total, pace } => self.step = Step { number, total, pace },
            Event::WindowOpens => self.begin_step(),
            _ => {}
        }
    }

    fn interval(&mut self, interval: &Interval) {
        let csv = self.csv.as_mut().map_or(Ok(()), |csv| csv.interval(self.step, interval));
        self.note(csv);
        let hdr = match &mut self.hdr {
            Hdr::Open(log) => log.interval(interval),
            Hdr::Unwanted | Hdr::Waiting(_) => Ok(()),
        };
        self.note(hdr);
    }
}

fn create(path: &Path) -> anyhow::Result<File> {
    File::create(path).with_context(|| {
        format!("failed to create `{}`; give a file that can be written", path.display())
    })
}

impl Sink {
    fn open(path: &Path) -> anyhow::Result<Self> {
        if path.as_os_str() == "-" {
            return Ok(Self::Stdout);
        }
        Ok(Self::File(create(path)?, path.to_owned()))
    }

    fn write(&mut self, record: &impl Serialize) -> anyhow::Result<()> {
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
