//! A run beside another one: both figures of every cell that both hold, and how sure their difference is.

use std::collections::BTreeMap;

use record::Run;
use record::stats::Spread;
use serde_json::Value;

use crate::cells::{self, Cell, Group};
use crate::figure::range;
use crate::metric::{Better, CPU, MEMORY, Metric, P50, P99, RATE, SWITCHES, SYSCALLS};
use crate::ranking::resolved;
use crate::twins::percent;
use crate::verdict::{Label, label};
use crate::{environment, format, tables, words};

/// What is compared.
const COMPARED: [&Metric; 7] = [&RATE, &P50, &P99, &CPU, &SWITCHES, &SYSCALLS, &MEMORY];
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
    /// The difference as a share, to sort by.
    pub(crate) value: String,
}

/// This run against another.
pub(crate) fn baseline(run: &Run, groups: &[Group<'_>], other: &Run, prefix: &str) -> Baseline {
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
            rows.push(row(cell, pair, label(cell.model, &run.machine, prefix)));
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
    Baseline { name: other.name(), differs, tables: compared, alone: format::list(&alone) }
}

fn row(cell: &Cell<'_>, other: &Cell<'_>, label: Label) -> Row {
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
        figures: COMPARED.iter().map(|metric| change(metric, cell, other)).collect(),
    }
}

fn change(metric: &Metric, cell: &Cell<'_>, other: &Cell<'_>) -> Change {
    let text = |spread: Option<Spread>| {
        spread.map_or_else(
            || "–".into(),
            |spread| match range(metric, &spread) {
                range if range.is_empty() => metric.text(spread.median),
                range => format!("{} ({range})", metric.text(spread.median)),
            },
        )
    };
    let (here, there) = (cell.spread(metric), other.spread(metric));
    let both = here
        .zip(there)
        .and_then(|(here, there)| difference(&resolved(here, metric), &resolved(there, metric)));
    let (here, there) = (text(here), text(there));
    let Some(Difference { share, interval }) = both else {
        return Change { text: "–".into(), here, there, ..Change::default() };
    };
    let unranked = cell.unranked(metric).or_else(|| other.unranked(metric)).is_some();
    let lower_is_better = metric.better == Some(Better::Lower);
    let class = match interval {
        _ if unranked => "unranked",
        None => "",
        Some((low, high)) if low <= 0.0 && high >= 0.0 => "same",
        Some((low, _)) if (low > 0.0) == lower_is_better => "worse",
        Some(_) => "better",
    };
    Change {
        text: percent(share),
        interval: interval.map_or_else(
            || "spread unknown".into(),
            |(low, high)| format!("{} to {}", percent(low), percent(high)),
        ),
        here,
        there,
        class,
        value: share.to_string(),
    }
}

/// How far this run is from the other, as shares of the other.
struct Difference {
    share: f64,
    /// `None` where one of them is a single trial: whatever differs may be chance.
    interval: Option<(f64, f64)>,
}

/// SEAM: the interval of a ratio of medians is the record's to give, and is to stand here.
///
/// Until then both spreads at their worst: wider than any honest interval of the two, never narrower.
fn difference(here: &Spread, there: &Spread) -> Option<Difference> {
    let share = here.median / there.median - 1.0;
    let (low, high) = (here.low / there.high - 1.0, here.high / there.low - 1.0);
    let sound =
        here.low > 0.0 && there.low > 0.0 && [share, low, high].iter().all(|x| x.is_finite());
    let repeated = here.repeats > 1 && there.repeats > 1;
    sound.then(|| Difference { share, interval: repeated.then_some((low, high)) })
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
