//! Memory per connection: the growth of memory over connections, as a slope with its interval.

use super::figures::{Figures, Found};
use super::metric::{Better, Metric, metric};
use crate::run::Cell;
use crate::stats::{FEWEST_PAIRS, Line, float, line, ratio_of_slopes};

/// The slope as a figure: it has no trial of its own, so none has a value.
pub(super) static MEMORY: Metric = Metric {
    id: "memory",
    name: "memory per connection",
    unit: "bytes",
    better: Better::Lower,
    needs_headroom: false,
    grain: 0.0,
    of: |_| None,
};

/// The slope of PSS over open connections, through the counted trials of one model at all numbers of connections.
pub(super) fn slope(cells: &[&Cell<'_>]) -> Result<Line, String> {
    let pss = metric("pss").ok_or("there is no such figure")?;
    let mut points = Vec::new();
    for cell in cells {
        // What is said of one cell holds of the line: a server that starves its clients holds their memory back.
        Figures::of(cell, pss)
            .map_err(|why| format!("at {} connections: {why}", cell.connections))?;
        points.extend(
            cell.counted().into_iter().filter_map(|trial| {
                Some((float(trial.connections_established?), (pss.of)(trial)?))
            }),
        );
    }
    line(&points).ok_or_else(|| "one number of connections has no slope".to_owned())
}

/// The ratio of two slopes.
pub(super) fn found(first: &Line, second: &Line) -> Found {
    let points = first.points.min(second.points);
    if points < FEWEST_PAIRS {
        return Found::Nothing(format!("{points} trials, and an interval needs {FEWEST_PAIRS}"));
    }
    match ratio_of_slopes(first, second) {
        Some(ratio) => Found::Ratio(ratio),
        None => Found::Nothing("memory does not surely grow with connections".to_owned()),
    }
}
