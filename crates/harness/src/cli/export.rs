//! The command line of `c10k export`.

use std::path::PathBuf;

use clap::Args;
use harness::export::Format;

pub(super) const EXAMPLES: &str = "\
Examples:
  c10k export results/20250304T050607Z-host-0a1b2c3 --format csv --out trials.csv
  c10k export results/20250304T050607Z-host-0a1b2c3 --format hdr --out .
  c10k export results/20250304T050607Z-host-0a1b2c3 --format hyperfine --out cells.json
  python3 plot_whisker.py cells.json     that script comes with hyperfine's sources, version 1.x

CSV has every trial; the others have those that enter medians, and say what they left out.
A time in hyperfine's JSON is the server's CPU of 1000 requests in one trial, in seconds.";

#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    /// Folder of the run
    #[arg(value_name = "RUN")]
    pub(crate) run: PathBuf,
    /// What to write it as
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) format: Format,
    /// The file to write, or a folder for a file of the run's name [default: standard output]
    #[arg(long, value_name = "FILE|DIR")]
    pub(crate) out: Option<PathBuf>,
}
