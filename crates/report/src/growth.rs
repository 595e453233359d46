//! What one more connection weighs: the slope of memory over connections, by least squares.

use record::Machine;
use record::stats::{Line, float, line};

use crate::cells::Group;
use crate::format;
use crate::verdict::{Label, label};

const KIB: f64 = 1024.0;
const MIB: f64 = KIB * KIB;

/// One group of the memory experiment.
pub(crate) struct Growth {
    pub(crate) title: String,
    pub(crate) rows: Vec<Row>,
}

/// One model.
pub(crate) struct Row {
    pub(crate) label: Label,
    /// KiB a connection, its interval, and all its digits.
    pub(crate) slope: String,
    pub(crate) interval: String,
    pub(crate) value: String,
    /// MiB before the first connection.
    pub(crate) intercept: String,
    /// Trials that the line was drawn through.
    pub(crate) points: String,
}

/// The slopes of a group; `None` unless some model was weighed at two counts of connections.
pub(crate) fn growth(group: &Group<'_>, machine: &Machine, prefix: &str) -> Option<Growth> {
    let row = |model: &&str| {
        let trials = group.of(model).filter(|cell| cell.unranked.is_none());
        let points: Vec<(f64, f64)> = trials
            .flat_map(|cell| &cell.behind)
            .filter_map(|trial| {
                Some((float(trial.connections_established?), float(trial.server.pss_bytes?)))
            })
            .collect();
        let Line { points, slope, intercept, slope_interval } = line(&points)?;
        let kib = |bytes: f64| format::significant(bytes / KIB);
        Some(Row {
            label: label(model, machine, prefix),
            slope: kib(slope),
            interval: slope_interval
                .map(|(low, high)| format!("{}–{}", kib(low), kib(high)))
                .unwrap_or_default(),
            value: (slope / KIB).to_string(),
            intercept: format::significant(intercept / MIB),
            points: format::size(points),
        })
    };
    let rows: Vec<Row> = group.models.iter().filter_map(row).collect();
    (!rows.is_empty()).then(|| Growth { title: crate::tables::title(group), rows })
}
