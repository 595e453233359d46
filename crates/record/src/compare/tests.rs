//! Comparisons of runs that are made up, and so have a right answer.

use super::*;
use crate::machine::{ContestantRecord, Machine};
use crate::run::Run;
use crate::trial::{Flag, Latency, Outcome, Pace, Server, Settings, Trial, twin_of};

/// Noise of half a per cent that differs from trial to trial, and never twice in the same way.
fn noise(model: &str, variant: &str, repeat: u32) -> f64 {
    let text = format!("{model} {variant} {repeat}");
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let hash = hash ^ (hash >> 29);
    1.0 + (crate::stats::float(hash % 10_000) / 10_000.0 - 0.5) / 100.0
}

fn trial(model: &str, variant: &str, repeat: u32, cpu_ns: f64) -> Trial {
    let cpu_ns = cpu_ns * noise(model, variant, repeat);
    Trial {
        experiment: "sweep".into(),
        service: "http".into(),
        connections: 100,
        model: model.into(),
        variant: variant.into(),
        repeat,
        attempt: 1,
        requests_per_s: Some(1e9 / cpu_ns),
        latency_ns: Some(Latency { p50: 1_000_000, p99: 2_000_000, ..Latency::default() }),
        settings: Settings { duration_s: Some(3.0), ..Settings::default() },
        server: Server {
            cpu_ns_per_request: Some(cpu_ns),
            voluntary_switches_per_request: Some(0.0),
            involuntary_switches_per_request: Some(0.0),
            ..Server::default()
        },
        ..Trial::default()
    }
}

/// Each (model, variant, CPU per request) measured that often.
fn run(repeats: u32, entries: &[(&str, &str, f64)]) -> Run {
    let mut run = Run::default();
    let contestant = |(model, ..): &(&str, &str, f64)| ContestantRecord {
        name: (*model).into(),
        family: format!("family of {model}"),
        ..ContestantRecord::default()
    };
    let mut contestants: Vec<ContestantRecord> = entries.iter().map(contestant).collect();
    contestants.dedup();
    run.machine = Machine { cpu_model: Some("one".into()), contestants, ..Machine::default() };
    for repeat in 1..=repeats {
        run.trials.extend(
            entries.iter().map(|(model, variant, cpu)| trial(model, variant, repeat, *cpu)),
        );
    }
    run
}

fn place() -> Place {
    Place {
        experiment: "sweep".into(),
        service: "http".into(),
        connections: 100,
        variant: "default".into(),
    }
}

fn cpu() -> &'static Metric {
    metric("cpu").unwrap()
}

fn row<'rows>(comparison: &'rows Comparison, metric: &str, model: &str) -> &'rows Row {
    comparison.rows.iter().find(|row| row.metric == metric && row.model == model).unwrap()
}

#[test]
fn the_best_keeps_those_that_cannot_be_told_from_it() {
    let run =
        run(8, &[("b", "default", 1001.0), ("a", "default", 1000.0), ("c", "default", 1100.0)]);
    let ties = Ties::of(&run, &place(), cpu());
    assert_eq!(ties.with_best(), ["b", "a"]);
    let (there, back) = (ties.between("a", "c").unwrap(), ties.between("c", "a").unwrap());
    assert_eq!((&there.verdict, &back.verdict), (&Verdict::Different, &Verdict::Different));
    assert!((there.ratio.unwrap().ratio * back.ratio.unwrap().ratio - 1.0).abs() < 1e-12);
    assert!((there.ratio.unwrap().ratio - 1.1).abs() < 0.01, "{there:?}");
    assert_eq!(ties.between("a", "b").unwrap().verdict, Verdict::NoDifference);
    assert!(ties.between("a", "nobody").is_none() && ties.between("a", "a").is_none());
    assert!(ties.smallest_visible().unwrap() < 1.05);
}

#[test]
fn a_difference_below_the_floor_is_a_tie() {
    let twin = twin_of("default");
    // The second entry of `b` differs by 15 %: so may any two entries.
    let entries = [
        ("a", "default", 1000.0),
        ("a", &twin, 1000.0),
        ("b", "default", 1100.0),
        ("b", &twin, 1265.0),
    ];
    let with_twins = run(8, &entries);
    let known = floor(&with_twins, &place(), cpu()).unwrap();
    assert_eq!((known.models.as_slice(), known.pairs), (&["a".to_owned(), "b".to_owned()][..], 8));
    assert!((known.ratio - 1.15).abs() < 0.01, "{known:?}");
    let verdict = |run: &Run| Ties::of(run, &place(), cpu()).between("a", "b").unwrap().verdict;
    assert_eq!(verdict(&with_twins), Verdict::NoDifference);
    assert_eq!(verdict(&run(8, &[entries[0], entries[2]])), Verdict::Different);
    // A twin stands in no column.
    assert_eq!(Ties::of(&with_twins, &place(), cpu()).with_best(), ["a", "b"]);
}

#[test]
fn a_floor_needs_twins_of_two_families_and_six_pairs() {
    let twin = twin_of("default");
    let entries =
        [("a", "default", 9.0), ("a", &twin, 9.0), ("b", "default", 9.0), ("b", &twin, 9.0)];
    let why = |run: &Run| floor(run, &place(), cpu()).unwrap_err();
    assert!(why(&run(6, &[entries[0], entries[2]])).contains("entered twice"));
    assert!(why(&run(6, &entries[..3])).contains(": a"));
    assert!(why(&run(5, &entries)).contains("none"));
    let mut one_family = run(6, &entries);
    for contestant in &mut one_family.machine.contestants {
        contestant.family = "loops".into();
    }
    assert!(why(&one_family).contains("a, b"));
    assert!(floor(&run(6, &entries), &place(), cpu()).is_ok());
}

#[test]
fn a_run_against_itself_differs_in_nothing() {
    let run = run(7, &[("a", "default", 1000.0), ("b", "default", 2000.0)]);
    let comparison = compare(Sides::Runs(&run, &run));
    assert_eq!((comparison.differing.len(), comparison.changed.len()), (0, 0));
    assert!(!comparison.rows.is_empty());
    for row in &comparison.rows {
        let measured = !["syscalls", "pss"].contains(&row.metric);
        let expected = if measured { Direction::NoDifference } else { Direction::NotCompared };
        assert_eq!(row.direction, expected, "{row:?}");
    }
}

#[test]
fn a_run_that_costs_more_is_worse_and_slower_and_cells_of_one_side_are_listed() {
    let before = run(8, &[("a", "default", 1000.0), ("gone", "default", 1.0)]);
    let after = run(8, &[("a", "default", 1080.0), ("new", "default", 1.0)]);
    let comparison = compare(Sides::Runs(&before, &after));
    let (cost, rate) = (row(&comparison, "cpu", "a"), row(&comparison, "rate", "a"));
    assert_eq!((cost.direction, rate.direction), (Direction::Worse, Direction::Worse));
    assert!(cost.smallest_visible.is_some_and(|visible| visible < 1.08), "{cost:?}");
    assert_eq!(
        row(&compare(Sides::Runs(&after, &before)), "cpu", "a").direction,
        Direction::Better
    );
    assert_eq!(comparison.only_first, ["sweep http 100 default gone"]);
    assert_eq!(comparison.only_second, ["sweep http 100 default new"]);
}

#[test]
fn a_burn_is_found_within_a_run_and_a_twin_is_not() {
    let twin = twin_of("default");
    let entries = [("a", "default", 1000.0), ("a", "burn", 1100.0), ("a", &twin, 1000.0)];
    let run = run(8, &entries);
    let burnt = compare(Sides::Variants(&run, "default", "burn"));
    assert_eq!(row(&burnt, "cpu", "a").direction, Direction::Worse);
    let twins = compare(Sides::Variants(&run, "default", &twin));
    assert_eq!(row(&twins, "cpu", "a").direction, Direction::NoDifference);
    let models = compare(Sides::Models(&run, "a", "nobody"));
    assert!(models.rows.is_empty() && models.only_first.len() == 2, "{models:?}");
}

#[test]
fn what_each_run_calibrates_for_itself_is_not_held_against_it() {
    let mut first = run(6, &[("a", "default", 1.0)]);
    first.machine.compute_iterations_per_ms = Some(500_000.0);
    for trial in &mut first.trials {
        trial.settings.burn_ns = Some(20_000);
        trial.settings.burn = Some(10_000);
        trial.settings.path = Some("/compute/500000".into());
        trial.pace.rate = Some(1_000.0);
        trial.offered_ceiling_percent = Some(25.0);
    }
    let mut second = first.clone();
    second.machine.compute_iterations_per_ms = Some(510_000.0);
    for trial in &mut second.trials {
        trial.settings.burn = Some(10_200);
        trial.settings.path = Some("/compute/510000".into());
        trial.pace.rate = Some(1_050.0);
    }
    assert_eq!(compare(Sides::Runs(&first, &second)).differing, []);
    // Refused for want of a ceiling, and so told nothing.
    let refused = second.trials.iter().cloned().map(|mut trial| {
        (trial.outcome, trial.pace, trial.offered_ceiling_percent) =
            (Outcome::Limit, Pace { kind: "poisson".into(), rate: None }, None);
        trial
    });
    let refused = Run { trials: refused.collect(), ..second.clone() };
    assert_eq!(compare(Sides::Runs(&first, &refused)).differing, []);

    for trial in &mut second.trials {
        trial.settings.burn_ns = Some(21_000);
        trial.settings.path = Some("/compute/520000".into());
        trial.offered_ceiling_percent = Some(50.0);
    }
    let differing = compare(Sides::Runs(&first, &second)).differing;
    let named: Vec<&str> = differing.iter().map(|one| one.what.as_str()).collect();
    assert_eq!(named, ["pace percent of the ceiling", "settings burn_ns", "settings path"]);
}

#[test]
fn machines_and_settings_that_differ_are_named_and_sources_are_not_held_against_a_run() {
    let first = run(6, &[("a", "default", 1.0)]);
    let mut second = first.clone();
    second.machine.cpu_model = Some("two".into());
    second.machine.sysctls.insert("net.core.somaxconn".into(), "128".into());
    second.machine.git_revision = Some("abc".into());
    for trial in &mut second.trials {
        trial.settings.duration_s = Some(1.0);
        trial.settings.opening = Some("burst".into());
    }
    let comparison = compare(Sides::Runs(&first, &second));
    let named = |list: &[Differing]| list.iter().map(|one| one.what.clone()).collect::<Vec<_>>();
    assert_eq!(
        named(&comparison.differing),
        ["cpu_model", "settings duration_s", "settings opening"]
    );
    // What only one run recorded cannot be held against it.
    assert_eq!(named(&comparison.changed), ["sysctls net.core.somaxconn", "git_revision"]);
}

#[test]
fn what_taints_a_figure_takes_it_out_and_says_why() {
    let mut all_drifted = run(6, &[("a", "default", 1000.0), ("b", "default", 1300.0)]);
    all_drifted.trials.iter_mut().for_each(|trial| trial.flags = vec![Flag::Drifted]);
    let sound = run(6, &[("a", "default", 1000.0)]);
    let tainted = |change: &dyn Fn(&mut Trial)| {
        let mut run = sound.clone();
        run.trials.iter_mut().for_each(change);
        compare(Sides::Runs(&sound, &run))
    };
    let why = |comparison: &Comparison, metric: &str| row(comparison, metric, "a").why.clone();
    let bound = tainted(&|trial| trial.flags = vec![Flag::GeneratorBound]);
    assert!(why(&bound, "rate").unwrap().contains("generator") && why(&bound, "p99").is_some());
    assert_eq!(why(&bound, "cpu"), None);
    let noisy = tainted(&|trial| trial.flags = vec![Flag::Noisy]);
    assert!(why(&noisy, "cpu").unwrap().contains("noisy"));
    let one_noisy =
        tainted(&|trial| trial.flags.extend((trial.repeat == 1).then_some(Flag::Noisy)));
    assert!(why(&one_noisy, "cpu").unwrap().starts_with("5 repeats"));
    let drifted = tainted(&|trial| trial.flags = vec![Flag::Drifted]);
    assert!(why(&drifted, "cpu").unwrap().contains("drifted"), "of another run nothing is known");
    let beside = compare(Sides::Models(&all_drifted, "a", "b"));
    assert_eq!(row(&beside, "cpu", "b / a").why, None, "all of one run drift alike");
    for (outcome, word) in [
        (Outcome::Starved, "starved"),
        (Outcome::Inconsistent, "inconsistent"),
        (Outcome::FailedStart, "failed-start"),
    ] {
        let ended = tainted(&|trial| trial.outcome = outcome);
        assert_eq!(why(&ended, "cpu"), Some(format!("second: {word}")));
    }
}

#[test]
fn hostile_figures_are_compared_with_nothing_and_nothing_panics() {
    let sound = run(6, &[("a", "default", 1000.0)]);
    let hostile = [None, Some(f64::NAN), Some(f64::INFINITY), Some(-1.0), Some(0.0)];
    for figure in hostile {
        let mut run = sound.clone();
        for trial in &mut run.trials {
            trial.server.cpu_ns_per_request = figure;
            trial.latency_ns = None;
        }
        let comparison = compare(Sides::Runs(&sound, &run));
        assert_eq!(row(&comparison, "cpu", "a").direction, Direction::NotCompared, "{figure:?}");
        assert!(Ties::of(&run, &place(), cpu()).smallest_visible().is_none());
    }
    let empty = Run::default();
    assert_eq!(compare(Sides::Runs(&empty, &empty)).rows, []);
    assert_eq!(Ties::of(&empty, &place(), cpu()).with_best(), Vec::<&str>::new());
    assert!(floor(&empty, &place(), cpu()).is_err());
    let one = run(1, &[("a", "default", 1.0), ("b", "default", 9.0)]);
    let ties = Ties::of(&one, &place(), cpu());
    assert!(matches!(ties.between("a", "b").unwrap().verdict, Verdict::NotCompared(_)));
    assert_eq!(ties.with_best(), ["a"], "one repeat is compared with nothing");
}

#[test]
fn memory_per_connection_is_the_slope_over_several_numbers_of_connections() {
    let with = |bytes_each: u64| {
        let mut run = run(0, &[]);
        for connections in [10, 100, 1000] {
            for repeat in 1..=3 {
                let mut trial = trial("a", "default", repeat, 1000.0);
                trial.connections = connections;
                trial.connections_established = Some(connections);
                trial.server.pss_bytes =
                    Some(1_000_000 + bytes_each * connections + 100 * u64::from(repeat));
                run.trials.push(trial);
            }
        }
        run
    };
    let comparison = compare(Sides::Runs(&with(10_000), &with(12_000)));
    let memory = row(&comparison, "memory", "a");
    assert_eq!((memory.direction, memory.connections), (Direction::Worse, None));
    let ratio = memory.ratio.unwrap();
    assert!(ratio.low > 1.19 && ratio.high < 1.21 && ratio.pairs == 9, "{ratio:?}");
    assert!(memory.first.is_some_and(|slope| (slope - 10_000.0).abs() < 1.0), "{memory:?}");
    let flat = compare(Sides::Runs(&with(0), &with(12_000)));
    let why = |comparison: &Comparison| row(comparison, "memory", "a").why.clone().unwrap();
    assert!(why(&flat).contains("does not surely grow"), "{}", why(&flat));
    let mut few = with(12_000);
    few.trials.retain(|trial| trial.repeat == 1);
    let few = compare(Sides::Runs(&with(10_000), &few));
    assert_eq!(why(&few), "3 trials, and an interval needs 6");
}
