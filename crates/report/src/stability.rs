//! From repeat to repeat: every trial of a cell as a dot, how far it is from its cell's median.

use record::Machine;

use crate::cells::{Cell, Group};
use crate::format;
use crate::metric::{CPU, Metric, P99, RATE};
use crate::twins::percent;
use crate::verdict::{Label, label};

/// What is drawn: two times and one count of each model's cost.
const DRAWN: [&Metric; 3] = [&RATE, &P99, &CPU];
/// A strip, in units of its drawing; the median stands in the middle.
const WIDTH: f64 = 160.0;
const EDGE: f64 = 6.0;
/// Of so many trials the median and the range are all that there is to see.
const TOLD_BY_RANGE: usize = 3;
/// Rows of a group; beyond them a reader sees nothing more, and the full tables have all spreads.
const ROWS_MAX: usize = 120;
/// So many of a column's dots are within the strips' reach: one wild trial would press all others onto the median.
const WITHIN_PERCENT: usize = 95;

/// One group.
pub(crate) struct Stability {
    pub(crate) columns: Vec<Scale>,
    pub(crate) rows: Vec<Row>,
    /// Cells that would be drawn, too.
    pub(crate) more: usize,
}

/// A column, and how far its strips reach.
pub(crate) struct Scale {
    pub(crate) metric: &'static Metric,
    /// `±12.3 %`.
    pub(crate) reach: String,
}

/// One cell.
pub(crate) struct Row {
    pub(crate) href: String,
    pub(crate) label: Label,
    pub(crate) connections: String,
    pub(crate) strips: Vec<Option<Strip>>,
}

/// The trials of a cell by one figure.
pub(crate) struct Strip {
    /// A dot at each trial.
    pub(crate) path: String,
    /// The trial farthest from the median.
    pub(crate) farthest: String,
    /// As a share, to sort by.
    pub(crate) value: String,
}

/// The strips of a group; `None` where every cell's range says as much.
pub(crate) fn stability(group: &Group<'_>, machine: &Machine, prefix: &str) -> Option<Stability> {
    let repeated: Vec<&Cell> =
        group.cells.iter().filter(|cell| cell.behind.len() > TOLD_BY_RANGE).collect();
    let deviations: Vec<Vec<Option<Vec<f64>>>> = repeated
        .iter()
        .map(|cell| DRAWN.iter().map(|metric| deviations(cell, metric)).collect())
        .collect();
    let reach = |column: usize| {
        let all = deviations.iter().filter_map(|cell| cell[column].as_ref()).flatten();
        within(all.map(|share| share.abs()).collect())
    };
    let reaches: Vec<f64> = (0..DRAWN.len()).map(reach).collect();
    let rows = repeated.iter().zip(&deviations).take(ROWS_MAX).map(|(cell, shares)| Row {
        href: cell.id.clone(),
        label: label(cell.model, machine, prefix),
        connections: format::count(cell.connections),
        strips: shares
            .iter()
            .zip(&reaches)
            .map(|(shares, &reach)| shares.as_ref().map(|shares| strip(shares, reach)))
            .collect(),
    });
    let rows: Vec<Row> = rows.collect();
    (!rows.is_empty()).then(|| Stability {
        columns: DRAWN
            .into_iter()
            .zip(&reaches)
            .map(|(metric, reach)| Scale { metric, reach: percent(*reach).replace('+', "±") })
            .collect(),
        more: repeated.len() - rows.len(),
        rows,
    })
}

/// How far each trial is from the median of its cell, as shares of it.
fn deviations(cell: &Cell<'_>, metric: &Metric) -> Option<Vec<f64>> {
    let median = cell.spread(metric)?.median;
    let values = cell.behind.iter().filter_map(|trial| metric.value(trial));
    let shares: Vec<f64> = values.map(|value| value / median - 1.0).collect();
    shares.iter().all(|share| share.is_finite()).then_some(shares)
}

/// What all but the farthest few do not exceed.
fn within(mut shares: Vec<f64>) -> f64 {
    shares.sort_by(f64::total_cmp);
    let last = (shares.len() * WITHIN_PERCENT).div_ceil(100).saturating_sub(1);
    shares.get(last).copied().unwrap_or(0.0)
}

fn strip(shares: &[f64], reach: f64) -> Strip {
    let side = WIDTH / 2.0 - EDGE;
    let scale = if reach > 0.0 { side / reach } else { 0.0 };
    let place = |share: f64| WIDTH / 2.0 + (share * scale).clamp(-side, side);
    // A line of no length with round ends is a dot, and takes a tenth of a circle's markup.
    let dots = shares.iter().map(|&share| format!("M{:.0} 8h0", place(share)));
    let farthest = shares.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap_or(0.0);
    Strip {
        path: dots.collect(),
        farthest: percent(farthest),
        value: format::machine(farthest.abs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wild_trial_stands_at_the_end_and_leaves_the_others_their_room() {
        let mut shares: Vec<f64> = (1..=40).map(|step| f64::from(step) * 0.005).collect();
        shares.push(22.0);
        let reach = within(shares.clone());
        assert!((0.19..=0.2).contains(&reach), "{reach}");
        let strip = strip(&shares, reach);
        assert!(strip.path.ends_with("M154 8h0"), "{}", strip.path);
        assert!(strip.path.contains("M118 8h0"), "half the reach is half the way: {}", strip.path);
        assert_eq!(strip.farthest, "+2200.0\u{202f}%");
        assert!((within(vec![0.3]) - 0.3).abs() < 1e-12 && within(Vec::new()) == 0.0);
    }
}
