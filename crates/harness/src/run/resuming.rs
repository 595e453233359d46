//! Going on with a run that was interrupted, by its own plan.

use std::path::{Path, PathBuf};

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
        let what = format!(
            "no unfinished run in `{where_to}`; name its folder, or begin one without --resume"
        );
        UsageError::new(what).into()
    })
}

/// The same, provided that it is of this profile.
///
/// # Errors
/// Where there is no such run, it cannot be read, or it is of another profile.
pub fn resumed_of(
    context: &Context,
    folder: Option<&PathBuf>,
    profile: &str,
) -> anyhow::Result<PathBuf> {
    let folder = resumed(context, folder)?;
    let own = plan_of(&Run::read(&folder)?, &folder)?.profile;
    if own == profile {
        return Ok(folder);
    }
    let shown = pages::shown(&folder);
    Err(UsageError::new(format!(
        "`{shown}` is of the profile `{own}`; name the folder of another run, or leave --profile out"
    ))
    .into())
}

fn plan_of(run: &Run, folder: &Path) -> anyhow::Result<Plan> {
    Plan::parse(&run.plan)
        .with_context(|| format!("failed to read the plan of `{}`", pages::shown(folder)))
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
    let plan = plan_of(&run, &folder)?;
    Ok((writer, plan, run))
}
