//! Verdicts over runs that were made up for them.

mod lab;

use record::claims::{ClaimRecord, LabLine, Role, Verdict, Verdicts};
use record::machine::{ContestantRecord, Machine};
use record::run::Run;
use record::trial::{Beside, Client, Flag, Latency, Outcome, Trial};

use super::criterion::{Book, Claim};
use super::evidence::Evidence;
use super::judge::judge;
use super::of;
use crate::plan::{Plan, Service};
use crate::registry::Registry;

/// Every claim that the sources make, by the list that the project began with.
const IDS: [&str; 36] = [
    "process-cost",
    "thread-limit",
    "thread-1000",
    "threads-not-free",
    "loop-best-io",
    "loop-scales",
    "select-poll-epoll",
    "single-thread-enough",
    "wasted-switches",
    "async-fewer-switches",
    "green-like-threads",
    "green-still-races",
    "async-race-free",
    "callbacks-swallow",
    "callback-breaks-loop",
    "no-deadlocks",
    "all-or-nothing",
    "callbacks-no-gather",
    "blocking-freezes",
    "executor-saves",
    "pool-exhausts",
    "not-for-compute",
    "idiom-sequential",
    "idiom-parallel",
    "idiom-chained",
    "idiom-timer",
    "future-eats-callback",
    "ten-downloads",
    "three-urls",
    "client-async-cheapest",
    "simple-to-complex",
    "sql-overlap",
    "redis-overlap",
    "http-overlap",
    "runtime-threads",
    "thread-per-core",
];

fn trial(experiment: &str, variant: &str, model: &str, connections: u64) -> Trial {
    Trial {
        experiment: experiment.into(),
        variant: variant.into(),
        model: model.into(),
        service: "http".into(),
        connections,
        repeat: 1,
        attempt: 1,
        ..Trial::default()
    }
}

fn slept(variant: &str, model: &str, wall_ms: u64, ends_ms: &[u64]) -> Trial {
    let client = Client {
        wall_ns: Some(wall_ms * 1_000_000),
        sleeps_ms: ends_ms.to_vec(),
        ends_ns: ends_ms.iter().map(|ms| ms * 1_000_000).collect(),
        ..Client::default()
    };
    Trial { client: Some(client), ..trial("idioms", variant, model, 3) }
}

fn waited(variant: &str, model: &str, p99_ms: u64) -> Trial {
    let p99 = p99_ms * 1_000_000;
    let mut trial = trial("blocking", variant, model, 10);
    trial.latency_ns = Some(Latency { p99, ..Latency::default() });
    trial.settings.workers = Some(1);
    trial.beside = Some(Beside::default());
    trial
}

fn run(trials: Vec<Trial>) -> Run {
    let mut contestants: Vec<ContestantRecord> = Vec::new();
    for trial in &trials {
        if !contestants.iter().any(|it| it.name == trial.model) {
            contestants.push(ContestantRecord { name: trial.model.clone(), ..Default::default() });
        }
    }
    let machine = Machine { contestants, server_cpus: Some("1".into()), ..Machine::default() };
    Run { machine, trials, ..Run::default() }
}

fn lab(test: &str, mechanism: &str, variant: &str, figure: (&str, f64)) -> LabLine {
    LabLine {
        test: test.into(),
        mechanism: mechanism.into(),
        variant: variant.into(),
        figures: [(figure.0.to_owned(), figure.1)].into(),
        ..LabLine::default()
    }
}

fn claim(id: &str) -> Claim {
    Book::embedded().claims.into_iter().find(|claim| claim.id == id).unwrap()
}

fn judged(id: &str, trials: Vec<Trial>, lab: &[LabLine]) -> ClaimRecord {
    let run = run(trials);
    judge(&claim(id), &Evidence::of(&run, lab))
}

fn verdict(id: &str, trials: Vec<Trial>) -> (Verdict, String) {
    let judged = judged(id, trials, &[]);
    (judged.verdict, judged.detail.unwrap_or_default())
}

#[test]
fn every_claim_of_the_list_is_in_the_book_with_criteria_over_known_models() {
    let book = Book::embedded();
    let registry = Registry::embedded();
    let ids: Vec<&str> = book.claims.iter().map(|claim| claim.id.as_str()).collect();
    for id in IDS {
        assert_eq!(ids.iter().filter(|one| **one == id).count(), 1, "{id}");
    }
    assert_eq!(ids.len(), IDS.len());
    for claim in &book.claims {
        for test in
            claim.tests.iter().filter(|test| test.experiment.is_some() || test.pages.is_some())
        {
            let base = test.over.as_ref().and_then(|over| over.model.as_ref());
            for model in test.models.iter().chain(base) {
                assert!(registry.get(model).is_ok(), "claim `{}` names `{model}`", claim.id);
            }
        }
    }
}

#[test]
fn a_book_that_could_not_decide_is_refused() {
    let book = |test: &str| {
        let head = "[sources]\nA = 'a'\n[groups]\n[[claim]]\nid = 'a'\nclaim = 'b'\nsource = ['A']\ncheck = 'c'\n";
        Book::parse(&format!("{head}{test}")).map(|_| ()).map_err(|error| format!("{error:#}"))
    };
    let sound = "[[claim.test]]\nexperiment = 'sweep'\nmetric = 'p99_ms'\nat_most = 1\nwhy = 'd'\n";
    assert_eq!(book(sound), Ok(()));
    for (bad, word) in [
        ("", "needs a test"),
        (&sound.replace("p99_ms", "p98_ms"), "p98_ms"),
        (&sound.replace("at_most = 1\n", ""), "bound"),
        (&sound.replace("why = 'd'", ""), "reason"),
        (&sound.replace("metric", "lab = 'race'\nmetric"), "one of"),
        (&sound.replace("metric", "models = ['@none']\nmetric"), "no group `none`"),
    ] {
        let error = book(bad).unwrap_err();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn sequential_sleeps_are_their_sum_and_parallel_ones_their_longest() {
    let ends = [40, 70, 80];
    assert_eq!(
        verdict("idiom-sequential", vec![slept("sequential", "mio-loop", 81, &ends)]).0,
        Verdict::Holds
    );
    assert_eq!(
        verdict("idiom-sequential", vec![slept("sequential", "mio-loop", 41, &ends)]).0,
        Verdict::DoesNotHold
    );
    let parallel = vec![
        slept("parallel", "mio-loop", 41, &[40, 30, 20]),
        slept("parallel", "sequential", 90, &[40, 70, 90]),
    ];
    let (verdict, detail) = verdict("idiom-parallel", parallel);
    assert_eq!(verdict, Verdict::HoldsOnlyWhen);
    assert_eq!(detail, "for mio-loop; not for sequential");
}

#[test]
fn a_run_without_the_experiment_names_the_command_that_measures_it() {
    let (verdict, detail) =
        verdict("blocking-freezes", vec![slept("parallel", "mio-loop", 41, &[40])]);
    assert_eq!(verdict, Verdict::NotTestableHere);
    assert!(detail.contains("c10k run --profile standard --experiments blocking"), "{detail}");
}

#[test]
fn a_load_that_was_not_measured_leaves_a_claim_open() {
    let at = |connections| {
        let mut trial = trial("sweep", "default", "tokio-tasks", connections);
        trial.server.voluntary_switches_per_request = Some(0.01);
        trial.server.involuntary_switches_per_request = Some(0.0);
        trial
    };
    let (open, detail) = verdict("async-fewer-switches", vec![at(10), at(100)]);
    assert_eq!(open, Verdict::NotTestableHere);
    assert!(detail.contains("--connections 1,1000"), "{detail}");
    let all = vec![at(1), at(10), at(100), at(1_000)];
    assert_eq!(verdict("async-fewer-switches", all).0, Verdict::Holds);
}

#[test]
fn whoever_fails_the_control_decides_nothing() {
    let frozen =
        |alone| vec![waited("alone", "mio-loop", alone), waited("inline", "mio-loop", 100)];
    assert_eq!(verdict("blocking-freezes", frozen(1)).0, Verdict::Holds);
    let (failed, detail) = verdict("blocking-freezes", frozen(90));
    assert_eq!(failed, Verdict::NotTestableHere);
    assert!(detail.contains("failed the control"), "{detail}");
    let (open, detail) = verdict("blocking-freezes", vec![waited("inline", "mio-loop", 100)]);
    assert_eq!(open, Verdict::NotTestableHere);
    assert!(detail.contains("not put to the control"), "{detail}");
}

#[test]
fn a_loop_that_is_not_frozen_refutes_the_claim_and_noise_decides_nothing() {
    let trials = vec![waited("alone", "mio-loop", 1), waited("inline", "mio-loop", 2)];
    assert_eq!(verdict("blocking-freezes", trials.clone()).0, Verdict::DoesNotHold);
    let noisy =
        trials.into_iter().map(|trial| Trial { flags: vec![Flag::Noisy], ..trial }).collect();
    let (verdict, detail) = verdict("blocking-freezes", noisy);
    assert_eq!(verdict, Verdict::NotTestableHere);
    assert!(detail.contains("noisy"), "{detail}");
}

/// The field notes: 16,367 threads, and no more for want of memory mappings.
#[test]
fn the_thread_limit_of_a_few_hundred_does_not_hold_where_16_000_are_held() {
    let at = |connections, outcome| {
        let mut trial = trial("wall", "default", "thread-per-connection", connections);
        trial.outcome = outcome;
        trial.latency_ns = Some(Latency { p99: 3_000_000, ..Latency::default() });
        trial.settings.active = Some(100);
        if outcome == Outcome::Limit {
            trial.outcome_detail = Some("max_map_count stops at 16,367".into());
        }
        trial
    };
    // Its base is of another experiment: a hundred that are all active.
    let base = Trial { experiment: "sweep".into(), ..at(100, Outcome::Ok) };
    let whole = vec![base.clone(), at(16_000, Outcome::Ok), at(32_000, Outcome::Limit)];
    let judged = judged("thread-limit", whole, &[]);
    assert_eq!(judged.verdict, Verdict::DoesNotHold);
    let case = &judged.criteria[0].cases[0];
    assert!((case.value - 16_000.0).abs() < f64::EPSILON, "{case:?}");
    assert!(case.detail.as_ref().unwrap().contains("max_map_count"), "{case:?}");
    // A hundred that were held say nothing of a limit; a hundred beyond which nothing was held do.
    assert_eq!(verdict("thread-limit", vec![at(100, Outcome::Ok)]).0, Verdict::NotTestableHere);
    let stopped = vec![at(100, Outcome::Ok), at(1_000, Outcome::Limit)];
    assert_eq!(verdict("thread-limit", stopped).0, Verdict::Holds);
    // How fast 16,000 are cannot be told without the hundred.
    let alone = vec![at(16_000, Outcome::Ok), at(32_000, Outcome::Limit)];
    assert_eq!(verdict("thread-limit", alone).0, Verdict::NotTestableHere);
}

#[test]
fn a_thread_count_that_is_held_slowly_is_not_held() {
    let at = |connections, p99_ms: u64, active| {
        let mut trial = trial("memory", "default", "thread-per-connection", connections);
        trial.latency_ns = Some(Latency { p99: p99_ms * 1_000_000, ..Latency::default() });
        trial.settings.active = Some(active);
        trial
    };
    assert_eq!(verdict("thread-limit", vec![at(100, 1, 10), at(1_000, 3, 10)]).0, Verdict::Holds);
    assert_eq!(
        verdict("thread-limit", vec![at(100, 1, 10), at(1_000, 1, 10)]).0,
        Verdict::DoesNotHold
    );
    // With ten times as many active, a closed loop's latency grows tenfold by itself: that decides nothing.
    assert_eq!(
        verdict("thread-limit", vec![at(100, 1, 10), at(1_000, 9, 100)]).0,
        Verdict::NotTestableHere
    );
}

#[test]
fn memory_per_connection_is_a_slope_and_is_compared_with_another_models() {
    let at = |model: &str, connections: u64, kib_each: u64| {
        let mut trial = trial("memory", "default", model, connections);
        trial.server.pss_bytes = Some(5_000_000 + connections * kib_each * 1024);
        trial.kernel.slab_bytes = Some(0);
        trial.kernel.kernel_stack_bytes = Some(0);
        trial.kernel.page_table_bytes = Some(0);
        trial
    };
    let mut trials = vec![at("mio-loop", 100, 10), at("mio-loop", 1_000, 10)];
    trials.extend([at("thread-per-connection", 100, 30), at("thread-per-connection", 1_000, 30)]);
    let judged = judged("threads-not-free", trials, &[]);
    let case = &judged.criteria[0].cases[0];
    assert!((case.value - 3.0).abs() < 1e-9 && case.passed == Some(true), "{case:?}");
    assert_eq!(judged.verdict, Verdict::NotTestableHere, "the run has no churn");
}

/// What decides a claim must be in the run that people are told to make.
#[test]
fn standard_measures_every_load_that_decides_a_claim() {
    let standard = Plan::profile("standard").unwrap();
    assert!(standard.claims);
    for claim in Book::embedded().claims {
        for test in claim.tests.iter().filter(|test| test.role != Role::Figure) {
            let Some(experiment) = &test.experiment else { continue };
            let of_variant = |variant: &String, count: Option<&u64>| {
                standard.experiments.iter().any(|entry| {
                    entry.name == *experiment
                        && entry.variant == *variant
                        && entry.services.contains(&Service::Http)
                        && count.is_none_or(|count| entry.connections.contains(count))
                })
            };
            for variant in &test.variants {
                assert!(of_variant(variant, None), "{}: {experiment} {variant}", claim.id);
                for count in &test.connections {
                    assert!(of_variant(variant, Some(count)), "{}: {experiment} {count}", claim.id);
                }
            }
        }
    }
}

#[test]
fn an_argument_and_a_missing_cpu_are_no_test() {
    assert_eq!(verdict("all-or-nothing", Vec::new()).0, Verdict::NotTestableHere);
    let (verdict, detail) = verdict("thread-per-core", Vec::new());
    assert_eq!(verdict, Verdict::NotTestableHere);
    assert!(detail.contains("1 server CPU"), "{detail}");
}

#[test]
fn drivers_are_read_from_the_newest_record_beside_the_runs() {
    let folder = tempfile::tempdir().unwrap();
    let case = |connections, wall_ms| {
        serde_json::json!({ "driver": "tokio-postgres", "mode": "tasks", "queries": 8, "errors": 0,
            "connections": connections, "wall_ms": wall_ms })
    };
    let record = serde_json::json!({ "cases": [case(1, 805.0), case(8, 103.0)] });
    std::fs::write(folder.path().join("drivers-20260101.json"), "{}").unwrap();
    std::fs::write(folder.path().join("drivers-20260102.json"), record.to_string()).unwrap();
    let run = Run { dir: folder.path().join("a-run"), ..run(Vec::new()) };
    let evidence = Evidence::of(&run, &[]);
    let judged = judge(&claim("sql-overlap"), &evidence);
    assert_eq!(judged.verdict, Verdict::HoldsOnlyWhen);
    assert!(judged.detail.unwrap().contains("8 connections"));
    assert_eq!(judge(&claim("redis-overlap"), &evidence).verdict, Verdict::NotTestableHere);

    let control = serde_json::json!({ "driver": "tokio-postgres", "control": false, "ok": true });
    let record = serde_json::json!({ "cases": [case(8, 103.0), control] });
    std::fs::write(folder.path().join("drivers-20260103.json"), record.to_string()).unwrap();
    let judged = judge(&claim("sql-overlap"), &Evidence::of(&run, &[]));
    assert_eq!(judged.verdict, Verdict::NotTestableHere);
    assert!(judged.detail.unwrap().contains("a control came out wrong"));
}

#[test]
fn every_claim_gets_a_verdict_that_says_why_and_by_what() {
    let Verdicts { claims, sources, .. } = of(&run(Vec::new()), &[]);
    assert_eq!(claims.len(), IDS.len());
    for claim in claims {
        assert!(claim.sources.iter().all(|letter| sources.contains_key(letter)), "{}", claim.id);
        let decides = |role| claim.criteria.iter().any(|criterion| criterion.role == role);
        if claim.verdict == Verdict::NotTestableHere {
            assert!(claim.detail.is_some(), "{}", claim.id);
        } else {
            assert!(decides(Role::Claim), "{}", claim.id);
        }
    }
}
