//! Where things are: the workspace that this binary was built from, and the contestants beside it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::Context as _;

/// How the contestants were built; records are made of release builds only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// For tests.
    Debug,
    /// For figures.
    Release,
}

impl Profile {
    /// The profile of this very binary, which is that of the contestants in its folder.
    #[must_use]
    pub fn of_this_binary() -> Self {
        if cfg!(debug_assertions) { Self::Debug } else { Self::Release }
    }

    /// The name that cargo gives it in paths.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Release => "release",
        }
    }
}

/// The root of the workspace: the one that this binary was built from, else the one that the user stands in.
pub fn root() -> anyhow::Result<PathBuf> {
    let is_root = |folder: &Path| folder.join("crates/models.toml").exists();
    let built_from =
        Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).map(Path::to_path_buf);
    if let Some(root) = built_from.filter(|folder| is_root(folder)) {
        return Ok(root);
    }
    let here = std::env::current_dir().context("failed to find the current folder")?;
    let found = here.ancestors().find(|folder| is_root(folder)).map(Path::to_path_buf);
    found.with_context(|| {
        format!("no workspace of c10k at `{}` or above; change to it first", here.display())
    })
}

/// The folder of the binaries: that of this one, and for a test's binary the folder above it.
pub fn binaries() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("failed to find this binary")?;
    let folder = own.parent().context("this binary lies in no folder")?;
    let inner = folder.ends_with("deps") || folder.ends_with("examples");
    let folder = if inner { folder.parent().unwrap_or(folder) } else { folder };
    Ok(folder.to_path_buf())
}

/// Builds the contestants and what measures them, with cargo's own output to be seen.
pub fn build(root: &Path, profile: Profile) -> anyhow::Result<()> {
    run(build_command(root, profile), "failed to build the contestants; mend the errors above")
}

/// The command of [`build`], for who runs it in a way of its own.
#[must_use]
pub fn build_command(root: &Path, profile: Profile) -> Command {
    let mut command = cargo(root, profile);
    command.args(["--workspace", "--bins"]);
    // Each of these brings dozens of crates, and is run by its own command alone.
    for apart in ["benches", "drivers", "scripts"] {
        command.args(["--exclude", apart]);
    }
    command
}

/// For tests and benches: builds contestants and examples once in this process, in its own profile, and says where the
/// contestants lie.
///
/// The examples are what makes cargo unite features as `cargo test --workspace` does: what that has built is not built
/// again.
///
/// # Panics
/// When they do not build, with cargo's output above.
pub fn built_once() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let root = root().expect("tests run inside the workspace");
        // A bench shows this, a test only where it fails.
        eprintln!("building the contestants, unless they are there: some minutes the first time");
        let mut command = cargo(&root, Profile::of_this_binary());
        command.args(["--quiet", "--workspace", "--bins", "--examples"]);
        run(command, "failed to build the contestants").expect("the contestants build");
        binaries().expect("a test's binary lies in the target folder")
    })
}

/// For tests that need a program that is none of the workspace's binaries: that example.
///
/// # Panics
/// When it does not build, with cargo's output above.
#[must_use]
pub fn example(name: &str) -> PathBuf {
    built_once().join("examples").join(name)
}

fn cargo(root: &Path, profile: Profile) -> Command {
    // The cargo that runs this program is the one to build with: a toolchain may have been chosen for it.
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root).arg("build").stdin(Stdio::null());
    if profile == Profile::Release {
        command.arg("--release");
    }
    command
}

fn run(mut command: Command, failure: &str) -> anyhow::Result<()> {
    let status = command
        .status()
        .context("failed to start cargo; install it, or measure what is built by --no-build")?;
    anyhow::ensure!(status.success(), "{failure}");
    Ok(())
}
