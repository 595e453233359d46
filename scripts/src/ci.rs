//! Every check there is, cheapest first; the first that fails ends it.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use clap::Args;
use record::run::Run;
use record::trial::Outcome;
use xshell::{Cmd, Shell};

use crate::counted::{self, Counts};
use crate::{cargo, interrupt};

/// Run every check: format, lints, docs, contestants at 10,000 connections, the page in a browser, tests
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  cargo script ci\n  cargo script ci format lint test\n\n\
    The page needs Debian's `chromium`; `.ci/run` installs it. The last line counts the tests that ran.")]
pub(crate) struct Options {
    /// Only these steps, in their usual order [default: all]
    #[arg(value_name = "STEP", value_parser = STEPS.map(|step| step.name))]
    steps: Vec<String>,
}

struct Step {
    name: &'static str,
    does: &'static str,
    run: fn(&Shell) -> anyhow::Result<Counts>,
}

const STEPS: [Step; 9] = [
    Step { name: "format", does: "every file is as rustfmt writes it", run: format },
    Step { name: "lint", does: "clippy has nothing to say, tests and benches included", run: lint },
    Step { name: "docs", does: "the documentation builds without a warning", run: docs },
    Step {
        name: "smoke",
        does: "every contestant at 1,000 connections, the loops at 10,000",
        run: smoke,
    },
    Step {
        name: "loom",
        does: "every interleaving of handmade-async's wakers and queue",
        run: loom,
    },
    Step { name: "page", does: "the page in a real browser", run: page },
    Step { name: "nginx", does: "the generator's count against nginx's own", run: nginx },
    Step {
        name: "drivers",
        does: "real drivers against a real PostgreSQL and Redis, and hyperfine on our commands",
        run: drivers,
    },
    Step { name: "test", does: "every test, and every bench once", run: test },
];

pub(crate) fn run(shell: &Shell, options: &Options) -> anyhow::Result<()> {
    let chosen = |step: &&Step| {
        options.steps.is_empty() || options.steps.iter().any(|name| name == step.name)
    };
    let steps: Vec<&Step> = STEPS.iter().filter(chosen).collect();
    println!("ci: {} steps", steps.len());
    for step in &steps {
        println!("  {:8}{}", step.name, step.does);
    }
    interrupt::catch()?;
    let start = Instant::now();
    let mut passed = Vec::new();
    for step in &steps {
        println!("\nci: {}: {}", step.name, step.does);
        let begun = Instant::now();
        let done = (step.run)(shell);
        let counts = done.with_context(|| {
            format!("step `{0}` failed; repeat it with cargo script ci {0}", step.name)
        })?;
        passed.push((step.name, counts, begun.elapsed()));
    }
    println!("\nci: {} steps passed in {:.0} s", steps.len(), start.elapsed().as_secs_f64());
    for (name, _, time) in &passed {
        println!("  {name:8}{:6.1} s", time.as_secs_f64());
    }
    // Alone on the last line, so that a reader of the log's end sees what ran.
    println!("{}", sum(passed.iter().map(|(name, counts, _)| (*name, *counts))));
    Ok(())
}

/// All tests that ran; those that the step `test` skips and another step runs count once.
fn sum(results: impl Iterator<Item = (&'static str, Counts)>) -> Counts {
    let (mut sum, mut ran_apart) = (Counts::default(), 0);
    for (step, counts) in results {
        sum += counts;
        if step != "test" {
            ran_apart += counts.passed;
        }
    }
    sum.skipped = sum.skipped.saturating_sub(ran_apart);
    sum
}

fn format(shell: &Shell) -> anyhow::Result<Counts> {
    crate::run(cargo(shell).args(["fmt", "--all", "--check"]))?;
    Ok(Counts::default())
}

fn lint(shell: &Shell) -> anyhow::Result<Counts> {
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    crate::run(cargo(shell).args(clippy))?;
    Ok(Counts::default())
}

fn docs(shell: &Shell) -> anyhow::Result<Counts> {
    let doc = cargo(shell).args(["doc", "--workspace", "--no-deps"]);
    crate::run(doc.env("RUSTDOCFLAGS", "-D warnings"))?;
    Ok(Counts::default())
}

/// The plan beside this package, and each answer of 10,000 connections twice. The tests run the battery.
fn smoke(shell: &Shell) -> anyhow::Result<Counts> {
    let folder = shell.create_temp_dir()?;
    // Whether noise spoilt a figure is nothing to a check that looks at outcomes.
    let run =
        ["c10k", "run", "--plan", "scripts/smoke.toml", "--no-verify", "--retries", "0", "--out"];
    crate::run(smoke_cargo(shell).args(run).arg(folder.path()))?;
    every_contestant_served(shell, folder.path())?;
    let hold = ["c10k", "verify", "--no-build", "--cases", "hold", "--connections", "10000"];
    crate::run(smoke_cargo(shell).args(hold).args(["--models", "mio-loop,tokio-tasks"]))?;
    Ok(Counts::default())
}

fn every_contestant_served(shell: &Shell, results: &Path) -> anyhow::Result<()> {
    let is_run = |path: &PathBuf| path.join("trials.jsonl").exists();
    let run =
        shell.read_dir(results)?.into_iter().find(is_run).context("the run left no records")?;
    let run = Run::read(&run)?;
    ensure!(!run.trials.is_empty(), "the run recorded no trial");
    for trial in &run.trials {
        // A pool is smaller than the connections by intent, and the exit status has told whether it was that.
        let fine = matches!(trial.outcome, Outcome::Ok | Outcome::Starved);
        let detail = trial.outcome_detail.as_deref().unwrap_or("no detail was recorded");
        ensure!(
            fine,
            "{} at {} connections: {:?}: {detail}",
            trial.model,
            trial.connections,
            trial.outcome
        );
    }
    Ok(())
}

/// Built apart and hardly optimised, which changes how fast contestants are, not whether they serve.
fn smoke_cargo(shell: &Shell) -> Cmd<'_> {
    released(shell, "target/smoke").env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
}

/// For release builds that nobody measures: thin LTO takes half of one.
fn released<'a>(shell: &'a Shell, target: &str) -> Cmd<'a> {
    cargo(shell)
        .env("CARGO_TARGET_DIR", target)
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "false")
}

/// Built apart: the flag replaces the atomics of all that is compiled with it.
fn loom(shell: &Shell) -> anyhow::Result<Counts> {
    let tests = ["test", "--package", "handmade-async", "--release", "--test", "loom"];
    let command = released(shell, "target/loom").args(tests).env("RUSTFLAGS", "--cfg loom");
    let (counts, succeeded) = counted::run(command)?;
    ensure!(succeeded, "{counts}");
    ensure!(counts.passed > 0, "no test ran; look for `cfg(loom)` in handmade-async's tests");
    Ok(counts)
}

/// Ignored in the step `test`, for the sake of people without a browser.
fn page(shell: &Shell) -> anyhow::Result<Counts> {
    ignored(shell, ["--test", "browser"], "chromium chromium-driver")
}

/// Ignored in the step `test`, for the sake of people without that server.
fn nginx(shell: &Shell) -> anyhow::Result<Counts> {
    ignored(shell, ["--test", "nginx"], "nginx")
}

/// Ignored in the step `test`, for the sake of people without those servers and hyperfine.
fn drivers(shell: &Shell) -> anyhow::Result<Counts> {
    ignored(shell, ["--bin", "scripts"], "postgresql redis-server hyperfine")
}

/// Runs the ignored tests of one target. A package alone would unite the features of its dependencies otherwise than the
/// workspace does, and compile those again for the step `test`.
fn ignored(shell: &Shell, target: [&str; 2], needs: &str) -> anyhow::Result<Counts> {
    let command = cargo(shell).args(["test", "--workspace"]).args(target).args(["--", "--ignored"]);
    let (counts, succeeded) = counted::run(command)?;
    ensure!(succeeded, "{counts}; these tests need other programs: apt-get install {needs}");
    ensure!(counts.passed > 0, "no test ran; look for `#[ignore]` in {}", target.join(" "));
    Ok(counts)
}

fn test(shell: &Shell) -> anyhow::Result<Counts> {
    let (counts, succeeded) = counted::run(cargo(shell).args(["test", "--workspace"]))?;
    ensure!(succeeded, "{counts}");
    ensure!(counts.passed > 0, "no test ran");
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_that_run_in_a_step_of_their_own_are_not_skipped() {
        let page = Counts { passed: 2, failed: 0, skipped: 0 };
        let test = Counts { passed: 100, failed: 0, skipped: 3 };
        assert_eq!(
            sum([("page", page), ("test", test)].into_iter()).to_string(),
            "102 passed, 0 failed, 1 skipped"
        );
        assert_eq!(
            sum([("test", test)].into_iter()).to_string(),
            "100 passed, 0 failed, 3 skipped"
        );
    }
}
