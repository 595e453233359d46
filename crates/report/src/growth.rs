//! What one more connection weighs: the slope of memory over connections, by least squares.

use record::stats::{Line, float, line};
use record::{Machine, Trial};

use crate::cells::Group;
use crate::format;
use crate::metric::signed;
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
    /// In the process tree, and in the kernel.
    pub(crate) slopes: [Slope; 2],
    /// MiB before the first connection.
    pub(crate) intercept: String,
    /// Trials that the line was drawn through.
    pub(crate) points: String,
}

/// What one more connection adds; empty where nothing was weighed.
#[derive(Clone, Default)]
pub(crate) struct Slope {
    /// KiB, its interval, and all its digits.
    pub(crate) text: String,
    pub(crate) interval: String,
    pub(crate) value: String,
}

/// A weight in bytes.
pub(crate) type Weight = fn(&Trial) -> Option<f64>;

/// Of the process tree: its proportional set size.
pub(crate) fn own(trial: &Trial) -> Option<f64> {
    trial.server.pss_bytes.map(float)
}

/// Of the kernel: slab, in which the sockets of both sides are, stacks and page tables.
pub(crate) fn kernel(trial: &Trial) -> Option<f64> {
    let kernel = &trial.kernel;
    let parts = [kernel.slab_bytes?, kernel.kernel_stack_bytes?, kernel.page_table_bytes?];
    Some(signed(parts.iter().sum()))
}

/// The slopes of a group; `None` unless some model was weighed at two counts of connections.
pub(crate) fn growth(group: &Group<'_>, machine: &Machine, prefix: &str) -> Option<Growth> {
    let kernels = lines(group, kernel);
    let row = |(model, line): (&str, Line)| Row {
        id: id(group, model),
        label: label(model, machine, prefix),
        slopes: [slope(Some(&line)), slope(of(&kernels, model))],
        intercept: format::significant(line.intercept / MIB),
        points: format::size(line.points),
    };
    let rows: Vec<Row> = lines(group, own).into_iter().map(row).collect();
    (!rows.is_empty()).then(|| Growth { title: crate::tables::title(group), rows })
}

/// Id of a model's row.
pub(crate) fn id(group: &Group<'_>, model: &str) -> String {
    format!("g.{}.{}", group.id, format::slug(model))
}

/// A line through every trial of each model that is ranked, a weight in bytes over open connections.
pub(crate) fn lines<'run>(group: &Group<'run>, weight: Weight) -> Vec<(&'run str, Line)> {
    let drawn = |&model: &&'run str| {
        let trials = group.of(model).filter(|cell| cell.unranked.is_none());
        let points: Vec<(f64, f64)> = trials
            .flat_map(|cell| &cell.behind)
            .filter_map(|trial| Some((float(trial.connections_established?), weight(trial)?)))
            .collect();
        Some((model, line(&points)?))
    };
    group.models.iter().filter_map(drawn).collect()
}

/// A model's line.
pub(crate) fn of<'line>(lines: &'line [(&str, Line)], model: &str) -> Option<&'line Line> {
    lines.iter().find(|(name, _)| *name == model).map(|(_, line)| line)
}

/// A line's slope in words.
pub(crate) fn slope(line: Option<&Line>) -> Slope {
    let slope = |line: &Line| Slope {
        text: kib(line.slope),
        interval: interval(line),
        value: format::machine(line.slope / KIB),
    };
    line.map(slope).unwrap_or_default()
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
