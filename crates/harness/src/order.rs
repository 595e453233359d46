//! From a plan to its trials in their order, which the seed shuffles twice within a repeat: the models of a cell, which
//! are compared, and the cells. So whatever drifts during a run (heat, neighbours, memory) falls on every model alike, and
//! two that are compared were measured within moments.

use std::time::Duration;

use record::Key;
use record::stats::FEWEST_PAIRS;
use record::trial::twin_of;

use crate::plan::{Experiment, Offer, Plan, Rate, Service, Task};

/// So many connections take minutes to open, and memory that later trials would find in another state.
const TAKES_MINUTES: u64 = 500_000;

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
    /// What the settings change; a second entry of the same model has a name of its own.
    pub variant: String,
    /// What paces the requests.
    pub offer: Offer,
    /// From 1.
    pub repeat: u32,
    /// Place in the run, from 1.
    pub order: u32,
    /// How long it should take, as far as whoever runs it has guessed.
    pub expected: Duration,
}

impl Planned<'_> {
    /// Its place in the plan.
    #[must_use]
    pub fn key(&self) -> Key {
        Key {
            experiment: self.experiment.name.clone(),
            model: self.model.to_owned(),
            service: self.served().to_owned(),
            connections: self.connections,
            variant: self.variant.clone(),
            repeat: self.repeat,
        }
    }

    /// What is served, as the record has it: nothing, where a client sleeps.
    #[must_use]
    pub fn served(&self) -> &'static str {
        let sleeps = self.experiment.client.as_ref().and_then(Task::sleeps_ms);
        if sleeps.is_some() { "none" } else { self.service.name() }
    }

    /// What it has in common with all that are measured beside it: models, their twins, and variants of
    /// the same offer.
    fn block(&self) -> (Part, u32, &str, Service, u64, Offer) {
        let Self { experiment, service, connections, offer, repeat, .. } = self;
        (self.part(), *repeat, &experiment.name, *service, *connections, *offer)
    }

    /// Whether it tells the ceiling of which other trials offer a share.
    #[must_use]
    pub fn tells_ceiling(&self) -> bool {
        self.part() == Part::Ceilings
    }

    fn part(&self) -> Part {
        let shares = |rate: &Rate| matches!(rate, Rate::OfCeiling(_));
        match self.offer {
            Offer::Closed if self.experiment.rates.iter().any(shares) => Part::Ceilings,
            _ if self.experiment.rates.iter().any(shares) => Part::Shares,
            _ if self.connections >= TAKES_MINUTES => Part::Longest,
            _ => Part::Rounds,
        }
    }
}

/// Parts of a run, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// The ceilings of which others are a share.
    Ceilings,
    /// The shares, before the machine is another: 90 % of what it could an hour ago may be more than it can now.
    Shares,
    /// Everything else.
    Rounds,
    /// What takes minutes a trial.
    Longest,
}

/// Every trial of the plan, in its order: part after part, and each part one round after the other. So a run that is cut
/// short has a little of everything.
#[must_use]
pub fn trials(plan: &Plan) -> Vec<Planned<'_>> {
    let repeats = plan.experiments.iter().map(|experiment| experiment.repeats).max().unwrap_or(0);
    let mut order = Random::new(plan.seed.unwrap_or(0));
    let mut trials: Vec<_> = (1..=repeats)
        .flat_map(|repeat| shuffled(one_round(plan, repeat), &mut order).collect::<Vec<_>>())
        .collect();
    // Stable: within a part they stay as they were shuffled.
    trials.sort_by_key(Planned::part);
    for (place, trial) in (1..).zip(&mut trials) {
        trial.order = place;
    }
    trials
}

/// Block after block, each in an order of its own.
fn shuffled<'a>(trials: Vec<Planned<'a>>, order: &mut Random) -> impl Iterator<Item = Planned<'a>> {
    let mut blocks: Vec<Vec<Planned<'a>>> = Vec::new();
    for trial in trials {
        match blocks.iter_mut().find(|block| block[0].block() == trial.block()) {
            Some(block) => block.push(trial),
            None => blocks.push(vec![trial]),
        }
    }
    for block in &mut blocks {
        order.shuffle(block);
    }
    order.shuffle(&mut blocks);
    blocks.into_iter().flatten()
}

fn one_round(plan: &Plan, repeat: u32) -> Vec<Planned<'_>> {
    let mut round = Vec::new();
    for experiment in plan.experiments.iter().filter(|experiment| experiment.repeats >= repeat) {
        for &service in &experiment.services {
            for &connections in &experiment.connections {
                for model in plan.models_of(experiment) {
                    for (variant, offer) in entries(experiment, model) {
                        round.push(Planned {
                            experiment,
                            model,
                            service,
                            connections,
                            variant,
                            offer,
                            repeat,
                            order: 0,
                            expected: Duration::ZERO,
                        });
                    }
                }
            }
        }
    }
    round
}

/// What a model goes through in one cell: each variant, and each a second time where it has a twin. With fewer repeats
/// than an interval takes, a twin would tell nothing.
fn entries(experiment: &Experiment, model: &String) -> Vec<(String, Offer)> {
    let mut entries = experiment.offers();
    let enough = usize::try_from(experiment.repeats).is_ok_and(|repeats| repeats >= FEWEST_PAIRS);
    if enough && experiment.twins.contains(model) {
        let again = |(variant, offer): &(String, Offer)| (twin_of(variant), *offer);
        entries.extend(entries.iter().map(again).collect::<Vec<_>>());
    }
    entries
}

/// The trials cut where a block ends: a noisy one is measured again at the end of its block.
pub fn blocks<'t, 'p>(trials: &'t [Planned<'p>]) -> impl Iterator<Item = &'t [Planned<'p>]> {
    trials.chunk_by(|a, b| a.block() == b.block())
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
