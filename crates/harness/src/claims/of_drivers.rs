//! Figures of the database drivers, from the newest `drivers-*.json` beside the runs.
//!
//! Read as plain JSON: a field that another version lacks costs its case and nothing else.

use std::path::{Path, PathBuf};

use record::claims::CaseFigure;
use serde_json::Value;

use super::criterion::Test;
use super::evidence::Found;

/// What each query waits.
const QUERY_MS: f64 = 100.0;

/// The newest record in a folder; their names begin with the time.
pub(super) fn newest(folder: &Path) -> Option<Value> {
    let is_record = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("drivers-") && path.extension().is_some_and(|it| it == "json")
    };
    let entries = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    let newest = entries.filter(is_record).max()?;
    serde_json::from_slice(&std::fs::read(newest).ok()?).ok()
}

/// The wall time of each case of the test's drivers, divided by that of its queries one after the other.
pub(super) fn find(record: Option<&Value>, test: &Test) -> Found {
    let mut found = Found::default();
    let mut unsound: Vec<String> = Vec::new();
    let cases = record.and_then(|record| record.get("cases")?.as_array());
    let of_test = |case: &&Value| {
        let driver = case.get("driver").and_then(Value::as_str);
        test.drivers.iter().any(|name| Some(name.as_str()) == driver)
    };
    for case in cases.into_iter().flatten().filter(of_test) {
        let word = |name: &str| case.get(name).and_then(Value::as_str).unwrap_or_default();
        let number = |name: &str| case.get(name).and_then(Value::as_f64);
        // A control shows that the experiment can tell; it is none of the claim's cases.
        if let Some(due) = case.get("control").filter(|due| !due.is_null()) {
            if case.get("ok") != Some(due) {
                let driver = word("driver");
                found.missing.push(format!(
                    "{driver}: a control came out wrong; `cargo script drivers` anew"
                ));
                unsound.push(driver.to_owned());
            }
            continue;
        }
        let (Some(queries), Some(connections), Some(wall_ms)) =
            (number("queries"), number("connections"), number("wall_ms"))
        else {
            continue;
        };
        if queries < 2.0 || number("errors") != Some(0.0) {
            continue;
        }
        let plural = if connections > 1.0 { "connections" } else { "connection" };
        found.cases.push(CaseFigure {
            model: word("driver").into(),
            at: format!("{} x {queries} queries, {connections} {plural}", word("mode")),
            value: wall_ms / (queries * QUERY_MS),
            ..CaseFigure::default()
        });
    }
    found.cases.retain(|case| !unsound.contains(&case.model));
    if found.cases.is_empty() && unsound.is_empty() {
        found.missing.push("no driver was measured: `cargo script drivers`".into());
    }
    found
}
