//! The laboratory: small experiments on what no load can show, one JSON line for each mechanism and variant.
//!
//! ```text
//! lab --> a process for each mechanism of each test --> lines: measurements, and controls that must fail or pass
//! ```
//!
//! A process of its own, since some mechanisms hang on purpose, others take their process with them, and no runtime is
//! to inherit another's threads.

mod executor;
mod future_eats_callback;
mod green;
mod lines;
mod mutual_wait;
mod mutual_wait_by_hand;
mod race;
mod swallow;
mod wasted_switches;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command as Process, ExitCode, Stdio};

use anyhow::Context as _;
use clap::{Arg, ArgMatches, Command};
use record::claims::LabLine;

/// A question, and everything that it is put to.
pub(crate) struct Test {
    pub(crate) name: &'static str,
    /// The question in one sentence.
    pub(crate) about: &'static str,
    pub(crate) mechanisms: &'static [Mechanism],
}

/// Something that carries units of work, and the experiment on it.
pub(crate) struct Mechanism {
    pub(crate) name: &'static str,
    pub(crate) run: fn() -> Vec<LabLine>,
}

const TESTS: [&Test; 6] = [
    &race::TEST,
    &wasted_switches::TEST,
    &mutual_wait::TEST,
    &future_eats_callback::TEST,
    &swallow::TEST,
    &executor::TEST,
];

fn main() -> ExitCode {
    match execute(&cli().get_matches()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lab: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn cli() -> Command {
    let tests = TESTS.map(|test| {
        let names = test.mechanisms.iter().map(|mechanism| mechanism.name);
        let mechanism = Arg::new("mechanism")
            .long("mechanism")
            .value_name("NAME")
            .value_parser(clap::builder::PossibleValuesParser::new(names))
            .help("This one alone, in this process [default: each in a process of its own]");
        Command::new(test.name).about(test.about).arg(mechanism)
    });
    Command::new("lab")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Experiments on concurrency that no load can make; all of them, unless one is named")
        .after_help("Examples:\n  lab\n  lab race\n  lab race --mechanism may-many\n\nEach line is a JSON object; `c10k claims` judges them.")
        .subcommands(tests)
}

fn execute(asked: &ArgMatches) -> anyhow::Result<()> {
    let (name, mechanism) = match asked.subcommand() {
        Some((name, args)) => (Some(name), args.get_one::<String>("mechanism")),
        None => (None, None),
    };
    for test in TESTS.into_iter().filter(|test| name.is_none_or(|name| name == test.name)) {
        for found in test.mechanisms {
            match mechanism {
                Some(mechanism) if mechanism == found.name => print(test, found)?,
                Some(_) => {}
                None => in_own_process(test, found)?,
            }
        }
    }
    Ok(())
}

fn print(test: &Test, mechanism: &Mechanism) -> anyhow::Result<()> {
    for line in (mechanism.run)() {
        show(&named(test, mechanism, line))?;
    }
    // Without waiting for those that wait for each other for ever.
    std::process::exit(0);
}

fn named(test: &Test, mechanism: &Mechanism, line: LabLine) -> LabLine {
    LabLine { test: test.name.into(), mechanism: mechanism.name.into(), ..line }
}

fn show(line: &LabLine) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(line)?)?;
    Ok(out.flush()?)
}

/// Passes on what the process prints; says so where it ended otherwise than it should.
fn in_own_process(test: &Test, mechanism: &Mechanism) -> anyhow::Result<()> {
    let own = std::env::current_exe().context("failed to find this binary")?;
    let mut process = Process::new(own)
        .args([test.name, "--mechanism", mechanism.name])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("failed to start a process for a mechanism")?;
    for line in process.stdout.take().into_iter().flat_map(|out| BufReader::new(out).lines()) {
        println!("{}", line?);
    }
    let status = process.wait()?;
    if !status.success() {
        show(&named(test, mechanism, lines::not_run(&format!("the process ended: {status}"))))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        cli().debug_assert();
    }

    /// Those that must fail and those that must pass, of every test whose threads end with it.
    #[test]
    fn every_control_comes_out_as_it_must() {
        for test in TESTS {
            for mechanism in test.mechanisms {
                let mut controls = 0;
                for line in (mechanism.run)() {
                    controls += usize::from(line.control.is_some());
                    assert_ne!(
                        line.sound,
                        Some(false),
                        "{} {}: {line:?}",
                        test.name,
                        mechanism.name
                    );
                }
                assert!(controls > 0, "{} {} has no control", test.name, mechanism.name);
            }
        }
    }
}
