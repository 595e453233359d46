//! From records to the page.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use record::run::Run;

use crate::exit::Exit;
use crate::workspace;

/// Where the page of a run goes unless the user says otherwise, below the workspace's root.
pub const PAGE: &str = "report/index.html";

/// Reads runs and writes their page, each beside the baseline where there is one.
pub fn report(
    runs: &[PathBuf],
    baseline: Option<&Path>,
    out: Option<PathBuf>,
) -> anyhow::Result<Exit> {
    let out = out.map_or_else(|| workspace::root().map(|root| root.join(PAGE)), Ok)?;
    let runs = runs.iter().map(|folder| read(folder)).collect::<anyhow::Result<Vec<Run>>>()?;
    let baseline = baseline.map(read).transpose()?;
    write(&runs, baseline.as_ref(), &out)?;
    println!("the report is at {}", shown(&out));
    Ok(Exit::Done)
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
    report::write(runs, baseline, out)
        .with_context(|| format!("failed to write the report `{}`", out.display()))
}

/// A path as the user can paste it: relative where it lies below the current folder.
#[must_use]
pub fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}
