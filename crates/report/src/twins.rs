//! Two entries of one model in one run: how far figures differ where nothing differs.

use record::stats::{Ratio, ratio};

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
    /// How far the second is from the first, in percent, and the interval of that, for each column.
    pub(crate) differences: Vec<(String, String)>,
}

/// The pairs of a group; `None` where no model was entered twice.
pub(crate) fn pairs(group: &Group<'_>, machine: &record::Machine, prefix: &str) -> Option<Pairs> {
    let row = |twin: &Cell<'_>| {
        let first = first(group, twin)?;
        let difference = |metric: &&Metric| {
            paired(first, twin, metric).map_or_else(Default::default, |ratio| {
                let interval =
                    format!("{} to {}", percent(ratio.low - 1.0), percent(ratio.high - 1.0));
                (percent(ratio.ratio - 1.0), interval)
            })
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

pub(crate) fn first<'group, 'run>(
    group: &'group Group<'run>,
    twin: &Cell<'_>,
) -> Option<&'group Cell<'run>> {
    group.at(twin.connections).find(|cell| cell.model == twin.model)
}

/// The second entry over the first, paired by repeat as the record pairs them.
pub(crate) fn paired(first: &Cell<'_>, twin: &Cell<'_>, metric: &Metric) -> Option<Ratio> {
    let partner = |repeat: u32| twin.behind.iter().find(|trial| trial.repeat == repeat);
    let pairs = first
        .behind
        .iter()
        .filter_map(|trial| Some((metric.value(trial)?, metric.value(partner(trial.repeat)?)?)));
    ratio(&pairs.collect::<Vec<_>>())
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
