//! The published schema is the one of the code, and describes all that is written.

use std::path::Path;

use super::sample::{full_machine, full_trial, trial};
use record::{Machine, schema};
use serde_json::Value;

const UPDATE: &str = "UPDATE_SCHEMA=1 cargo test -p record schema";

#[test]
fn the_published_schema_is_the_one_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../results/schema.json");
    let current = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &current).unwrap();
    }
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        published == current,
        "results/schema.json is out of date; write it anew with `{UPDATE}`"
    );
}

#[test]
fn every_field_is_described_and_every_required_one_written() {
    let schema = schema();
    for name in ["Trial", "Machine"] {
        let (sparse, full) = match name {
            "Trial" => {
                (serde_json::to_value(trial("mio-loop", 1, 1)), serde_json::to_value(full_trial()))
            }
            _ => (serde_json::to_value(Machine::default()), serde_json::to_value(full_machine())),
        };
        let described = &schema["$defs"][name];
        conforms(&schema, described, &sparse.unwrap(), name, false);
        conforms(&schema, described, &full.unwrap(), name, true);
    }
}

/// Follows a value along its schema: objects by name, references and options to what they mean.
/// With `full`, every field that the schema has must be there, so that the sample proves something.
fn conforms(root: &Value, described: &Value, value: &Value, path: &str, full: bool) {
    if let Some(name) =
        described["$ref"].as_str().and_then(|target| target.strip_prefix("#/$defs/"))
    {
        return conforms(root, &root["$defs"][name], value, path, full);
    }
    if let Some(options) = described["anyOf"].as_array() {
        return conforms(root, &options[0], value, path, full);
    }
    if let Some(elements) = value.as_array() {
        return elements
            .iter()
            .for_each(|element| conforms(root, &described["items"], element, path, full));
    }
    let (Some(fields), Some(properties)) = (value.as_object(), described["properties"].as_object())
    else {
        return;
    };
    for (name, field) in fields {
        let path = format!("{path}.{name}");
        assert!(properties.contains_key(name), "`{path}` is written and not described");
        conforms(root, &properties[name], field, &path, full);
    }
    let required = described["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let wanted: Vec<&str> =
        if full { properties.keys().map(String::as_str).collect() } else { required.collect() };
    for name in wanted {
        assert!(fields.contains_key(name), "`{path}.{name}` is promised and not written");
    }
}
