//! The A/A floor: how far two entries of the same model differ by chance.

use std::collections::BTreeSet;

use serde::Serialize;

use super::Place;
use super::figures::Figures;
use super::metric::Metric;
use crate::machine::Machine;
use crate::run::{Cell, Run};
use crate::stats::{FEWEST_PAIRS, trimmed_of_pairs};
use crate::trial::twin_base;

/// How far two entries of the same model differ by chance, and from what that is known.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Floor {
    /// Ratios from `1 / ratio` to `ratio` are ties.
    pub ratio: f64,
    /// The models that were entered twice.
    pub models: Vec<String>,
    /// The fewest pairs that one of them gave.
    pub pairs: usize,
}

/// The floor of a figure at a place, from the models that were entered twice there: those of the place's own variant, or
/// of any variant where it has none.
///
/// # Errors
/// Why it is unknown: no twins, fewer than six pairs, or twins of fewer than two families, which share what they do.
pub fn floor(run: &Run, place: &Place, metric: &Metric) -> Result<Floor, String> {
    floor_among(&run.cells(), &run.machine, place, metric)
}

/// As [`floor`], of cells that were sorted out already: [`Run::cells`] looks at every trial.
///
/// # Errors
/// As [`floor`].
pub fn floor_among(
    cells: &[Cell<'_>],
    machine: &Machine,
    place: &Place,
    metric: &Metric,
) -> Result<Floor, String> {
    let cells: Vec<&Cell<'_>> = cells.iter().filter(|cell| place.same_load(cell)).collect();
    let twins = |wanted: &dyn Fn(&str) -> bool| -> Vec<(&Cell<'_>, &Cell<'_>)> {
        let base = |twin: &Cell<'_>| {
            let variant = twin_base(twin.variant).filter(|base| wanted(base))?;
            cells.iter().copied().find(|cell| cell.model == twin.model && cell.variant == variant)
        };
        cells.iter().copied().filter_map(|twin| Some((base(twin)?, twin))).collect()
    };
    let mut entered = twins(&|base| base == place.variant);
    if entered.is_empty() {
        entered = twins(&|_| true);
    }
    if entered.is_empty() {
        return Err("no model was entered twice".to_owned());
    }
    let (mut models, mut families, mut pairs) = (Vec::new(), BTreeSet::new(), Vec::new());
    for (base, twin) in entered {
        let sides = (Figures::of(base, metric), Figures::of(twin, metric));
        let (Ok(first), Ok(second)) = sides else { continue };
        let paired = first.pairs(&second);
        if paired.len() < FEWEST_PAIRS {
            continue;
        }
        let family = machine.contestant(base.model).map(|contestant| &contestant.family);
        families.insert(family.map_or(base.model, String::as_str));
        models.push(base.model.to_owned());
        pairs.push(paired);
    }
    if families.len() < 2 {
        let found = if models.is_empty() { "none".to_owned() } else { models.join(", ") };
        return Err(format!(
            "of two families with {FEWEST_PAIRS} pairs and more there are not two: {found}"
        ));
    }
    let fewest = pairs.iter().map(Vec::len).min().unwrap_or(0);
    let ratio = floor_of(&pairs).ok_or("the twins' figures have no ratio")?;
    Ok(Floor { ratio, models, pairs: fewest })
}

/// The floor, as a ratio above 1, from the pairs of each model that was entered twice; `None` of too few pairs.
///
/// It is the farthest that one of them was from itself, by the estimate that [`crate::stats::ratio`] makes. The interval
/// guards against noise; the floor guards against what intervals cannot see, namely that entries differ as such. In the
/// simulation of [`crate::stats::ratio`] a third of all A/A comparisons lay beyond the floor of two twins, and 1.7 to 3.5 of
/// 100 were called differences, being beyond the interval too; of effects of 5 % of CPU per request 75 of 100 were found
/// with 8 pairs, and 81 without a floor. The 95 % half-width of the twins' pooled noise was tried in its place: it found 64,
/// since it asks of the noise a second time what the interval has asked.
#[must_use]
pub fn floor_of(twins: &[Vec<(f64, f64)>]) -> Option<f64> {
    let entries = twins.iter().filter_map(|pairs| trimmed_of_pairs(pairs));
    entries.map(|entry| entry.mean.abs()).reduce(f64::max).map(f64::exp)
}
