//! RFC 4180: a line a trial, for spreadsheets and data frames.
//!
//! Columns are the record's own names, `server.cpu_ns_per_request` for a field within a field, and come from the
//! record's schema: they are the same for every run of one version, so files can be joined. Lists are joined by `; `, errors with their counts.
//! An empty field was not measured. The histogram alone is left out: see the log format.

use record::run::Run;
use serde_json::Value;

use super::Exported;

/// What a trial is and how it ended, before the figures.
const FIRST: [&str; 12] = [
    "run",
    "experiment",
    "model",
    "service",
    "connections",
    "variant",
    "repeat",
    "attempt",
    "order",
    "started_at",
    "outcome",
    "flags",
];
const LEFT_OUT: &str = "histogram";

pub(super) fn text_of(run: &Run) -> anyhow::Result<Exported> {
    let columns = columns();
    let mut csv =
        csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    csv.write_record(&columns)?;
    for trial in &run.trials {
        let trial = serde_json::to_value(trial)?;
        csv.write_record(columns.iter().map(|column| field(&trial, column)))?;
    }
    Ok(Exported { text: String::from_utf8(csv.into_inner()?)?, notes: Vec::new() })
}

fn columns() -> Vec<String> {
    let schema = record::schema();
    let mut found = Vec::new();
    leaves(&schema, &schema["$defs"]["Trial"], "", &mut found);
    let first = FIRST.map(String::from);
    found.retain(|column| column != LEFT_OUT && !first.contains(column));
    first.into_iter().chain(found).collect()
}

/// The names of all fields below a schema; one whose keys the schema does not know is one field.
fn leaves(root: &Value, schema: &Value, name: &str, found: &mut Vec<String>) {
    let Some(fields) = resolved(root, schema)["properties"].as_object() else {
        found.push(name.to_owned());
        return;
    };
    for (key, field) in fields {
        let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
        leaves(root, field, &name, found);
    }
}

/// What a reference points at, also one that may be null.
fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let options = schema["anyOf"].as_array().into_iter().flatten();
    let reference = options.chain([schema]).find_map(|schema| schema["$ref"].as_str());
    reference
        .and_then(|reference| root.pointer(reference.trim_start_matches('#')))
        .unwrap_or(schema)
}

fn field(trial: &Value, column: &str) -> String {
    text(column.split('.').fold(trial, |value, key| &value[key]))
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) => joined(values.iter().map(text)),
        Value::Object(fields) => {
            joined(fields.iter().map(|(key, value)| format!("{key}={}", text(value))))
        }
        other => other.to_string(),
    }
}

fn joined(texts: impl Iterator<Item = String>) -> String {
    texts.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use record::trial::{Flag, Latency, Outcome, Trial};

    use super::*;

    #[test]
    fn a_trial_is_a_line_that_a_csv_reader_reads_back() {
        let trial = Trial {
            model: "mio-loop".into(),
            connections: 100,
            outcome: Outcome::FailedStart,
            outcome_detail: Some("it said \"no\",\nand ended".into()),
            flags: vec![Flag::Noisy, Flag::ColdStart],
            errors: [("no-fd".to_owned(), 3), ("reset".to_owned(), 1)].into(),
            latency_ns: Some(Latency { p99: 1_131_519, ..Latency::default() }),
            histogram: Some("HISTFAAA".into()),
            ..Trial::default()
        };
        let run = Run { trials: vec![trial, Trial::default()], ..Run::default() };
        let text = text_of(&run).unwrap().text;
        assert!(text.starts_with("run,experiment,model,service,connections,variant,repeat,"));
        assert_eq!(text.matches("\r\n").count(), 3, "RFC 4180 ends lines so: {text}");

        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let header = reader.headers().unwrap().clone();
        let trials: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        let field = |trial: usize, name: &str| {
            let column = header.iter().position(|column| column == name);
            trials[trial].get(column.unwrap_or_else(|| panic!("no column `{name}`"))).unwrap()
        };
        assert_eq!(field(0, "model"), "mio-loop");
        assert_eq!(field(0, "connections"), "100");
        assert_eq!(field(0, "outcome"), "failed-start");
        assert_eq!(field(0, "outcome_detail"), "it said \"no\",\nand ended");
        assert_eq!(field(0, "flags"), "noisy; cold-start");
        assert_eq!(field(0, "errors"), "no-fd=3; reset=1");
        assert_eq!(field(0, "latency_ns.p99"), "1131519");
        assert_eq!(field(0, "server.cpu_ns_per_request"), "", "not measured is not zero");
        assert_eq!(field(1, "latency_ns.p99"), "");
        assert!(!header.iter().any(|column| column == "histogram"));
    }

    #[test]
    fn every_field_of_a_recorded_trial_has_its_column() {
        // As it is written: whoever adds a field to the record finds it in the table.
        let columns = columns();
        let trial = serde_json::to_value(Trial::default()).unwrap();
        for name in trial.as_object().unwrap().keys() {
            let has = |column: &String| column == name || column.starts_with(&format!("{name}."));
            assert!(columns.iter().any(has), "{name}");
        }
        assert_eq!(columns.iter().filter(|column| *column == "checks.little.passed").count(), 1);
    }
}
