//! Where and how the run was made: everything that the record says about the machine, whatever fields it gains.

use record::{LimitRecord, Machine};
use serde_json::Value;

use crate::format;

/// Shown on their own, elsewhere on the page.
const ELSEWHERE: [&str; 4] = ["argv", "limits", "contestants", "warnings"];

/// The environment section.
pub(crate) struct Environment<'run> {
    /// The command, as one may paste it.
    pub(crate) command: String,
    /// Name and value.
    pub(crate) facts: Vec<(String, String)>,
    /// What has many parts: name, and the parts.
    pub(crate) lists: Vec<(String, Vec<(String, String)>)>,
    /// What the machine allows, and what that caps.
    pub(crate) limits: &'run [LimitRecord],
    /// As TOML.
    pub(crate) plan: &'run str,
}

/// Everything known about where a run was made.
pub(crate) fn environment(run: &record::Run) -> Environment<'_> {
    let (mut facts, mut lists) = (Vec::new(), Vec::new());
    // Names and numbers only: that this cannot fail is no reason to panic in a report.
    if let Ok(Value::Object(fields)) = serde_json::to_value(&run.machine) {
        for (name, value) in fields.iter().filter(|(name, _)| !ELSEWHERE.contains(&name.as_str())) {
            match value {
                Value::Object(parts) if parts.is_empty() => {}
                Value::Object(parts) => {
                    let parts = parts.iter().map(|(name, value)| (name.clone(), text(name, value)));
                    lists.push((label(name), parts.collect()));
                }
                _ => facts.push((label(name), text(name, value))),
            }
        }
    }
    if let Some(finished) = &run.finished_at {
        facts.push(("finished at".into(), finished.clone()));
    }
    facts.retain(|(_, value)| !value.is_empty());
    Environment {
        command: command(&run.machine),
        facts,
        lists,
        limits: &run.machine.limits,
        plan: run.plan.trim(),
    }
}

/// The command line with quotes where a shell needs them.
pub(crate) fn command(machine: &Machine) -> String {
    let words: Vec<String> = machine.argv.iter().map(|word| quoted(word)).collect();
    words.join(" ")
}

fn quoted(word: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "-_=./,:%+@".contains(c);
    if !word.is_empty() && word.chars().all(harmless) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// `memory_bytes` is read as `memory`.
fn label(field: &str) -> String {
    let words = field.strip_suffix("_bytes").unwrap_or(field).split('_').map(|word| match word {
        "cpu" => "CPU",
        "cpus" => "CPUs",
        "smt" => "SMT",
        "mtu" => "MTU",
        other => other,
    });
    words.collect::<Vec<_>>().join(" ")
}

fn text(field: &str, value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.into(),
        Value::Number(number) => match number.as_u64() {
            Some(bytes) if field.ends_with("_bytes") => format::bytes(bytes),
            Some(whole) => whole.to_string(),
            None => number.as_f64().map_or_else(|| number.to_string(), format::significant),
        },
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_can_be_pasted_into_a_shell() {
        let argv =
            ["cargo", "c10k", "run", "--models", "a b", "it's", ""].map(String::from).to_vec();
        let machine = Machine { argv, ..Machine::default() };
        assert_eq!(command(&machine), "cargo c10k run --models 'a b' 'it'\\''s' ''");
    }

    #[test]
    fn every_known_field_is_shown_and_no_unknown_one() {
        let machine = Machine {
            cpu_model: Some("model X".into()),
            memory_bytes: Some(24 << 30),
            seed: 42,
            ..Machine::default()
        };
        let run = record::Run { machine, ..record::Run::default() };
        let facts = environment(&run).facts;
        let has = |name: &str, value: &str| facts.contains(&(name.into(), value.into()));
        assert!(
            has("CPU model", "model X") && has("memory", "24.0 GiB") && has("seed", "42"),
            "{facts:?}"
        );
        assert!(facts.iter().all(|(name, _)| name != "hypervisor"));
    }
}
