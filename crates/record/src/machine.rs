//! Where and how a run was made: `machine.json`, one object a run, written before anything is measured.
//!
//! Absent means unknown on that machine. Whoever doubts a figure finds here what to make equal before trying again.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Provenance of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Machine {
    /// Version of the record format; the writer fills it in.
    pub schema: u32,
    /// Name of the run: the name of its folder; the writer fills it in.
    pub run: String,
    /// UTC, RFC 3339.
    pub started_at: String,
    /// The host's name, or `--host-label` in its place.
    pub host_label: String,
    /// What the order of the trials was shuffled with.
    pub seed: u64,
    /// The plan that was asked for: `smoke`, `quick`, `standard`, `full` or the name of a plan file.
    pub profile: String,
    /// The command, its own paths relative to the repository.
    pub argv: Vec<String>,

    /// Git revision of the sources that were built.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git_revision: Option<String>,
    /// Whether the sources differed from that revision, `results/` and `report/` aside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git_dirty: Option<bool>,
    /// What `rustc` says of its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rustc: Option<String>,
    /// Cargo's profile of contestants and generator; a debug build is never recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build_profile: Option<String>,
    /// Version of each crate that takes part in a measurement, by name.
    pub crate_versions: BTreeMap<String, String>,

    /// Kernel name, release and version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
    /// `x86_64`, `aarch64`, ...
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// Distribution.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os: Option<String>,
    /// The CPU's name for itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_model: Option<String>,
    /// CPUs online.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<u64>,
    /// CPUs that the run was allowed to use, as a list: `0-1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus_allowed: Option<String>,
    /// Whether hardware threads share cores: `on`, `off`, `notsupported`, ...
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smt: Option<String>,
    /// Frequency governor; virtual machines have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub governor: Option<String>,
    /// `on` or `off`, where it can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turbo: Option<String>,
    /// Each vulnerability that the kernel knows and what it does about it.
    pub mitigations: BTreeMap<String, String>,
    /// What the kernel reads the time from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_source: Option<String>,
    /// The virtual machine monitor; absent on bare metal or where it hides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hypervisor: Option<String>,
    /// Share of all CPU time since boot that the hypervisor took, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steal_share_since_boot: Option<f64>,
    /// Physical memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// `always`, `madvise` or `never`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transparent_huge_pages: Option<String>,
    /// `v1`, `v2`, both, or `none`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cgroup_version: Option<String>,
    /// MTU of the loopback interface that all load crossed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loopback_mtu: Option<u64>,
    /// CPUs of the contestants, as a list: `1`, `4-7`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_cpus: Option<String>,
    /// CPUs of the generator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generator_cpus: Option<String>,
    /// Iterations of work that a server's CPU does in a millisecond: the calibration of `/compute` and of burns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compute_iterations_per_ms: Option<f64>,
    /// What a round trip of the probe took on a server's CPU when the run began: each trial is held against it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe_round_trip_ns: Option<f64>,
    /// Kernel settings that shape results, by their sysctl name.
    pub sysctls: BTreeMap<String, String>,
    /// Limits of the machine, and what each of them caps.
    pub limits: Vec<LimitRecord>,

    /// Who took part, in report order.
    pub contestants: Vec<ContestantRecord>,
    /// In plain words: what is unknown or doubtful about this machine, and why.
    pub warnings: Vec<String>,
}

/// A limit as it stood when the run began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LimitRecord {
    /// `nofile`, `max_map_count`, ...
    pub name: String,
    /// As the system prints it.
    pub value: String,
    /// What it caps here: `connections stop at 19,900`.
    pub caps: String,
    /// The command that lifts it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// A contestant as the registry described it, copied so that a report needs the record alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ContestantRecord {
    /// The one name: folder, package, binary, registry key, column and label.
    pub name: String,
    /// `blocking`, `readiness`, `async/await`, ...; charts colour by it.
    pub family: String,
    /// In a few words: `one OS thread each`.
    pub mechanism: String,
    /// The runtime's crate; absent where the standard library and the kernel are all there is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<String>,
    /// The runtime's version, from the lockfile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_version: Option<String>,
    /// Lines of code of the server's page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_lines: Option<u64>,
    /// Lines of code of the client's page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_lines: Option<u64>,
    /// The server's page itself, shown beside its numbers.
    pub server_source: String,
    /// What the model cannot do by its nature, in plain words: `serves 128 connections at a time`.
    pub limits: Vec<String>,
}

impl Machine {
    /// What the registry said about `name`.
    #[must_use]
    pub fn contestant(&self, name: &str) -> Option<&ContestantRecord> {
        self.contestants.iter().find(|contestant| contestant.name == name)
    }

    /// `name`'s place in report order; whoever is not listed comes last.
    #[must_use]
    pub fn place(&self, name: &str) -> usize {
        self.contestants.iter().position(|contestant| contestant.name == name).unwrap_or(usize::MAX)
    }
}
