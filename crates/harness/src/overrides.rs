//! What the command line changes in a plan.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use crate::claims;
use crate::exit::UsageError;
use crate::order;
use crate::plan::{Experiment, FULL, Plan, Service};
use crate::registry::Registry;

/// The experiment that `--connections` and `--services` mean when no other is named.
const SWEEP: &str = "sweep";

/// Among the experiments: all that the claims are judged by.
const CLAIMS: &str = "claims";

/// What the command line changes in a plan; absent leaves the plan's own value.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Models to measure.
    pub models: Option<Vec<String>>,
    /// Experiments to keep.
    pub experiments: Option<Vec<String>>,
    /// Services to load.
    pub services: Option<Vec<Service>>,
    /// Connections to open.
    pub connections: Option<Vec<u64>>,
    /// Repeats of each cell.
    pub repeats: Option<u32>,
    /// Length of the window, exactly.
    pub duration: Option<Duration>,
    /// Longest warm-up, exactly.
    pub warmup: Option<Duration>,
    /// Decides the order of the trials.
    pub seed: Option<u64>,
}

/// Reads a plan of the user's; its profile is the file's stem.
pub fn read_plan(path: &Path) -> anyhow::Result<Plan> {
    let read = || -> anyhow::Result<Plan> { Plan::parse(&std::fs::read_to_string(path)?) };
    let usage = |error: anyhow::Error| {
        UsageError::new(format!("failed to read plan `{}`: {error:#}", path.display()))
    };
    Ok(read().map_err(usage)?)
}

impl Overrides {
    /// The plan as it will be measured: overridden, complete, checked against the registry.
    pub fn apply(&self, mut plan: Plan, registry: &Registry) -> anyhow::Result<Plan> {
        self.choose_experiments(&mut plan)?;
        for experiment in &mut plan.experiments {
            if let Some(services) = &self.services {
                experiment.services = unique(services);
            }
            if let Some(connections) = &self.connections {
                experiment.connections = unique(connections);
            }
            if let Some(repeats) = self.repeats {
                experiment.repeats = repeats;
            }
            if let Some(duration) = self.duration {
                experiment.duration_s = duration.as_secs_f64();
                experiment.exact_times = true;
            }
            if let Some(warmup) = self.warmup {
                experiment.warmup_s = warmup.as_secs_f64();
                experiment.exact_times = true;
            }
        }
        leave_to_the_first(&mut plan.experiments);
        if let Some(models) = &self.models {
            plan.models.clone_from(models);
        }
        plan.models = in_report_order(&plan.models, registry)?;
        plan.seed = Some(self.seed.or(plan.seed).unwrap_or_else(order::fresh_seed));
        plan.check()
            .map_err(|error| UsageError::new(format!("{error:#}")))
            .context("the plan cannot be measured")?;
        Ok(plan)
    }

    /// Named experiments are kept; else `--connections` or `--services` mean the sweep, as far as the plan has one.
    fn choose_experiments(&self, plan: &mut Plan) -> Result<(), UsageError> {
        if let Some(wanted) = &self.experiments {
            let wanted = &with_those_of_claims(wanted, plan)?;
            for name in wanted {
                if !plan.experiments.iter().any(|experiment| &experiment.name == name) {
                    let lacking = lacking(name, plan)?;
                    plan.experiments.extend(lacking);
                }
            }
            plan.experiments.retain(|experiment| wanted.contains(&experiment.name));
        } else if self.connections.is_some() || self.services.is_some() {
            let is_sweep = |name: &str| name == SWEEP;
            if plan.experiments.iter().any(|experiment| is_sweep(&experiment.name)) {
                plan.experiments.retain(|experiment| is_sweep(&experiment.name));
            }
        }
        Ok(())
    }
}

/// `claims` stands for each experiment that a claim is judged by, as `standard` has it, or `full` with more of it. Echo
/// decides none.
fn with_those_of_claims(wanted: &[String], plan: &mut Plan) -> Result<Vec<String>, UsageError> {
    if !wanted.iter().any(|name| name == CLAIMS) {
        return Ok(wanted.to_vec());
    }
    plan.claims = true;
    let needed = claims::experiments();
    let mut whole = match plan.profile.as_str() {
        FULL => plan.experiments.clone(),
        _ => Plan::profile("standard")?.experiments,
    };
    whole.retain(|entry| needed.contains(&entry.name) && entry.services.contains(&Service::Http));
    plan.experiments.retain(|entry| !needed.contains(&entry.name));
    plan.experiments.extend(whole);
    let named = wanted.iter().filter(|name| *name != CLAIMS).cloned();
    Ok(needed.iter().cloned().chain(named).collect())
}

/// An entry may have fewer repeats for some of an experiment's cells. Where an option gives both entries the same cell,
/// the first has it.
fn leave_to_the_first(experiments: &mut Vec<Experiment>) {
    for later in 1..experiments.len() {
        let (earlier, rest) = experiments.split_at_mut(later);
        for entry in earlier {
            rest[0].leave_to(entry);
        }
    }
    experiments.retain(|entry| !entry.services.is_empty() && !entry.connections.is_empty());
}

/// An experiment that the plan lacks, as `standard` has it.
fn lacking(name: &str, plan: &Plan) -> Result<Vec<Experiment>, UsageError> {
    let standard = Plan::profile("standard")?.experiments;
    let known = |experiment: &Experiment| experiment.name.clone();
    let mut names: BTreeSet<String> = plan.experiments.iter().chain(&standard).map(known).collect();
    names.insert(CLAIMS.into());
    let found: Vec<Experiment> =
        standard.into_iter().filter(|experiment| experiment.name == name).collect();
    if found.is_empty() {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let known = names.join(", ");
        return Err(UsageError::new(format!("unknown experiment `{name}`; there are {known}")));
    }
    Ok(found)
}

fn in_report_order(wanted: &[String], registry: &Registry) -> Result<Vec<String>, UsageError> {
    for name in wanted {
        registry.get(name)?;
    }
    let chosen = |name: &&str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    Ok(registry.names().filter(chosen).map(str::to_owned).collect())
}

fn unique<T: Clone + PartialEq>(items: &[T]) -> Vec<T> {
    let mut kept: Vec<T> = Vec::with_capacity(items.len());
    for item in items {
        if !kept.contains(item) {
            kept.push(item.clone());
        }
    }
    kept
}
