//! Who can be told from whom in one column of one table.

use super::Place;
use super::figures::{Figures, Found};
use super::floor::{Floor, floor_among};
use super::judge::{Judgement, Verdict, judge};
use super::metric::{Better, Metric};
use crate::machine::Machine;
use crate::run::{Cell, Run};
use crate::stats::smallest_visible;

/// All pairs of models at one place, judged together by one figure.
#[derive(Clone, Debug)]
pub struct Ties {
    better: Better,
    /// In report order, with what each may be compared by.
    columns: Vec<(String, Result<Figures, String>)>,
    /// Of every two of them, the later over the earlier, in the order of [`place_of`].
    judgements: Vec<Judgement>,
    /// The A/A floor that every difference passed, or why there is none.
    pub floor: Result<Floor, String>,
}

impl Ties {
    /// Judges every two models that the run holds at the place.
    #[must_use]
    pub fn of(run: &Run, place: &Place, metric: &Metric) -> Self {
        Self::among(&run.cells(), &run.machine, place, metric)
    }

    /// As [`Ties::of`], of a run's cells that were sorted out already: whoever asks for every column of every table asks
    /// often.
    #[must_use]
    pub fn among(cells: &[Cell<'_>], machine: &Machine, place: &Place, metric: &Metric) -> Self {
        let floor = floor_among(cells, machine, place, metric);
        let cells = cells.iter().filter(|cell| place.holds(cell));
        let columns: Vec<(String, Result<Figures, String>)> =
            cells.map(|cell| (cell.model.to_owned(), Figures::of(cell, metric))).collect();
        let passed = floor.as_ref().map_or(1.0, |floor| floor.ratio);
        let mut found = Vec::new();
        for (later, (_, second)) in columns.iter().enumerate() {
            for (_, first) in &columns[..later] {
                found.push((between(first, second, metric), passed));
            }
        }
        Self { better: metric.better, columns, judgements: judge(found), floor }
    }

    /// What can be said of two models, the ratio being the second over the first; `None` where one is not at this place.
    #[must_use]
    pub fn between(&self, first: &str, second: &str) -> Option<Judgement> {
        let at = |model: &str| self.columns.iter().position(|(name, _)| name == model);
        let (first, second) = (at(first)?, at(second)?);
        match first.cmp(&second) {
            std::cmp::Ordering::Less => self.judgements.get(place_of(first, second)).cloned(),
            std::cmp::Ordering::Greater => {
                self.judgements.get(place_of(second, first)).map(Judgement::turned)
            }
            std::cmp::Ordering::Equal => None,
        }
    }

    /// The model with the best median, and all that were compared with it and not told from it, in report order; empty
    /// where no model may be compared. With fewer than six repeats nobody is compared, and the first stands alone.
    #[must_use]
    pub fn with_best(&self) -> Vec<&str> {
        let medians = self.columns.iter().filter_map(|(model, figures)| {
            Some((model.as_str(), figures.as_ref().ok()?.median()?))
        });
        let best = match self.better {
            Better::Lower => medians.min_by(|(_, a), (_, b)| a.total_cmp(b)),
            Better::Higher => medians.max_by(|(_, a), (_, b)| a.total_cmp(b)),
        };
        let Some((best, _)) = best else { return Vec::new() };
        let with_best = |model: &&str| {
            let judged = self.between(best, model);
            *model == best || judged.is_some_and(|judged| judged.verdict == Verdict::NoDifference)
        };
        let comparable = self.columns.iter().filter(|(_, figures)| figures.is_ok());
        comparable.map(|(model, _)| model.as_str()).filter(with_best).collect()
    }

    /// The smallest ratio above 1 that these comparisons would have found nine times of ten.
    #[must_use]
    pub fn smallest_visible(&self) -> Option<f64> {
        let floor = self.floor.as_ref().map_or(1.0, |floor| floor.ratio);
        let ratios = self.judgements.iter().filter_map(|judged| judged.ratio);
        smallest_visible(&ratios.map(|ratio| (ratio, floor)).collect::<Vec<_>>())
    }
}

/// Where the judgement of two columns stands: those of column 1, of 2, ... each with all before it.
fn place_of(first: usize, second: usize) -> usize {
    second * second.saturating_sub(1) / 2 + first
}

fn between(
    first: &Result<Figures, String>,
    second: &Result<Figures, String>,
    metric: &Metric,
) -> Found {
    match (first, second) {
        (Ok(first), Ok(second)) => first.paired(second, metric),
        (Err(why), _) | (_, Err(why)) => Found::Nothing(why.clone()),
    }
}
