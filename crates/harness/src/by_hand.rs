//! `serve`, `fetch`, `idiom`: one contestant by hand.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, anyhow};

use crate::exit::Exit;
use crate::registry::Registry;
use crate::workspace::{self, Profile};

/// Becomes the contestant, so that its exit status, its signals and its terminal are the user's; returns on failure only.
pub fn become_contestant(
    registry: &Registry,
    verb: &str,
    model: &str,
    args: &[OsString],
) -> anyhow::Result<Exit> {
    let program = program(registry, model)?;
    let error = Command::new(&program).arg(verb).args(args).exec();
    Err(anyhow!(error)).with_context(|| {
        format!("failed to start `{}`; build it with cargo build", program.display())
    })
}

/// The contestant's binary, built where it is not there yet.
pub(crate) fn program(registry: &Registry, model: &str) -> anyhow::Result<PathBuf> {
    let program = workspace::binaries()?.join(&registry.get(model)?.name);
    if !program.exists() {
        workspace::build(&workspace::root()?, Profile::of_this_binary())?;
    }
    Ok(program)
}
