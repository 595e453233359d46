//! What is printed when a run has ended.

mod columns;

use comfy_table::{Cell as Field, CellAlignment, Table, presets};
use record::run::{Cell, Run};
use record::stats;
use record::trial::{Flag, Outcome, SetBy, Trial, twin_base};
use record::wall::Wall;

use self::columns::Column;

/// A table in the style of this program: no boxes, one line under the head.
#[must_use]
pub fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(head.iter().copied());
    table
}

/// One table for each experiment, service, number of connections and variant.
pub fn print(run: &Run) {
    let cells = run.cells();
    let same = |a: &Cell<'_>, b: &Cell<'_>| place(a) == place(b);
    for group in cells.chunk_by(same) {
        let Some(first) = group.first() else { continue };
        // A second entry of the same model is there to be compared with the first, by the report.
        if twin_base(first.variant).is_some() {
            continue;
        }
        println!("\n{}", title(first));
        let columns = columns::of(first);
        let heads: Vec<&str> = columns.iter().map(|column| column.head).collect();
        let mut table = table(&[&["model"], heads.as_slice(), &["outcome"]].concat());
        for cell in group {
            table.add_row(row(cell, columns));
        }
        println!("{table}\n{}", notes(group).trim_end());
    }
    let walls = record::walls(run);
    if !walls.is_empty() {
        println!("\nwall: how far each model went, and who set the limit\n{}", of_walls(&walls));
    }
}

fn of_walls(walls: &[Wall<'_>]) -> Table {
    let mut table = table(&["model", "service", "held", "stopped at", "set by", "limit"]);
    for wall in walls {
        let count = |count: Option<u64>| count.map_or_else(|| "-".into(), |it| it.to_string());
        table.add_row([
            wall.model.to_owned(),
            wall.service.to_owned(),
            count(wall.held),
            count(wall.stopped.map(|trial| trial.connections)),
            wall.set_by().map_or("-", SetBy::name).to_owned(),
            wall.limit(),
        ]);
    }
    table
}

fn place<'run>(cell: &Cell<'run>) -> (&'run str, &'run str, u64, &'run str) {
    (cell.experiment, cell.service, cell.connections, cell.variant)
}

fn title(cell: &Cell<'_>) -> String {
    let repeats = cell.finals().len();
    let medians = if repeats > 1 { format!(", medians of {repeats}") } else { String::new() };
    let first = cell.trials.first();
    let active =
        first.and_then(|trial| trial.settings.active).filter(|active| *active < cell.connections);
    let active = active.map(|active| format!(", {active} of them active")).unwrap_or_default();
    let beside = first.and_then(|trial| trial.beside.as_ref());
    let beside = beside.map(|beside| format!(", beside {} at {}", beside.connections, beside.path));
    let variant =
        if cell.variant == "default" { String::new() } else { format!(" ({})", cell.variant) };
    let (experiment, beside) = (cell.experiment, beside.unwrap_or_default());
    match first.and_then(|trial| trial.client.as_ref()) {
        Some(client) if client.sleeps_ms.is_empty() => {
            format!("{experiment}{variant}: {} fetches at once{medians}", cell.connections)
        }
        Some(client) => {
            format!("{experiment}{variant}: {} sleeps{medians}", client.sleeps_ms.len())
        }
        None => {
            let (service, connections) = (cell.service, cell.connections);
            format!(
                "{experiment}{variant}: {service}, {connections} connections{active}{beside}{medians}"
            )
        }
    }
}

fn row(cell: &Cell<'_>, columns: &[Column]) -> Vec<Field> {
    let trials = shown(cell);
    let figure = |column: &Column| {
        let values: Vec<f64> = trials.iter().filter_map(|trial| (column.value)(trial)).collect();
        // A figure that is absent is shown as absent.
        let text = stats::median(&values).map_or_else(|| "-".into(), column.text);
        Field::new(text).set_alignment(CellAlignment::Right)
    };
    let mut row = vec![Field::new(cell.model)];
    row.extend(columns.iter().map(figure));
    row.push(Field::new(outcome(cell)));
    row
}

/// Noisy trials leave the medians; where all are noisy they are shown as such, since something was measured.
fn shown<'run>(cell: &Cell<'run>) -> Vec<&'run Trial> {
    let counted = cell.counted();
    if !counted.is_empty() {
        return counted;
    }
    // What a fault cost is a figure also where it was the server.
    let measured = |trial: &&Trial| {
        matches!(trial.outcome, Outcome::Ok | Outcome::Starved) || trial.fault.is_some()
    };
    cell.finals().into_iter().filter(measured).collect()
}

/// A time in the unit that suits its size.
pub(crate) fn time(ns: f64) -> String {
    match ns {
        ..1e6 => format!("{:.0} us", ns / 1e3),
        ..1e9 => format!("{:.1} ms", ns / 1e6),
        _ => format!("{:.2} s", ns / 1e9),
    }
}

/// How the cell ended, and what taints it.
fn outcome(cell: &Cell<'_>) -> String {
    let outcomes = cell.outcomes();
    let repeats: usize = outcomes.values().sum();
    let mut words: Vec<String> = outcomes
        .iter()
        .map(|(outcome, count)| {
            let name = outcome_name(*outcome);
            if *count == repeats { name } else { format!("{name} {count}/{repeats}") }
        })
        .collect();
    words.extend(cell.flags().keys().map(|flag| flag_name(*flag)));
    words.join(", ")
}

/// The last words on each model that has any, below the table where they have room.
fn notes(cells: &[Cell<'_>]) -> String {
    let mut notes = String::new();
    for cell in cells {
        let finals = cell.finals();
        if let Some(detail) = finals.iter().rev().find_map(|trial| trial.outcome_detail.as_deref())
        {
            notes += &["   ", cell.model, ": ", detail, &set_by(&finals), "\n"].concat();
        }
    }
    notes
}

/// Whose limit it was, where something stopped it.
fn set_by(finals: &[&Trial]) -> String {
    let by = finals.iter().rev().find_map(|trial| trial.stopped_by.as_ref());
    by.map(|by| format!(" (set by the {}: {})", by.set_by.name(), by.limit)).unwrap_or_default()
}

/// The word of the record.
#[must_use]
pub fn outcome_name(outcome: Outcome) -> String {
    word(&outcome)
}

fn flag_name(flag: Flag) -> String {
    word(&flag)
}

/// Serde knows the record's words; there is no second list of them to keep.
fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}
