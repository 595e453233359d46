//! Verdicts over what the laboratory said: each by its controls.

use record::claims::{LabLine, Verdict};
use record::trial::{Outcome, Trial};

use super::{judged, lab, trial};

/// A control of that mechanism, as it came out.
fn control(test: &str, mechanism: &str, sound: bool) -> LabLine {
    LabLine {
        control: Some("must".into()),
        sound: Some(sound),
        ..lab(test, mechanism, "control", ("lost", 0.0))
    }
}

#[test]
fn wasted_switches_hold_for_polling_threads_and_not_for_blocked_ones() {
    let share =
        |variant, share| lab("wasted-switches", "threads", variant, ("wasted_share", share));
    let lines = [
        share("blocked-on-condition", 0.0),
        share("blocked-on-socket", 0.01),
        share("polling", 0.6),
    ];
    let with = |controls: &[LabLine]| {
        let claim = judged("wasted-switches", Vec::new(), &[&lines, controls].concat());
        (claim.verdict, claim.detail.unwrap())
    };
    let sound = control("wasted-switches", "threads", true);
    let (verdict, detail) = with(std::slice::from_ref(&sound));
    assert_eq!(verdict, Verdict::HoldsOnlyWhen);
    assert!(
        detail.starts_with("for polling; not for blocked-on-condition, blocked-on-socket"),
        "{detail}"
    );
    let (verdict, detail) = with(&[sound, control("wasted-switches", "threads", false)]);
    assert_eq!(verdict, Verdict::NotTestableHere);
    assert!(detail.contains("its control"), "{detail}");
    let (verdict, detail) = with(&[]);
    assert_eq!(verdict, Verdict::NotTestableHere);
    assert!(detail.contains("no control"), "{detail}");
}

/// Nothing lost is a success only of who could have lost.
#[test]
fn who_never_ran_two_at_once_does_not_show_that_nothing_is_lost() {
    let lost = |mechanism, lost| lab("race", mechanism, "no-yield", ("lost", lost));
    let one = [lost("tokio-one", 0.0), control("race", "tokio-one", true)];
    assert_eq!(judged("async-race-free", Vec::new(), &one).verdict, Verdict::Holds);
    let many = [lost("tokio-many", 0.0), control("race", "tokio-many", false)];
    let both = judged("async-race-free", Vec::new(), &[one.clone(), many].concat());
    assert_eq!(both.verdict, Verdict::Holds);
    assert!(both.criteria[0].cases.iter().all(|case| case.model == "tokio-one"));
    assert!(both.criteria[0].missing[0].starts_with("tokio-many: its control"));
    let many = [lost("tokio-many", 9.0), control("race", "tokio-many", true)];
    let both = judged("async-race-free", Vec::new(), &[one, many].concat());
    assert_eq!(both.verdict, Verdict::HoldsOnlyWhen);
}

#[test]
fn a_panic_that_ends_the_server_counts_where_it_lives_without_one() {
    let died = |experiment: &str, variant, outcome| Trial {
        outcome,
        ..trial(experiment, variant, "reactor", 10)
    };
    let lines = [
        lab("swallow", "callbacks", "panic", ("others_lost", 3.0)),
        control("swallow", "callbacks", true),
    ];
    let panic = died("faults", "panic", Outcome::Died);
    let alive = vec![panic.clone(), died("blocking", "alone", Outcome::Ok)];
    assert_eq!(judged("callback-breaks-loop", alive, &lines).verdict, Verdict::Holds);
    let ended = vec![panic, died("blocking", "alone", Outcome::Died)];
    let verdict = judged("callback-breaks-loop", ended, &lines);
    assert_eq!(verdict.verdict, Verdict::NotTestableHere);
    assert!(verdict.detail.unwrap().contains("failed the control"));
}

#[test]
fn five_calls_on_five_workers_take_one_and_not_five() {
    let calls = |calls| {
        let offload = lab("executor", "threads", "offload", ("wall_in_calls", calls));
        [offload, control("executor", "threads", true)]
    };
    assert_eq!(judged("executor-saves", Vec::new(), &calls(1.02)).verdict, Verdict::Holds);
    assert_eq!(judged("executor-saves", Vec::new(), &calls(5.0)).verdict, Verdict::DoesNotHold);
}
