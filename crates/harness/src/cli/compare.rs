//! The command line of `c10k compare`.

use std::path::PathBuf;

use clap::Args;
use harness::compare::{Asked, With};
use harness::exit::UsageError;

pub(super) const EXAMPLES: &str = "\
Examples:
  c10k compare results/A results/B                         cell by cell, ratios are B over A
  c10k compare results/A results/B --fail-on-regression    for CI: is anything worse?
  c10k compare results/A --models mio-loop,tokio-tasks     two models of one run, paired by repeat
  c10k compare results/A --variants default,burn           each model under two variants of one run

A difference is said where the ratio's interval leaves 1 out, the ratio is beyond the A/A floor
(how far a model's two entries lay apart), and it is one of those that remain when at most 5 % of
all differences of a figure are to be false. Six repeats are the fewest that give an interval.

Exit status: 0 compared, 1 failed, 2 called wrongly or the runs differ in machine or settings,
3 something is worse, with --fail-on-regression.";

#[derive(Args, Debug)]
pub(crate) struct CompareArgs {
    /// Folders of two runs, or of one with --models or --variants
    #[arg(required = true, num_args = 1..=2, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Two models of one run: the second over the first
    #[arg(long, value_name = "A,B", value_delimiter = ',', conflicts_with = "variants")]
    models: Option<Vec<String>>,
    /// Two variants of one run: the second over the first, for each model
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    variants: Option<Vec<String>>,
    /// Figures to compare: rate, p50, p99, cpu, switches, syscalls, pss, memory [default: all]
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    metrics: Option<Vec<String>>,
    /// Compare although machine or settings differ
    #[arg(long)]
    anyway: bool,
    /// End with status 3 if anything is worse
    #[arg(long)]
    fail_on_regression: bool,
    /// As JSON, with all numbers
    #[arg(long)]
    json: bool,
}

impl CompareArgs {
    /// What is compared with what, and how it is said.
    pub(crate) fn asked(self) -> Result<Asked, UsageError> {
        let two = |what: &str, names: Vec<String>| match <[String; 2]>::try_from(names) {
            Ok(names) => Ok(names),
            Err(_) => Err(UsageError::new(format!("--{what} names two, such as `--{what} A,B`"))),
        };
        let mut runs = self.runs.into_iter();
        let (Some(first), second) = (runs.next(), runs.next()) else {
            return Err(UsageError::new("name a run, such as a folder of `results/`"));
        };
        let with = match (second, self.models, self.variants) {
            (Some(second), None, None) => With::Run(second),
            (None, Some(models), None) => With::Models(two("models", models)?),
            (None, None, Some(variants)) => With::Variants(two("variants", variants)?),
            (None, ..) => {
                let how = "name a second run, or two models with --models, or two variants with --variants";
                return Err(UsageError::new(format!(
                    "one run has nothing to be compared with; {how}"
                )));
            }
            (Some(_), ..) => {
                let how = "name one run, or leave them out";
                return Err(UsageError::new(format!(
                    "--models and --variants compare within one run; {how}"
                )));
            }
        };
        Ok(Asked {
            run: first,
            with,
            metrics: self.metrics,
            anyway: self.anyway,
            fail_on_regression: self.fail_on_regression,
            json: self.json,
        })
    }
}
