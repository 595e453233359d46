//! A run: build, prepare, measure trial after trial, keep each at once, say what came of it.

mod ending;
mod resuming;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use measure::cpus;
use record::run::{Run, RunWriter, Timestamp, run_name};
use record::trial::{Outcome, Trial};
use record::{Conformance, Conforms, Flag, Key};

pub use self::resuming::resumed_of;
use self::resuming::{resume, resumed};
use crate::attempts::Attempts;
use crate::calibration::Calibration;
use crate::estimate;
use crate::exit::Exit;
use crate::interrupt;
use crate::order::{self, Planned};
use crate::origin::{self, Origin};
use crate::pages;
use crate::plan::{Fault, Offer, Plan, Rate};
use crate::probes::Probes;
use crate::progress::Progress;
use crate::registry::{PanicLoses, Registry};
use crate::settings;
use crate::trial::{self, Setup};
use crate::verdict::starved_as_declared;
use crate::verify;
use crate::workspace::{self, Profile};

/// What to measure.
#[derive(Clone, Debug)]
pub enum What {
    /// A new run of this plan.
    Plan(Plan),
    /// The rest of a run; without a folder, of the newest unfinished one.
    Resume(Option<PathBuf>),
}

/// Attempts after a noisy one.
pub const RETRIES: u32 = 2;

/// With what, and where to.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command")]
pub struct Context {
    /// The contestants.
    pub registry: Registry,
    /// The workspace's root.
    pub root: PathBuf,
    /// Folder of the contestants' binaries.
    pub binaries: PathBuf,
    /// How they were built.
    pub profile: Profile,
    /// Debug builds are refused; tests alone, which look at outcomes and never at figures, may lift that.
    pub record_debug: bool,
    /// Build them first.
    pub build: bool,
    /// Prove the models correct before anything is measured.
    pub verify: bool,
    /// Attempts at a trial that noise spoilt, after the first. All are kept; whether one is noisy is measured outside
    /// its result, so trying again favours nobody.
    pub retries: u32,
    /// Folder for the run's folder.
    pub results: PathBuf,
    /// The page to write.
    pub page: PathBuf,
    /// Write it.
    pub report: bool,
    /// Written in place of the host's name.
    pub host_label: Option<String>,
    /// How long a contestant may take to announce itself.
    pub announce_within: Duration,
    /// How long it may take to stop: a second more than its own patience with requests in flight.
    pub stop_within: Duration,
}

impl Context {
    /// For the workspace that this binary was built from.
    pub fn of_this_binary(registry: Registry) -> anyhow::Result<Self> {
        let root = workspace::root()?;
        Ok(Self {
            registry,
            binaries: workspace::binaries()?,
            profile: Profile::of_this_binary(),
            record_debug: false,
            build: true,
            verify: true,
            retries: RETRIES,
            results: root.join("results"),
            page: root.join(pages::PAGE),
            report: true,
            host_label: None,
            announce_within: Duration::from_secs(5),
            stop_within: Duration::from_secs(5),
            root,
        })
    }

    /// The run's folder and the page go below this folder.
    pub fn put_into(&mut self, folder: &Path) {
        self.results = folder.to_path_buf();
        self.page = folder.join(pages::PAGE);
    }
}

/// Measures what is asked and what an earlier run still owes, and reports it.
pub fn run(context: &Context, what: What) -> anyhow::Result<Exit> {
    let debug = context.profile == Profile::Debug;
    anyhow::ensure!(
        !debug || context.record_debug,
        "a debug build is never recorded, its figures mean nothing; use cargo c10k run, or a release build"
    );
    // Before the build: who waits for that should not then learn that there is nowhere to write.
    std::fs::create_dir_all(&context.results).with_context(|| {
        format!(
            "failed to make the results folder `{}`; name another by --out",
            context.results.display()
        )
    })?;
    if let What::Resume(folder) = &what {
        // Said before the build, too, where it is no run.
        Run::read(&resumed(context, folder.as_ref())?)?;
    }
    if context.build {
        let built = workspace::build(&context.root, context.profile);
        if interrupt::requested() {
            return Ok(Exit::Interrupted);
        }
        built?;
    }
    let mut session = Session::begin(context, what)?;
    let finished = session.prove()? && session.measure()?;
    session.end(finished)
}

/// One sitting at a run.
struct Session<'a> {
    context: &'a Context,
    writer: RunWriter,
    plan: Plan,
    /// What the battery found of the models; absent until it has run, or where it is left out.
    conformance: Option<Conformance>,
    /// What was tried so far.
    attempts: Attempts,
    /// How fast the machine was beside them.
    probes: Probes,
    setup: Setup,
}

impl<'a> Session<'a> {
    fn begin(context: &'a Context, what: What) -> anyhow::Result<Self> {
        let limit = measure::limits::raise_descriptors();
        limit.context("failed to raise the limit of open descriptors; measure fewer connections, or see c10k doctor")?;
        let cpus =
            cpus::plan().context("failed to divide the CPUs between server and generator")?;
        for warning in &cpus.warnings {
            eprintln!("c10k: {warning}");
        }
        let origin = Origin::of(&context.root, context.host_label.as_deref());
        let (writer, plan, run, calibration) = match what {
            What::Plan(plan) => {
                let argv = origin::argv(&context.root, std::env::args().skip(1));
                let calibration = Calibration::measure(&cpus.server)?;
                let mut machine = origin.machine(
                    &context.root,
                    &plan,
                    &context.registry,
                    &cpus,
                    context.profile,
                    argv,
                );
                machine.compute_iterations_per_ms = Some(calibration.iterations_per_ms);
                machine.probe_round_trip_ns = calibration.probe_ns;
                let name = run_name(Timestamp::now(), &origin.host_label, &origin.short_revision());
                let writer =
                    RunWriter::create(&context.results.join(name), &machine, &plan.to_toml()?)?;
                (writer, plan, Run::default(), calibration)
            }
            What::Resume(folder) => {
                let (writer, plan, run) = resume(context, folder, &origin)?;
                // The run's own, so that its requests stay the same.
                let probe_ns = run.machine.probe_round_trip_ns;
                let known = run
                    .machine
                    .compute_iterations_per_ms
                    .map(|iterations_per_ms| Ok(Calibration { iterations_per_ms, probe_ns }));
                let calibration = known.unwrap_or_else(|| Calibration::measure(&cpus.server))?;
                (writer, plan, run, calibration)
            }
        };
        for model in &plan.models {
            context.registry.get(model)?;
        }
        let setup = Setup {
            binaries: context.binaries.clone(),
            congestion_control: origin.congestion_control(),
            cpus,
            announce_within: context.announce_within,
            stop_within: context.stop_within,
            seed: plan.seed.unwrap_or_default(),
            calibration,
        };
        let Run { trials, conformance, .. } = run;
        let probes = Probes::starting_at(setup.calibration.drift(&setup.cpus.server));
        let attempts = Attempts::of(&trials);
        Ok(Self { context, writer, plan, conformance, attempts, probes, setup })
    }

    /// Correctness before speed: the battery over the plan's models, once a run; whether it ran to its end.
    ///
    /// A model that fails is measured all the same, and never ranked.
    fn prove(&mut self) -> anyhow::Result<bool> {
        if !self.context.verify || self.conformance.is_some() {
            return Ok(true);
        }
        let models: Result<Vec<_>, _> =
            self.plan.models.iter().map(|name| self.context.registry.get(name)).collect();
        self.conformance = verify::prove(&models?, &self.context.binaries);
        if let Some(conformance) = &self.conformance {
            self.writer.put_conformance(conformance)?;
        }
        Ok(self.conformance.is_some())
    }

    /// Trial after trial, each on disk before the next begins; whether all were measured.
    fn measure(&mut self) -> anyhow::Result<bool> {
        let plan = self.plan.clone();
        let mut spare = spare_attempts(order::trials(&plan).len(), self.context.retries)
            .saturating_sub(self.attempts.retried());
        let mut owed = order::owed(&plan, |key| !self.owes(key));
        // What an earlier sitting left noisy has been measured: it comes again as far as attempts are left for that.
        owed.retain(|planned| {
            let again = self.attempts.measured(&planned.key()) > 0;
            let granted = !again || spare > 0;
            spare -= usize::from(again && granted);
            granted
        });
        for planned in &mut owed {
            planned.expected = self.expected(planned)?;
        }
        let mut progress = Progress::over(&owed, &pages::shown(self.writer.dir()));
        // The harness stays off the contestant's CPUs; what it starts, other than contestants, stays with it.
        cpus::pin_current_thread(&self.setup.cpus.generator)?;
        for block in order::blocks(&owed) {
            let mut left: Vec<&Planned<'_>> = block.iter().collect();
            // What noise spoilt comes again behind the others that it is compared with, and not later: it drifts, too.
            while !left.is_empty() {
                for planned in &left {
                    if !self.tried(planned, &mut progress)? {
                        progress.end();
                        return Ok(false);
                    }
                }
                left.retain(|planned| self.owes(&planned.key()));
                left.truncate(spare);
                spare -= left.len();
                progress.again(&left);
            }
        }
        progress.end();
        Ok(true)
    }

    /// How long a trial should take; one that the machine does not allow takes no time.
    fn expected(&self, planned: &Planned<'_>) -> anyhow::Result<Duration> {
        let model = self.context.registry.get(planned.model)?;
        let refused = trial::preflight(&self.setup, planned, model).is_some();
        Ok(if refused { Duration::ZERO } else { estimate::of(planned, model) })
    }

    fn owes(&self, key: &Key) -> bool {
        self.attempts.owes(key, self.context.retries)
    }

    /// Tries one trial; false when the user interrupted it, or before it.
    fn tried(&mut self, planned: &Planned<'_>, progress: &mut Progress) -> anyhow::Result<bool> {
        if interrupt::requested() {
            return Ok(false);
        }
        let mut trial = self.one(planned, progress)?;
        self.probes.judge(&mut trial);
        self.attempts.note(&trial);
        // A share of a ceiling is another share when the CPU is no longer as quick; only another sitting may find it so.
        let of_ceiling = matches!(planned.offer, Offer::Open(Rate::OfCeiling(_)));
        if of_ceiling && trial.flags.contains(&Flag::Drifted) && !trial.flags.contains(&Flag::Noisy)
        {
            trial.flags.push(Flag::Noisy);
        }
        self.writer.append(&trial)?;
        progress.finished(planned, &trial);
        Ok(trial.outcome != Outcome::Interrupted)
    }

    fn one(&self, planned: &Planned<'_>, progress: &mut Progress) -> anyhow::Result<Trial> {
        let model = self.context.registry.get(planned.model)?;
        let attempt = self.attempts.count(&planned.key()) + 1;
        let mut trial = match self.pace(planned) {
            Ok(pace) => {
                let mut follow = |event| progress.follow(planned, event);
                trial::run(&self.setup, planned, model, pace, attempt, &mut follow)
            }
            Err(why) => trial::refused(&self.setup, planned, model, attempt, why),
        };
        let found = self.conformance.as_ref().and_then(|conformance| conformance.of(planned.model));
        if found.is_some_and(|found| found.count(Conforms::Fail) > 0) {
            trial.flags.push(Flag::Nonconforming);
        }
        Ok(trial)
    }

    /// The pace of a trial; a share of a ceiling is one of what earlier trials told.
    fn pace(&self, planned: &Planned<'_>) -> Result<load::Pace, String> {
        let rate = match planned.offer {
            Offer::Closed => return Ok(load::Pace::Closed),
            Offer::Open(Rate::PerSecond(rate)) => rate,
            Offer::Open(Rate::OfCeiling(percent)) => {
                self.attempts.ceiling(planned)? * percent / 100.0
            }
        };
        Ok(settings::open(rate, planned.experiment.arrivals))
    }
}

/// Attempts that noise may earn over a whole run: a machine that is always noisy is measured as it is, in a quarter more
/// time and not in three times as much.
fn spare_attempts(trials: usize, retries: u32) -> usize {
    let each = usize::try_from(retries).unwrap_or(usize::MAX);
    (trials / 4).max(each).min(trials.saturating_mul(each))
}

/// Limits that are declared or the machine's are results; a contestant that failed is a failure.
fn exit(run: &Run, finished: bool, registry: &Registry) -> Exit {
    if !finished {
        return Exit::Interrupted;
    }
    let wrong = |trial: &Trial| trial.flags.contains(&Flag::Nonconforming);
    let failed = |trial: &Trial| match trial.outcome {
        _ if wrong(trial) => true,
        Outcome::Ok | Outcome::Limit => false,
        Outcome::Starved => {
            !registry.get(&trial.model).is_ok_and(|model| starved_as_declared(model, trial))
        }
        // Asked to panic, and known to end by that: that is what the experiment shows.
        Outcome::Died if asked_to_panic(trial) => {
            !registry.get(&trial.model).is_ok_and(|model| model.panic_loses == PanicLoses::Process)
        }
        Outcome::Hung
        | Outcome::FailedStart
        | Outcome::Died
        | Outcome::Killed
        | Outcome::Inconsistent
        | Outcome::Interrupted => true,
    };
    let any = run.cells().iter().flat_map(record::run::Cell::finals).any(failed);
    if any { Exit::Failed } else { Exit::Done }
}

fn asked_to_panic(trial: &Trial) -> bool {
    trial.fault.as_ref().is_some_and(|fault| fault.kind == Fault::Panic.name())
        || trial.beside.as_ref().is_some_and(|beside| beside.path.starts_with("/panic"))
}

#[cfg(test)]
mod tests {
    use super::spare_attempts;

    #[test]
    fn noise_costs_a_quarter_more_at_most_and_one_trial_all_its_attempts() {
        assert_eq!([spare_attempts(400, 2), spare_attempts(400, 0)], [100, 0]);
        assert_eq!([spare_attempts(1, 2), spare_attempts(0, 2)], [2, 0]);
    }
}
