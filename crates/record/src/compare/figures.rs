//! The figures of a cell that may be compared, or the reason why none may.

use crate::run::Cell;
use crate::stats::{FEWEST_PAIRS, Ratio, independent, median, ratio};
use crate::trial::{Flag, Outcome, Trial};

use super::metric::Metric;

/// Figures by repeat, of the trials that count.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Figures(Vec<(u32, f64)>);

/// What comparing two sides' figures gives before it is judged beside its neighbours.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Found {
    /// A ratio with or without an interval.
    Ratio(Ratio),
    /// The same for every purpose.
    Same,
    /// Nothing that can be compared, and why.
    Nothing(String),
}

impl Figures {
    /// The figures of a cell's counted trials.
    pub(super) fn of(cell: &Cell<'_>, metric: &Metric) -> Result<Self, String> {
        if let Some(why) = tainted(cell, metric) {
            return Err(why);
        }
        let counted = cell.counted();
        let figures: Vec<(u32, f64)> = counted
            .into_iter()
            .filter_map(|trial| Some((trial.repeat, (metric.of)(trial)?)))
            .filter(|(_, figure)| figure.is_finite())
            .collect();
        if figures.is_empty() {
            return Err("not measured".to_owned());
        }
        Ok(Self(figures))
    }

    /// Those of them that compare with another run's: what drifts shifts all models of a run alike.
    pub(super) fn across_runs(cell: &Cell<'_>, metric: &Metric) -> Result<Self, String> {
        let Self(mut figures) = Self::of(cell, metric)?;
        let drifted = |trial: &&Trial| trial.flags.contains(&Flag::Drifted);
        let drifted: Vec<u32> =
            cell.counted().into_iter().filter(drifted).map(|trial| trial.repeat).collect();
        figures.retain(|(repeat, _)| !drifted.contains(repeat));
        if figures.is_empty() {
            return Err("the machine had drifted in every trial".to_owned());
        }
        Ok(Self(figures))
    }

    fn values(&self) -> Vec<f64> {
        self.0.iter().map(|(_, figure)| *figure).collect()
    }

    /// Their median.
    pub(super) fn median(&self) -> Option<f64> {
        median(&self.values())
    }

    /// This and the other in the repeats that both have: two entries of one run.
    pub(super) fn pairs(&self, other: &Self) -> Vec<(f64, f64)> {
        let partner = |repeat: u32| other.0.iter().find(|(of, _)| *of == repeat);
        let pair = |(repeat, figure): &(u32, f64)| Some((*figure, partner(*repeat)?.1));
        self.0.iter().filter_map(pair).collect()
    }

    /// The other over this, paired by repeat.
    pub(super) fn paired(&self, other: &Self, metric: &Metric) -> Found {
        self.found(other, metric, || ratio(&self.pairs(other)))
    }

    /// The other over this, where the two are of different runs.
    pub(super) fn unpaired(&self, other: &Self, metric: &Metric) -> Found {
        self.found(other, metric, || independent(&self.values(), &other.values()))
    }

    fn found(&self, other: &Self, metric: &Metric, ratio: impl Fn() -> Option<Ratio>) -> Found {
        let enough = self.0.len().min(other.0.len()) >= FEWEST_PAIRS;
        let apart = self.median().zip(other.median()).map(|(a, b)| (a - b).abs());
        let all = self.0.iter().chain(&other.0);
        let without_logarithm = all.clone().filter(|(_, figure)| *figure <= 0.0).count();
        let all_zero = all.clone().all(|(_, figure)| *figure == 0.0);
        if enough && (all_zero || apart.is_some_and(|apart| apart < metric.grain)) {
            return Found::Same;
        }
        // To compare the rest would choose trials by their result.
        if without_logarithm > 0 {
            return Found::Nothing("some figures are 0, which has no ratio".to_owned());
        }
        match ratio() {
            None => Found::Nothing("no repeat was measured on both sides".to_owned()),
            Some(ratio) => Found::Ratio(ratio),
        }
    }
}

/// Why a ratio is no ground for a verdict.
pub(super) fn too_few(ratio: &Ratio) -> String {
    let pairs = ratio.pairs;
    let plural = if pairs == 1 { "" } else { "s" };
    format!("{pairs} repeat{plural}, and an interval needs {FEWEST_PAIRS}")
}

/// Why this figure of the cell is not compared: how its repeats ended, or a flag that taints the figure.
///
/// Repeats that were interrupted do not count, nor do inconsistent ones while most are `ok`.
fn tainted(cell: &Cell<'_>, metric: &Metric) -> Option<String> {
    let outcomes = cell.outcomes();
    let ended = |outcome: &Outcome| match outcome {
        Outcome::Ok | Outcome::Interrupted => false,
        Outcome::Inconsistent => cell.outcome() == Outcome::Inconsistent,
        _ => true,
    };
    if let Some(outcome) = outcomes.keys().copied().filter(ended).max() {
        return Some(word(outcome));
    }
    if !outcomes.contains_key(&Outcome::Ok) {
        return Some(word(cell.outcome()));
    }
    let flags = cell.flags();
    if flags.contains_key(&Flag::Nonconforming) {
        return Some("the model failed a case of the battery".to_owned());
    }
    if metric.needs_headroom && flags.contains_key(&Flag::GeneratorBound) {
        return Some("the generator was the limit".to_owned());
    }
    cell.counted().is_empty().then(|| "every trial was noisy".to_owned())
}

/// The record's own word.
fn word(outcome: Outcome) -> String {
    let value = serde_json::to_value(outcome).ok();
    value.as_ref().and_then(|value| value.as_str()).unwrap_or_default().to_owned()
}
