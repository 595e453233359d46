//! Going on with a run that was interrupted, by its own plan.

use std::path::PathBuf;

use anyhow::Context as _;
use record::run::{Run, RunWriter, newest_unfinished};

use super::Context;
use crate::exit::UsageError;
use crate::origin::Origin;
use crate::pages;
use crate::plan::Plan;

/// The folder that was named, else that of the newest unfinished run.
pub(super) fn resumed(context: &Context, folder: Option<&PathBuf>) -> anyhow::Result<PathBuf> {
    if let Some(folder) = folder {
        return Ok(folder.clone());
    }
    newest_unfinished(&context.results)?.ok_or_else(|| {
        let where_to = pages::shown(&context.results);
        UsageError::new(format!("no unfinished run in `{where_to}`; name its folder")).into()
    })
}

/// Opens it again, with its plan and what it holds.
pub(super) fn resume(
    context: &Context,
    folder: Option<PathBuf>,
    origin: &Origin,
) -> anyhow::Result<(RunWriter, Plan, Run)> {
    let folder = resumed(context, folder.as_ref())?;
    let (writer, run) = RunWriter::resume(&folder)?;
    for warning in &run.warnings {
        eprintln!("c10k: {warning}");
    }
    if run.machine.git_revision.as_deref() != origin.revision() {
        eprintln!(
            "c10k: the sources are of another revision than when this run began; a new run would be cleaner"
        );
    }
    let plan = Plan::parse(&run.plan)
        .with_context(|| format!("failed to read the plan of `{}`", folder.display()))?;
    Ok((writer, plan, run))
}
