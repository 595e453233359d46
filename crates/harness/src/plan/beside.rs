//! What else the server is asked while a trial is measured.

use serde::{Deserialize, Serialize};

use super::rate::Rate;

/// Other clients of the same server, counted apart: those that call something blocking, compute, or break things.
///
/// The trial's own figures then say what everybody else feels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Beside {
    /// What they ask for; `/compute/1ms` is as many iterations as take that long here.
    pub path: String,
    /// How many connections they have.
    pub connections: u64,
    /// Requests that they send a second; absent: each asks again as soon as it is answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
}

impl Beside {
    pub(super) fn check(&self, name: &str) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.connections > 0,
            "experiment `{name}`: nobody stands beside; use 1 connection or more"
        );
        super::experiment::check_path(&self.path)?;
        if let Some(rate) = self.rate {
            let sound = toml::Value::Float(rate).try_into::<Rate>();
            sound.map_err(|error| anyhow::anyhow!("experiment `{name}`: {}", error.message()))?;
        }
        Ok(())
    }
}
