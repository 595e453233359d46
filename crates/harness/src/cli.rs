//! The command line of `c10k`.

mod compare;
mod export;

use std::ffi::OsString;
use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use harness::overrides::Overrides;
use harness::plan::{Plan, Service};

/// One language, one wire behaviour, one handler: which concurrency model, at what load, at what cost, and why?
#[derive(Debug, Parser)]
#[command(name = "c10k", version, arg_required_else_help = true, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "Examples:\n  c10k run                every model, at most 6 minutes\n  c10k doctor             what this machine allows\n  c10k verify             are the contestants correct?\n\nExit status: 0 done, 1 failed, 2 called wrongly, 3 a threshold was missed, 130 interrupted.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build the contestants, measure them, record, and write the report
    #[command(after_help = RUN_EXAMPLES)]
    Run(Box<RunArgs>),
    /// Write the report of recorded runs
    #[command(
        after_help = "Examples:\n  c10k report results/20250304T050607Z-host-0a1b2c3 --out page.html\n  \
                            c10k report results/AFTER --baseline results/BEFORE"
    )]
    Report(ReportArgs),
    /// Say what differs between two runs, or between two models or variants of one
    #[command(after_help = compare::EXAMPLES)]
    Compare(compare::CompareArgs),
    /// Write a recorded run for spreadsheets, for hyperfine's plotting scripts, for HdrHistogram's tools
    #[command(after_help = export::EXAMPLES)]
    Export(export::ExportArgs),
    /// Say what this machine allows, what that caps, and how to lift it
    #[command(
        after_help = "Examples:\n  c10k doctor\n  c10k doctor --connections 50000   can each model hold that many?"
    )]
    Doctor(DoctorArgs),
    /// Prove the contestants correct: the conformance battery, a table model x case
    #[command(
        after_help = "Examples:\n  c10k verify\n  c10k verify --models mio-loop,tokio-tasks --cases panic,descriptors\n  \
                            c10k verify --cases hold --connections 10000   each holds them, and answers on all, twice\n  \
                            c10k verify --interop   does each model's client get on with each model's server?\n\n\
                            Exit status: 0 every case passed or is limited as declared, 1 a case failed, 2 called wrongly."
    )]
    Verify(VerifyArgs),
    /// Judge what others claim by a run: holds, does not hold, holds only when, not testable here
    #[command(after_help = CLAIMS_EXAMPLES)]
    Claims(ClaimsArgs),
    /// List the contestants: name, family, mechanism, runtime, lines of code
    #[command(after_help = "Examples:\n  c10k models\n  c10k models --json")]
    Models(ModelsArgs),
    /// Start one contestant's server by hand; the arguments are the contestant's
    #[command(
        after_help = "Example:\n  c10k serve mio-loop --listen 127.0.0.1:8080 --service http"
    )]
    Serve(ByHand),
    /// Start one contestant's server in the background; returns when it listens
    #[command(after_help = START_EXAMPLES)]
    Start(StartArgs),
    /// Stop the server that `start` noted in a file
    #[command(after_help = START_EXAMPLES)]
    Stop(StopArgs),
    /// Fetch with one contestant's client; the arguments are the contestant's
    #[command(
        after_help = "Examples:\n  c10k fetch tokio-tasks --concurrency 10 http://127.0.0.1:8080/\n  \
                            c10k fetch tokio-tasks --scenario ten-slow-servers --server 127.0.0.1:8080\n\n\
                            c10k start --help shows the server to fetch from, and hyperfine around both."
    )]
    Fetch(ByHand),
    /// Run a scheduling idiom natively in one contestant; the arguments are the contestant's
    #[command(after_help = "Example:\n  c10k idiom tokio-tasks parallel --sleeps 40,30,20")]
    Idiom(ByHand),
}

const RUN_EXAMPLES: &str = "\
Examples:
  c10k run                                        every model, at most 6 minutes on two CPUs
  c10k run --models mio-loop,tokio-tasks          two of them
  c10k run --services echo,http --connections 1,100,1000,10000 --repeats 1
  c10k run --profile standard --seed 42           the run to quote
  c10k run --experiments claims                   what others claim, put to the test
  c10k run --resume                               go on with the newest unfinished run
  c10k run --profile full --resume                the same, provided that it is a full one

Profiles:
  smoke      does everything run? A minute's look, once each
  quick      every model at 100 busy connections six times, with 10,000 mostly idle ones once
  standard   every experiment, two hours: 15 repeats at 100 busy connections over HTTP, with
             10,000 mostly idle ones and of the calibration, which find 5 % of CPU per request nine
             times of ten; 7 or fewer elsewhere; each table says how small an effect it can see
  full       all of standard, ten thousand busy connections, a million idle ones, echo everywhere

Exit status:
  0    every cell was measured, or a limit of this machine stopped it (`limit`), or it served as
       few connections as the registry declares (`starved`); the report says which
  1    a contestant failed: died, hung, killed, failed-start, inconsistent, or starved undeclared
  2    called wrongly
  130  interrupted; what was measured is kept and reported";

#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// How thorough: smoke, quick, standard or full; with --resume, what the run must be [default: quick]
    #[arg(long, value_name = "NAME", conflicts_with = "plan")]
    pub(crate) profile: Option<String>,
    /// A plan of your own, in the form of the `plan.toml` in any run's folder
    #[arg(long, value_name = "FILE")]
    pub(crate) plan: Option<PathBuf>,
    /// Models to measure [default: all]
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub(crate) models: Option<Vec<String>>,
    /// Experiments of the plan to measure; `claims` are all that a claim is judged by, and the verdicts [default: all; the
    /// sweep alone with --services or --connections]
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub(crate) experiments: Option<Vec<String>>,
    /// Services to load
    #[arg(long, value_enum, value_name = "A,B", value_delimiter = ',')]
    pub(crate) services: Option<Vec<Service>>,
    /// Connections to open, one cell for each number
    #[arg(long, value_name = "N,M", value_delimiter = ',', value_parser = clap::value_parser!(u64).range(1..=CONNECTIONS_MAX))]
    pub(crate) connections: Option<Vec<u64>>,
    /// Times that each cell is measured, each with a fresh server
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) repeats: Option<u32>,
    /// Length of each measured window, such as 3s or 500ms
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) duration: Option<Duration>,
    /// Longest warm-up; it ends sooner when the rate has settled
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) warmup: Option<Duration>,
    /// Decides the order of the trials [default: drawn, and recorded]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=SEED_MAX))]
    pub(crate) seed: Option<u64>,
    /// Folder for the run's folder and its page [default: results/ and report/ of the workspace]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Go on with an unfinished run, by its own plan [default: the newest]
    #[arg(long, value_name = "DIR", num_args = 0..=1, conflicts_with_all = PLAN_OPTIONS)]
    #[expect(
        clippy::option_option,
        reason = "not at all, without a folder, with one: as clap has it"
    )]
    pub(crate) resume: Option<Option<PathBuf>>,
    /// Measure the binaries that are there
    #[arg(long)]
    pub(crate) no_build: bool,
    /// Measure without proving the models correct first
    #[arg(long)]
    pub(crate) no_verify: bool,
    /// Attempts at a trial that noise spoilt, after the first; all are kept
    #[arg(long, value_name = "N", default_value_t = harness::run::RETRIES, value_parser = clap::value_parser!(u32).range(..=100))]
    pub(crate) retries: u32,
    /// Record, but write no page
    #[arg(long)]
    pub(crate) no_report: bool,
    /// Written in place of the host's name
    #[arg(long, value_name = "NAME", conflicts_with = "resume")]
    pub(crate) host_label: Option<String>,
}

/// What TOML can hold, plans being TOML.
const SEED_MAX: u64 = i64::MAX.unsigned_abs();

/// More connections than there are pairs of loopback addresses and ports cannot be meant.
const CONNECTIONS_MAX: u64 = 1_000_000_000;

/// A resumed run has its plan.
const PLAN_OPTIONS: [&str; 9] = [
    "plan",
    "models",
    "experiments",
    "services",
    "connections",
    "repeats",
    "duration",
    "warmup",
    "seed",
];

impl RunArgs {
    /// The plan asked for, before anything is changed in it.
    pub(crate) fn base_plan(&self) -> anyhow::Result<Plan> {
        match &self.plan {
            Some(path) => harness::overrides::read_plan(path),
            None => Ok(Plan::profile(self.profile.as_deref().unwrap_or("quick"))?),
        }
    }

    /// What is changed in it.
    pub(crate) fn overrides(&self) -> Overrides {
        Overrides {
            models: self.models.clone(),
            experiments: self.experiments.clone(),
            services: self.services.clone(),
            connections: self.connections.clone(),
            repeats: self.repeats,
            duration: self.duration,
            warmup: self.warmup,
            seed: self.seed,
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct ReportArgs {
    /// Folders of runs
    #[arg(required = true, value_name = "RUN")]
    pub(crate) runs: Vec<PathBuf>,
    /// Show this run beside them: every cell that both hold, and what differs in machine and settings
    #[arg(long, value_name = "RUN")]
    pub(crate) baseline: Option<PathBuf>,
    /// The page to write [default: report/index.html of the workspace]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct DoctorArgs {
    /// Answer for each model whether it can hold that many connections here
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=CONNECTIONS_MAX))]
    pub(crate) connections: Option<u64>,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct VerifyArgs {
    /// Models to verify [default: all]
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub(crate) models: Option<Vec<String>>,
    /// Cases to try [default: all]
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub(crate) cases: Option<Vec<String>>,
    /// Connections that the case `hold` opens, has answered, and a second later has answered again
    #[arg(long, value_name = "N", default_value_t = harness::battery::CONNECTIONS, value_parser = connections)]
    pub(crate) connections: usize,
    /// Instead of the battery: each model's client fetches from each model's server, a table client x server
    #[arg(long, conflicts_with_all = ["cases", "connections"])]
    pub(crate) interop: bool,
    /// Cases tried, or clients run, at once
    #[arg(long, value_name = "N", default_value_t = harness::verify::JOBS)]
    pub(crate) jobs: NonZero<usize>,
    /// Verify the binaries that are there
    #[arg(long)]
    pub(crate) no_build: bool,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}

const CLAIMS_EXAMPLES: &str = "Examples:\n  c10k claims results/20250304T050607Z-host-0a1b2c3\n  c10k claims --list     every claim, its source and what would decide it";

#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub(crate) struct ClaimsArgs {
    /// Folder of the run; its verdicts are put into it as `claims.json`, once
    #[arg(required_unless_present = "list", value_name = "RUN")]
    pub(crate) run: Option<PathBuf>,
    /// Print every claim with its source and its criteria
    #[arg(long, conflicts_with_all = ["run", "json", "again", "no_lab"])]
    pub(crate) list: bool,
    /// Leave out the experiments without load, `lab`; what is found is then printed and not recorded
    #[arg(long)]
    pub(crate) no_lab: bool,
    /// Judge anew, and print what is found without recording it
    #[arg(long)]
    pub(crate) again: bool,
    /// As JSON, with every figure
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ModelsArgs {
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
#[command(disable_help_flag = true)]
pub(crate) struct ByHand {
    /// The contestant; `c10k models` lists them
    #[arg(value_name = "MODEL", allow_hyphen_values = true)]
    pub(crate) model: String,
    /// Passed on as they are; `--help` after the model is the contestant's
    #[arg(value_name = "ARGS", trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) args: Vec<OsString>,
}

const START_EXAMPLES: &str = "\
Examples:
  c10k start /tmp/server mio-loop --service http --listen 127.0.0.1:8080
  c10k fetch tokio-tasks --scenario ten-slow-servers --server 127.0.0.1:8080
  c10k stop /tmp/server

  hyperfine -N --setup 'c10k start /tmp/server mio-loop --service http --listen 127.0.0.1:8080' \\
    --cleanup 'c10k stop /tmp/server' --parameter-list model mio-loop,tokio-tasks \\
    'c10k fetch {model} --scenario ten-slow-servers --server 127.0.0.1:8080'
  hyperfine -N --setup 'c10k start /tmp/server mio-loop --service http --listen 127.0.0.1:8080' \\
    --cleanup 'c10k stop /tmp/server' 'c10k-load http://127.0.0.1:8080/ -c 100 -n 100000'

The file notes pid and address; beside it, FILE.log is what the server says to standard error.
hyperfine leaves the server behind when a command fails or Ctrl-C ends it: c10k stop FILE.";

#[derive(Args, Debug)]
pub(crate) struct StartArgs {
    /// Where to note the server, for `stop`; a file that is not there yet
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The contestant; `c10k models` lists them
    #[arg(value_name = "MODEL")]
    pub(crate) model: String,
    /// Options of the contestant's `serve`, passed on as they are
    #[arg(value_name = "ARGS", trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) args: Vec<OsString>,
}

#[derive(Args, Debug)]
pub(crate) struct StopArgs {
    /// The file that was given to `start`
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

/// More than any limit of descriptors allows cannot be meant.
fn connections(text: &str) -> Result<usize, String> {
    let most = 1_000_000;
    let number = text.parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| format!("`{text}` is no number of connections from 1 to {most}"))
}

/// `3s`, `500ms`, `1.5s`, `2m`.
fn duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("`{text}` is no time; write it as 500ms, 3s or 2m");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &text[digits.len()..] {
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        _ => return Err(bad()),
    };
    let number: f64 = digits.parse().map_err(|_| bad())?;
    Duration::try_from_secs_f64(number * factor).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn times_are_read_with_their_units() {
        assert_eq!(duration("3s"), Ok(Duration::from_secs(3)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("2m"), Ok(Duration::from_mins(2)));
        for bad in ["3", "s", "-1s", "1h", "", "1e400s", "NaNs"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_follows_the_model_is_the_contestant_s() {
        let cli = Cli::try_parse_from(["c10k", "serve", "mio-loop", "--service", "http", "--help"])
            .unwrap();
        let Command::Serve(by_hand) = cli.command else { panic!("{cli:?}") };
        assert_eq!((by_hand.model.as_str(), by_hand.args.len()), ("mio-loop", 3));
    }
}
