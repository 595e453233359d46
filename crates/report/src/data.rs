//! The page's figures for other programs: every cell with its medians, spreads and single trials.

use std::collections::BTreeMap;

use record::Run;
use serde::Serialize;

use crate::cells::{Cell, Group};
use crate::metric;
use crate::words;

/// What the page hands out as JSON, and as CSV without the single values.
#[derive(Serialize)]
struct Data<'run> {
    run: String,
    /// In the order of the full tables.
    columns: Vec<Column>,
    cells: Vec<Row<'run>>,
}

#[derive(Serialize)]
struct Column {
    id: &'static str,
    unit: &'static str,
}

#[derive(Serialize)]
struct Row<'run> {
    experiment: &'run str,
    service: &'run str,
    variant: &'run str,
    connections: u64,
    model: &'run str,
    outcome: &'static str,
    /// Why it is not ranked.
    #[serde(skip_serializing_if = "Option::is_none")]
    unranked: Option<&'run str>,
    figures: BTreeMap<&'static str, Figure>,
}

#[derive(Serialize)]
struct Figure {
    median: f64,
    low: f64,
    high: f64,
    /// Of the interval from `low` to `high`; absent: they are the range.
    #[serde(skip_serializing_if = "Option::is_none")]
    coverage: Option<f64>,
    values: Vec<f64>,
}

/// Every figure of a run as JSON.
pub(crate) fn json(run: &Run, groups: &[Group<'_>]) -> String {
    let cells = groups.iter().flat_map(|group| group.cells.iter().map(move |cell| (group, cell)));
    let data = Data {
        run: run.name(),
        columns: metric::all().map(|metric| Column { id: metric.id, unit: metric.unit }).collect(),
        cells: cells.map(|(group, cell)| row(group, cell)).collect(),
    };
    serde_json::to_string(&data).unwrap_or_default()
}

/// A value as the page hands it out, to six digits as in its verdicts: more than any machine repeats would be most of the
/// page's weight. Counts are whole.
fn rounded(value: f64) -> f64 {
    if value.fract() == 0.0 { value } else { format!("{value:.5e}").parse().unwrap_or(value) }
}

fn row<'group>(group: &Group<'group>, cell: &'group Cell<'group>) -> Row<'group> {
    let figure = |metric: &'static metric::Metric| {
        let spread = cell.spread(metric)?;
        let values = cell.behind.iter().filter_map(|trial| metric.value(trial));
        let values = values.map(rounded).collect();
        let [median, low, high] = [spread.median, spread.low, spread.high].map(rounded);
        Some((metric.id, Figure { median, low, high, coverage: spread.coverage, values }))
    };
    Row {
        experiment: group.experiment,
        service: group.service,
        variant: group.variant,
        connections: cell.connections,
        model: cell.model,
        outcome: words::outcome(cell.outcome),
        unranked: cell.unranked.as_deref(),
        figures: metric::all().filter_map(figure).collect(),
    }
}
