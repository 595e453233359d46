//! Two entries of one model in one run: how far figures differ where nothing differs.

use record::stats::Spread;

use crate::cells::{Cell, Group};
use crate::format;
use crate::metric::{CPU, MEMORY, Metric, P50, P99, RATE, SWITCHES, SYSCALLS};
use crate::verdict::{Label, label};

/// What is compared.
const COMPARED: [&Metric; 7] = [&RATE, &P50, &P99, &CPU, &SWITCHES, &SYSCALLS, &MEMORY];

/// All pairs of a group.
pub(crate) struct Pairs {
    pub(crate) title: String,
    pub(crate) columns: Vec<&'static Metric>,
    pub(crate) rows: Vec<Pair>,
}

/// A cell and its second entry.
pub(crate) struct Pair {
    /// Of the first entry in the full tables.
    pub(crate) href: String,
    pub(crate) label: Label,
    pub(crate) connections: String,
    /// How far the second is from the first, in percent, for each column.
    pub(crate) differences: Vec<String>,
}

/// The pairs of a group; `None` where no model was entered twice.
pub(crate) fn pairs(group: &Group<'_>, machine: &record::Machine, prefix: &str) -> Option<Pairs> {
    let row = |twin: &Cell<'_>| {
        let first = first(group, twin)?;
        let difference = |metric: &&Metric| {
            ratio(first, twin, metric).map_or_else(|| "–".into(), |ratio| percent(ratio - 1.0))
        };
        Some(Pair {
            href: first.id.clone(),
            label: label(twin.model, machine, prefix),
            connections: format::count(twin.connections),
            differences: COMPARED.iter().map(difference).collect(),
        })
    };
    let rows: Vec<Pair> = group.twins.iter().filter_map(row).collect();
    (!rows.is_empty()).then(|| Pairs {
        title: crate::tables::title(group),
        columns: COMPARED.to_vec(),
        rows,
    })
}

/// The A/A floor of a figure at so many connections: the largest ratio between two entries of one model, 1 or more.
///
/// SEAM: the record's own statistic of A/A floors is to stand here; both callers need nothing but the ratio.
pub(crate) fn floor(group: &Group<'_>, metric: &Metric, connections: u64) -> Option<f64> {
    let here = group.twins.iter().filter(|twin| twin.connections == connections);
    let ratios = here.filter_map(|twin| ratio(first(group, twin)?, twin, metric));
    ratios.filter(|ratio| *ratio > 0.0).map(|ratio| ratio.max(1.0 / ratio)).reduce(f64::max)
}

fn first<'group, 'run>(group: &'group Group<'run>, twin: &Cell<'_>) -> Option<&'group Cell<'run>> {
    group.at(twin.connections).find(|cell| cell.model == twin.model)
}

/// The second entry's median over the first's, in what the figure can tell apart.
fn ratio(first: &Cell<'_>, twin: &Cell<'_>, metric: &Metric) -> Option<f64> {
    let least = |spread: Spread| spread.median.max(metric.resolution);
    let (first, second) = (least(first.spread(metric)?), least(twin.spread(metric)?));
    (first > 0.0).then(|| second / first).filter(|ratio| ratio.is_finite())
}

/// `+3.1 %`, from a share.
pub(crate) fn percent(share: f64) -> String {
    let text = format!("{:.1}", share.abs() * 100.0);
    let sign = match () {
        () if text == "0.0" => "±",
        () if share < 0.0 => "−",
        () => "+",
    };
    format!("{sign}{text}\u{202f}%")
}
