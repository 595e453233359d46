//! Records in the formats of other tools: spreadsheets, `hyperfine`'s plotting scripts, the tools of `HdrHistogram`.

mod csv;
mod hdr;
mod hyperfine;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::ValueEnum;
use record::run::Run;

use crate::exit::Exit;
use crate::pages;

/// What a run is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A line a trial, every attempt, under the record's own names
    Csv,
    /// hyperfine's JSON: a benchmark a cell, a time a trial: the server's CPU for 1,000 requests
    Hyperfine,
    /// HdrHistogram's log: a histogram a trial, tagged by its cell
    Hdr,
}

impl Format {
    fn ending(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Hyperfine => "json",
            Self::Hdr => "hlog",
        }
    }
}

/// A run in another format, and what of it that format cannot hold, in plain words.
#[derive(Clone, Debug, Default)]
pub struct Exported {
    /// The file's content.
    pub text: String,
    /// What was left out, and why.
    pub notes: Vec<String>,
}

/// Reads a run and writes it to standard output, or to a file, or into a folder under the run's name.
pub fn export(run: &Path, format: Format, out: Option<&Path>) -> anyhow::Result<Exit> {
    let run = pages::read(run)?;
    let exported = text_of(&run, format)?;
    for note in &exported.notes {
        eprintln!("c10k: {note}");
    }
    match out {
        None => print(&exported.text)?,
        Some(out) => {
            let path = path(out, &run, format);
            std::fs::write(&path, exported.text).with_context(|| {
                format!("failed to write `{}`; name a file in a folder that exists", path.display())
            })?;
            println!("the export is at {}", pages::shown(&path));
        }
    }
    Ok(Exit::Done)
}

/// The run in that format.
///
/// # Errors
/// Nothing of the run fits the format.
pub fn text_of(run: &Run, format: Format) -> anyhow::Result<Exported> {
    match format {
        Format::Csv => csv::text_of(run),
        Format::Hyperfine => hyperfine::text_of(run),
        Format::Hdr => hdr::text_of(run),
    }
}

fn path(out: &Path, run: &Run, format: Format) -> PathBuf {
    if out.is_dir() {
        out.join(format!("{}.{}", run.name(), format.ending()))
    } else {
        out.to_path_buf()
    }
}

fn print(text: &str) -> io::Result<()> {
    io::stdout().lock().write_all(text.as_bytes()).or_else(|error| match error.kind() {
        // Piped into a reader that has seen enough.
        io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(error),
    })
}
