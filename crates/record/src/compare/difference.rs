//! What differs between two runs besides their figures.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use crate::run::{Cell, Run};
use crate::{Machine, Outcome, Trial};

/// Something that the two sides do not have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Differing {
    /// `kernel`, `sysctls net.core.somaxconn`, `settings duration_s`, ...
    pub what: String,
    /// On the first side; `not recorded` or `not set` where it is absent.
    pub first: String,
    /// On the second side.
    pub second: String,
}

/// Fields of the machine that shape results: where one differs, so may any figure.
const SHAPING: [&str; 18] = [
    "architecture",
    "cpu_model",
    "cpus",
    "cpus_allowed",
    "server_cpus",
    "generator_cpus",
    "smt",
    "governor",
    "turbo",
    "mitigations",
    "clock_source",
    "hypervisor",
    "kernel",
    "memory_bytes",
    "transparent_huge_pages",
    "loopback_mtu",
    "sysctls",
    "build_profile",
];

/// Fields that may be what is to be compared.
const CHANGING: [&str; 6] =
    ["git_revision", "git_dirty", "rustc", "crate_versions", "os", "cgroup_version"];

const UNKNOWN: &str = "not recorded";

/// Times of work that lie closer than that are one time, rounded to whole iterations.
const ROUNDING: f64 = 1e-3;

/// A setting that is absent was not given, which is a setting too.
const UNSET: &str = "not set";

/// What of two machines and of the settings of the cells that both runs hold shapes results and differs, and what else
/// differs or is recorded on one side only.
#[must_use]
pub fn differences(
    first: &Run,
    second: &Run,
    cells: &[(&Cell<'_>, &Cell<'_>)],
) -> (Vec<Differing>, Vec<Differing>) {
    let of = |run: &Run, names: &[&str]| {
        let machine = serde_json::to_value(&run.machine).unwrap_or_default();
        names.iter().flat_map(|name| fields(name, &machine[*name])).collect::<Fields>()
    };
    let shaping = apart(&of(first, &SHAPING), &of(second, &SHAPING), UNKNOWN);
    let (mut changed, mut differing): (Vec<_>, Vec<_>) =
        shaping.into_iter().partition(|found| found.first == UNKNOWN || found.second == UNKNOWN);
    changed.extend(apart(&of(first, &CHANGING), &of(second, &CHANGING), UNKNOWN));
    let asked = cells.iter().flat_map(|(a, b)| {
        let (Some(a), Some(b)) = (tried(a), tried(b)) else { return Vec::new() };
        let mut found = apart(&settings(a), &settings(b), UNSET);
        found.retain(|one| !same_work(one, [&first.machine, &second.machine]));
        found
    });
    let mut settings: Vec<Differing> = asked.collect();
    settings.sort();
    settings.dedup();
    differing.extend(settings);
    (differing, changed)
}

type Fields = BTreeMap<String, String>;

/// A field by its name, a table by those of its entries.
fn fields(name: &str, value: &Value) -> Vec<(String, String)> {
    match value {
        Value::Null => Vec::new(),
        Value::String(text) => vec![(name.to_owned(), text.clone())],
        Value::Object(entries) => {
            let entry = |(key, value): (&String, &Value)| fields(&format!("{name} {key}"), value);
            entries.iter().flat_map(entry).collect()
        }
        other => vec![(name.to_owned(), other.to_string())],
    }
}

/// What the two have not in common; `absent` stands for what one of them lacks.
fn apart(first: &Fields, second: &Fields, absent: &str) -> Vec<Differing> {
    let names: BTreeSet<&String> = first.keys().chain(second.keys()).collect();
    let said = |fields: &Fields, name: &String| {
        fields.get(name).map_or_else(|| absent.to_owned(), Clone::clone)
    };
    let differing = |name: &String| Differing {
        what: name.clone(),
        first: said(first, name),
        second: said(second, name),
    };
    let found = names.into_iter().map(differing);
    found.filter(|found| found.first != found.second).collect()
}

/// A trial that speaks for the cell's settings: what was refused was not told all of them, and has no figures to compare.
fn tried<'run>(cell: &Cell<'run>) -> Option<&'run Trial> {
    cell.finals().into_iter().find(|trial| trial.outcome != Outcome::Limit)
}

/// What was asked of contestant and generator. How many iterations a nanosecond of work is, and what rate a share of a
/// ceiling, each run finds out for itself: two runs that asked for the same differ in those.
fn settings(trial: &Trial) -> Fields {
    let (mut told, mut pace) = (trial.settings.clone(), trial.pace.clone());
    if told.burn_ns.is_some() {
        told.burn = None;
    }
    if trial.offered_ceiling_percent.is_some() {
        pace.rate = None;
    }
    let told = serde_json::to_value(&told).unwrap_or_default();
    let pace = serde_json::to_value(&pace).unwrap_or_default();
    let share = serde_json::to_value(trial.offered_ceiling_percent).unwrap_or_default();
    let all = [("settings", told), ("pace", pace), ("pace percent of the ceiling", share)];
    all.iter().flat_map(|(name, value)| fields(name, value)).collect()
}

/// Whether these are two paths that compute for as long, each by the iterations of its own run.
fn same_work(found: &Differing, machines: [&Machine; 2]) -> bool {
    let time_ms = |path: &str, machine: &Machine| {
        let iterations: f64 = path.strip_prefix("/compute/")?.parse().ok()?;
        Some(iterations / machine.compute_iterations_per_ms?)
    };
    let times = time_ms(&found.first, machines[0]).zip(time_ms(&found.second, machines[1]));
    times.is_some_and(|(first, second)| (first / second - 1.0).abs() < ROUNDING)
}
