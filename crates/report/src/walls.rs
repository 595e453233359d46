//! How far each model goes: the most connections that it held, and what stopped it at the next count, in words.

use record::{Machine, Outcome, SetBy};

use crate::cells::{Cell, Group};
use crate::verdict::{Ending, Label, ending, label};
use crate::{format, tables};

/// One group of the wall experiment.
pub(crate) struct Walls {
    pub(crate) title: String,
    pub(crate) rows: Vec<Row>,
}

/// One model.
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) label: Label,
    /// The most connections that it held, and their cell.
    pub(crate) held: String,
    pub(crate) value: String,
    pub(crate) href: String,
    /// Server processes that it was started as, sharing the port; `None` where it held nothing.
    pub(crate) processes: Option<u64>,
    /// The count at which it did not; `None` where nothing stopped it.
    pub(crate) stopped: Option<Stop>,
}

/// The count that was too much.
pub(crate) struct Stop {
    pub(crate) at: String,
    pub(crate) href: String,
    pub(crate) ending: Ending,
    /// Who set the limit, and which it was.
    pub(crate) set_by: &'static str,
    pub(crate) meaning: &'static str,
    pub(crate) limit: String,
}

/// The walls of a group.
pub(crate) fn walls(group: &Group<'_>, machine: &Machine, prefix: &str) -> Walls {
    let row = |model: &&str| {
        let (held, stopped) = reached(group.of(model).collect());
        Row {
            id: format!("w.{}.{}", group.id, format::slug(model)),
            label: label(model, machine, prefix),
            held: text(group.of(model), held, stopped),
            value: held.map(|cell| cell.connections.to_string()).unwrap_or_default(),
            href: held.map(|cell| cell.id.clone()).unwrap_or_default(),
            processes: held.map(processes),
            stopped: stopped.map(|cell| stop(cell, prefix)),
        }
    };
    Walls { title: tables::title(group), rows: group.models.iter().map(row).collect() }
}

fn stop(cell: &Cell<'_>, prefix: &str) -> Stop {
    let by = cell.finals.iter().find_map(|trial| record::wall::set_by(trial));
    let limit = cell.finals.iter().find_map(|trial| {
        let estimated = if record::wall::is_estimated(trial) { ", by an estimate" } else { "" };
        Some(format!("{}{estimated}", trial.stopped_by.as_ref()?.limit))
    });
    Stop {
        at: format::count(cell.connections),
        href: cell.id.clone(),
        ending: ending(cell, prefix),
        set_by: by.map_or("", SetBy::name),
        meaning: by.map_or("", meaning),
        limit: limit.unwrap_or_default(),
    }
}

fn processes(cell: &Cell<'_>) -> u64 {
    cell.behind.iter().filter_map(|trial| trial.settings.processes).max().unwrap_or(1)
}

fn meaning(by: SetBy) -> &'static str {
    match by {
        SetBy::Suite => "the generator or the harness ended first: the model may go further",
        SetBy::Machine => "the kernel or the hardware, whoever serves here",
        SetBy::Model => "what carries its connections, or how it uses that",
    }
}

/// From the fewest connections on, the last cell that held, and the first that did not.
pub(crate) fn reached<'group, 'run>(
    mut steps: Vec<&'group Cell<'run>>,
) -> (Option<&'group Cell<'run>>, Option<&'group Cell<'run>>) {
    steps.sort_by_key(|cell| cell.connections);
    let held = steps.iter().take_while(|cell| cell.outcome == Outcome::Ok).count();
    (steps.get(held.wrapping_sub(1)).copied(), steps.get(held).copied())
}

/// `16 000`; `≥128 000` where nothing stopped it; `<1 000` where it held nothing.
pub(crate) fn text<'group, 'run: 'group>(
    steps: impl Iterator<Item = &'group Cell<'run>>,
    held: Option<&Cell<'_>>,
    stopped: Option<&Cell<'_>>,
) -> String {
    let fewest = steps.map(|cell| cell.connections).min().unwrap_or(0);
    match held {
        None => format!("<{}", format::count(fewest)),
        Some(cell) if stopped.is_none() => format!("≥{}", format::count(cell.connections)),
        Some(cell) => format::count(cell.connections),
    }
}
