//! The result of a comparison: a row for each cell and figure.

use std::collections::BTreeSet;

use serde::Serialize;

use super::Place;
use super::difference::Differing;
use super::judge::{Judgement, Verdict};
use super::metric::Better;
use crate::stats::{Ratio, smallest_visible};

/// Two sides compared, cell by cell, figure by figure.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Comparison {
    /// What ratios are over: a run, a model or a variant.
    pub first: String,
    /// What is compared with it.
    pub second: String,
    /// What of machine and settings differs and shapes results: where there is any, the rows compare that as well.
    pub differing: Vec<Differing>,
    /// What else differs, and may be what is to be compared: sources, compiler, crates; or is recorded on one side only.
    pub changed: Vec<Differing>,
    /// By figure, then by place and model.
    pub rows: Vec<Row>,
    /// Cells that only the first side has, as `experiment service connections variant model`.
    pub only_first: Vec<String>,
    /// Cells that only the second side has.
    pub only_second: Vec<String>,
    /// Why A/A floors are unknown, where they are; below an unknown floor nothing is a tie.
    pub floors_unknown: BTreeSet<String>,
}

/// One figure of one cell on both sides.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The figure's id.
    pub metric: &'static str,
    /// The figure's name for people.
    pub name: &'static str,
    /// Unit of `first` and `second`.
    pub unit: &'static str,
    /// See [`crate::Trial::experiment`].
    pub experiment: String,
    /// See [`crate::Trial::service`].
    pub service: String,
    /// See [`crate::Trial::connections`]; absent of a slope over several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<u64>,
    /// See [`crate::Trial::variant`].
    pub variant: String,
    /// See [`crate::Trial::model`].
    pub model: String,
    /// Median of the first side; of a slope the slope.
    pub first: Option<f64>,
    /// Median of the second side; of a slope the slope.
    pub second: Option<f64>,
    /// The second over the first, with its interval.
    pub ratio: Option<Ratio>,
    /// What can be said.
    pub direction: Direction,
    /// Why nothing can be said, where nothing can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The A/A floor that a difference had to pass, as a ratio above 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floor: Option<f64>,
    /// The smallest ratio above 1 that these trials would have shown nine times of ten.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smallest_visible: Option<f64>,
}

/// Which way the second side differs from the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// The second is better.
    Better,
    /// The second is worse.
    Worse,
    /// They cannot be told apart.
    NoDifference,
    /// Nothing can be said.
    NotCompared,
}

impl Row {
    /// A row that is not judged yet.
    pub(super) fn new(place: &Place, model: String) -> Self {
        Self {
            metric: "",
            name: "",
            unit: "",
            experiment: place.experiment.clone(),
            service: place.service.clone(),
            connections: Some(place.connections),
            variant: place.variant.clone(),
            model,
            first: None,
            second: None,
            ratio: None,
            direction: Direction::NotCompared,
            why: None,
            floor: None,
            smallest_visible: None,
        }
    }

    /// Takes what was found of it.
    pub(super) fn take(&mut self, judgement: Judgement, better: Better) {
        let rises = judgement.ratio.is_some_and(|ratio| ratio.ratio > 1.0);
        (self.direction, self.why) = match judgement.verdict {
            Verdict::NoDifference => (Direction::NoDifference, None),
            Verdict::NotCompared(why) => (Direction::NotCompared, Some(why)),
            Verdict::Different if rises == (better == Better::Higher) => (Direction::Better, None),
            Verdict::Different => (Direction::Worse, None),
        };
        let floor = self.floor.unwrap_or(1.0);
        self.smallest_visible = judgement.ratio.and_then(|ratio| ratio.smallest_visible(floor));
        self.ratio = judgement.ratio;
    }
}

impl Comparison {
    /// Rows that ended so.
    pub fn ended(&self, direction: Direction) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.direction == direction)
    }

    /// The smallest ratio above 1 that the comparisons of a figure would have found nine times of ten.
    #[must_use]
    pub fn smallest_visible(&self, metric: &str) -> Option<f64> {
        let rows = self.rows.iter().filter(|row| row.metric == metric);
        let with_floor = |row: &Row| Some((row.ratio?, row.floor.unwrap_or(1.0)));
        smallest_visible(&rows.filter_map(with_floor).collect::<Vec<_>>())
    }
}
