//! What is printed when a run has ended.

use comfy_table::{Cell as Field, CellAlignment, Table, presets};
use record::run::{Cell, Run};
use record::stats::{self, float};
use record::trial::{Flag, Outcome, Trial};

/// A table in the style of this program: no boxes, one line under the head.
#[must_use]
pub fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(head.iter().copied());
    table
}

/// One table for each experiment, service and number of connections.
pub fn print(run: &Run) {
    let cells = run.cells();
    let same = |a: &Cell<'_>, b: &Cell<'_>| place(a) == place(b);
    for group in cells.chunk_by(same) {
        let Some(first) = group.first() else { continue };
        println!("\n{}", title(first));
        let mut table = table(&HEAD);
        for cell in group {
            table.add_row(row(cell));
        }
        println!("{table}\n{}", notes(group).trim_end());
    }
}

const HEAD: [&str; 9] = [
    "model",
    "requests/s",
    "p50",
    "p99",
    "CPU us/request",
    "switches/request",
    "syscalls/request",
    "memory",
    "outcome",
];

fn place<'run>(cell: &Cell<'run>) -> (&'run str, &'run str, u64, &'run str) {
    (cell.experiment, cell.service, cell.connections, cell.variant)
}

fn title(cell: &Cell<'_>) -> String {
    let repeats = cell.finals().len();
    let medians = if repeats > 1 { format!(", medians of {repeats}") } else { String::new() };
    let active = cell
        .trials
        .first()
        .and_then(|trial| trial.settings.active)
        .filter(|active| *active < cell.connections);
    let active = active.map(|active| format!(", {active} of them active")).unwrap_or_default();
    let variant =
        if cell.variant == "default" { String::new() } else { format!(" ({})", cell.variant) };
    format!(
        "{}{variant}: {}, {} connections{active}{medians}",
        cell.experiment, cell.service, cell.connections
    )
}

fn row(cell: &Cell<'_>) -> Vec<Field> {
    let trials = shown(cell);
    let median = |figure: &dyn Fn(&Trial) -> Option<f64>| {
        stats::median(&trials.iter().filter_map(|trial| figure(trial)).collect::<Vec<f64>>())
    };
    let server = |figure: fn(&Trial) -> Option<f64>| median(&figure);
    let switches = |trial: &Trial| {
        let voluntary = trial.server.voluntary_switches_per_request?;
        Some(voluntary + trial.server.involuntary_switches_per_request?)
    };
    let latency = |pick: fn(&record::Latency) -> u64| {
        median(&|trial: &Trial| trial.latency_ns.as_ref().map(|latency| float(pick(latency))))
    };
    let figures = [
        text(server(|trial| trial.requests_per_s), |rate| format!("{rate:.0}")),
        text(latency(|latency| latency.p50), time),
        text(latency(|latency| latency.p99), time),
        text(server(|trial| trial.server.cpu_ns_per_request), |ns| format!("{:.2}", ns / 1e3)),
        text(median(&switches), |switches| format!("{switches:.2}")),
        text(server(|trial| trial.server.syscalls_per_request), |calls| format!("{calls:.2}")),
        text(server(|trial| trial.server.pss_bytes.map(float)), |bytes| {
            format!("{:.1} MiB", bytes / 1024.0 / 1024.0)
        }),
    ];
    let mut row = vec![Field::new(cell.model)];
    row.extend(figures.map(|figure| Field::new(figure).set_alignment(CellAlignment::Right)));
    row.push(Field::new(outcome(cell)));
    row
}

/// Noisy trials leave the medians; where all are noisy they are shown as such, since something was measured.
fn shown<'run>(cell: &Cell<'run>) -> Vec<&'run Trial> {
    let counted = cell.counted();
    if !counted.is_empty() {
        return counted;
    }
    let measured = |trial: &&Trial| matches!(trial.outcome, Outcome::Ok | Outcome::Starved);
    cell.finals().into_iter().filter(measured).collect()
}

/// A figure that is absent is shown as absent.
fn text(figure: Option<f64>, format: impl Fn(f64) -> String) -> String {
    figure.map_or_else(|| "-".into(), format)
}

fn time(ns: f64) -> String {
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
            notes += &["   ", cell.model, ": ", detail, "\n"].concat();
        }
    }
    notes
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
