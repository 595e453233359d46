//! Whatever stands in the files, reading ends in words and never in a panic.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::sample::{full_machine, full_trial};
use proptest::prelude::*;
use record::run::{MACHINE, PLAN, TRIALS};
use record::{Run, SCHEMA};
use serde_json::{Value, json};

/// Reads a run whose `trials.jsonl` holds these bytes.
fn read(lines: &[u8]) -> Run {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(MACHINE), serde_json::to_string(&full_machine()).unwrap()).unwrap();
    fs::write(dir.path().join(PLAN), "").unwrap();
    fs::write(dir.path().join(TRIALS), lines).unwrap();
    Run::read(dir.path()).unwrap()
}

/// A good line with some of its fields replaced.
fn line(changes: &Value) -> String {
    let mut value = serde_json::to_value(full_trial()).unwrap();
    for (name, change) in changes.as_object().unwrap() {
        value[name] = change.clone();
    }
    format!("{value}\n")
}

fn only_warning(run: &Run) -> &str {
    let [warning] = &run.warnings[..] else { panic!("{:?}", run.warnings) };
    warning
}

#[test]
fn a_last_line_cut_short_is_named_by_its_number() {
    let run =
        read(format!("{}{}", line(&json!({})), &line(&json!({ "repeat": 9 }))[..40]).as_bytes());
    assert_eq!(run.trials.len(), 1);
    assert!(
        only_warning(&run).starts_with("line 2 of `trials.jsonl` is cut short"),
        "{:?}",
        run.warnings
    );
    assert_eq!(run.line_count, 2);
}

#[test]
fn fields_of_a_later_version_are_ignored() {
    let run =
        read(line(&json!({ "colour": "red", "server": { "joules": 1, "threads": 4 } })).as_bytes());
    assert_eq!(run.warnings, Vec::<String>::new());
    assert_eq!(run.trials[0].server.threads, Some(4));
}

#[test]
fn a_newer_and_an_older_schema_are_said_once_each() {
    let newer = SCHEMA + 1;
    let lines = (1..=3).map(|repeat| line(&json!({ "repeat": repeat, "schema": newer })));
    let run = read(
        lines.chain([line(&json!({ "repeat": 4, "schema": 0 }))]).collect::<String>().as_bytes(),
    );
    assert_eq!(run.trials.len(), 4);
    let [older, newer] = &run.warnings[..] else { panic!("{:?}", run.warnings) };
    assert!(older.contains("1 of the lines") && older.contains("without a schema"), "{older}");
    assert!(newer.contains("3 of the lines") && newer.contains("newer"), "{newer}");
}

#[test]
fn an_outcome_of_a_newer_schema_costs_its_line_and_says_why() {
    let run = read(line(&json!({ "outcome": "evaporated", "schema": SCHEMA + 1 })).as_bytes());
    assert_eq!(run.trials.len(), 0);
    let said = only_warning(&run);
    assert!(said.contains("evaporated") && said.contains("newer"), "{said}");
}

#[test]
fn numbers_that_no_field_holds_cost_their_line_alone() {
    let hostile = [
        line(&json!({ "requests": -1 })),
        line(&json!({ "requests": 1e300 })),
        line(&json!({ "connections": 1.5 })),
        line(&json!({ "jain_index": "NaN" })),
        line(&json!({})).replace("0.0128", "NaN"),
        line(&json!({})).replace("0.0128", "1e999"),
        line(&json!({ "latency_ns": { "mean": null } })),
    ];
    let run = read(format!("{}{}", hostile.concat(), line(&json!({}))).as_bytes());
    assert_eq!((run.trials.len(), run.warnings.len()), (1, hostile.len()), "{:?}", run.warnings);
    for (number, warning) in (1..).zip(&run.warnings) {
        assert!(
            warning.starts_with(&format!("line {number} of `trials.jsonl` is unreadable")),
            "{warning}"
        );
    }
}

#[test]
fn an_empty_object_is_not_a_success() {
    for (text, missing) in [
        ("{}", "outcome"),
        ("{\"outcome\":\"ok\"}", "experiment"),
        ("{\"outcome\":null}", "outcome"),
    ] {
        let run = read(format!("{text}\n").as_bytes());
        assert_eq!(run.trials.len(), 0);
        assert!(only_warning(&run).contains(&format!("no `{missing}`")), "{:?}", run.warnings);
    }
}

#[test]
fn the_same_trial_twice_counts_once() {
    let run = read(format!("{0}{0}", line(&json!({}))).as_bytes());
    assert_eq!(run.trials.len(), 1);
    assert!(
        only_warning(&run).contains("line 2 of `trials.jsonl` repeats the trial of line 1"),
        "{:?}",
        run.warnings
    );
}

#[test]
fn a_thousand_bad_lines_do_not_make_a_thousand_warnings() {
    let run = read("garbage\n".repeat(1_000).as_bytes());
    assert_eq!(run.warnings.len(), 21);
    assert!(run.warnings[20].starts_with("980 more lines"), "{}", run.warnings[20]);
}

#[test]
fn an_empty_file_and_none_are_runs_without_trials() {
    assert_eq!(read(b"").trials.len(), 0);
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(MACHINE), serde_json::to_string(&full_machine()).unwrap()).unwrap();
    let run = Run::read(dir.path()).unwrap();
    assert!(
        run.warnings.iter().any(|warning| warning.contains("nothing was measured")),
        "{:?}",
        run.warnings
    );
    assert!(
        run.warnings.iter().any(|warning| warning.contains("what was asked is unknown")),
        "{:?}",
        run.warnings
    );
}

#[test]
fn a_folder_without_a_machine_is_an_error_with_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    for path in [dir.path().to_path_buf(), dir.path().join("nowhere"), dir.path().join("file")] {
        let error = Run::read(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(
            error.to_string().contains("`machine.json`; name a folder that has one"),
            "{error}"
        );
    }
}

#[test]
fn a_machine_that_is_none_is_an_error_that_says_which_schema_wrote_it() {
    let read = |machine: &str| {
        let dir = tempfile::tempdir().unwrap();
        fs::write(Path::join(dir.path(), MACHINE), machine).unwrap();
        Run::read(dir.path()).map(|run| run.warnings)
    };
    for machine in ["", "[", "[]", "{\"seed\":-1}"] {
        let error = read(machine).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(error.to_string().ends_with("restore it from where the run was made"), "{error}");
    }
    assert!(
        read("{\"schema\":99,\"seed\":\"many\"}")
            .unwrap_err()
            .to_string()
            .contains("written by schema 99")
    );
    assert!(
        read("{\"schema\":99}").unwrap()[0].contains("`machine.json` was written by schema 99")
    );
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(lines in prop::collection::vec(any::<u8>(), 0..400)) {
        let run = read(&lines);
        prop_assert_eq!(run.trials.len(), 0);
        prop_assert_eq!(run.warnings.is_empty(), lines.is_empty());
    }

    #[test]
    fn a_damaged_line_is_a_trial_or_a_warning(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5)
    ) {
        let mut lines = line(&json!({})).into_bytes();
        for (place, value) in damage {
            let place = place.index(lines.len());
            lines[place] = value;
        }
        let run = read(&lines);
        prop_assert!(run.trials.len() + run.warnings.len() > 0);
        for cell in run.cells() {
            std::hint::black_box((cell.outcome(), cell.spread(|trial| trial.requests_per_s)));
        }
    }
}
