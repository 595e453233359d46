//! Contestants that misbehave on purpose: each gets its outcome, the run goes on, nothing stays behind.

mod common;

use common::{Suite, trial};
use harness::exit::Exit;
use harness::plan::{Fault, Service};
use record::trial::{Flag, Outcome, SetBy, Trial};

/// Enough that what a debug build of the generator takes between two requests does not break Little's law.
const CONNECTIONS: u64 = 16;

/// Runs these habits over a few connections and hands each trial over.
fn outcomes(habits: &[&str], expected: Exit, check: impl Fn(&str, &Trial)) {
    let suite = Suite::of(habits);
    let (exit, run) = suite.run(suite.plan(CONNECTIONS));
    assert_eq!(run.trials.len(), habits.len(), "every trial was recorded");
    for habit in habits {
        check(habit, trial(&run, habit));
    }
    assert_eq!(exit, expected);
    suite.assert_nobody_left();
}

fn detail(trial: &Trial) -> &str {
    trial.outcome_detail.as_deref().unwrap_or_default()
}

fn warned(trial: &Trial, word: &str) -> bool {
    trial.warnings.iter().any(|warning| warning.contains(word))
}

#[test]
fn a_contestant_that_behaves_is_ok_and_its_accounts_close() {
    let suite = Suite::of(&["behaves"]);
    let mut plan = suite.plan(CONNECTIONS);
    plan.experiments[0].services = vec![Service::Echo, Service::Http];
    let (exit, run) = suite.run(plan);
    assert_eq!((exit, run.trials.len()), (Exit::Done, 2));
    for trial in &run.trials {
        assert_eq!(trial.outcome, Outcome::Ok, "{trial:?}");
        assert_eq!(trial.connections_established, Some(CONNECTIONS));
        assert_eq!(trial.connections_served, Some(CONNECTIONS));
        assert!(trial.requests.unwrap() > 0);
        assert_eq!(trial.server.exit.as_deref(), Some("0"));
        assert!(!trial.flags.contains(&Flag::UncleanExit), "{:?}", trial.warnings);
        assert_eq!(trial.server.processes, Some(1));
        assert!(trial.server.cpu_ns_per_request.unwrap() > 0.0);
        assert!(trial.checks.little.unwrap().passed && trial.checks.bytes.unwrap().passed);
        assert!(trial.errors.is_empty(), "{:?}", trial.errors);
    }
    suite.assert_nobody_left();
}

#[test]
fn a_failed_start_says_why_and_the_run_goes_on() {
    let habits = [
        "never-announces",
        "exits-at-once",
        "closes-its-output",
        "announces-nonsense",
        "no-such-program",
        "behaves",
    ];
    let suite = Suite::of(&habits);
    std::fs::remove_file(suite.path("bin/no-such-program")).unwrap();
    let (exit, run) = suite.run(suite.plan(CONNECTIONS));
    assert_eq!(exit, Exit::Failed);
    assert_eq!(run.trials.len(), habits.len());
    let words = [
        ("never-announces", "announced nothing"),
        ("exits-at-once", "status 3"),
        ("exits-at-once", "no luck today"),
        ("closes-its-output", "closed its standard output"),
        ("announces-nonsense", "`hello`"),
        ("no-such-program", "cargo build"),
    ];
    for (habit, word) in words {
        let trial = trial(&run, habit);
        assert_eq!(trial.outcome, Outcome::FailedStart, "{habit}");
        assert!(detail(trial).contains(word), "{habit}: {}", detail(trial));
        assert_eq!(trial.requests, None, "what was not measured is absent");
    }
    assert_eq!(trial(&run, "behaves").outcome, Outcome::Ok);
    suite.assert_nobody_left();
}

#[test]
fn a_contestant_that_announces_and_answers_nothing_is_hung() {
    outcomes(&["hangs"], Exit::Failed, |_, trial| {
        assert_eq!(trial.outcome, Outcome::Hung, "{}", detail(trial));
        assert!(detail(trial).contains("answered no request"), "{}", detail(trial));
    });
}

#[test]
fn a_contestant_that_ends_in_mid_trial_died_or_was_killed() {
    outcomes(&["dies", "is-killed"], Exit::Failed, |habit, trial| {
        let (outcome, how) = if habit == "dies" {
            (Outcome::Died, "status 7")
        } else {
            (Outcome::Killed, "signal 9")
        };
        assert_eq!(trial.outcome, outcome, "{habit}: {}", detail(trial));
        assert!(detail(trial).contains(how), "{habit}: {}", detail(trial));
        assert_eq!(detail(trial).contains("out of ideas"), habit == "dies", "its last words");
    });
}

#[test]
fn wrong_answers_make_a_trial_inconsistent() {
    outcomes(&["lies"], Exit::Failed, |_, trial| {
        assert_eq!(trial.outcome, Outcome::Inconsistent, "{}", detail(trial));
        assert!(detail(trial).contains("wrong"), "{}", detail(trial));
    });
}

#[test]
fn starving_all_but_one_connection_is_said_with_both_numbers() {
    outcomes(&["sequential"], Exit::Done, |_, trial| {
        assert_eq!(trial.outcome, Outcome::Starved, "{}", detail(trial));
        assert!(detail(trial).contains("served 1 of 16"), "{}", detail(trial));
        assert_eq!(trial.connections_served, Some(1));
        assert_eq!(trial.connection_requests.unwrap().min, 0);
    });
}

#[test]
fn a_contestant_that_does_not_stop_is_killed_and_flagged_and_its_figures_stay() {
    outcomes(
        &["ignores-sigterm", "fails-on-sigterm", "leaves-an-orphan"],
        Exit::Done,
        |habit, trial| {
            assert_eq!(trial.outcome, Outcome::Ok, "{habit}: {}", detail(trial));
            assert!(trial.flags.contains(&Flag::UncleanExit), "{habit}: {:?}", trial.warnings);
            let (word, exit) = match habit {
                "ignores-sigterm" => ("did not stop", "signal 9"),
                "fails-on-sigterm" => ("status 4", "4"),
                _ => ("1 processes behind", "0"),
            };
            assert!(warned(trial, word), "{habit}: {:?}", trial.warnings);
            assert_eq!(trial.server.exit.as_deref(), Some(exit), "{habit}");
            assert!(!warned(trial, "still taken"), "the port is free: {:?}", trial.warnings);
        },
    );
}

/// Runs them with that fault in the middle of the window.
fn broken(habits: &[&str], fault: Fault) -> record::run::Run {
    let suite = Suite::of(habits);
    let mut plan = suite.plan(CONNECTIONS);
    plan.experiments[0].fault = Some(fault);
    suite.run(plan).1
}

#[test]
fn a_fault_is_told_of_only_where_it_was_seen_and_the_control_loses_nothing() {
    let control = broken(&["behaves"], Fault::None);
    let control = trial(&control, "behaves");
    assert_eq!(control.outcome, Outcome::Ok, "{}", detail(control));
    let nothing = control.fault.as_ref().unwrap();
    assert_eq!((nothing.connections_lost, nothing.requests_lost), (Some(0), Some(0)));
    assert!(nothing.full_service_ns >= nothing.next_answer_ns && nothing.next_answer_ns.is_some());
    assert_eq!(control.server.cpu_ns_per_request, None, "the witnesses' requests are in it");

    // A thread panics, and nobody else notices; who answers instead has not panicked.
    let run = broken(&["behaves", "swallows-panics"], Fault::Panic);
    let panicked = trial(&run, "behaves");
    assert_eq!(panicked.outcome, Outcome::Ok, "{}", detail(panicked));
    let fault = panicked.fault.as_ref().unwrap();
    assert!(fault.seen.as_ref().unwrap().contains("answered by nobody"), "{fault:?}");
    assert_eq!((fault.connections_lost, fault.shut_out), (Some(0), None));
    let swallowed = trial(&run, "swallows-panics");
    assert_eq!(swallowed.outcome, Outcome::Inconsistent);
    assert!(detail(swallowed).contains("no handler panicked"), "{}", detail(swallowed));
    assert_eq!(swallowed.fault.as_ref().unwrap().requests_lost, None, "what was not seen");

    let run = broken(&["behaves"], Fault::KilledChild);
    let childless = trial(&run, "behaves");
    assert_eq!(childless.outcome, Outcome::Inconsistent);
    assert!(detail(childless).contains("nobody to kill"), "{}", detail(childless));
}

#[test]
fn a_server_that_ends_when_it_has_no_descriptors_left_died_and_set_the_limit_itself() {
    let run = broken(&["behaves"], Fault::Descriptors);
    let trial = trial(&run, "behaves");
    assert_eq!(trial.outcome, Outcome::Died, "{}", detail(trial));
    assert_eq!(trial.stopped_by.as_ref().unwrap().set_by, SetBy::Model);
}
