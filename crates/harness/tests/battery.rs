//! The battery over every contestant, and over contestants that are wrong on purpose: each must be caught by its case.

use std::num::NonZero;
use std::os::unix::fs::symlink;

use harness::battery::{CASES, CONNECTIONS, Case, Subject, Verdict};
use harness::registry::{Registry, ServesAtMost};
use harness::{verify, workspace};

const JOBS: NonZero<usize> = NonZero::new(8).expect("eight is not zero");

#[test]
fn every_contestant_passes_every_case_or_is_limited_as_declared() {
    let binaries = workspace::built_once();
    let subjects: Vec<Subject> = Registry::embedded()
        .models
        .into_iter()
        .map(|model| Subject::of(&model, binaries))
        .collect();
    let cases: Vec<&Case> = CASES.iter().collect();
    let tried = verify::run(&subjects, &cases, JOBS);
    assert_eq!(tried.len(), subjects.len() * CASES.len());
    let failed: Vec<String> = tried
        .iter()
        .filter_map(|one| match &one.verdict {
            Verdict::Fail(why) => Some(format!("{} {}: {why}", one.model, one.case)),
            _ => None,
        })
        .collect();
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}

#[test]
fn every_case_catches_the_contestant_that_is_wrong_in_its_way() {
    let wrong = workspace::example("wrong");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut model =
        Registry::embedded().get("thread-per-connection").expect("it is registered").clone();
    // The fault's own case must judge it as it would any event-driven model with nothing to declare.
    model.name = "wrong".into();
    let mut missed = Vec::new();
    std::thread::scope(|scope| {
        let tries: Vec<_> = CASES
            .iter()
            .map(|case| {
                let program = folder.path().join(case.name);
                symlink(&wrong, &program).expect("a link in a temporary folder");
                let subject = Subject { model: model.clone(), program, connections: CONNECTIONS };
                (case, scope.spawn(move || case.run(&subject)))
            })
            .collect();
        for (case, tried) in tries {
            let verdict = tried.join().expect("a case does not panic");
            if !matches!(verdict, Verdict::Fail(_)) {
                missed.push(format!("{}: {verdict:?}", case.name));
            }
        }
    });
    assert!(missed.is_empty(), "not caught:\n{}", missed.join("\n"));
}

#[test]
fn a_forking_contestant_that_spins_while_forks_are_refused_is_caught() {
    let wrong = workspace::example("wrong");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let program = folder.path().join("forks");
    symlink(&wrong, &program).expect("a link in a temporary folder");
    let model =
        Registry::embedded().get("process-per-connection").expect("it is registered").clone();
    let case = CASES.iter().find(|case| case.name == "descriptors").expect("it is a case");
    match case.run(&Subject { model, program, connections: CONNECTIONS }) {
        Verdict::Fail(why) => assert!(why.contains("refused forks"), "{why}"),
        // Without root nothing can be said, and nothing is.
        verdict => assert!(matches!(verdict, Verdict::NotTestable(_)), "{verdict:?}"),
    }
}

#[test]
fn a_number_of_connections_that_is_not_as_declared_is_caught() {
    let binaries = workspace::built_once();
    let registry = Registry::embedded();
    let case = CASES.iter().find(|case| case.name == "slow-heads").expect("it is a case");
    // The first serves any number, the second 128.
    for (name, declared) in
        [("thread-per-connection", 100), ("thread-pool", 127), ("thread-pool", 129)]
    {
        let mut model = registry.get(name).expect("it is registered").clone();
        model.serves_at_most = NonZero::new(declared).map(ServesAtMost::Fixed);
        let verdict =
            case.run(&Subject { program: binaries.join(name), model, connections: CONNECTIONS });
        assert!(matches!(verdict, Verdict::Fail(_)), "{name}, declared {declared}: {verdict:?}");
    }
}

#[test]
fn the_right_model_of_the_wrong_contestants_passes_every_case() {
    // Without a fault the same program is right: so it is the fault that each case catches.
    let wrong = workspace::example("wrong");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let program = folder.path().join("no-fault");
    symlink(&wrong, &program).expect("a link in a temporary folder");
    let model =
        Registry::embedded().get("thread-per-connection").expect("it is registered").clone();
    let cases: Vec<&Case> = CASES.iter().collect();
    let tried = verify::run(&[Subject { model, program, connections: CONNECTIONS }], &cases, JOBS);
    let failed: Vec<_> =
        tried.iter().filter(|one| matches!(one.verdict, Verdict::Fail(_))).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}
