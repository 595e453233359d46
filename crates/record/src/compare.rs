//! What is different, and what only seems so: models of one run against each other, and runs against runs.
//!
//! A difference is said where three things hold: the interval of the ratio leaves 1 out, the difference is one of those
//! that remain when false discoveries among all comparisons of the table are held to 5 %, and it lies above the A/A
//! floor, which is how far two entries of the same model differ by chance. All else is "no difference", or not compared.

mod difference;
mod figures;
mod floor;
mod judge;
mod memory;
mod metric;
mod rows;
mod sides;
#[cfg(test)]
mod tests;
mod ties;

pub use difference::{Differing, differences};
pub use floor::{Floor, floor, floor_among, floor_of};
pub use judge::{FALSE_DISCOVERIES, Judgement, Verdict};
pub use metric::{Better, METRICS, Metric, metric};
pub use rows::{Comparison, Direction, Row};
pub use sides::{Sides, compare};
pub use ties::Ties;

use serde::Serialize;

use crate::run::Cell;

/// Where models meet: all of a cell but its model.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// See [`crate::Trial::experiment`].
    pub experiment: String,
    /// See [`crate::Trial::service`].
    pub service: String,
    /// See [`crate::Trial::connections`].
    pub connections: u64,
    /// See [`crate::Trial::variant`].
    pub variant: String,
}

impl Place {
    /// The place of a cell.
    #[must_use]
    pub fn of(cell: &Cell<'_>) -> Self {
        Self {
            experiment: cell.experiment.to_owned(),
            service: cell.service.to_owned(),
            connections: cell.connections,
            variant: cell.variant.to_owned(),
        }
    }

    fn holds(&self, cell: &Cell<'_>) -> bool {
        self.same_load(cell) && cell.variant == self.variant
    }

    fn same_load(&self, cell: &Cell<'_>) -> bool {
        cell.experiment == self.experiment
            && cell.service == self.service
            && cell.connections == self.connections
    }
}
