//! The JSON that `hyperfine --export-json` writes (versions 1.x), so that its plotting scripts work on trials.
//!
//! A benchmark is a cell and a time is a trial that enters medians. hyperfine times a command; a trial has no such
//! time, its length being chosen. What compares models is the server's CPU for each request, so a time here is the CPU
//! for 1,000 of them, in seconds, as the command's name says. The record does not tell user from system time: both are
//! null, where hyperfine has numbers; none of its scripts reads them. Its parameters are what was scanned, so here they
//! are what differs among the cells: `plot_parametrized.py` wants a single one, and that a number.

use std::collections::BTreeMap;

use anyhow::ensure;
use record::run::{Cell, Run};
use record::stats::{float, median};
use record::trial::Trial;
use serde::Serialize;

use super::Exported;

/// One request takes microseconds, which no axis in seconds shows.
const REQUESTS: f64 = 1_000.0;
const NS_PER_S: f64 = 1e9;

#[derive(Serialize)]
struct Export {
    results: Vec<Benchmark>,
}

/// Field by field what hyperfine writes, in its order.
#[derive(Serialize)]
struct Benchmark {
    command: String,
    mean: f64,
    /// Null of a single time.
    stddev: Option<f64>,
    median: f64,
    user: Option<f64>,
    system: Option<f64>,
    min: f64,
    max: f64,
    times: Vec<f64>,
    /// Null where a signal ended it.
    exit_codes: Vec<Option<i32>>,
    /// Absent of none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    parameters: BTreeMap<&'static str, String>,
}

pub(super) fn text_of(run: &Run) -> anyhow::Result<Exported> {
    let cells = run.cells();
    let mut results: Vec<Benchmark> = cells.iter().filter_map(benchmark).collect();
    keep_what_differs(&mut results);
    ensure!(!results.is_empty(), "no trial of this run has a CPU time that counts");
    let left = cells.len() - results.len();
    let mut notes = Vec::new();
    if left > 0 {
        notes.push(format!("{left} cells without a trial that enters medians are left out"));
    }
    Ok(Exported { text: serde_json::to_string_pretty(&Export { results })? + "\n", notes })
}

fn benchmark(cell: &Cell<'_>) -> Option<Benchmark> {
    let trials: Vec<(&Trial, f64)> = cell
        .counted()
        .into_iter()
        .filter_map(|trial| Some((trial, trial.server.cpu_ns_per_request? * REQUESTS / NS_PER_S)))
        .collect();
    let times: Vec<f64> = trials.iter().map(|(_, time)| *time).collect();
    let count = float(u64::try_from(times.len()).ok()?);
    let mean = times.iter().sum::<f64>() / count;
    let squares: f64 = times.iter().map(|time| (time - mean).powi(2)).sum();
    Some(Benchmark {
        command: command(cell),
        median: median(&times)?,
        mean,
        stddev: (times.len() > 1).then(|| (squares / (count - 1.0)).sqrt()),
        user: None,
        system: None,
        min: times.iter().copied().reduce(f64::min)?,
        max: times.iter().copied().reduce(f64::max)?,
        exit_codes: trials.iter().map(|(trial, _)| exit_code(trial)).collect(),
        times,
        parameters: BTreeMap::from([
            ("connections", cell.connections.to_string()),
            ("experiment", cell.experiment.to_owned()),
            ("model", cell.model.to_owned()),
            ("service", cell.service.to_owned()),
            ("variant", cell.variant.to_owned()),
        ]),
    })
}

fn keep_what_differs(benchmarks: &mut [Benchmark]) {
    let Some(first) = benchmarks.first().map(|first| first.parameters.clone()) else { return };
    let fixed: Vec<&str> = first
        .into_iter()
        .filter(|(name, value)| {
            benchmarks.iter().all(|one| one.parameters.get(name) == Some(value))
        })
        .map(|(name, _)| name)
        .collect();
    for benchmark in benchmarks {
        benchmark.parameters.retain(|name, _| !fixed.contains(name));
    }
}

fn command(cell: &Cell<'_>) -> String {
    let Cell { experiment, service, connections, variant, model, .. } = cell;
    let variant = if *variant == "default" { String::new() } else { format!(" {variant}") };
    format!(
        "{model}{variant}: server CPU of 1000 requests ({experiment}, {service}, {connections} connections)"
    )
}

fn exit_code(trial: &Trial) -> Option<i32> {
    trial.server.exit.as_deref()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use record::trial::{Outcome, Server};
    use serde_json::Value;

    use super::*;

    /// Written by Debian's hyperfine 1.15.0:
    /// `hyperfine -N --warmup 1 --runs 2 -L model true,false --ignore-failure --export-json FILE '{model}'`.
    const WRITTEN_BY_HYPERFINE: &str = include_str!("../../tests/files/hyperfine-1.15.0.json");

    fn trial(model: &str, repeat: u32, cpu_ns_per_request: f64, outcome: Outcome) -> Trial {
        let (cpu_ns_per_request, exit) = (Some(cpu_ns_per_request), Some("0".to_owned()));
        Trial {
            experiment: "sweep".into(),
            model: model.into(),
            service: "http".into(),
            connections: 100,
            variant: "default".into(),
            repeat,
            outcome,
            server: Server { cpu_ns_per_request, exit, ..Server::default() },
            ..Trial::default()
        }
    }

    fn exported() -> Value {
        let trials = vec![
            trial("mio-loop", 1, 6_000.0, Outcome::Ok),
            trial("mio-loop", 2, 8_000.0, Outcome::Ok),
            trial("mio-loop", 3, 1.0, Outcome::Inconsistent),
            trial("thread-pool", 1, 9_000.0, Outcome::Starved),
            trial("sequential", 1, 9_000.0, Outcome::Died),
        ];
        let exported = text_of(&Run { trials, ..Run::default() }).unwrap();
        assert_eq!(exported.notes, ["1 cells without a trial that enters medians are left out"]);
        serde_json::from_str(&exported.text).unwrap()
    }

    fn kind(value: &Value) -> &'static str {
        match value {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        }
    }

    /// Keys and kinds of the first, where the second has the same; what may be unknown may be null.
    fn differences(theirs: &Value, ours: &Value) -> Vec<String> {
        let nullable = ["stddev", "user", "system"];
        let (theirs, ours) = (theirs.as_object().unwrap(), ours.as_object().unwrap());
        let keys: BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
        let differs = |key: &&String| {
            let (theirs, ours) = (theirs.get(*key).map(kind), ours.get(*key).map(kind));
            theirs != ours && !(nullable.contains(&key.as_str()) && ours == Some("null"))
        };
        keys.into_iter().filter(differs).cloned().collect()
    }

    #[test]
    fn the_schema_is_that_of_a_file_which_hyperfine_wrote() {
        let theirs: Value = serde_json::from_str(WRITTEN_BY_HYPERFINE).unwrap();
        let ours = exported();
        assert_eq!(differences(&theirs, &ours), [""; 0]);
        let (theirs, ours) = (&theirs["results"][0], &ours["results"][0]);
        assert_eq!(differences(theirs, ours), [""; 0]);
        for list in ["times", "exit_codes"] {
            assert_eq!(kind(&theirs[list][0]), kind(&ours[list][0]), "{list}");
        }
        assert!(
            theirs["parameters"]["model"].is_string() && ours["parameters"]["model"].is_string()
        );
        // The comparison itself must see what it is there for.
        let mut other = ours.clone();
        other["times"] = "2".into();
        other["memory"] = 3.into();
        assert_eq!(differences(theirs, &other), ["memory", "times"]);
    }

    #[test]
    fn a_benchmark_is_a_cell_and_a_time_a_trial_that_counts() {
        let exported = exported();
        let pool = &exported["results"][1];
        let name = "thread-pool: server CPU of 1000 requests (sweep, http, 100 connections)";
        assert_eq!(pool["command"], name);
        assert_eq!(pool["stddev"], Value::Null, "of one time there is none");
        let mio = &exported["results"][0];
        assert_eq!(mio["times"], serde_json::json!([0.006, 0.008]));
        assert_eq!((mio["median"].as_f64(), mio["min"].as_f64()), (Some(0.007), Some(0.006)));
        let stddev = mio["stddev"].as_f64().unwrap();
        assert!((stddev - 0.002 / 2_f64.sqrt()).abs() < 1e-12, "{stddev}");
        assert_eq!(
            mio["parameters"],
            serde_json::json!({"model": "mio-loop"}),
            "all else is the same"
        );
        assert_eq!(mio["exit_codes"], serde_json::json!([0, 0]));
    }

    /// What hyperfine's `plot_whisker.py` and `plot_progression.py` take from a file, by the types that they need.
    #[derive(serde::Deserialize)]
    struct Plotted {
        results: Vec<PlottedCommand>,
    }

    #[derive(serde::Deserialize)]
    struct PlottedCommand {
        command: String,
        times: Vec<f64>,
        median: f64,
        mean: f64,
        min: f64,
        max: f64,
        stddev: Option<f64>,
        exit_codes: Vec<Option<i32>>,
        #[serde(default)]
        parameters: BTreeMap<String, String>,
    }

    impl Plotted {
        /// As `plot_parametrized.py`: a point for each benchmark, at its one parameter.
        fn points(&self) -> Option<Vec<f64>> {
            let value = |one: &PlottedCommand| match one.parameters.values().collect::<Vec<_>>()[..]
            {
                [value] => value.parse().ok(),
                _ => None,
            };
            self.results.iter().map(value).collect()
        }
    }

    #[test]
    fn what_plots_hyperfine_s_files_plots_ours() {
        let ours = exported().to_string();
        for text in [WRITTEN_BY_HYPERFINE, &ours] {
            let read: Plotted = serde_json::from_str(text).unwrap();
            for one in &read.results {
                assert!(!one.command.is_empty() && one.exit_codes.len() == one.times.len());
                assert!(one.min <= one.median && one.median <= one.max && one.mean <= one.max);
                // A box needs times, and its middle must be that of the legend's order.
                assert_eq!(median(&one.times), Some(one.median));
                assert_eq!(one.stddev.is_some(), one.times.len() > 1);
            }
            assert_eq!(read.points(), None, "a model is no number");
        }
        let at = |connections| Trial { connections, ..trial("mio-loop", 1, 6_000.0, Outcome::Ok) };
        let run = Run { trials: vec![at(100), at(1_000)], ..Run::default() };
        let scanned: Plotted = serde_json::from_str(&text_of(&run).unwrap().text).unwrap();
        assert_eq!(scanned.points(), Some(vec![100.0, 1_000.0]));
        let one = Run { trials: vec![at(100)], ..Run::default() };
        assert!(!text_of(&one).unwrap().text.contains("parameters"), "nothing was scanned");
    }
}
