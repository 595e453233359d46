//! Everyone talks to everyone; and contestants that are wrong on purpose, as servers or as clients, are told from those
//! that they talk to.

use std::collections::BTreeSet;
use std::num::NonZero;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::Duration;

use harness::battery::Subject;
use harness::interop::{self, Found, Interop};
use harness::registry::Registry;
use harness::workspace;
use tempfile::TempDir;

const JOBS: NonZero<usize> = NonZero::new(4).expect("four is not zero");

/// Longer than any client needs that does not hang on purpose, on a busy machine too.
const PATIENCE: Duration = Duration::from_mins(1);

#[test]
fn every_client_gets_on_with_every_server_and_with_those_that_fail() {
    let binaries = workspace::built_once();
    let subjects: Vec<Subject> =
        Registry::embedded().models.iter().map(|model| Subject::of(model, binaries)).collect();
    let interop = interop::run(&subjects, JOBS, PATIENCE).expect("sockets are to be had");
    let failure = |found: &Found| {
        let why = found.failure.as_deref().unwrap_or_default();
        format!("{}: {why}", cell(&found.client, found.claim.name(), found.service.name()))
    };
    let failures: Vec<String> = interop.failures().map(failure).collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
    assert!(interop.complaints.is_empty(), "{:#?}", interop.complaints);
    // For each of two services: each server, the two that fail, and the results as a whole.
    assert_eq!(interop.found.len(), 2 * subjects.len() * (subjects.len() + 3));
}

/// Contestants by their faults, beside one with none, whose name is `right`.
fn meet(faults: &[&str], patience: Duration) -> Interop {
    let program = workspace::example("wrong_peer");
    let folder: TempDir = tempfile::tempdir().expect("a temporary folder");
    let registry = Registry::embedded();
    let any = registry.get("thread-per-connection").expect("it is registered");
    let subject = |name: &&str| {
        let mut model = any.clone();
        model.name = (*name).into();
        let subject = Subject::of(&model, folder.path());
        if *name != "no-such-program" {
            symlink(&program, &subject.program).expect("a link in a temporary folder");
        }
        subject
    };
    let subjects: Vec<Subject> = ["right"].iter().chain(faults).map(subject).collect();
    interop::run(&subjects, JOBS, patience).expect("sockets are to be had")
}

/// Client, column and service of each claim that does not hold, such as `right another-page http`.
fn failed(interop: &Interop) -> BTreeSet<String> {
    let cell = |found: &Found| cell(&found.client, found.claim.name(), found.service.name());
    interop.failures().map(cell).collect()
}

fn cell(client: &str, column: &str, service: &str) -> String {
    format!("{client} {column} {service}")
}

fn cells(client: &str, columns: &[&str], services: &[&str]) -> Vec<String> {
    let pairs = columns.iter().flat_map(|column| services.iter().map(move |of| (column, of)));
    pairs.map(|(column, service)| cell(client, column, service)).collect()
}

const BOTH: &[&str] = &["http", "echo"];

#[test]
fn a_server_that_answers_wrongly_is_caught_by_every_client_and_no_other_server_is() {
    let faults: [(&str, &[&str], &str); 5] = [
        ("another-page", &["http"], "status 404"),
        ("another-length", &["http"], "was due"),
        ("another-text", BOTH, "failed: "),
        ("half-an-answer", BOTH, "failed: "),
        ("dies", BOTH, "failed: "),
    ];
    let interop = meet(&faults.map(|(fault, ..)| fault), PATIENCE);
    let mut expected = BTreeSet::new();
    for client in ["right"].into_iter().chain(faults.map(|(fault, ..)| fault)) {
        for (fault, services, _) in faults {
            expected.extend(cells(client, &[fault], services));
        }
    }
    assert_eq!(failed(&interop), expected, "{interop:#?}");
    for found in interop.failures() {
        let (_, _, word) = faults.iter().find(|(fault, ..)| *fault == found.claim.name()).unwrap();
        assert!(found.failure.as_deref().unwrap().contains(word), "{found:?}");
    }
    // One for each service, and only of the server that did not live to the end.
    let complaints: Vec<(&str, bool)> = interop
        .complaints
        .iter()
        .map(|complaint| (complaint.server.as_str(), complaint.text.contains("ended by itself")))
        .collect();
    assert_eq!(complaints, [("dies", true); 2], "{:?}", interop.complaints);
}

#[test]
fn a_server_that_ends_badly_is_complained_of_though_it_answers_rightly() {
    let interop = meet(&["ends-badly"], PATIENCE);
    assert_eq!(failed(&interop), BTreeSet::new());
    assert_eq!(interop.complaints.len(), 2, "{:?}", interop.complaints);
    for complaint in &interop.complaints {
        assert_eq!(complaint.server, "ends-badly");
        assert!(complaint.text.contains("status 1"), "{}", complaint.text);
        assert!(complaint.text.contains("out of ideas"), "{}", complaint.text);
    }
}

#[test]
fn a_client_that_reports_wrongly_is_caught_and_no_server_is_blamed_by_the_others() {
    // The first two results are those of the first server, which is right.
    let faults: [(&str, &[&str], &str); 6] = [
        ("loses-a-failure", &["refuses", "ends-early", "results"], "result"),
        ("hides-a-failure", &["refuses", "ends-early"], "cannot be fetched"),
        ("mixes-them-up", &["right"], "was due"),
        ("says-it-twice", &["results"], "results for"),
        ("leaves-a-process", &["results"], "1 processes behind"),
        ("as-they-end", &["results"], "was due"),
    ];
    let interop = meet(&faults.map(|(fault, ..)| fault), PATIENCE);
    let of_fault = |(fault, columns, _)| cells(fault, columns, BOTH);
    let mut expected: BTreeSet<String> = faults.into_iter().flat_map(of_fault).collect();
    let mut found = failed(&interop);
    // No echo is slow on purpose: they may end in their order.
    let may_be = cell("as-they-end", "results", "echo");
    expected.remove(&may_be);
    found.remove(&may_be);
    assert_eq!(found, expected, "{interop:#?}");
    for found in interop.failures() {
        let (_, _, word) = faults.iter().find(|(fault, ..)| *fault == found.client).unwrap();
        assert!(found.failure.as_deref().unwrap().contains(word), "{found:?}");
    }
    assert!(interop.complaints.is_empty(), "{:?}", interop.complaints);
}

#[test]
fn a_client_that_gives_up_or_cannot_be_started_fails_in_every_column_and_says_why() {
    let faults = ["stops-at-a-failure", "no-such-program"];
    let interop = meet(&faults, PATIENCE);
    let columns = ["right", faults[0], faults[1], "refuses", "ends-early", "results"];
    let mut expected: BTreeSet<String> =
        faults.iter().flat_map(|client| cells(client, &columns, BOTH)).collect();
    // Nor is there a server of that name.
    expected.extend(cells("right", &[faults[1]], BOTH));
    assert_eq!(failed(&interop), expected, "{interop:#?}");
    let why = |client: &str, column: &str| {
        let mut failures = interop.failures();
        let found =
            failures.find(|found| (found.client.as_str(), found.claim.name()) == (client, column));
        found.unwrap().failure.clone().unwrap()
    };
    assert!(why("stops-at-a-failure", "results").contains("status 1"));
    assert!(why("stops-at-a-failure", "results").contains("one has failed"), "its last words");
    assert!(why("stops-at-a-failure", "right").contains("no result at all"));
    assert!(why("no-such-program", "results").contains("failed to run"));
    assert!(why("right", "no-such-program").contains("failed to start"));
}

#[test]
fn a_client_that_hangs_is_ended_and_said_to_hang() {
    let interop = meet(&["hangs"], Duration::from_secs(2));
    let hung: Vec<&Found> = interop
        .failures()
        .filter(|found| (found.client.as_str(), found.claim.name()) == ("hangs", "results"))
        .collect();
    assert_eq!(hung.len(), 2, "{interop:#?}");
    for found in hung {
        assert!(found.failure.as_deref().unwrap().contains("within 2 s"), "{found:?}");
    }
}

#[test]
fn the_command_shows_a_table_or_json_and_its_status_says_whether_all_get_on() {
    // One model is there, and is right; the other is not.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let c10k = folder.path().join("c10k");
    std::fs::copy(env!("CARGO_BIN_EXE_c10k"), &c10k).unwrap();
    symlink(workspace::example("wrong_peer"), folder.path().join("mio-loop")).unwrap();
    let verify = |args: &[&str]| {
        let fixed = ["verify", "--interop", "--no-build"];
        let output = Command::new(&c10k).args(fixed.iter().chain(args)).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (status, table) = verify(&["--models", "mio-loop"]);
    assert_eq!(status, Some(0), "{table}");
    assert!(table.contains(" 1 mio-loop  ok  ok       ok          ok"), "{table}");
    assert!(table.contains("8 claims tried over 2 services, 0 failed, 0 complaints"), "{table}");

    let (status, json) = verify(&["--models", "mio-loop,reactor", "--json"]);
    assert_eq!(status, Some(1), "{json}");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let client = &json["clients"][0];
    assert_eq!(client["client"], "mio-loop");
    for service in BOTH {
        let claims = &client[service];
        assert_eq!(claims["results"]["verdict"], "pass", "{json:#}");
        assert_eq!(claims["servers"]["mio-loop"]["verdict"], "pass", "{json:#}");
        assert_eq!(claims["servers"]["reactor"]["verdict"], "fail", "{json:#}");
    }
    assert_eq!(json["complaints"], serde_json::json!([]));
    let claims = json["claims"].as_object().unwrap();
    let names: Vec<&str> = claims.keys().map(String::as_str).collect();
    assert_eq!(names, ["ends-early", "refuses", "results", "servers"]);

    let (status, table) = verify(&["--models", "mio-loop,reactor"]);
    assert_eq!(status, Some(1), "{table}");
    assert!(table.contains("mio-loop  ok    FAIL"), "{table}");
    assert!(table.contains("client mio-loop,reactor x reactor (http): failed to start"), "{table}");
}
