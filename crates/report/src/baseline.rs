//! A run beside another one: both figures of every cell that both hold, and how sure their difference is.

use std::collections::BTreeMap;

use record::Run;
use record::compare::{Direction, Row as Judged, Sides, compare};
use record::stats::Spread;
use serde_json::Value;

use crate::cells::{self, Cell, Group};
use crate::figure::range;
use crate::metric::{CPU, Metric, P50, P99, PSS, RATE, SWITCHES, SYSCALLS};
use crate::twins::percent;
use crate::verdict::{Label, label};
use crate::{environment, format, tables, words};

/// What is compared: the figures that the record compares, under the same ids.
const COMPARED: [&Metric; 7] = [&RATE, &P50, &P99, &CPU, &SWITCHES, &SYSCALLS, &PSS];
/// Facts that differ between any two runs and say nothing.
const ALWAYS_DIFFERENT: [&str; 6] =
    ["run", "started at", "finished at", "steal share since boot", "limit steal", "seed"];

/// The whole section.
pub(crate) struct Baseline {
    /// Of the other run.
    pub(crate) name: String,
    /// What differs in machine, build and settings: what, here, there.
    pub(crate) differs: Vec<[String; 3]>,
    pub(crate) tables: Vec<Compared>,
    /// Cells that only one of the runs holds, in words; empty where there are none.
    pub(crate) alone: String,
    /// Why there are cells without an A/A floor; empty where all have one.
    pub(crate) floors_unknown: String,
}

/// One group that both runs hold.
pub(crate) struct Compared {
    pub(crate) title: String,
    pub(crate) columns: Vec<&'static Metric>,
    pub(crate) rows: Vec<Row>,
}

/// One cell that both runs hold.
pub(crate) struct Row {
    pub(crate) id: String,
    /// Of this run's cell in the full tables.
    pub(crate) href: String,
    pub(crate) label: Label,
    pub(crate) connections: String,
    /// How both ended, where neither has a figure; empty otherwise.
    pub(crate) ended: String,
    pub(crate) figures: Vec<Change>,
}

/// A figure in both runs.
#[derive(Default)]
pub(crate) struct Change {
    /// `+3.1 %`; a dash where one of them lacks it.
    pub(crate) text: String,
    /// `−0.4 % to +6.9 %`.
    pub(crate) interval: String,
    /// `11.2 (10.9–11.8)`.
    pub(crate) here: String,
    /// The same of the other run.
    pub(crate) there: String,
    /// `better`, `worse`, `same` or nothing.
    pub(crate) class: &'static str,
    /// Why nothing is said, the A/A floor, and what could have been seen.
    pub(crate) title: String,
    /// The difference as a share, to sort by.
    pub(crate) value: String,
}

/// This run against another.
pub(crate) fn baseline(run: &Run, groups: &[Group<'_>], other: &Run, prefix: &str) -> Baseline {
    let comparison = compare(Sides::Runs(other, run));
    let judged: BTreeMap<_, _> =
        comparison.rows.iter().filter_map(|row| Some((key_of(row)?, row))).collect();
    let theirs = cells::groups(other, "");
    let mut differs = machines(run, other);
    let (mut compared, mut only_here, mut paired) = (Vec::new(), 0, 0);
    let mut settings = BTreeMap::new();
    for group in groups {
        let there = theirs.iter().find(|there| {
            (there.experiment, there.service, there.variant)
                == (group.experiment, group.service, group.variant)
        });
        let mut rows = Vec::new();
        for cell in &group.cells {
            let pair = there.and_then(|there| {
                there.at(cell.connections).find(|other| other.model == cell.model)
            });
            let Some(pair) = pair else {
                only_here += 1;
                continue;
            };
            differing_settings(cell, pair, &mut settings);
            let judged = |metric: &Metric| {
                let place = (group.experiment, group.service, cell.connections, group.variant);
                judged.get(&(place, cell.model, metric.id)).copied()
            };
            let change = |metric: &&Metric| change(metric, cell, pair, judged(metric));
            let figures = COMPARED.iter().map(change).collect();
            rows.push(row(cell, pair, label(cell.model, &run.machine, prefix), figures));
        }
        paired += rows.len();
        if !rows.is_empty() {
            let columns = COMPARED.to_vec();
            compared.push(Compared { title: tables::title(group), columns, rows });
        }
    }
    differs.extend(settings.into_values());
    let missing_here = theirs.iter().map(|group| group.cells.len()).sum::<usize>() - paired;
    let alone = [(only_here, "this run"), (missing_here, "the baseline")];
    let alone: Vec<String> = alone
        .into_iter()
        .filter(|(cells, _)| *cells > 0)
        .map(|(cells, whose)| format!("{} only in {whose}", format::plural(cells, "cell")))
        .collect();
    let unknown: Vec<&String> = comparison.floors_unknown.iter().collect();
    Baseline {
        name: other.name(),
        differs,
        tables: compared,
        alone: format::list(&alone),
        floors_unknown: format::list(&unknown),
    }
}

type Place<'row> = (&'row str, &'row str, u64, &'row str);

/// Where a row of the comparison belongs; `None` of a slope over several places.
fn key_of(row: &Judged) -> Option<(Place<'_>, &str, &'static str)> {
    let place =
        (row.experiment.as_str(), row.service.as_str(), row.connections?, row.variant.as_str());
    Some((place, row.model.as_str(), row.metric))
}

fn row(cell: &Cell<'_>, other: &Cell<'_>, label: Label, figures: Vec<Change>) -> Row {
    let measured = |cell: &Cell<'_>| !cell.behind.is_empty();
    let ended = |cell: &Cell<'_>| words::outcome(cell.outcome);
    Row {
        id: format!("b.{}", cell.id),
        href: cell.id.clone(),
        label,
        connections: tables::connections_in_words(cell.connections),
        ended: if measured(cell) || measured(other) {
            String::new()
        } else {
            format!("not measured: {} here, {} in the baseline", ended(cell), ended(other))
        },
        figures,
    }
}

fn change(metric: &Metric, cell: &Cell<'_>, other: &Cell<'_>, judged: Option<&Judged>) -> Change {
    let text = |spread: Option<Spread>| {
        spread.map_or_else(
            || "–".into(),
            |spread| match range(metric, &spread) {
                range if range.is_empty() => metric.text(spread.median),
                range => format!("{} ({range})", metric.text(spread.median)),
            },
        )
    };
    let change = Change {
        text: "–".into(),
        here: text(cell.spread(metric)),
        there: text(other.spread(metric)),
        ..Change::default()
    };
    let Some(judged) = judged else { return change };
    let why = judged.why.as_ref().map(|why| format!("not compared: {why}"));
    let floor = judged.floor.map(|floor| format!("A/A floor {}", percent(floor - 1.0)));
    let visible =
        judged.smallest_visible.map(|ratio| format!("visible from {} on", percent(ratio - 1.0)));
    let said: Vec<String> = why.into_iter().chain(floor).chain(visible).collect();
    let class = match judged.direction {
        Direction::Better => "better",
        Direction::Worse => "worse",
        Direction::NoDifference => "same",
        Direction::NotCompared => "",
    };
    let change = Change { class, title: said.join("; "), ..change };
    let Some(ratio) = judged.ratio else {
        // Equal, or apart by less than has any consequence.
        let same = class == "same";
        let (text, value) = if same { ("±0", "0") } else { ("–", "") };
        return Change { text: text.into(), value: value.into(), ..change };
    };
    let (low, high) = (percent(ratio.low - 1.0), percent(ratio.high - 1.0));
    let interval = match ratio.coverage {
        Some(_) => format!("{low} to {high}"),
        None if ratio.pairs == 1 => "spread unknown".into(),
        None => format!("{low} to {high}, range"),
    };
    Change {
        text: percent(ratio.ratio - 1.0),
        interval,
        value: (ratio.ratio - 1.0).to_string(),
        ..change
    }
}

/// What the two records say differently of machine, build and plan.
fn machines(run: &Run, other: &Run) -> Vec<[String; 3]> {
    let facts = |run: &Run| -> BTreeMap<String, String> {
        let environment = environment::environment(run);
        let lists = environment.lists.into_iter().flat_map(|(list, facts)| {
            facts.into_iter().map(move |(name, value)| (format!("{list}: {name}"), value))
        });
        let limits = environment.limits.iter();
        let limits = limits.map(|limit| (format!("limit {}", limit.name), limit.value.clone()));
        let command = ("command".to_owned(), environment.command);
        environment.facts.into_iter().chain(lists).chain(limits).chain([command]).collect()
    };
    let (here, there) = (facts(run), facts(other));
    let mut names: Vec<&String> = here.keys().chain(there.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let said = |facts: &BTreeMap<String, String>, name: &str| {
        facts.get(name).cloned().unwrap_or_else(|| "not recorded".into())
    };
    names
        .into_iter()
        .filter(|name| !ALWAYS_DIFFERENT.contains(&name.as_str()))
        .map(|name| [name.clone(), said(&here, name), said(&there, name)])
        .filter(|[_, here, there]| here != there)
        .collect()
}

/// What the trials of a pair were told differently, each difference once.
fn differing_settings(
    cell: &Cell<'_>,
    other: &Cell<'_>,
    found: &mut BTreeMap<String, [String; 3]>,
) {
    let told = |cell: &Cell<'_>| cell.attempts.first().map(|trial| settings(trial));
    let (Some(here), Some(there)) = (told(cell), told(other)) else { return };
    for name in here.keys().chain(there.keys()) {
        let text = |of: &BTreeMap<String, String>| {
            of.get(name).cloned().unwrap_or_else(|| "not set".into())
        };
        let (here, there) = (text(&here), text(&there));
        if here != there {
            let key = format!("{name}\n{here}\n{there}");
            found.entry(key).or_insert([format!("setting {name}"), here, there]);
        }
    }
}

fn settings(trial: &record::Trial) -> BTreeMap<String, String> {
    let mut told = BTreeMap::new();
    if let Ok(Value::Object(fields)) = serde_json::to_value(&trial.settings) {
        told.extend(fields.into_iter().map(|(name, value)| match value {
            Value::String(text) => (name, text),
            other => (name, other.to_string()),
        }));
    }
    told.insert("pace".into(), trial.pace.kind.clone());
    told
}
