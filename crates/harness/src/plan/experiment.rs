//! One experiment of a plan: what each model goes through.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::active::Active;
use super::beside::Beside;
use super::fault::Fault;
use super::rate::{Arrivals, Offer, Rate};
use super::task::Task;
use crate::calibration::{self, Calibration};
use crate::registry::Model;

/// A window of three milliseconds for each active connection, 30 s at ten thousand of them, where the kernel's scheduler
/// gives out the turns; a loop of our own or a runtime's gives each its turn within one request of all others.
///
/// Linux lets a thread use up its slice before it prefers one that has waited longer: 0.7 ms x (1 + log2 of the CPUs,
/// of eight at most), so 1.4 ms on two CPUs and 2.8 ms on many. A thread that answers one request in 12 us uses that in
/// a hundred short turns, and a round of 10,000 such threads takes 14 to 28 s. A window of 3 s saw 2,877 of them served
/// on two CPUs, and would have called the other 7,123 starved.
const WINDOW_US_PER_ACTIVE: u64 = 3_000;
const WARMUP_US_PER_ACTIVE: u64 = 100;

/// One experiment: every model x service x number of connections, repeated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own, as in the file")]
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
    /// Path of the HTTP request; `/compute/1ms` is as many iterations as take that long here.
    #[serde(default = "default_path")]
    pub path: String,
    /// Whether each connection, active or not, asks once as soon as it is open.
    #[serde(default)]
    pub greet: bool,
    /// A connection for each request, closed by the server.
    #[serde(default)]
    pub churn: bool,
    /// Rates to offer; absent: a closed loop. A share of a ceiling plans the ceiling, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rates: Vec<Rate>,
    /// How the requests of a rate lie in time.
    #[serde(default)]
    pub arrivals: Arrivals,
    /// Nanoseconds of work added to each request: `--burn`, calibrated once a run.
    #[serde(default)]
    pub burn_ns: u64,
    /// Where blocking and computing handlers run, instead of where the model runs them by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<Block>,
    /// Threads of the pool that they run on, instead of the model's own number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocking_threads: Option<u64>,
    /// Workers, instead of the model's own number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workers: Option<u64>,
    /// Whether models and generator take as many processes as their connections need descriptors; those models that can.
    #[serde(default)]
    pub many_processes: bool,
    /// What else the server is asked meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<Beside>,
    /// What is done to the contestant in the middle of the window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// How plans said `fault = "killed-child"` before there were other faults: those of runs to be resumed still do.
    #[serde(default, skip_serializing)]
    pub kill_child: bool,
    /// Measure the model's client at this task, instead of its server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Task>,
    /// Those of the plan's models that take part; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// Those of the plan's models that take no part.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<String>,
    /// Models that are entered twice, for A/A comparison: two of different families give the floor below which no
    /// difference is one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub twins: Vec<String>,
}

/// Where blocking and computing handlers run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Block {
    /// On the thread that runs the connection.
    Inline,
    /// On the model's pool.
    Offload,
}

impl Block {
    /// The word of the command line and of the record.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Inline => "inline",
            Self::Offload => "offload",
        }
    }
}

const DEFAULT_VARIANT: &str = "default";

fn default_variant() -> String {
    DEFAULT_VARIANT.into()
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

/// The variant of the closed loop that tells a model's ceiling.
pub const CEILING: &str = "ceiling";

impl Experiment {
    /// The variants that are planned and what paces each: one, or one for each rate, and the ceiling of which some are
    /// a share.
    #[must_use]
    pub fn offers(&self) -> Vec<(String, Offer)> {
        match self.rates.as_slice() {
            [] => return vec![(self.variant.clone(), Offer::Closed)],
            // A single rate is no variation.
            [rate @ Rate::PerSecond(_)] => return vec![(self.variant.clone(), Offer::Open(*rate))],
            _ => {}
        }
        let shares = self.rates.iter().any(|rate| matches!(rate, Rate::OfCeiling(_)));
        let ceiling = shares.then(|| (self.ceiling_variant(), Offer::Closed));
        let rates =
            self.rates.iter().map(|&rate| (self.with(&rate.to_string()), Offer::Open(rate)));
        ceiling.into_iter().chain(rates).collect()
    }

    /// The variant of the trials that tell the ceiling.
    #[must_use]
    pub fn ceiling_variant(&self) -> String {
        self.with(CEILING)
    }

    fn with(&self, addition: &str) -> String {
        if self.variant == DEFAULT_VARIANT {
            addition.to_owned()
        } else {
            format!("{}+{addition}", self.variant)
        }
    }

    /// Length of the window at that many connections.
    #[must_use]
    pub fn window(&self, model: &Model, connections: u64) -> Duration {
        self.stretched(self.duration_s, WINDOW_US_PER_ACTIVE, model, connections)
    }

    /// Longest warm-up at that many connections.
    #[must_use]
    pub fn warmup(&self, model: &Model, connections: u64) -> Duration {
        self.stretched(self.warmup_s, WARMUP_US_PER_ACTIVE, model, connections)
    }

    fn stretched(
        &self,
        asked_s: f64,
        us_per_active: u64,
        model: &Model,
        connections: u64,
    ) -> Duration {
        let asked = Duration::try_from_secs_f64(asked_s).unwrap_or_default();
        if self.exact_times || model.event_driven {
            return asked;
        }
        // Of a pool's connections those that wait have no turn.
        let workers = self.workers.or_else(|| model.workers_on(1));
        let served = model.serves_at_most(workers).unwrap_or(u64::MAX);
        let turns = self.active.of(connections).min(served);
        asked.max(Duration::from_micros(turns.saturating_mul(us_per_active)))
    }

    /// What is done to the contestant in the middle of the window.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        self.fault.or(self.kill_child.then_some(Fault::KilledChild))
    }

    /// Whether a model takes part.
    #[must_use]
    pub fn takes(&self, model: &String) -> bool {
        (self.models.is_empty() || self.models.contains(model)) && !self.except.contains(model)
    }

    /// Whether the two would measure one cell twice.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        fn any<T: PartialEq>(a: &[T], b: &[T]) -> bool {
            a.iter().any(|item| b.contains(item))
        }
        let models = match (self.models.as_slice(), other.models.as_slice()) {
            ([], []) => true,
            ([], named) => named.iter().any(|model| self.takes(model)),
            (named, _) => named.iter().any(|model| self.takes(model) && other.takes(model)),
        };
        (self.name == other.name && self.variant == other.variant)
            && models
            && any(&self.services, &other.services)
            && any(&self.connections, &other.connections)
    }

    /// Leaves to an earlier entry the cells that both have since an option gave both the same.
    pub(crate) fn leave_to(&mut self, earlier: &Self) {
        if !self.overlaps(earlier) {
            return;
        }
        if self.connections.iter().all(|number| earlier.connections.contains(number)) {
            self.services.retain(|service| !earlier.services.contains(service));
        } else {
            self.connections.retain(|number| !earlier.connections.contains(number));
        }
    }
}

impl Experiment {
    pub(super) fn check(&self) -> anyhow::Result<()> {
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
        check_path(&self.path)?;
        anyhow::ensure!(
            self.rates.is_empty() || !self.churn,
            "experiment `{name}` has rates and churn; connections of one request are a closed loop"
        );
        if let Some(beside) = &self.beside {
            beside.check(name)?;
        }
        if let Some(task) = &self.client {
            task.check(name)?;
            anyhow::ensure!(
                self.rates.is_empty() && self.beside.is_none() && !self.churn,
                "experiment `{name}` measures a client, which has no rate, no churn and nobody beside"
            );
        }
        anyhow::ensure!(
            self.fault().is_none() || (self.client.is_none() && self.services == [Service::Http]),
            "experiment `{name}` has a fault, whose witnesses ask a server of http; leave out echo and `client`"
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

pub(super) fn check_path(path: &str) -> anyhow::Result<()> {
    anyhow::ensure!(path.starts_with('/'), "path `{path}` is no path; begin it with `/`");
    calibration::resolved(path, Calibration::default())?;
    Ok(())
}
