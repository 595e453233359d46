//! What the criterion benches found: one object a file, `criterion-<UTC stamp>-<host>-<rev>.json`, beside the runs.
//!
//! Runs weigh whole servers; benches weigh one mechanism by itself. Times are criterion's own estimates, with its
//! confidence intervals (bootstrapped, <https://criterion-rs.github.io/book/analysis.html>); nothing is fitted here.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::run::{Timestamp, run_name};

/// Version of this format; raised when a field changes its meaning, not when one is added.
pub const SCHEMA: u32 = 1;

/// Characters of a git revision in a file's name.
const SHORT_REVISION: usize = 7;

/// All that was found when the benches' results were collected.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Benches {
    /// Version of the format: [`SCHEMA`].
    pub schema: u32,
    /// The host's name, or what the user wants to see in its place.
    pub host_label: String,
    /// Git revision of the sources when the results were collected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git_revision: Option<String>,
    /// Whether there were uncommitted changes then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git_dirty: Option<bool>,
    /// UTC, RFC 3339.
    pub collected_at: String,
    /// What was timed, in the order of group, function, parameter.
    pub estimates: Vec<Estimate>,
    /// What was weighed, by unit.
    pub memory: Vec<UnitMemory>,
    /// In plain words: what was there and could not be read.
    pub warnings: Vec<String>,
}

/// What criterion estimated of one bench.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Estimate {
    /// The question, and where the units ran: `spawn-pinned`.
    pub group: String,
    /// Who answers it: `thread`; empty where the group has only a parameter.
    pub function: String,
    /// A size or a number: `1000`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// Mean time of an iteration.
    pub mean_ns: Interval,
    /// Median time of an iteration.
    pub median_ns: Interval,
    /// Level of both intervals, 0 to 1.
    pub confidence_level: f64,
    /// What an iteration handles, where that was told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throughput: Option<Throughput>,
    /// When it was measured: UTC, RFC 3339; results of several days and revisions may lie side by side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measured_at: Option<String>,
}

/// A point estimate and criterion's confidence interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Interval {
    /// The estimate.
    pub point: f64,
    /// Lower bound.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
}

/// What one iteration handles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Throughput {
    /// Units, requests, waits.
    Elements(u64),
    /// Bytes.
    Bytes(u64),
}

/// What the units of one mechanism weigh while they wait.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct UnitMemory {
    /// The mechanism: `thread`.
    pub unit: String,
    /// How many waited at once.
    pub count: u64,
    /// Growth of proportional set size and page tables, and the kernel's stacks, by the count.
    pub bytes_per_unit: f64,
    /// When it was measured: UTC, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measured_at: Option<String>,
}

impl Estimate {
    /// As criterion prints it: `spawn-pinned/thread/1000`.
    #[must_use]
    pub fn id(&self) -> String {
        let parts = [Some(self.group.as_str()), Some(self.function.as_str())];
        let parts = parts.into_iter().chain([self.parameter.as_deref()]).flatten();
        parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
    }

    /// The median of one element: a batch's time divided by its units, and what is no batch as it is.
    #[must_use]
    pub fn median_ns_per_element(&self) -> Interval {
        match self.throughput {
            Some(Throughput::Elements(elements)) if elements > 0 => {
                self.median_ns.divided_by(elements)
            }
            _ => self.median_ns,
        }
    }
}

impl Interval {
    /// Whether the numbers can be what they say.
    #[must_use]
    pub fn is_sane(&self) -> bool {
        let finite = [self.point, self.low, self.high].iter().all(|number| number.is_finite());
        finite && self.low >= 0.0 && self.low <= self.point && self.point <= self.high
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::as_conversions,
        reason = "a count of elements is far below 2^53"
    )]
    fn divided_by(self, count: u64) -> Self {
        let count = count as f64;
        Self { point: self.point / count, low: self.low / count, high: self.high / count }
    }
}

impl Benches {
    /// Reads such a file. Fields that are missing are empty, those that are unknown are ignored.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read(path)?;
        let benches: Self = serde_json::from_slice(&text)?;
        anyhow::ensure!(
            benches.schema <= SCHEMA,
            "the file is of version {}, and this program reads up to {SCHEMA}; update it",
            benches.schema
        );
        Ok(benches)
    }
}

/// Writes `criterion-<stamp>-<host>-<rev>.json` into the folder of the results, and says where it lies.
///
/// # Errors
/// The system refuses, or there is such a file: what is recorded is never overwritten.
pub fn write(benches: &Benches, results: &Path) -> io::Result<PathBuf> {
    let collected: Timestamp = benches.collected_at.parse().map_err(io::Error::other)?;
    let revision = benches.git_revision.as_deref().unwrap_or_default();
    let revision: String = revision.chars().take(SHORT_REVISION).collect();
    let name = run_name(collected, &benches.host_label, &revision);
    std::fs::create_dir_all(results)?;
    let path = results.join(format!("criterion-{name}.json"));
    let mut file = File::create_new(&path)?;
    serde_json::to_writer_pretty(&mut file, benches)?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn benches() -> Benches {
        let interval = Interval { point: 2000.0, low: 1990.5, high: 2100.25 };
        Benches {
            schema: SCHEMA,
            host_label: "a host".into(),
            git_revision: Some("0123456789abcdef".into()),
            collected_at: "2025-03-04T05:06:07.890Z".into(),
            estimates: vec![Estimate {
                group: "spawn-pinned".into(),
                function: "thread".into(),
                parameter: Some("1000".into()),
                mean_ns: interval,
                median_ns: interval,
                confidence_level: 0.95,
                throughput: Some(Throughput::Elements(1000)),
                measured_at: None,
            }],
            ..Benches::default()
        }
    }

    #[test]
    fn what_is_written_is_read_and_never_overwritten() {
        let results = tempfile::tempdir().unwrap();
        let path = write(&benches(), results.path()).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        assert_eq!(name, "criterion-20250304T050607Z-a-host-0123456.json");
        assert_eq!(Benches::read(&path).unwrap(), benches());
        let again = write(&benches(), results.path()).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn a_newer_format_is_refused_and_a_poorer_file_read() {
        let results = tempfile::tempdir().unwrap();
        let path = results.path().join("a.json");
        std::fs::write(&path, r#"{"schema": 99}"#).unwrap();
        assert!(Benches::read(&path).unwrap_err().to_string().contains("99"));
        std::fs::write(&path, r#"{"schema": 1, "estimates": [{"group": "a", "new": 1}]}"#).unwrap();
        assert_eq!(Benches::read(&path).unwrap().estimates[0].group, "a");
    }

    #[test]
    fn a_batch_is_divided_by_its_units() {
        let mut estimate = benches().estimates.remove(0);
        assert_eq!(estimate.id(), "spawn-pinned/thread/1000");
        let expected = Interval { point: 2.0, low: 1.9905, high: 2.10025 };
        assert_eq!(estimate.median_ns_per_element(), expected);
        estimate.throughput = Some(Throughput::Bytes(64));
        assert_eq!(estimate.median_ns_per_element(), estimate.median_ns);
    }

    #[test]
    fn numbers_that_cannot_be_are_not_sane() {
        assert!(benches().estimates[0].mean_ns.is_sane());
        for (point, low, high) in [(1.0, 2.0, 3.0), (4.0, 2.0, 3.0), (0.0, -1.0, 1.0)] {
            assert!(!Interval { point, low, high }.is_sane());
        }
        assert!(!Interval { point: f64::NAN, low: 0.0, high: 1.0 }.is_sane());
    }
}
