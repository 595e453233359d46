//! `cargo test`, with its output shown as it comes and its results counted.

use std::io::{BufRead as _, BufReader};
use std::ops::AddAssign;
use std::process::{Command, Stdio};

use crate::interrupt;

/// How many tests had which end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// Runs a `cargo test` and counts; the second value says whether it succeeded.
pub(crate) fn run(command: xshell::Cmd<'_>) -> anyhow::Result<(Counts, bool)> {
    run_into(command, &mut std::io::stdout())
}

fn run_into(
    command: xshell::Cmd<'_>,
    shown: &mut impl std::io::Write,
) -> anyhow::Result<(Counts, bool)> {
    let mut command = Command::from(command);
    let mut worker = interrupt::start(command.stdin(Stdio::null()).stdout(Stdio::piped()))?;
    let output = BufReader::new(worker.stdout()?);
    let mut counts = Counts::default();
    for line in output.split(b'\n') {
        // A test may print anything; only libtest's own lines need to be text.
        let line = String::from_utf8_lossy(&line?).into_owned();
        writeln!(shown, "{line}")?;
        if let Some(result) = counts_of(&line) {
            counts += result;
        }
    }
    Ok((counts, worker.wait()?.success()))
}

/// The numbers of libtest's line `test result: ok. 5 passed; 0 failed; 1 ignored; ...`.
fn counts_of(line: &str) -> Option<Counts> {
    let (_verdict, numbers) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let number = |word: &str| {
        let part = numbers.split("; ").find_map(|part| part.strip_suffix(word))?;
        part.trim().parse().ok()
    };
    Some(Counts {
        passed: number("passed")?,
        failed: number("failed")?,
        skipped: number("ignored")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_libtest_are_counted_and_nothing_else() {
        let ok = "test result: ok. 12 passed; 0 failed; 3 ignored; 0 measured; 1 filtered out; finished in 0.02s";
        assert_eq!(counts_of(ok), Some(Counts { passed: 12, failed: 0, skipped: 3 }));
        let failed = "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s";
        assert_eq!(counts_of(failed), Some(Counts { passed: 1, failed: 2, skipped: 0 }));
        assert_eq!(counts_of("test service::tests::split ... ok"), None);
        assert_eq!(counts_of("test result: who knows"), None);
    }

    #[test]
    fn a_run_is_counted_and_its_failure_seen() {
        let alone = interrupt::ALONE.lock();
        let shell = xshell::Shell::new().unwrap();
        let line = "test result: FAILED. 1 passed; 2 failed; 4 ignored; 0 measured; 0 filtered out";
        let command =
            shell.cmd("sh").args(["-c", &format!("echo '{line}'; echo '{line}'; exit 101")]);
        let mut shown = Vec::new();
        let counted = run_into(command, &mut shown).unwrap();
        assert_eq!(counted, (Counts { passed: 2, failed: 4, skipped: 8 }, false));
        assert_eq!(shown, format!("{line}\n{line}\n").into_bytes());
        drop(alone);
    }
}
