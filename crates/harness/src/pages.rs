//! From records to the page.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use record::Benches;
use record::run::Run;
use report::{Extras, Filed};
use serde::Deserialize;

use crate::criterion;
use crate::exit::Exit;
use crate::workspace;

/// Where the page of a run goes unless the user says otherwise, below the workspace's root.
pub const PAGE: &str = "report/index.html";

/// Where what is measured goes, below the workspace's root.
const RESULTS: &str = "results";

/// Reads runs and writes their page, each beside the baseline where there is one.
pub fn report(
    runs: &[PathBuf],
    baseline: Option<&Path>,
    out: Option<PathBuf>,
) -> anyhow::Result<Exit> {
    let root = workspace::root()?;
    let out = out.unwrap_or_else(|| root.join(PAGE));
    record_benches(&root, &root.join(RESULTS))?;
    let runs = runs.iter().map(|folder| read(folder)).collect::<anyhow::Result<Vec<Run>>>()?;
    let baseline = baseline.map(read).transpose()?;
    write(&runs, baseline.as_ref(), &out)?;
    println!("the report is at {}", shown(&out));
    Ok(Exit::Done)
}

/// What lies beside the runs, the newest of each kind.
fn extras(results: &Path) -> Extras {
    Extras {
        benches: filed(results, "criterion-", Benches::read),
        hyperfine: filed(results, "hyperfine-", json),
        drivers: filed(results, "drivers-", json),
    }
}

/// Writes what criterion left in the target folder to `results/`, where it is newer than the newest record.
fn record_benches(root: &Path, results: &Path) -> anyhow::Result<()> {
    let Some(found) = criterion::collect(root, None) else { return Ok(()) };
    let measured = |benches: &Benches| {
        let times = benches.estimates.iter().map(|estimate| estimate.measured_at.clone());
        times.chain(benches.memory.iter().map(|unit| unit.measured_at.clone())).max().flatten()
    };
    let recorded = filed(results, "criterion-", Benches::read);
    if measured(&found) > recorded.and_then(|filed| measured(&filed.record)) {
        let path = criterion::write(&found, results)
            .with_context(|| format!("failed to record the benches in `{}`", results.display()))?;
        println!("recorded the benches of the target folder in {}", shown(&path));
    }
    Ok(())
}

/// The newest file of a kind, by the stamp in its name. One that cannot be read is said and left out: a page of a run
/// does not fail for what lies beside it.
fn filed<T>(
    results: &Path,
    prefix: &str,
    read: impl Fn(&Path) -> anyhow::Result<T>,
) -> Option<Filed<T>> {
    let entries = std::fs::read_dir(results).ok()?;
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let ours = |name: &String| {
        name.strip_prefix(prefix).is_some_and(|rest| rest.strip_suffix(".json").is_some())
    };
    let file = names.filter(ours).max()?;
    match read(&results.join(&file)) {
        Ok(record) => Some(Filed { file, record }),
        Err(error) => {
            eprintln!("c10k: the page leaves out results/{file}, which cannot be read: {error:#}");
            None
        }
    }
}

fn json<T: for<'a> Deserialize<'a>>(path: &Path) -> anyhow::Result<T> {
    Ok(serde_json::from_slice(&std::fs::read(path)?)?)
}

/// Reads a run and says what is wrong with its files.
pub fn read(folder: &Path) -> anyhow::Result<Run> {
    let run = Run::read(folder)
        .with_context(|| format!("failed to read a run at `{}`", folder.display()))?;
    for warning in &run.warnings {
        eprintln!("c10k: {}: {warning}", folder.display());
    }
    Ok(run)
}

/// Writes the page, and the folder that it needs.
pub fn write(runs: &[Run], baseline: Option<&Run>, out: &Path) -> anyhow::Result<()> {
    if let Some(folder) = out.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("failed to make the folder `{}`", folder.display()))?;
    }
    let extras = extras(&workspace::root()?.join(RESULTS));
    report::write(runs, baseline, &extras, out)
        .with_context(|| format!("failed to write the report `{}`", out.display()))
}

/// A path as the user can paste it: relative where it lies below the current folder.
#[must_use]
pub fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}
