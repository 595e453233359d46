//! The full tables: every cell of a group with every figure that any of them has, so that charts say nothing of their own.

use record::Machine;

use crate::cells::{Group, Kind};
use crate::figure::{Figure, figure};
use crate::metric::{self, ALL, Metric};
use crate::verdict::{Ending, Label, ending, label};
use crate::{format, words};

/// All cells of a group.
pub(crate) struct Table {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) load: String,
    pub(crate) columns: Vec<&'static Metric>,
    pub(crate) blocks: Vec<Block>,
    /// Columns that no cell has, by name.
    pub(crate) absent: String,
}

/// The cells at one count of connections.
pub(crate) struct Block {
    pub(crate) connections: String,
    pub(crate) rows: Vec<Row>,
}

/// One cell.
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) label: Label,
    pub(crate) ending: Ending,
    pub(crate) trials: String,
    pub(crate) figures: Vec<Figure>,
}

/// Every figure of a group.
pub(crate) fn table(group: &Group<'_>, machine: &Machine, prefix: &str) -> Table {
    let columns: Vec<&Metric> = metric::all().filter(|metric| group.has(metric)).collect();
    let client = matches!(group.kind(), Kind::Fetch | Kind::Idiom);
    let expected = ALL.iter().filter(|_| !client);
    let absent: Vec<&str> =
        expected.filter(|metric| !group.has(metric)).map(|metric| metric.name).collect();
    let row = |cell: &crate::cells::Cell<'_>| Row {
        id: cell.id.clone(),
        label: label(cell.model, machine, prefix),
        ending: ending(cell, prefix),
        trials: trials(cell.behind.len(), cell.attempts.len()),
        figures: columns.iter().map(|metric| lean(figure(cell, metric))).collect(),
    };
    let blocks = group.connections.iter().map(|&connections| Block {
        connections: group.amount(connections),
        rows: group.at(connections).map(row).collect(),
    });
    Table {
        id: format!("table.{}", group.id),
        title: title(group),
        load: group.load(),
        blocks: blocks.collect(),
        columns,
        absent: format::list(&absent),
    }
}

/// A figure without what its row says already, why it is not ranked among that: it is sorted by the digits that it shows.
fn lean(figure: Figure) -> Figure {
    let told = figure.class != "missing" || figure.text == "–";
    let title = if told { String::new() } else { figure.title };
    Figure { title, value: String::new(), ..figure }
}

/// Heading of everything about a group.
pub(crate) fn title(group: &Group<'_>) -> String {
    let variant = match group.variant {
        "default" | "" => String::new(),
        other => format!(", {other}"),
    };
    format!("{}, {}{variant}", words::service(group.service), words::experiment(group.experiment))
}

/// `1 connection`, `10 000 connections`.
pub(crate) fn connections_in_words(connections: u64) -> String {
    format::plural(usize::try_from(connections).unwrap_or(usize::MAX), "connection")
}

/// Trials behind the figures, and how many there are beside them.
fn trials(behind: usize, attempts: usize) -> String {
    if behind == attempts {
        format::size(behind)
    } else {
        format!("{} of {}", format::size(behind), format::size(attempts))
    }
}
