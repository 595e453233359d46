//! The plan: what is measured, as data. Profiles are plans that come with the program; a user's plan has the same form.

mod active;
mod beside;
mod experiment;
mod fault;
mod rate;
mod task;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

pub use active::Active;
pub use beside::{Beside, Slow};
pub use experiment::{Block, CEILING, Experiment, Opening, Service};
pub use fault::Fault;
pub use rate::{Arrivals, Offer, Rate};
pub use task::{REFUSED, Task};

use crate::exit::UsageError;

/// A profile's name and text.
const PROFILES: [(&str, &str); 4] = [
    ("smoke", include_str!("../plans/smoke.toml")),
    ("quick", include_str!("../plans/quick.toml")),
    ("standard", include_str!("../plans/standard.toml")),
    ("full", include_str!("../plans/full.toml")),
];

/// The profile that has all of `standard`, and more.
pub(crate) const FULL: &str = "full";

/// What is measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The profile it came from, or the stem of the user's file.
    pub profile: String,
    /// Decides the order of the trials; drawn once when absent, and written down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Whether the run ends by judging what others claim, the laboratory included.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub claims: bool,
    /// Names of the models, in report order; empty means all.
    #[serde(default)]
    pub models: Vec<String>,
    /// What each model goes through.
    #[serde(rename = "experiment")]
    pub experiments: Vec<Experiment>,
}

impl Plan {
    /// The names of the profiles.
    pub fn profiles() -> impl Iterator<Item = &'static str> {
        PROFILES.iter().map(|(name, _)| *name)
    }

    /// The profile of that name.
    ///
    /// # Panics
    /// When a profile of this build does not parse: a test reads them, so no built binary meets this.
    pub fn profile(name: &str) -> Result<Self, UsageError> {
        let text = PROFILES
            .iter()
            .find(|(profile, _)| *profile == name)
            .map(|(_, text)| *text)
            .ok_or_else(|| {
                let known: Vec<&str> = Self::profiles().collect();
                UsageError::new(format!(
                    "unknown profile `{name}`; the profiles are {}",
                    known.join(", ")
                ))
            })?;
        let mut plan = Self::parse(text)
            .expect("the profiles that come with the program parse: a test reads them");
        if plan.profile == FULL {
            plan.experiments.splice(..0, Self::profile("standard")?.experiments);
        }
        Ok(plan)
    }

    /// Reads a plan and refuses what cannot be measured.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let plan: Self = toml::from_str(text)?;
        plan.check()?;
        Ok(plan)
    }

    /// The models that go through an experiment, in report order.
    pub fn models_of<'a>(&'a self, experiment: &'a Experiment) -> impl Iterator<Item = &'a String> {
        self.models.iter().filter(|model| experiment.takes(model))
    }

    /// The plan as a file.
    pub fn to_toml(&self) -> anyhow::Result<String> {
        toml::to_string(self).context("failed to write the plan as TOML")
    }

    /// Refuses what cannot be measured, with the remedy.
    pub fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            !self.experiments.is_empty(),
            "the plan has no experiment; add an `[[experiment]]`"
        );
        for (index, experiment) in self.experiments.iter().enumerate() {
            experiment.check()?;
            let again = self.experiments[..index].iter().any(|other| other.overlaps(experiment));
            anyhow::ensure!(
                !again,
                "experiment `{}` has a cell twice with variant `{}`; give one another variant, or other connections",
                experiment.name,
                experiment.variant
            );
        }
        Ok(())
    }
}
