//! The overlap experiment of real database drivers: `drivers-<stamp>.json`, one object.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// All cases of one go, and against what.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Drivers {
    /// Version of the record format.
    pub schema: u32,
    /// UTC, RFC 3339.
    pub started_at: String,
    /// The command that made it.
    pub command: String,
    /// Kernel name, release and version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
    /// The CPU's name for itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_model: Option<String>,
    /// Git revision of the sources that were built.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git_revision: Option<String>,
    /// Whether the sources differed from that revision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git_dirty: Option<bool>,
    /// What each server says of its version, by `PostgreSQL` and `Redis`.
    pub servers: BTreeMap<String, String>,
    /// What was measured.
    pub cases: Vec<DriverCase>,
    /// What was not, and how to get what it needs.
    pub missing: Vec<String>,
}

/// So many queries of 100 ms through one driver, in one way, over so many connections.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct DriverCase {
    /// The crate: `postgres`, `tokio-postgres`, `redis`, `redis-tokio`.
    pub driver: String,
    /// How queries are run: `threads`, a thread for each query; `pool`, a thread for each connection; `tasks`, a task
    /// for each query, all on one thread.
    pub mode: String,
    /// Queries in all.
    pub queries: u64,
    /// Connections that they share.
    pub connections: u64,
    /// From the first query's start to the last one's end, connections being open.
    pub wall_ms: f64,
    /// ceil(queries / connections) x 100 ms; of a control what it claims.
    pub expected_ms: f64,
    /// User and system time of the client's process meanwhile; the server's is not in it.
    pub cpu_ms: f64,
    /// Queries that failed, or did not wait.
    pub errors: u64,
    /// No error, and the wall time holds as many whole queries as were expected one after the other.
    pub ok: bool,
    /// Of a control what `ok` has to be; absent of a case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control: Option<bool>,
}

impl DriverCase {
    /// Whether a case came out as expected, or a control as it must.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.ok == self.control.unwrap_or(true)
    }
}
