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
    pub(crate) id: String,
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
    let row = |(model, line): (&str, Line)| Row {
        id: id(group, model),
        label: label(model, machine, prefix),
        slope: kib(line.slope),
        interval: interval(&line),
        value: format::machine(line.slope / KIB),
        intercept: format::significant(line.intercept / MIB),
        points: format::size(line.points),
    };
    let rows: Vec<Row> = lines(group).into_iter().map(row).collect();
    (!rows.is_empty()).then(|| Growth { title: crate::tables::title(group), rows })
}

/// Id of a model's row.
pub(crate) fn id(group: &Group<'_>, model: &str) -> String {
    format!("g.{}.{}", group.id, format::slug(model))
}

/// A line through every trial of each model that is ranked, memory in bytes over open connections.
pub(crate) fn lines<'run>(group: &Group<'run>) -> Vec<(&'run str, Line)> {
    let drawn = |&model: &&'run str| {
        let trials = group.of(model).filter(|cell| cell.unranked.is_none());
        let points: Vec<(f64, f64)> = trials
            .flat_map(|cell| &cell.behind)
            .filter_map(|trial| {
                Some((float(trial.connections_established?), float(trial.server.pss_bytes?)))
            })
            .collect();
        Some((model, line(&points)?))
    };
    group.models.iter().filter_map(drawn).collect()
}

/// A weight in KiB, from bytes.
pub(crate) fn kib(bytes: f64) -> String {
    format::significant(bytes / KIB)
}

/// `9.61–9.79`; nothing of two trials, through which any line goes.
pub(crate) fn interval(line: &Line) -> String {
    let interval = line.slope_interval.map(|(low, high)| format!("{}–{}", kib(low), kib(high)));
    interval.unwrap_or_default()
}
