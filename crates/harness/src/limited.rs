//! A contestant that gets less of what a connection takes: descriptors, or processes where those carry a connection.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use anyhow::Context as _;
use tempfile::TempDir;

use crate::contestant::Launch;
use crate::registry::Model;

/// What the server gets of the resource that a connection takes one of, and connections that want one each.
pub(crate) const RESOURCES: u32 = 64;
pub(crate) const CONNECTIONS: usize = 200;

/// Why a forking contestant cannot be refused anything.
pub(crate) const NEEDS_ROOT: &str = "only root can refuse forks to this contestant alone";

/// A user without processes, so that a limit on processes counts the contestant's alone. It need not exist.
const USER: u32 = 64_999;

/// Whether its connections take processes and no descriptors: the parent closes its copy of each.
pub(crate) fn forks(model: &Model) -> bool {
    model.per_connection.fds == 0
}

/// With as little as [`RESOURCES`] of what a connection takes, where that is wanted. The folder holds a copy of the program,
/// if it runs from one, until it runs.
pub(crate) fn launch(
    launch: Launch,
    model: &Model,
    scarce: bool,
) -> anyhow::Result<(Launch, Option<TempDir>)> {
    if !scarce {
        return Ok((launch, None));
    }
    if !forks(model) {
        return Ok((descriptors(launch, RESOURCES), None));
    }
    anyhow::ensure!(nix::unistd::geteuid().is_root(), "{NEEDS_ROOT}; run c10k as root");
    let (launch, copy) = processes(launch, RESOURCES)?;
    Ok((launch, Some(copy)))
}

/// No more than so many descriptors, which it cannot raise.
pub(crate) fn descriptors(launch: Launch, most: u32) -> Launch {
    behind_shell(launch, &format!("ulimit -n {most}"))
}

/// As a user of its own, who may have no more than so many processes: `fork` then fails with EAGAIN. Only root can, since
/// the kernel counts no processes of root's and those of others all together. The folder may go once it runs.
pub(crate) fn processes(mut launch: Launch, most: u32) -> anyhow::Result<(Launch, TempDir)> {
    // That user may not reach the folder of the binaries.
    let folder = tempfile::tempdir()?;
    fs::set_permissions(&folder, Permissions::from_mode(0o755))?;
    let name = launch.program.file_name().context("a program has a name")?;
    let copy = folder.path().join(name);
    fs::copy(&launch.program, &copy)
        .with_context(|| format!("failed to copy `{}`", launch.program.display()))?;
    launch.program = copy;
    launch.user = Some(USER);
    // bash counts processes by -u, dash and busybox by -p.
    let limit = format!("{{ ulimit -u {most} 2>&- || ulimit -p {most}; }}");
    Ok((behind_shell(launch, &limit), folder))
}

/// The same behind a shell that takes on a limit.
fn behind_shell(mut launch: Launch, limit: &str) -> Launch {
    let program = launch.program.display().to_string();
    launch.args.splice(0..0, ["-c".to_owned(), format!("{limit} && exec \"$0\" \"$@\""), program]);
    launch.program = "/bin/sh".into();
    launch
}
