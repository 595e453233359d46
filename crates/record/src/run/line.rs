//! One trial as one line, both ways. The way back trusts nothing.

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;

use crate::{SCHEMA, Trial};

/// The line of a trial, its newline included.
///
/// JSON has no NaN and no infinity, and serde writes null for them: such a figure is left out and a warning put in its place,
/// since one bad division must not cost the whole trial.
pub(super) fn write(trial: &Trial) -> serde_json::Result<String> {
    let mut value = serde_json::to_value(trial)?;
    let mut gone = Vec::new();
    drop_nulls(&mut value, "", &mut gone);
    let mut line = if gone.is_empty() {
        serde_json::to_string(trial)?
    } else {
        let mut finite: Trial = serde_json::from_value(value)?;
        finite.warnings.extend(
            gone.iter().map(|name| format!("`{name}` is left out: it was not a finite number")),
        );
        serde_json::to_string(&finite)?
    };
    line.push('\n');
    Ok(line)
}

/// Removes every null, and names it. Returns whether `value` itself must go.
///
/// A `mean` or a `ratio` is never absent alone, so what holds it goes with it: zero would be a lie.
fn drop_nulls(value: &mut Value, name: &str, gone: &mut Vec<String>) -> bool {
    let Value::Object(fields) = value else {
        if value.is_null() {
            gone.push(name.into());
        }
        return value.is_null();
    };
    let mut hollow = false;
    fields.retain(|key, field| {
        let path = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
        let goes = drop_nulls(field, &path, gone);
        hollow |= goes && matches!(key.as_str(), "mean" | "ratio");
        !goes
    });
    hollow
}

/// What every line of any schema has, read before the rest.
#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    schema: u32,
    outcome: Option<IgnoredAny>,
    #[serde(default)]
    experiment: String,
    #[serde(default)]
    model: String,
    #[serde(default)]
    service: String,
}

/// The trial of a line, or in plain words why it is not one.
pub(super) fn read(line: &[u8]) -> Result<Trial, String> {
    let head: Head = object(line).map_err(|error| brief(&error))?;
    // Absent fields take their defaults, and the default outcome is `ok`: an empty object must not pass for a success.
    if head.outcome.is_none() {
        return Err("it has no `outcome`".into());
    }
    for (name, value) in
        [("experiment", &head.experiment), ("model", &head.model), ("service", &head.service)]
    {
        if value.is_empty() {
            return Err(format!("it has no `{name}`"));
        }
    }
    object(line).map_err(|error| match other_schema(head.schema) {
        Some(said) => format!("{}; it was {said}", brief(&error)),
        None => brief(&error),
    })
}

/// A struct from a JSON object and from nothing else: serde would take an array for one, field by field.
pub(crate) fn object<T: DeserializeOwned>(json: &[u8]) -> serde_json::Result<T> {
    match json.trim_ascii_start().first() {
        None | Some(b'{') => serde_json::from_slice(json),
        Some(_) => Err(serde::de::Error::custom("it is not a JSON object")),
    }
}

/// Which schema wrote this, when it was not ours.
pub(super) fn other_schema(schema: u32) -> Option<String> {
    match schema {
        SCHEMA => None,
        0 => Some("written without a schema".into()),
        newer if newer > SCHEMA => Some(format!(
            "written by schema {newer}, newer than the {SCHEMA} known here; a newer c10k reads all of it"
        )),
        older => Some(format!("written by schema {older}, older than the {SCHEMA} of this c10k")),
    }
}

/// serde's message without its position, since every trial is line 1 to it; a hostile value is not printed at length.
fn brief(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.split_once(" at line ").map_or(text.as_str(), |(message, _)| message);
    let short: String = text.chars().take(200).collect();
    if error.column() > 0 { format!("{short} (column {})", error.column()) } else { short }
}
