//! From a plan to its trials in their order: shuffled by the seed within a repeat, so that whatever drifts during a run
//! (heat, neighbours, memory) falls on every model alike.

use std::time::Duration;

use record::Key;

use crate::plan::{Experiment, Plan, Service};

/// One trial that the plan asks for.
#[derive(Clone, Debug)]
pub struct Planned<'a> {
    /// Its experiment, with all settings.
    pub experiment: &'a Experiment,
    /// The contestant.
    pub model: &'a str,
    /// What it serves.
    pub service: Service,
    /// Connections to open.
    pub connections: u64,
    /// From 1.
    pub repeat: u32,
    /// Place in the run, from 1.
    pub order: u32,
}

impl Planned<'_> {
    /// Its place in the plan.
    #[must_use]
    pub fn key(&self) -> Key {
        Key {
            experiment: self.experiment.name.clone(),
            model: self.model.to_owned(),
            service: self.service.name().to_owned(),
            connections: self.connections,
            variant: self.experiment.variant.clone(),
            repeat: self.repeat,
        }
    }

    /// How long it should take: a guess that progress corrects by experience.
    ///
    /// Start and end cost a tenth of a second, opening and closing a connection together 0.3 ms.
    #[must_use]
    pub fn expected(&self) -> Duration {
        let opening = Duration::from_micros(self.connections.saturating_mul(300));
        let warmup = self.experiment.warmup(self.connections);
        Duration::from_millis(100) + opening + warmup + self.experiment.window(self.connections)
    }
}

/// Every trial of the plan, in its order.
#[must_use]
pub fn trials(plan: &Plan) -> Vec<Planned<'_>> {
    let repeats = plan.experiments.iter().map(|experiment| experiment.repeats).max().unwrap_or(0);
    let mut order = Random::new(plan.seed.unwrap_or(0));
    let mut all = Vec::new();
    for repeat in 1..=repeats {
        let mut round = one_round(plan, repeat);
        order.shuffle(&mut round);
        all.append(&mut round);
    }
    for (place, trial) in (1..).zip(&mut all) {
        trial.order = place;
    }
    all
}

fn one_round(plan: &Plan, repeat: u32) -> Vec<Planned<'_>> {
    let mut round = Vec::new();
    for experiment in plan.experiments.iter().filter(|experiment| experiment.repeats >= repeat) {
        for &service in &experiment.services {
            for &connections in &experiment.connections {
                for model in &plan.models {
                    round.push(Planned {
                        experiment,
                        model,
                        service,
                        connections,
                        repeat,
                        order: 0,
                    });
                }
            }
        }
    }
    round
}

/// The trials that a run still owes; an interrupted one is owed again.
#[must_use]
pub fn owed(plan: &Plan, is_done: impl Fn(&Key) -> bool) -> Vec<Planned<'_>> {
    let mut owed = trials(plan);
    owed.retain(|trial| !is_done(&trial.key()));
    owed
}

/// `SplitMix64` (Steele, Lea, Flood, 2014): enough for an order that a seed must reproduce on every machine.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// A sequence that the seed decides.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Fisher and Yates. The modulo's bias is below 1 in 10^15 for the lengths that a plan has.
    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let span = u64::try_from(last).unwrap_or(u64::MAX).saturating_add(1);
            let chosen = usize::try_from(self.next() % span).unwrap_or(0);
            items.swap(last, chosen);
        }
    }
}

/// A seed for a run that was given none.
#[must_use]
pub fn fresh_seed() -> u64 {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    // Nanoseconds within a second: nine digits, which people can copy by hand.
    u64::from(since_epoch.map_or(0, |time| time.subsec_nanos()))
}
