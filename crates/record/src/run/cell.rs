//! A cell of the plan: all trials of one model at one load.

use std::collections::BTreeMap;

use super::Run;
use crate::stats::{Spread, spread};
use crate::trial::{Flag, Outcome, Trial};

/// The trials of one (experiment, service, connections, variant, model), every attempt of every repeat.
#[derive(Clone, Debug)]
pub struct Cell<'run> {
    /// See [`Trial::experiment`].
    pub experiment: &'run str,
    /// See [`Trial::service`].
    pub service: &'run str,
    /// See [`Trial::connections`].
    pub connections: u64,
    /// See [`Trial::variant`].
    pub variant: &'run str,
    /// See [`Trial::model`].
    pub model: &'run str,
    /// By repeat, then by attempt.
    pub trials: Vec<&'run Trial>,
}

impl Run {
    /// The run's cells, by experiment, service, connections, variant and the contestants' report order.
    #[must_use]
    pub fn cells(&self) -> Vec<Cell<'_>> {
        let mut trials: Vec<&Trial> = self.trials.iter().collect();
        let place = |trial: &Trial| self.machine.place(&trial.model);
        trials.sort_by(|a, b| {
            let (a_key, b_key) = (cell_key(a), cell_key(b));
            (a_key, place(a), &a.model, a.repeat, a.attempt).cmp(&(
                b_key,
                place(b),
                &b.model,
                b.repeat,
                b.attempt,
            ))
        });
        let same_cell = |a: &&Trial, b: &&Trial| cell_key(a) == cell_key(b) && a.model == b.model;
        trials.chunk_by(same_cell).filter_map(Cell::of).collect()
    }
}

fn cell_key(trial: &Trial) -> (&str, &str, u64, &str) {
    (&trial.experiment, &trial.service, trial.connections, &trial.variant)
}

impl<'run> Cell<'run> {
    fn of(trials: &[&'run Trial]) -> Option<Self> {
        trials.first().map(|first| Self {
            experiment: &first.experiment,
            service: &first.service,
            connections: first.connections,
            variant: &first.variant,
            model: &first.model,
            trials: trials.to_vec(),
        })
    }

    /// The trial that speaks for each repeat: its last attempt that is clean, else the last that was not interrupted,
    /// else the last. Only noise and interruption decide, never the result.
    #[must_use]
    pub fn finals(&self) -> Vec<&'run Trial> {
        let rank = |trial: &Trial| match (trial.outcome, noisy(trial)) {
            (Outcome::Interrupted, _) => 0,
            (_, true) => 1,
            (_, false) => 2,
        };
        let repeats = self.trials.chunk_by(|a, b| a.repeat == b.repeat);
        repeats
            .filter_map(|attempts| {
                attempts.iter().copied().max_by_key(|trial| (rank(trial), trial.attempt))
            })
            .collect()
    }

    /// The finals whose figures enter medians: measured, their accounts closed, and not noisy.
    #[must_use]
    pub fn counted(&self) -> Vec<&'run Trial> {
        let measured = |trial: &&Trial| {
            matches!(trial.outcome, Outcome::Ok | Outcome::Starved) && !noisy(trial)
        };
        self.finals().into_iter().filter(measured).collect()
    }

    /// Median and interval of a figure over the counted trials that have it.
    pub fn spread(&self, figure: impl Fn(&Trial) -> Option<f64>) -> Option<Spread> {
        let values: Vec<f64> = self.counted().into_iter().filter_map(figure).collect();
        spread(&values)
    }

    /// How the repeats ended, and how many of them.
    #[must_use]
    pub fn outcomes(&self) -> BTreeMap<Outcome, usize> {
        let mut outcomes = BTreeMap::new();
        for trial in self.finals() {
            *outcomes.entry(trial.outcome).or_default() += 1;
        }
        outcomes
    }

    /// How the cell ended: as most of its repeats did, and as the worse in a tie.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let most = self.outcomes().into_iter().max_by_key(|&(outcome, repeats)| (repeats, outcome));
        most.map_or(Outcome::Interrupted, |(outcome, _)| outcome)
    }

    /// Every flag of the finals, and how many of them carry it.
    #[must_use]
    pub fn flags(&self) -> BTreeMap<Flag, usize> {
        let mut flags = BTreeMap::new();
        for flag in self.finals().into_iter().flat_map(|trial| &trial.flags) {
            *flags.entry(*flag).or_default() += 1;
        }
        flags
    }
}

fn noisy(trial: &Trial) -> bool {
    trial.flags.contains(&Flag::Noisy)
}
