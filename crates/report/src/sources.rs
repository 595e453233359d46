//! Each model's server, whole, beside what it costs: the reason for a figure is in the code or it is nowhere.

use record::Run;

use crate::cells::{Cell, Group, Kind};
use crate::figure::{Figure, figure};
use crate::highlight::{Token, tokens};
use crate::metric::{CPU, MEMORY, Metric, P99, RATE, SWITCHES, SYSCALLS};
use crate::trust::{Trust, trust};
use crate::verdict::{Ending, Label, ending, label, source_id};
use crate::{format, tables};

/// The figures beside a source.
const BESIDE: [&Metric; 6] = [&RATE, &P99, &CPU, &SWITCHES, &SYSCALLS, &MEMORY];

/// One model.
pub(crate) struct Source<'run> {
    pub(crate) id: String,
    pub(crate) label: Label,
    /// Mechanism, runtime and lines.
    pub(crate) facts: Vec<String>,
    /// What it cannot do by its nature.
    pub(crate) limits: &'run [String],
    pub(crate) trust: Trust,
    pub(crate) columns: Vec<&'static Metric>,
    pub(crate) loads: Vec<Load>,
    /// The page itself; nothing where it is told already, or was not recorded.
    pub(crate) tokens: Vec<Token<'run>>,
    /// Where the same page stands already; empty where it does not.
    pub(crate) told: String,
}

/// Its cells in one group.
pub(crate) struct Load {
    pub(crate) title: String,
    pub(crate) rows: Vec<Row>,
}

/// One of its cells.
pub(crate) struct Row {
    /// Of the cell in the full tables.
    pub(crate) href: String,
    pub(crate) connections: String,
    pub(crate) ending: Ending,
    pub(crate) figures: Vec<Figure>,
}

/// All contestants of the run, in report order; the pages of `earlier` runs are not told twice.
pub(crate) fn sources<'run>(
    run: &'run Run,
    earlier: &[Run],
    groups: &[Group<'_>],
    prefix: &str,
) -> Vec<Source<'run>> {
    let contestants = run.machine.contestants.iter();
    let source = |contestant: &'run record::ContestantRecord| {
        let name = contestant.name.as_str();
        let runtime = match (&contestant.runtime, &contestant.runtime_version) {
            (Some(runtime), Some(version)) => format!("runtime {runtime} {version}"),
            (Some(runtime), None) => format!("runtime {runtime}"),
            (None, _) => "no runtime".into(),
        };
        let lines = |lines: Option<u64>, what: &str| {
            lines.map(|lines| format!("{what}: {} lines", format::count(lines)))
        };
        let text = contestant.server_source.as_str();
        let before = earlier.iter().position(|run| {
            run.machine.contestant(name).is_some_and(|before| before.server_source == text)
        });
        let told = match before.filter(|_| !text.is_empty()) {
            None => String::new(),
            Some(0) => source_id(name, ""),
            Some(place) => source_id(name, &format!("run{}.", place + 1)),
        };
        let facts = [
            Some(contestant.mechanism.clone()).filter(|text| !text.is_empty()),
            Some(runtime),
            lines(contestant.server_lines, "server"),
            lines(contestant.client_lines, "client"),
        ];
        Source {
            id: source_id(name, prefix),
            // A link to where one is already would only keep the summary from opening.
            label: Label { source: String::new(), ..label(name, &run.machine, prefix) },
            facts: facts.into_iter().flatten().collect(),
            limits: &contestant.limits,
            trust: trust(run, groups, name, prefix),
            columns: BESIDE.to_vec(),
            loads: groups
                .iter()
                .filter(|group| tells(group))
                .filter_map(|group| load(group, name, prefix))
                .collect(),
            tokens: if told.is_empty() { tokens(text) } else { Vec::new() },
            told,
        }
    };
    contestants.map(source).collect()
}

/// Whether a group says what the server costs by itself: not as a client, not at somebody's rate, not beside others, not idle.
fn tells(group: &Group<'_>) -> bool {
    let apart = ["wall", "memory", "calibration"].contains(&group.experiment);
    matches!(group.kind(), Kind::Served | Kind::Storm) && !group.is_paced() && !apart
}

fn load(group: &Group<'_>, model: &str, prefix: &str) -> Option<Load> {
    let row = |cell: &Cell<'_>| Row {
        href: cell.id.clone(),
        connections: format::count(cell.connections),
        ending: ending(cell, prefix),
        figures: BESIDE.iter().map(|metric| bare(figure(cell, metric))).collect(),
    };
    let rows: Vec<Row> = group.of(model).map(row).collect();
    (!rows.is_empty()).then(|| Load { title: tables::title(group), rows })
}

/// Anchors and spreads stand in the full tables.
fn bare(figure: Figure) -> Figure {
    Figure { text: figure.text, class: figure.class, note: figure.note, ..Figure::default() }
}
