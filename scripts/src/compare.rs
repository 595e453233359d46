//! The C10k comparison: what this machine allows, then every model up to ten thousand connections, then the page.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::Context as _;
use clap::Args;
use xshell::Shell;

use crate::{cargo, interrupt};

/// Compare the models as C10k asks: `c10k doctor`, then `c10k run`, which builds, measures and writes the page
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  cargo script compare\n  \
    cargo script compare --profile standard --models mio-loop,tokio-tasks")]
pub(crate) struct Options {
    /// Options of `c10k run`; see cargo c10k run --help
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
    run: Vec<String>,
}

/// What the name C10k asks for.
const CONNECTIONS: &str = "10000";

pub(crate) fn run(shell: &Shell, options: &Options) -> anyhow::Result<()> {
    println!("compare: cargo c10k doctor --connections {CONNECTIONS}");
    println!("compare: cargo c10k run {}", options.run.join(" "));
    interrupt::catch()?;
    let doctor = cargo(shell).args(["c10k", "doctor", "--connections", CONNECTIONS]);
    interrupt::run(&mut doctor.into())?;
    // The script becomes the run, whose Ctrl-C and exit status then are those of the user's own command.
    let mut run = Command::from(cargo(shell).args(["c10k", "run"]).args(&options.run));
    Err(run.exec()).context("failed to start cargo")
}
