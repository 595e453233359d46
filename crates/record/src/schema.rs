//! The format as a JSON schema, for readers that are not written in Rust.

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use crate::{Benches, Conformance, Machine, SCHEMA, Trial, Verdicts};

/// The JSON schema of `machine.json`, of `conformance.json`, of `claims.json`, of a line of `trials.jsonl` and of
/// `criterion-*.json`, as this version writes them.
///
/// A field is required where it is always written. Readers must ignore fields that they do not know.
#[must_use]
pub fn schema() -> Value {
    let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let machine = generator.subschema_for::<Machine>();
    let conformance = generator.subschema_for::<Conformance>();
    let verdicts = generator.subschema_for::<Verdicts>();
    let trial = generator.subschema_for::<Trial>();
    let benches = generator.subschema_for::<Benches>();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "c10k results",
        "description": "machine.json holds one Machine, conformance.json one Conformance, claims.json one Verdicts; each line of trials.jsonl holds one Trial; criterion-*.json beside the runs holds one Benches",
        "version": SCHEMA,
        "anyOf": [machine, conformance, verdicts, trial, benches],
        "$defs": generator.take_definitions(true),
    })
}
