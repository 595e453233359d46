//! The C10k comparison: what this machine allows, then every model up to ten thousand connections, then the page.

use anyhow::Context as _;
use clap::Args;
use xshell::Shell;

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
    crate::cargo(shell).args(["c10k", "doctor", "--connections", CONNECTIONS]).quiet().run()?;
    println!("compare: cargo c10k run {}", options.run.join(" "));
    let run = crate::cargo(shell).args(["c10k", "run"]).args(&options.run).quiet().run();
    run.context("the comparison failed; what was measured is kept, see above")
}
