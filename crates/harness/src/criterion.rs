//! From criterion's folder to a record: the estimates of the benches that were run here, with their intervals.
//!
//! ```text
//! target/criterion/GROUP/FUNCTION/PARAMETER/new/benchmark.json   which bench it is
//!                                               estimates.json   what criterion estimated of it
//! target/criterion/memory/UNIT/new/memory.json                   what the memory bench weighed
//! ```
//!
//! The folder is not ours alone: what is missing, broken or foreign is said in the record, and the rest is read.
//! criterion calls the names of its files private; the fixtures of the tests are what version 0.8 wrote.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;
use record::bench::{Benches, Estimate, Interval, SCHEMA, Throughput, UnitMemory};
use record::run::{Timestamp, utc};
use serde::Deserialize;
use serde_json::Value;

use crate::origin::Origin;

pub use record::bench::write;

/// Where the memory bench leaves what it weighed, in a folder `memory/UNIT/new`: a [`UnitMemory`].
pub const MEMORY: &str = "memory.json";

const BENCHMARK: &str = "benchmark.json";
const ESTIMATES: &str = "estimates.json";

/// Group, function, parameter and `new`; the limit is against folders that are not criterion's.
const DEPTH_MAX: usize = 6;

/// Reads what the benches left behind; none when there is nothing of theirs.
#[must_use]
pub fn collect(root: &Path, host_label: Option<&str>) -> Option<Benches> {
    let found = read(&home(root))?;
    let origin = Origin::of(root, host_label);
    Some(Benches {
        schema: SCHEMA,
        host_label: origin.host_label.clone(),
        git_revision: origin.revision().map(str::to_owned),
        git_dirty: origin.dirty(),
        collected_at: utc(Timestamp::now()),
        ..found
    })
}

/// Where criterion writes: `$CRITERION_HOME`, else `criterion` in cargo's target folder.
#[must_use]
pub fn home(root: &Path) -> PathBuf {
    home_by(root, |name| std::env::var_os(name))
}

fn home_by(root: &Path, variable: impl Fn(&str) -> Option<OsString>) -> PathBuf {
    // Cargo runs a bench in the folder of its package, and there criterion follows a relative path; an absolute one
    // takes the place of what stands before it.
    let below = |folder: OsString| root.join("benches").join(folder);
    let target = || variable("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), below);
    variable("CRITERION_HOME").map_or_else(|| target().join("criterion"), below)
}

/// The estimates and weights of a folder; none when it holds nothing, not even something broken.
fn read(home: &Path) -> Option<Benches> {
    let mut folders = Vec::new();
    let mut found = Benches::default();
    find_new(home, DEPTH_MAX, &mut folders, &mut found.warnings);
    folders.sort();
    for folder in folders {
        if let Err(error) = read_new(&folder, &mut found) {
            let shown = folder.strip_prefix(home).unwrap_or(&folder).display();
            found.warnings.push(format!("left out `{shown}`: {error:#}"));
        }
    }
    found.memory.sort_by(|one, other| one.unit.cmp(&other.unit));
    let is_empty =
        found.estimates.is_empty() && found.memory.is_empty() && found.warnings.is_empty();
    (!is_empty).then_some(found)
}

/// Folders named `new`, in which criterion keeps the latest of each bench. Links are not followed: they may lead back.
fn find_new(folder: &Path, depth: usize, found: &mut Vec<PathBuf>, warnings: &mut Vec<String>) {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
        Err(error) => {
            warnings.push(format!("failed to list `{}`: {error}", folder.display()));
            return;
        }
    };
    for entry in entries.flatten() {
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        if entry.file_name() == "new" {
            found.push(entry.path());
        } else if depth > 1 {
            find_new(&entry.path(), depth - 1, found, warnings);
        }
    }
}

fn read_new(folder: &Path, found: &mut Benches) -> anyhow::Result<()> {
    let weighed = folder.join(MEMORY);
    if weighed.exists() {
        let memory: UnitMemory = read_json(&weighed)?;
        let sane = memory.bytes_per_unit.is_finite() && memory.count > 0 && !memory.unit.is_empty();
        anyhow::ensure!(sane, "`{MEMORY}` has no unit, no count or no weight");
        found.memory.push(UnitMemory { measured_at: modified(&weighed), ..memory });
        return Ok(());
    }
    let bench: Bench = read_json(&folder.join(BENCHMARK))?;
    let path = folder.join(ESTIMATES);
    let estimates: Estimates = read_json(&path)?;
    let (mean_ns, median_ns) = (estimates.mean.interval(), estimates.median.interval());
    anyhow::ensure!(
        mean_ns.is_sane() && median_ns.is_sane(),
        "an estimate lies outside its own interval"
    );
    found.estimates.push(Estimate {
        group: bench.group_id,
        function: bench.function_id.unwrap_or_default(),
        parameter: bench.value_str,
        mean_ns,
        median_ns,
        confidence_level: estimates.median.confidence_interval.confidence_level,
        throughput: bench.throughput.as_ref().and_then(throughput),
        measured_at: modified(&path),
    });
    Ok(())
}

fn read_json<T: for<'a> Deserialize<'a>>(path: &Path) -> anyhow::Result<T> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let text = std::fs::read(path).with_context(|| format!("failed to read `{name}`"))?;
    serde_json::from_slice(&text).with_context(|| format!("`{name}` is not what criterion writes"))
}

fn modified(path: &Path) -> Option<String> {
    let time: SystemTime = std::fs::metadata(path).ok()?.modified().ok()?;
    Some(utc(Timestamp::try_from(time).ok()?))
}

/// `{"Elements": 1000}`, `{"Bytes": 64}`; criterion has others, which no bench of ours uses.
fn throughput(value: &Value) -> Option<Throughput> {
    let of = |kind: &str| value.get(kind)?.as_u64();
    of("Elements").map(Throughput::Elements).or_else(|| of("Bytes").map(Throughput::Bytes))
}

/// What we read of `benchmark.json`.
#[derive(Deserialize)]
struct Bench {
    group_id: String,
    function_id: Option<String>,
    value_str: Option<String>,
    throughput: Option<Value>,
}

/// What we read of `estimates.json`; times are nanoseconds.
#[derive(Deserialize)]
struct Estimates {
    mean: Point,
    median: Point,
}

#[derive(Deserialize)]
struct Point {
    confidence_interval: ConfidenceInterval,
    point_estimate: f64,
}

#[derive(Deserialize)]
struct ConfidenceInterval {
    confidence_level: f64,
    lower_bound: f64,
    upper_bound: f64,
}

impl Point {
    fn interval(&self) -> Interval {
        let bounds = &self.confidence_interval;
        Interval { point: self.point_estimate, low: bounds.lower_bound, high: bounds.upper_bound }
    }
}

#[cfg(test)]
mod tests;
