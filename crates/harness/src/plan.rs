//! The plan: what is measured, as data. Profiles are plans that come with the program; a user's plan has the same form.

use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::exit::UsageError;

/// A profile's name and text.
const PROFILES: [(&str, &str); 4] = [
    ("smoke", include_str!("../plans/smoke.toml")),
    ("quick", include_str!("../plans/quick.toml")),
    ("standard", include_str!("../plans/standard.toml")),
    ("full", include_str!("../plans/full.toml")),
];

/// A window of three milliseconds for each active connection, 30 s at ten thousand of them.
///
/// Linux lets a thread use up its slice before it prefers one that has waited longer: 0.7 ms x (1 + log2 of the CPUs,
/// of eight at most), so 1.4 ms on two CPUs and 2.8 ms on many. A thread that answers one request in 12 us uses that in
/// a hundred short turns, and a round of 10,000 such threads takes 14 to 28 s. A window of 3 s saw 2,877 of them served
/// on two CPUs, and would have called the other 7,123 starved.
const WINDOW_US_PER_ACTIVE: u64 = 3_000;
const WARMUP_US_PER_ACTIVE: u64 = 100;

/// What is measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The profile it came from, or the stem of the user's file.
    pub profile: String,
    /// Decides the order of the trials; drawn once when absent, and written down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Names of the models, in report order; empty means all.
    #[serde(default)]
    pub models: Vec<String>,
    /// What each model goes through.
    #[serde(rename = "experiment")]
    pub experiments: Vec<Experiment>,
}

/// One experiment: every model x service x number of connections, repeated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// `sweep`, `idle-mass`, `storm`, or a name of the user's.
    pub name: String,
    /// What the settings change; part of a trial's key.
    #[serde(default = "default_variant")]
    pub variant: String,
    /// Services to load.
    pub services: Vec<Service>,
    /// Connections to open.
    pub connections: Vec<u64>,
    /// How fast they are opened.
    #[serde(default)]
    pub opening: Opening,
    /// How many of them send.
    #[serde(default)]
    pub active: Active,
    /// Times that each cell is measured, each with a fresh server.
    pub repeats: u32,
    /// Longest warm-up; it ends sooner when the rate has settled.
    pub warmup_s: f64,
    /// Length of the measured window.
    pub duration_s: f64,
    /// Windows are as long as asked, however many connections are active.
    #[serde(default)]
    pub exact_times: bool,
    /// Requests in flight on one connection.
    #[serde(default = "one")]
    pub pipeline: u64,
    /// Bytes of an echo message.
    #[serde(default = "default_size")]
    pub size: u64,
    /// Path of the HTTP request.
    #[serde(default = "default_path")]
    pub path: String,
}

fn default_variant() -> String {
    "default".into()
}

fn one() -> u64 {
    1
}

/// As long as the HTTP request and shorter than any segment.
fn default_size() -> u64 {
    64
}

fn default_path() -> String {
    "/".into()
}

/// What a contestant serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// Returns the bytes it got.
    Echo,
    /// HTTP/1.1.
    Http,
}

impl Service {
    /// The name used on command lines and in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Http => "http",
        }
    }
}

/// How fast connections are opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Opening {
    /// No faster than the server accepts: nothing is dropped, and opening is not what is measured.
    #[default]
    Paced,
    /// All at once, and each asks once as soon as it is open: accepting is what is measured.
    Burst,
}

/// How many of the open connections send: all, a number, or a share such as `1%`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "ActiveText", into = "ActiveText")]
pub enum Active {
    /// Every one.
    #[default]
    All,
    /// That many, or all when fewer are open.
    Count(u64),
    /// That share in thousandths, at least one connection.
    PerMille(u64),
}

/// The forms that `active` has in a file.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum ActiveText {
    Count(u64),
    Share(String),
}

impl TryFrom<ActiveText> for Active {
    type Error = String;

    fn try_from(text: ActiveText) -> Result<Self, String> {
        let text = match text {
            ActiveText::Count(count) => return Ok(Self::Count(count)),
            ActiveText::Share(text) => text,
        };
        let bad =
            || format!("`{text}` is no share of the connections; write a number, `1%` or `0.5%`");
        let percent = text.strip_suffix('%').ok_or_else(bad)?;
        let (whole, tenths) = percent.split_once('.').unwrap_or((percent, "0"));
        let whole: u64 = whole.parse().map_err(|_| bad())?;
        let tenths = tenths.parse::<u64>().ok().filter(|tenths| *tenths < 10).ok_or_else(bad)?;
        let per_mille = whole.saturating_mul(10).saturating_add(tenths);
        match per_mille {
            1..1000 => Ok(Self::PerMille(per_mille)),
            1000 => Ok(Self::All),
            _ => Err(bad()),
        }
    }
}

impl From<Active> for ActiveText {
    fn from(active: Active) -> Self {
        match active {
            Active::All => Self::Share("100%".into()),
            Active::Count(count) => Self::Count(count),
            Active::PerMille(share) => Self::Share(format!("{}.{}%", share / 10, share % 10)),
        }
    }
}

impl Active {
    /// How many of that many connections send.
    #[must_use]
    pub fn of(self, connections: u64) -> u64 {
        match self {
            Self::All => connections,
            Self::Count(count) => count.clamp(1, connections.max(1)),
            Self::PerMille(share) => (connections.saturating_mul(share) / 1000).max(1),
        }
    }
}

impl Experiment {
    /// Length of the window at that many connections.
    #[must_use]
    pub fn window(&self, connections: u64) -> Duration {
        self.stretched(self.duration_s, connections, WINDOW_US_PER_ACTIVE)
    }

    /// Longest warm-up at that many connections.
    #[must_use]
    pub fn warmup(&self, connections: u64) -> Duration {
        self.stretched(self.warmup_s, connections, WARMUP_US_PER_ACTIVE)
    }

    fn stretched(&self, asked_s: f64, connections: u64, us_per_active: u64) -> Duration {
        let asked = Duration::try_from_secs_f64(asked_s).unwrap_or_default();
        if self.exact_times {
            return asked;
        }
        asked.max(Duration::from_micros(self.active.of(connections).saturating_mul(us_per_active)))
    }
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
        Ok(Self::parse(text)
            .expect("the profiles that come with the program parse: a test reads them"))
    }

    /// Reads a plan and refuses what cannot be measured.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let plan: Self = toml::from_str(text)?;
        plan.check()?;
        Ok(plan)
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
            let same = |other: &&Experiment| {
                other.name == experiment.name && other.variant == experiment.variant
            };
            anyhow::ensure!(
                self.experiments[..index].iter().find(same).is_none(),
                "experiment `{}` stands twice with variant `{}`; give one another variant",
                experiment.name,
                experiment.variant
            );
        }
        Ok(())
    }
}

impl Experiment {
    fn check(&self) -> anyhow::Result<()> {
        let name = &self.name;
        anyhow::ensure!(
            !self.services.is_empty(),
            "experiment `{name}` has no service; name echo, http or both"
        );
        anyhow::ensure!(
            !self.connections.is_empty(),
            "experiment `{name}` has no connections; name a number"
        );
        anyhow::ensure!(
            !self.connections.contains(&0),
            "experiment `{name}` opens 0 connections; use 1 or more"
        );
        anyhow::ensure!(self.repeats > 0, "experiment `{name}` has 0 repeats; use 1 or more");
        anyhow::ensure!(
            self.pipeline > 0,
            "experiment `{name}` has a pipeline of 0; use 1 or more"
        );
        anyhow::ensure!(self.size > 0, "experiment `{name}` echoes 0 bytes; use 1 or more");
        anyhow::ensure!(
            self.path.starts_with('/'),
            "path `{}` is no path; begin it with `/`",
            self.path
        );
        let sound = |seconds: f64| (0.0..=3600.0).contains(&seconds);
        anyhow::ensure!(sound(self.warmup_s), "experiment `{name}`: a warm-up lasts 0 s to 3600 s");
        anyhow::ensure!(
            sound(self.duration_s) && self.duration_s >= 0.01,
            "experiment `{name}`: a window lasts 10 ms to 3600 s"
        );
        Ok(())
    }
}
