//! The command line as a user meets it: what is refused, with which words and which exit status.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::{Command, Output};

fn c10k(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_c10k")).args(args).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn wrong_arguments_are_refused_with_status_2_and_the_values_there_are() {
    let refused = [
        (vec!["run", "--models", "nosuch"], "mio-loop"),
        (vec!["run", "--models", "mio-loop,nosuch"], "`nosuch`"),
        (vec!["run", "--profile", "nosuch"], "quick"),
        (vec!["run", "--experiments", "nosuch"], "idle-mass"),
        (vec!["run", "--services", "smtp"], "echo"),
        (vec!["run", "--connections", "0"], "1.."),
        (vec!["run", "--connections", "ten"], "ten"),
        (vec!["run", "--repeats", "0"], "1.."),
        (vec!["run", "--duration", "3"], "500ms"),
        (vec!["run", "--plan", "/no/such/plan.toml"], "/no/such/plan.toml"),
        (vec!["run", "--plan", "p.toml", "--profile", "quick"], "--profile"),
        (vec!["run", "--resume", "--models", "mio-loop"], "--resume"),
        (vec!["run", "--resume", RUN, "--profile", "full"], "of the profile `quick`"),
        (vec!["verify", "--interop", "--cases", "panic"], "--cases"),
        (vec!["serve", "nosuch"], "mio-loop"),
        (vec!["report"], "RUN"),
        (vec!["claims"], "RUN"),
        (vec!["claims", "--list", "--json"], "--list"),
        (vec!["compare"], "RUN"),
        (vec!["compare", RUN], "second run"),
        (vec!["compare", RUN, RUN, "--models", "mio-loop,callbacks"], "within one run"),
        (vec!["compare", RUN, "--models", "mio-loop"], "--models A,B"),
        (vec!["compare", RUN, "--models", "mio-loop,nosuch"], "`nosuch`"),
        (vec!["compare", RUN, "--variants", "default,nosuch"], "it has default"),
        (vec!["compare", RUN, RUN, "--metrics", "nosuch"], "syscalls"),
        (vec!["export", "a-run", "--format", "xls"], "hyperfine"),
        (vec!["nosuch"], "nosuch"),
        (vec![], "Usage"),
    ];
    for (args, word) in refused {
        let output = c10k(&args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(word), "{args:?}: {}", stderr(&output));
    }
}

/// A committed run, seen from this package.
const RUN: &str = "../../results/20261122T033730Z-vm-2cpu-7c405b3";

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_str(&stdout(output)).unwrap()
}

#[test]
fn a_run_compared_with_itself_differs_in_nothing() {
    let output = c10k(&["compare", RUN, RUN, "--json", "--fail-on-regression"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let comparison = json(&output);
    let rows = comparison["rows"].as_array().unwrap();
    let count = |direction: &str| rows.iter().filter(|row| row["direction"] == direction).count();
    assert_eq!(count("better") + count("worse"), 0, "{comparison:#}");
    assert!(count("no-difference") > 50 && count("not-compared") > 50, "{comparison:#}");
}

#[test]
fn two_models_of_a_run_are_compared_and_a_regression_ends_with_status_3() {
    let models = ["compare", RUN, "--models", "mio-loop,process-per-connection"];
    let table = c10k(&models);
    assert_eq!(table.status.code(), Some(0), "{}", stderr(&table));
    for said in ["sweep: http, 100 connections", "worse", "smallest change", "A/A floor", "limit"] {
        assert!(stdout(&table).contains(said), "{said}: {}", stdout(&table));
    }
    let failed = c10k(&[&models[..], &["--fail-on-regression", "--metrics", "cpu"]].concat());
    assert_eq!(failed.status.code(), Some(3), "{}", stdout(&failed));
}

#[test]
fn runs_of_different_machines_or_settings_are_compared_only_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let run = std::path::Path::new(RUN);
    for file in ["machine.json", "plan.toml", "trials.jsonl"] {
        let text = std::fs::read_to_string(run.join(file)).unwrap();
        let changed = text
            .replace("\"duration_s\":1.0,\"", "\"duration_s\":3.0,\"")
            .replace("\"warmup_s\":0.5", "\"warmup_s\":2.5")
            .replace("\"cpus\": 2", "\"cpus\": 64");
        std::fs::write(folder.path().join(file), changed).unwrap();
    }
    let other = folder.path().to_str().unwrap();
    let refused = c10k(&["compare", RUN, other]);
    assert_eq!(refused.status.code(), Some(2), "{}", stdout(&refused));
    for said in ["cpus: 2 / 64", "settings warmup_s: 0.5 / 2.5", "--anyway"] {
        assert!(stderr(&refused).contains(said), "{said}: {}", stderr(&refused));
    }
    let told = c10k(&["compare", RUN, other, "--anyway", "--metrics", "cpu"]);
    assert_eq!(told.status.code(), Some(0), "{}", stderr(&told));
    assert!(stdout(&told).contains("cpus: 2 / 64"), "{}", stdout(&told));
}

#[test]
fn help_lists_the_commands_and_shows_examples() {
    let help = stdout(&c10k(&["--help"]));
    for command in [
        "run", "report", "compare", "export", "doctor", "models", "serve", "start", "stop",
        "fetch", "idiom",
    ] {
        assert!(help.contains(&format!("  {command} ")), "{command}: {help}");
    }
    let help = stdout(&c10k(&["run", "--help"]));
    assert!(help.contains("c10k run --models"), "{help}");
    assert!(help.contains("130"), "{help}");
}

#[test]
#[cfg(debug_assertions)]
fn a_debug_binary_records_nothing_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let output = c10k(&["run", "--no-build", "--out", folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("never recorded"), "{}", stderr(&output));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn every_claim_is_listed_with_source_criterion_and_reason() {
    let list = stdout(&c10k(&["claims", "--list"]));
    let paragraphs: Vec<&str> = list.trim().split("\n\n").collect();
    assert_eq!(paragraphs.len(), 36, "{list}");
    for claim in paragraphs {
        assert!(claim.contains("source: ") && claim.contains("check: "), "{claim}");
        let decided = claim.contains("demands ") && claim.contains("because ");
        assert!(decided || claim.starts_with("all-or-nothing"), "{claim}");
    }
}

#[test]
fn models_are_listed_with_runtime_and_lines() {
    let models: serde_json::Value =
        serde_json::from_str(&stdout(&c10k(&["models", "--json"]))).unwrap();
    let models = models.as_array().unwrap();
    let names: Vec<&str> = models.iter().map(|model| model["name"].as_str().unwrap()).collect();
    assert_eq!(names, harness::registry::Registry::embedded().names().collect::<Vec<_>>());
    for model in models {
        assert!(model["server_lines"].as_u64().unwrap() > 0, "{model}");
        assert!(model["client_lines"].as_u64().unwrap() > 0, "{model}");
        assert_eq!(model["runtime_version"].is_null(), model["runtime"] == "std", "{model}");
    }
    let table = stdout(&c10k(&["models"]));
    assert!(names.iter().all(|name| table.contains(name)), "{table}");
}

#[test]
fn doctor_answers_for_each_model_with_what_stops_it() {
    let output = c10k(&["doctor", "--connections", "900000000", "--json"]);
    let findings: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let limits = findings["limits"].as_array().unwrap();
    let said = |field: &str| limits.iter().all(|limit| !limit[field].as_str().unwrap().is_empty());
    assert!(
        !limits.is_empty() && ["group", "name", "value", "caps"].iter().all(|field| said(field))
    );
    for answer in findings["models"].as_array().unwrap() {
        assert_eq!(answer["can"], false, "{answer}");
        assert!(answer["shared_out"].is_null(), "no number of processes holds as many: {answer}");
        let limits = answer["limits"].as_array().unwrap();
        assert!(
            limits.iter().all(|limit| !limit["remedy"].as_str().unwrap().is_empty()),
            "{answer}"
        );
    }
    let one: serde_json::Value =
        serde_json::from_str(&stdout(&c10k(&["doctor", "--connections", "1", "--json"]))).unwrap();
    assert!(one["models"].as_array().unwrap().iter().all(|answer| answer["can"] == true), "{one}");
    assert!(stdout(&c10k(&["doctor"])).contains("nofile"));
}

#[test]
fn a_contestant_by_hand_gets_its_arguments_and_gives_its_status() {
    harness::workspace::built_once();
    for name in harness::registry::Registry::embedded().names() {
        let output = c10k(&["serve", name, "--service", "smtp"]);
        assert_eq!(output.status.code(), Some(2), "{name}: {}", stderr(&output));
        let output = c10k(&["idiom", name, "parallel", "--sleeps", "1,1"]);
        assert_eq!(output.status.code(), Some(0), "{name}: {}", stderr(&output));
        assert!(stdout(&output).contains("parallel"), "{name}: {}", stdout(&output));
    }
}

#[test]
fn a_server_in_the_background_serves_a_scenario_until_it_is_stopped() {
    harness::workspace::built_once();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server");
    let file = file.to_str().unwrap();
    let start = ["start", file, "mio-loop", "--service", "http"];
    let output = c10k(&start);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let address = stdout(&output).trim().strip_prefix("listening ").unwrap().to_owned();
    // Whatever fails from here on, the server must not stay.
    let refused = c10k(&start);
    let scenario = ["fetch", "tokio-tasks", "--scenario", "three-urls", "--server", &address];
    let fetched = c10k(&scenario);
    let stopped = c10k(&["stop", file]);

    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains(&format!("c10k stop {file}")), "{}", stderr(&refused));
    assert_eq!(fetched.status.code(), Some(0), "{}", stderr(&fetched));
    assert!(stdout(&fetched).contains(r#""fetched":3"#), "{}", stdout(&fetched));
    assert_eq!(stopped.status.code(), Some(0), "{}", stderr(&stopped));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
    assert_eq!(c10k(&["stop", file]).status.code(), Some(1), "there is nothing to stop any more");
    let fetched = c10k(&scenario);
    assert_eq!(fetched.status.code(), Some(1), "whoever times it must see that it failed");
    assert!(stderr(&fetched).contains("fetch of the scenario failed"), "{}", stderr(&fetched));

    let never = c10k(&["start", file, "mio-loop", "--service", "smtp"]);
    assert_eq!(never.status.code(), Some(1));
    assert!(stderr(&never).contains("echo"), "its last words are shown: {}", stderr(&never));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
