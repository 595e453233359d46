//! What was measured beside the runs: benches of one mechanism, commands under hyperfine, real database drivers.

use record::bench::{Estimate, Interval};
use record::{Benches, Drivers};
use serde::Deserialize;

use crate::format;

mod dots;
mod questions;

use dots::Dots;

/// The records that lie beside the runs, as values: the page reads no file.
#[derive(Clone, Debug, Default)]
pub struct Extras {
    /// `criterion-*.json`.
    pub benches: Option<Filed<Benches>>,
    /// `hyperfine-*.json`.
    pub hyperfine: Option<Filed<Hyperfine>>,
    /// `drivers-*.json`.
    pub drivers: Option<Filed<Drivers>>,
}

/// A record and the file that holds it.
#[derive(Clone, Debug)]
pub struct Filed<T> {
    /// The file's name.
    pub file: String,
    /// What it holds.
    pub record: T,
}

/// What `hyperfine --export-json` writes (hyperfine 1.x).
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Hyperfine {
    /// One of each command.
    pub results: Vec<Command>,
}

/// One command; times are seconds.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the names are hyperfine's own")]
pub struct Command {
    pub command: String,
    pub mean: Option<f64>,
    pub stddev: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub user: Option<f64>,
    pub system: Option<f64>,
    pub times: Vec<f64>,
}

/// The benches' section.
pub(crate) struct Mechanisms {
    /// From which file, and when.
    pub(crate) from: String,
    pub(crate) groups: Vec<Mechanism>,
    /// Unit, how many, KiB each, when.
    pub(crate) memory: Vec<[String; 4]>,
    pub(crate) warnings: Vec<String>,
}

/// One question, and who answers it how fast.
pub(crate) struct Mechanism {
    pub(crate) id: String,
    pub(crate) name: String,
    /// What is asked, in words.
    pub(crate) question: String,
    /// From when to when.
    pub(crate) measured: String,
    /// By parameter, then the quickest first.
    pub(crate) rows: Vec<Timed>,
    pub(crate) dots: Option<Dots>,
}

/// One bench.
pub(crate) struct Timed {
    pub(crate) name: String,
    /// Nanoseconds an element, all digits.
    pub(crate) value: String,
    pub(crate) median: String,
    pub(crate) interval: String,
}

/// What the benches found, group by group.
pub(crate) fn mechanisms(filed: &Filed<Benches>) -> Mechanisms {
    let benches = &filed.record;
    let mut groups: Vec<Mechanism> = Vec::new();
    for of in benches.estimates.chunk_by(|a, b| a.group == b.group) {
        let Some(first) = of.first() else { continue };
        let id = format!("bench.{}.{}", groups.len() + 1, format::slug(&first.group));
        groups.push(mechanism(id, first.group.clone(), of));
    }
    let memory = benches.memory.iter().map(|unit| {
        [
            unit.unit.clone(),
            format::count(unit.count),
            format::significant(unit.bytes_per_unit / 1024.0),
            unit.measured_at.clone().unwrap_or_default(),
        ]
    });
    let level = benches.estimates.first().map_or(0.0, |estimate| estimate.confidence_level);
    Mechanisms {
        from: format!(
            "From {}, collected at {} on {}, of revision {}; intervals are criterion’s, at {} %.",
            filed.file,
            benches.collected_at,
            benches.host_label,
            benches.git_revision.as_deref().unwrap_or("unknown"),
            format::significant(level * 100.0)
        ),
        groups,
        memory: memory.collect(),
        warnings: benches.warnings.clone(),
    }
}

fn mechanism(id: String, name: String, of: &[Estimate]) -> Mechanism {
    let mut sane: Vec<&Estimate> = of.iter().filter(|one| one.median_ns.is_sane()).collect();
    let number = |one: &Estimate| one.parameter.as_ref().and_then(|text| text.parse::<u64>().ok());
    let point = |one: &Estimate| one.median_ns_per_element().point;
    sane.sort_by(|a, b| number(a).cmp(&number(b)).then(point(a).total_cmp(&point(b))));
    let times = || of.iter().filter_map(|one| one.measured_at.as_deref());
    Mechanism {
        id,
        question: questions::question(&name),
        name,
        measured: match (times().min(), times().max()) {
            (Some(first), Some(last)) if first < last => {
                format!("Measured from {first} to {last}.")
            }
            (Some(at), _) => format!("Measured at {at}."),
            (None, _) => String::new(),
        },
        rows: sane.iter().map(|one| timed(one)).collect(),
        dots: dots::dots(sane.iter().map(|one| one.median_ns_per_element())),
    }
}

fn timed(estimate: &Estimate) -> Timed {
    let Interval { point, low, high } = estimate.median_ns_per_element();
    let parts = [Some(estimate.function.as_str()), estimate.parameter.as_deref()];
    let parts: Vec<&str> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    Timed {
        name: parts.join(", "),
        value: point.to_string(),
        median: time(point),
        interval: format!("{}–{}", time(low), time(high)),
    }
}

/// `12.3 ns`, `4.56 µs`, from nanoseconds.
pub(crate) fn time(ns: f64) -> String {
    let (scale, unit) = match ns {
        ns if ns < 1e3 => (1.0, "ns"),
        ns if ns < 1e6 => (1e3, "µs"),
        ns if ns < 1e9 => (1e6, "ms"),
        _ => (1e9, "s"),
    };
    format!("{} {unit}", format::significant(ns / scale))
}

/// Name and figures of a row.
pub(crate) type Line = (String, Vec<String>);

/// hyperfine's table: command, then mean, deviation, min, max, user, system in milliseconds, and runs.
pub(crate) fn commands(filed: &Filed<Hyperfine>) -> Vec<Line> {
    let ms = |seconds: Option<f64>| {
        let seconds = seconds.filter(|seconds| seconds.is_finite());
        seconds.map_or_else(|| "–".into(), |seconds| format::significant(seconds * 1e3))
    };
    let line = |one: &Command| {
        let times = [one.mean, one.stddev, one.min, one.max, one.user, one.system];
        let figures = times.map(ms).into_iter().chain([format::size(one.times.len())]);
        (one.command.clone(), figures.collect())
    };
    filed.record.results.iter().map(line).collect()
}

/// The drivers' table: driver, then mode, queries, connections, wall, expected, CPU, errors, verdict.
pub(crate) fn drivers(filed: &Filed<Drivers>) -> Vec<Line> {
    let line = |case: &record::DriverCase| {
        let verdict = match (case.control, case.is_sound()) {
            (None, true) => "as expected",
            (None, false) => "not as expected",
            (Some(_), true) => "control: came out as it must",
            (Some(_), false) => "control: did not come out as it must",
        };
        let figures = vec![
            case.mode.clone(),
            format::count(case.queries),
            format::count(case.connections),
            format::significant(case.wall_ms),
            format::significant(case.expected_ms),
            format::significant(case.cpu_ms),
            format::count(case.errors),
            verdict.to_owned(),
        ];
        (case.driver.clone(), figures)
    };
    filed.record.cases.iter().map(line).collect()
}

/// A table of an extra, or the command that makes it.
pub(crate) struct ExtraTable {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    /// From which file, and when.
    pub(crate) from: String,
    pub(crate) heads: &'static [&'static str],
    pub(crate) rows: Vec<Line>,
    /// Said where there is none, before the command.
    pub(crate) absent: &'static str,
    pub(crate) command: &'static str,
}

const HYPERFINE: [&str; 8] = [
    "Command",
    "Mean, ms",
    "Deviation, ms",
    "Min, ms",
    "Max, ms",
    "User, ms",
    "System, ms",
    "Runs",
];
const DRIVERS: [&str; 9] = [
    "Driver",
    "Mode",
    "Queries",
    "Connections",
    "Wall, ms",
    "Expected, ms",
    "CPU, ms",
    "Errors",
    "Verdict",
];

/// hyperfine's table and the drivers'.
pub(crate) fn tables(extras: &Extras) -> [ExtraTable; 2] {
    let hyperfine = extras.hyperfine.as_ref();
    let overlap = extras.drivers.as_ref();
    let from_drivers = overlap.map(|filed| {
        let said = [format!("From {}, started at {}.", filed.file, filed.record.started_at)];
        let missing = filed.record.missing.iter().map(|missing| format!("Missing: {missing}."));
        said.into_iter().chain(missing).collect::<Vec<_>>().join(" ")
    });
    [
        ExtraTable {
            id: "hyperfine",
            title: "Commands under hyperfine",
            from: hyperfine.map(|filed| format!("From {}.", filed.file)).unwrap_or_default(),
            heads: &HYPERFINE,
            rows: hyperfine.map(commands).unwrap_or_default(),
            absent: "No command was timed under hyperfine:",
            command: "cargo script hyperfine",
        },
        ExtraTable {
            id: "drivers",
            title: "Overlap of queries in real database drivers",
            from: from_drivers.unwrap_or_default(),
            heads: &DRIVERS,
            rows: overlap.map(drivers).unwrap_or_default(),
            absent: "No database driver was tried:",
            command: "cargo script drivers",
        },
    ]
}
