//! `c10k claims`: what others claim, put to the test by a run.
//!
//! ```text
//! claims.toml: claim > demands as data --+
//! run, lab, pages, drivers: figures -----+--> verdict, with every figure that decided it
//! ```

mod criterion;
mod evidence;
mod judge;
mod laboratory;
mod metric;
mod nesting;
mod of_drivers;
mod of_run;
mod table;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeSet;
use std::path::Path;

use record::claims::{CLAIMS, LabLine, Verdicts};
use record::run::{Run, Timestamp, utc};

pub(crate) use self::laboratory::Interrupted;

use self::criterion::{Book, Test};
use self::evidence::Evidence;
use crate::exit::Exit;
use crate::{pages, workspace};

/// What the caller asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked {
    /// Run the laboratory.
    pub lab: bool,
    /// Compute anew what is recorded, and print it only.
    pub again: bool,
    /// As JSON.
    pub json: bool,
}

/// Prints every claim with its source and its criteria.
#[must_use]
pub fn list() -> Exit {
    table::list(&Book::embedded());
    Exit::Done
}

/// Prints the verdicts as a table.
pub(crate) fn print(verdicts: &Verdicts) {
    table::print(verdicts);
}

/// The experiments that the claims are judged by.
#[must_use]
pub fn experiments() -> BTreeSet<String> {
    let tests = Book::embedded().claims.into_iter().flat_map(|claim| claim.tests);
    tests.flat_map(|test| test.experiment.into_iter().chain(test.also)).collect()
}

/// Judges the claims by the run that has just been measured in a folder, and records the verdicts, once.
pub(crate) fn at_end(folder: &Path, binaries: &Path) -> anyhow::Result<()> {
    if folder.join(CLAIMS).exists() {
        return Ok(());
    }
    let lab = laboratory::run(binaries)?;
    Ok(of(&Run::read(folder)?, &lab).write(folder)?)
}

/// Judges the claims by the run in a folder, records the verdicts where there are none, and prints them.
pub fn claims(folder: &Path, asked: Asked) -> anyhow::Result<Exit> {
    let run = pages::read(folder)?;
    let recorded = Verdicts::read(folder)?;
    let verdicts = if let Some(recorded) = recorded.filter(|_| !asked.again) {
        recorded
    } else {
        let lab = if asked.lab { laboratory::run(&workspace::binaries()?)? } else { Vec::new() };
        let verdicts = of(&run, &lab);
        record(&run, &verdicts, asked)?;
        verdicts
    };
    if asked.json {
        println!("{}", serde_json::to_string_pretty(&verdicts)?);
    } else {
        table::print(&verdicts);
    }
    Ok(Exit::Done)
}

/// Verdicts are recorded once, so only those that are whole.
fn record(run: &Run, verdicts: &Verdicts, asked: Asked) -> anyhow::Result<()> {
    if asked.again || !asked.lab {
        return Ok(());
    }
    if run.finished_at.is_none() {
        eprintln!(
            "c10k: the run is unfinished, so its verdicts are printed and not recorded; finish it by `c10k run --resume`"
        );
        return Ok(());
    }
    let here = measure::provenance::machine(&workspace::root().unwrap_or_default());
    if (&here.kernel, &here.cpu_model) != (&run.machine.kernel, &run.machine.cpu_model) {
        eprintln!(
            "c10k: the run is of another machine than the laboratory's lines, so the verdicts are printed and not recorded; judge it there"
        );
        return Ok(());
    }
    Ok(verdicts.write(&run.dir)?)
}

/// What a run says of every claim, with the lines that the laboratory printed.
#[must_use]
pub fn of(run: &Run, lab: &[LabLine]) -> Verdicts {
    let book = Book::embedded();
    let evidence = Evidence::of(run, lab);
    Verdicts {
        run: run.name(),
        computed_at: utc(Timestamp::now()),
        claims: book.claims.iter().map(|claim| judge::judge(claim, &evidence)).collect(),
        sources: book.sources,
        lab: lab.to_vec(),
        ..Verdicts::default()
    }
}

/// The models of a test: those that it names, or all of the run, in report order.
fn models(run: &Run, test: &Test) -> Vec<String> {
    if !test.models.is_empty() {
        return test.models.clone();
    }
    run.machine.contestants.iter().map(|contestant| contestant.name.clone()).collect()
}
