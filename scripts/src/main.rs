//! `cargo script VERB`: what a colleague can run again. A file for each verb; none needs root; each says what it does.

mod anchors;
mod ci;
mod compare;
mod counted;
mod drivers;
mod hyperfine;
mod interrupt;
mod local;
mod power;
mod reference;

use std::path::Path;
use std::process::ExitCode;

use clap::error::{ContextKind, ErrorKind};
use clap::{CommandFactory as _, Parser, Subcommand};
use xshell::Shell;

/// What is done again and again around the suite, as programs
#[derive(Debug, Parser)]
#[command(bin_name = "cargo script", arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Anchors(anchors::Options),
    Ci(ci::Options),
    Compare(compare::Options),
    Drivers(drivers::Options),
    Hyperfine(hyperfine::Options),
    Power(power::Options),
    Reference(reference::Options),
}

/// Exit code of a script that was called wrongly.
const USAGE: u8 = 2;
/// Exit code after Ctrl-C.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.kind() == ErrorKind::InvalidSubcommand => {
            let verb = error
                .get(ContextKind::InvalidSubcommand)
                .map(ToString::to_string)
                .unwrap_or_default();
            eprintln!("script: unknown verb `{verb}`; the verbs are {}", verbs());
            return ExitCode::from(USAGE);
        }
        Err(error) => error.exit(),
    };
    let done = shell().and_then(|shell| match cli.verb {
        Verb::Anchors(options) => anchors::run(&shell, &options),
        Verb::Ci(options) => ci::run(&shell, &options),
        Verb::Compare(options) => compare::run(&shell, &options),
        Verb::Power(options) => power::run(&shell, &options),
        Verb::Drivers(options) => drivers::run(&shell, &options),
        Verb::Hyperfine(options) => hyperfine::run(&shell, &options),
        Verb::Reference(options) => reference::run(&shell, &options),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("script: {error:#}");
            if interrupt::requested() { ExitCode::from(INTERRUPTED) } else { ExitCode::FAILURE }
        }
    }
}

fn verbs() -> String {
    let verbs: Vec<String> =
        Cli::command().get_subcommands().map(|verb| format!("`{}`", verb.get_name())).collect();
    verbs.join(", ")
}

/// A shell in the root of the workspace.
fn shell() -> anyhow::Result<Shell> {
    let shell = Shell::new()?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this package is a folder of the workspace");
    shell.change_dir(root);
    Ok(shell)
}

/// The cargo that runs this script: a toolchain may have been chosen for it.
fn cargo(shell: &Shell) -> xshell::Cmd<'_> {
    shell.cmd(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Shows a command and runs it to its end, or to the user's.
fn run(command: xshell::Cmd<'_>) -> anyhow::Result<()> {
    eprintln!("$ {command}");
    interrupt::run(&mut command.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_verb_is_listed() {
        let all = "`anchors`, `ci`, `compare`, `drivers`, `hyperfine`, `power`, `reference`";
        assert_eq!(verbs(), all);
    }
}
