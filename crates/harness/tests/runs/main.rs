//! A run as a whole: order, limits, places to write, and going on after an end.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../common/mod.rs"]
mod common;
mod noise;

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};

use common::Suite;
use harness::exit::Exit;
use harness::plan::{Beside, Experiment, Rate};
use harness::run::{What, resumed_of, run};
use harness::workspace;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use record::trial::Outcome;
use record::{Conforms, Flag, Key};

/// Enough that what a debug build of the generator takes between two requests does not break Little's law.
const CONNECTIONS: u64 = 16;

/// Keys of the trials that were measured, sorted.
fn measured(run: &record::run::Run) -> Vec<Key> {
    let whole = run.trials.iter().filter(|trial| trial.outcome != Outcome::Interrupted);
    let mut keys: Vec<Key> = whole.map(record::Trial::key).collect();
    keys.sort();
    keys
}

/// Keys that the plan asks for, sorted.
fn planned(plan: &harness::plan::Plan) -> Vec<Key> {
    let mut keys: Vec<Key> =
        harness::order::trials(plan).iter().map(harness::order::Planned::key).collect();
    keys.sort();
    keys
}

#[test]
fn trials_are_recorded_in_the_order_of_the_seed() {
    let suite = Suite::of(&["one", "two", "three"]);
    let mut plan = suite.plan(CONNECTIONS);
    plan.experiments[0].repeats = 2;
    let (exit, run) = suite.run(plan.clone());
    assert_eq!(exit, Exit::Done);
    let order: Vec<Key> =
        harness::order::trials(&plan).iter().map(harness::order::Planned::key).collect();
    let recorded: Vec<Key> = run.trials.iter().map(record::Trial::key).collect();
    assert_eq!(recorded, order);
    assert_eq!(
        harness::plan::Plan::parse(&run.plan).unwrap(),
        plan,
        "the plan lies beside the trials"
    );
    assert!(run.finished_at.is_some());
}

#[test]
fn connections_beyond_a_limit_are_refused_by_name_and_nothing_is_started() {
    let suite = Suite::of(&["behaves"]);
    let (exit, run) = suite.run(suite.plan(900_000_000));
    assert_eq!(exit, Exit::Done, "a limit is an answer");
    let trial = &run.trials[0];
    assert_eq!(trial.outcome, Outcome::Limit);
    let detail = trial.outcome_detail.as_deref().unwrap();
    assert!(detail.contains("900000000") || detail.contains("nofile"), "{detail}");
    assert_eq!(trial.server.exit, None, "no contestant ran");
}

#[test]
fn a_results_folder_that_cannot_be_made_is_said_before_anything_is_measured() {
    let suite = Suite::of(&["behaves"]);
    std::fs::write(suite.path("file"), "").unwrap();
    let mut context = suite.context();
    context.put_into(&suite.path("file/out"));
    let error = run(&context, What::Plan(suite.plan(CONNECTIONS))).unwrap_err();
    assert!(format!("{error:#}").contains("--out"), "{error:#}");
}

#[test]
fn debug_builds_are_refused_unless_a_test_asks() {
    let suite = Suite::of(&["behaves"]);
    let mut context = suite.context();
    context.profile = workspace::Profile::Debug;
    context.record_debug = false;
    let error = run(&context, What::Plan(suite.plan(CONNECTIONS))).unwrap_err();
    assert!(error.to_string().contains("never recorded"), "{error}");
    assert!(!suite.path("out").exists());
}

#[test]
fn a_resumed_run_measures_what_is_owed_and_nothing_twice() {
    let suite = Suite::of(&["one", "two"]);
    let mut plan = suite.plan(CONNECTIONS);
    plan.experiments[0].repeats = 2;
    let (_, first) = suite.run(plan.clone());
    let trials = first.dir.join("trials.jsonl");
    let text = std::fs::read_to_string(&trials).unwrap();
    // As a kill leaves it: one line whole, one cut short.
    let whole: usize = text.lines().take(1).map(|line| line.len() + 1).sum();
    std::fs::write(&trials, &text[..whole + 40]).unwrap();
    std::fs::remove_file(first.dir.join("finished")).unwrap();

    let context = suite.context();
    assert_eq!(resumed_of(&context, None, &plan.profile).unwrap(), first.dir);
    assert!(resumed_of(&context, None, "another").is_err(), "it is of the profile it is of");
    assert_eq!(run(&context, What::Resume(None)).unwrap(), Exit::Done);
    let whole = suite.recorded();
    assert_eq!(measured(&whole), planned(&plan));
    assert_eq!(whole.trials.len(), 4);
    assert!(run(&suite.context(), What::Resume(None)).is_err(), "nothing is left to resume");
}

/// A laboratory beside the contestants, which says that one thing of itself, or does what the script says.
fn laboratory(suite: &Suite, script: &str) {
    let program = suite.path("bin/lab");
    std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_run_for_the_claims_ends_with_their_verdicts_and_so_does_a_resumed_one() {
    let suite = Suite::of(&["behaves"]);
    laboratory(&suite, "echo '{\"test\":\"race\",\"mechanism\":\"m\",\"variant\":\"yield\"}'");
    let mut plan = suite.plan(CONNECTIONS);
    plan.claims = true;
    let mut context = suite.context();
    context.report = true;
    context.page = suite.path("page.html");
    assert_eq!(run(&context, What::Plan(plan)).unwrap(), Exit::Done);
    let whole = suite.recorded();
    let verdicts = whole.claims.unwrap();
    assert_eq!(verdicts.lab.len(), 1, "the laboratory was run");
    assert!(!verdicts.claims.is_empty() && whole.finished_at.is_some());
    let page = std::fs::read_to_string(&context.page).unwrap();
    assert!(page.contains("id=\"claim-wasted-switches\""), "judged before the page was written");

    // As a kill leaves it between the last trial and the verdicts.
    for file in ["finished", "claims.json"] {
        std::fs::remove_file(whole.dir.join(file)).unwrap();
    }
    assert_eq!(run(&context, What::Resume(None)).unwrap(), Exit::Done);
    let resumed = suite.recorded();
    assert!(resumed.claims.is_some() && resumed.trials.len() == whole.trials.len());
}

#[test]
fn a_laboratory_that_fails_costs_the_verdicts_and_not_the_run() {
    let suite = Suite::of(&["behaves"]);
    let mut plan = suite.plan(CONNECTIONS);
    plan.claims = true;
    laboratory(&suite, "exit 3");
    let (exit, run) = suite.run(plan);
    assert_eq!(exit, Exit::Done);
    assert!(run.claims.is_none() && run.finished_at.is_some());
}

#[test]
fn a_laboratory_that_the_user_ends_leaves_a_run_that_goes_on() {
    let suite = Suite::of(&["behaves"]);
    let mut plan = suite.plan(CONNECTIONS);
    plan.claims = true;
    laboratory(&suite, "kill -INT $$");
    let (exit, interrupted) = suite.run(plan);
    assert_eq!((exit, interrupted.finished_at), (Exit::Interrupted, None));
    laboratory(&suite, "");
    assert_eq!(run(&suite.context(), What::Resume(None)).unwrap(), Exit::Done);
    assert!(suite.recorded().claims.is_some());
}

/// `debug_run` as a process of its own, killed with its contestants when a test fails.
struct Process(Child);

impl Process {
    fn start(suite: &Suite, what: &str) -> Self {
        let program = workspace::example("debug_run");
        let mut command = Command::new(program);
        command.args([
            suite.path("models.toml"),
            suite.path("bin"),
            suite.path("out"),
            what.into(),
        ]);
        Self(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.0.id()).unwrap()), signal).unwrap();
    }

    /// Reads standard error until a line has that word.
    fn wait_for(&mut self, word: &str) {
        let mut stderr = BufReader::new(self.0.stderr.as_mut().unwrap());
        let mut seen = String::new();
        loop {
            let start = seen.len();
            assert!(stderr.read_line(&mut seen).unwrap() > 0, "it ended without `{word}`: {seen}");
            if seen[start..].contains(word) {
                return;
            }
        }
    }

    /// Reads what is left of standard error, so that it never blocks on a full pipe, and waits.
    fn end(&mut self) -> Option<i32> {
        let mut rest = String::new();
        std::io::Read::read_to_string(self.0.stderr.as_mut().unwrap(), &mut rest).unwrap();
        self.0.wait().unwrap().code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn long_plan(suite: &Suite) -> harness::plan::Plan {
    let mut plan = suite.plan(CONNECTIONS);
    plan.experiments[0].repeats = 4;
    std::fs::write(suite.path("plan.toml"), plan.to_toml().unwrap()).unwrap();
    plan
}

#[test]
fn ctrl_c_keeps_what_was_measured_and_resume_measures_the_rest() {
    let suite = Suite::of(&["behaves"]);
    let plan = long_plan(&suite);
    let mut process = Process::start(&suite, suite.path("plan.toml").to_str().unwrap());
    process.wait_for("1/4");
    process.signal(Signal::SIGINT);
    assert_eq!(process.end(), Some(130));
    suite.assert_nobody_left();
    let interrupted = suite.recorded();
    assert!(!interrupted.trials.is_empty() && interrupted.finished_at.is_none());
    assert_eq!(interrupted.trials[0].outcome, Outcome::Ok);

    assert_eq!(Process::start(&suite, "resume").end(), Some(0));
    let whole = suite.recorded();
    assert_eq!(measured(&whole), planned(&plan));
    let again = whole.trials.iter().filter(|trial| trial.attempt > 1).count();
    let broken = whole.trials.iter().filter(|trial| trial.outcome == Outcome::Interrupted).count();
    assert_eq!(again, broken, "an interrupted trial is tried again, and no other");
}

#[test]
fn a_second_ctrl_c_ends_at_once_and_takes_the_contestant_along() {
    let suite = Suite::of(&["ignores-sigterm"]);
    long_plan(&suite);
    let mut process = Process::start(&suite, suite.path("plan.toml").to_str().unwrap());
    process.wait_for("trials, about");
    process.signal(Signal::SIGINT);
    process.wait_for("Ctrl-C again");
    process.signal(Signal::SIGINT);
    assert_eq!(process.end(), Some(130));
    suite.assert_nobody_left();
}

#[test]
fn a_killed_harness_leaves_no_contestant_and_a_run_that_goes_on() {
    let suite = Suite::of(&["behaves"]);
    let plan = long_plan(&suite);
    let mut process = Process::start(&suite, suite.path("plan.toml").to_str().unwrap());
    process.wait_for("2/4");
    process.signal(Signal::SIGKILL);
    process.end();
    suite.assert_nobody_left();
    assert_eq!(Process::start(&suite, "resume").end(), Some(0));
    assert_eq!(measured(&suite.recorded()), planned(&plan));
}

/// A run that is killed at any moment loses the trial in flight and nothing else, however often that happens.
#[test]
fn fifty_kills_leave_each_trial_exactly_once_and_nobody_alive() {
    let suite = Suite::of(&["one", "two"]);
    let mut plan = suite.plan(CONNECTIONS);
    plan.experiments[0].repeats = 8;
    std::fs::write(suite.path("plan.toml"), plan.to_toml().unwrap()).unwrap();
    let mut process = Process::start(&suite, suite.path("plan.toml").to_str().unwrap());
    process.wait_for("trials, about");
    for kill in 1..=50_u64 {
        // Anywhere within the first trial of a sitting or the next: 17 and 613 have no factor in common.
        std::thread::sleep(std::time::Duration::from_millis(kill * 17 * 23 % 613));
        process.signal(Signal::SIGKILL);
        process.end();
        let trials = suite.recorded().trials.len();
        if trials == planned(&plan).len() {
            break;
        }
        process = Process::start(&suite, "resume");
    }
    process.end();
    if suite.recorded().finished_at.is_none() {
        assert_eq!(Process::start(&suite, "resume").end(), Some(0));
    }
    suite.assert_nobody_left();
    assert_eq!(measured(&suite.recorded()), planned(&plan));
}

#[test]
fn shares_of_a_ceiling_are_offered_after_the_ceiling_is_known() {
    let suite = Suite::of(&["behaves"]);
    let mut plan = suite.plan(CONNECTIONS);
    let experiment = &mut plan.experiments[0];
    experiment.rates = vec![Rate::OfCeiling(25.0), Rate::PerSecond(200.0)];
    // Half a millisecond of work for each request: the server is the limit, and not a debug build of the generator.
    experiment.burn_ns = 500_000;
    let (_, run) = suite.run(plan);
    let of = |variant: &str| run.trials.iter().find(|trial| trial.variant == variant).unwrap();
    let (ceiling, share, rate) = (of("ceiling"), of("rate-25%"), of("rate-200"));
    assert_eq!((ceiling.pace.kind.as_str(), ceiling.pace.rate), ("closed", None));
    assert_eq!(rate.pace.rate, Some(200.0));
    assert!(ceiling.order < share.order);
    let burnt = ceiling.settings.burn.unwrap();
    let per_ms = run.machine.compute_iterations_per_ms.unwrap();
    assert!((record::stats::float(burnt) - per_ms / 2.0).abs() <= 1.0, "{burnt} of {per_ms} a ms");
    if ceiling.flags.contains(&Flag::GeneratorBound) {
        assert!(share.outcome_detail.as_ref().unwrap().contains("burn_ns"), "{share:?}");
    } else {
        assert_eq!(share.pace.rate, ceiling.requests_per_s.map(|rate| rate / 4.0));
        assert!(share.generator.achieved_over_offered.is_some());
    }
    assert_eq!(share.checks.little, None, "what is offered decides what is in flight");
}

#[test]
fn those_who_ask_beside_a_trial_are_counted_apart() {
    let suite = Suite::of(&["behaves"]);
    let mut plan = suite.plan(CONNECTIONS);
    let path = "/bytes/1000".to_owned();
    let alone = Experiment { variant: "alone".into(), ..plan.experiments[0].clone() };
    plan.experiments[0].beside =
        Some(Beside { path, connections: 3, rate: Some(100.0), slow: None });
    plan.experiments.push(alone);
    let (exit, run) = suite.run(plan);
    let of = |variant: &str| run.trials.iter().find(|trial| trial.variant == variant).unwrap();
    let trial = of("default");
    assert_eq!((exit, trial.outcome), (Exit::Done, Outcome::Ok), "{trial:?}");
    let beside = trial.beside.as_ref().unwrap();
    assert_eq!((beside.connections, beside.connections_served), (3, Some(3)), "{beside:?}");
    let (asked, rate) = (beside.requests.unwrap(), beside.rate.unwrap());
    assert!(record::stats::float(asked) <= rate * beside.duration_s.unwrap() + 3.0, "{beside:?}");
    assert_eq!(trial.server.cpu_ns_per_request, None, "whose it was cannot be told");
    assert!(trial.warnings.iter().any(|warning| warning.contains("cannot be told apart")));
    assert_eq!(trial.machine.probe_ratio, None, "it would tell of their work, not of the CPU");
    assert!(of("alone").machine.probe_ratio.is_some());
}

#[test]
fn a_model_that_fails_the_battery_is_measured_flagged_and_the_run_fails() {
    let suite = Suite::of(&["behaves"]);
    let mut context = suite.context();
    context.verify = true;
    let exit = run(&context, What::Plan(suite.plan(CONNECTIONS))).unwrap();
    assert_eq!(exit, Exit::Failed);
    let run = suite.recorded();
    let found = run.conformance.as_ref().unwrap().of("behaves").unwrap();
    // It serves as it should, but not a thousand cases of ill will.
    assert!(found.count(Conforms::Fail) > 0, "{found:?}");
    assert!(!run.trials.is_empty());
    assert!(run.trials.iter().all(|trial| trial.flags.contains(&Flag::Nonconforming)));
}
