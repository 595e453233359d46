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
    /// They trickle: a byte of a request, or a thousand of an answer, every 100 ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow: Option<Slow>,
}

/// What slow clients are slow at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Slow {
    /// Reading their answers.
    Read,
    /// Writing their requests.
    Write,
}

impl Slow {
    /// The word of the record.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

impl Beside {
    pub(super) fn check(&self, name: &str) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.connections > 0,
            "experiment `{name}`: nobody stands beside; use 1 connection or more"
        );
        super::experiment::check_path(&self.path)?;
        anyhow::ensure!(
            self.rate.is_none() || self.slow.is_none(),
            "experiment `{name}`: slow clients have no rate; leave out one of the two"
        );
        if let Some(rate) = self.rate {
            let sound = toml::Value::Float(rate).try_into::<Rate>();
            sound.map_err(|error| anyhow::anyhow!("experiment `{name}`: {}", error.message()))?;
        }
        Ok(())
    }
}
