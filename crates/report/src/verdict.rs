//! The verdict table: every model of a group at one load, each figure with its spread, nobody's figure without its taint.

use std::collections::BTreeMap;

use record::stats::float;
use record::{Conforms, Machine, Outcome, Run};

use crate::across::{self, AFTER_LATENCY, AFTER_MEMORY, Across, Column};
use crate::cells::{Cell, Group};
use crate::figure::{Figure, figure};
use crate::limits::{self, Foot, Limits};
use crate::metric::{self, ESTABLISHED, MEMORY, Metric, P99};
use crate::ranking::{Ranking, judged};
use crate::{charts, conformance, family, format, tables, words};

/// One table.
pub(crate) struct Verdict {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) caption: String,
    /// Columns that belong here and were measured for nobody, by name.
    pub(crate) absent: String,
    pub(crate) columns: Vec<Column>,
    /// Whether anybody was served, as nobody is by a client.
    pub(crate) has_served: bool,
    pub(crate) rows: Vec<Row>,
    /// What no figure of a column can be told apart by, under it.
    pub(crate) foot: Vec<Foot>,
}

/// One model.
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) label: Label,
    pub(crate) ending: Ending,
    pub(crate) served: Figure,
    /// As many as columns; none where nothing was measured and the record says why.
    pub(crate) figures: Vec<Figure>,
    /// Cases of the battery that it passes, and where they stand; empty where it was not run.
    pub(crate) conforms: String,
    pub(crate) conforms_href: String,
    pub(crate) conforms_class: &'static str,
    /// Cases passed, to sort by.
    pub(crate) conforms_value: String,
    pub(crate) lines: String,
    pub(crate) lines_value: String,
}

/// A model's name with the colour and mark that it has in charts.
pub(crate) struct Label {
    pub(crate) model: String,
    pub(crate) family: String,
    /// Into [`family::FAMILIES`].
    pub(crate) colour: usize,
    pub(crate) mark: &'static str,
    /// Which of all marks it is: the stylesheet draws it.
    pub(crate) shape: usize,
    /// What its traces in charts are called together.
    pub(crate) legend_group: String,
    /// Of its source on the page; empty without one.
    pub(crate) source: String,
}

/// How a cell ended, in words, with what taints it.
pub(crate) struct Ending {
    pub(crate) word: &'static str,
    /// The record's own words.
    pub(crate) detail: String,
    pub(crate) badges: Vec<Badge>,
}

/// A small sign that leads to its explanation, which the page's script shows beside it, too.
pub(crate) struct Badge {
    pub(crate) text: String,
    pub(crate) href: String,
}

/// The verdict on one of the groups, at the largest load that all its models share.
pub(crate) fn verdict(
    group: &Group<'_>,
    groups: &[Group<'_>],
    run: &Run,
    prefix: &str,
) -> Option<Verdict> {
    let connections = group.common_connections()?;
    let cells: Vec<&Cell> = group.at(connections).collect();
    let own = metric::verdict(group);
    let mut rows: Vec<Row> = cells.iter().map(|cell| row(cell, &own, run, prefix)).collect();
    let mut limits = Vec::new();
    for (place, metric) in own.iter().enumerate() {
        let ranking = Ranking::new(metric, group, connections);
        limits.push(Limits::of(ranking.as_ref()));
        if let Some(ranking) = &ranking {
            compare(ranking, &cells, rows.iter_mut().map(|row| &mut row.figures[place]));
        }
    }
    let mut columns: Vec<Column> = own.iter().map(|metric| metric.column()).collect();
    let mut absent = Vec::new();
    let is_sweep = group.experiment == "sweep";
    if is_sweep {
        for (after, others) in [(&MEMORY, &AFTER_MEMORY[..]), (&P99, &AFTER_LATENCY[..])] {
            let place = own.iter().position(|metric| metric.id == after.id).map_or(0, |at| at + 1);
            for across in others.iter().rev() {
                if insert(across, place, groups, group.service, &cells, &mut rows, &mut columns) {
                    limits.insert(place, Limits::of(None));
                } else {
                    absent.insert(0, across.column.name);
                }
            }
        }
    }
    for row in &mut rows {
        if !row.ending.detail.is_empty() && row.figures.iter().all(|figure| figure.value.is_empty())
        {
            row.figures.clear();
        }
    }
    let usual = usual(&mut rows);
    Some(Verdict {
        id: format!("v.{}.{connections}", group.id),
        title: format!("{}, at {}", tables::title(group), group.amount(connections)),
        caption: caption(group, &cells, &usual)
            + &across::told(groups, group.service).filter(|_| is_sweep).unwrap_or_default(),
        absent: format::list(&absent),
        columns,
        has_served: rows.iter().any(|row| !row.served.value.is_empty()),
        rows,
        foot: limits::foot(&limits),
    })
}

/// What most figures of a table are, taken out of their tooltips: the caption says it once.
fn usual(rows: &mut [Row]) -> String {
    let said = |figure: &Figure| figure.title.split(';').next().unwrap_or_default().to_owned();
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for figure in rows.iter().flat_map(|row| &row.figures).filter(|figure| !figure.value.is_empty())
    {
        *count.entry(said(figure)).or_default() += 1;
    }
    let most = count.into_iter().max_by_key(|(_, figures)| *figures);
    let usual =
        most.map(|(said, _)| said).filter(|said| said.contains("trial")).unwrap_or_default();
    for figure in rows.iter_mut().flat_map(|row| &mut row.figures) {
        if !usual.is_empty() && said(figure) == usual {
            figure.title = figure.title[usual.len()..].trim_start_matches("; ").to_owned();
        }
    }
    usual
}

/// A column from another experiment, unless nobody has it.
fn insert(
    across: &Across,
    place: usize,
    groups: &[Group<'_>],
    service: &str,
    cells: &[&Cell<'_>],
    rows: &mut [Row],
    columns: &mut Vec<Column>,
) -> bool {
    let figures: Vec<Option<Figure>> =
        cells.iter().map(|cell| across.figure(groups, cell, service)).collect();
    if figures.iter().all(Option::is_none) {
        return false;
    }
    columns.insert(place, Column { ..across.column });
    for (row, figure) in rows.iter_mut().zip(figures) {
        row.figures.insert(place, figure.unwrap_or_else(Figure::missing));
    }
    true
}

/// Bars and leaders of a column, over the ranked figures alone.
fn compare<'rows>(
    ranking: &Ranking<'_, '_>,
    cells: &[&Cell<'_>],
    column: impl Iterator<Item = &'rows mut Figure>,
) {
    let longest = ranking.ranked.iter().map(|(_, spread)| spread.median).fold(0.0, f64::max);
    let mut leaders: Vec<&str> = ranking.leaders().iter().map(|(cell, _)| cell.model).collect();
    // Where nobody can be told from the best, nobody is the best.
    let compared =
        ranking.ranked.iter().filter(|(cell, _)| ranking.uncompared(cell.model).is_none());
    if leaders.len() == compared.count() {
        leaders.clear();
    }
    let floor = ranking.ties.floor.as_ref().ok().map(|floor| floor.ratio);
    let best = ranking.ranked.first().map(|(cell, _)| cell.model);
    // Said once, in the foot.
    let settled = ranking.unsettled().is_none();
    for (cell, figure) in cells.iter().zip(column) {
        let ranked = ranking.ranked.iter().find(|(ranked, _)| ranked.model == cell.model);
        let Some((_, spread)) = ranked else { continue };
        if longest > 0.0 {
            figure.bar = format!("{:.1}", (spread.median / longest * 100.0).clamp(0.0, 100.0));
        }
        if leaders.contains(&cell.model) {
            figure.class = "lead";
        }
        let found = best.and_then(|best| Some((best, ranking.against_best(cell.model)?)));
        let said = match found {
            _ if !settled => continue,
            Some((best, found)) => format!("; against {best} {}", judged(&found, floor)),
            None if ranking.held_back.is_empty() => {
                format!("; {} of those ranked", ranking.superlative())
            }
            // They may well have done better, and nobody leads.
            None => {
                format!("; {} of those that the generator did not limit", ranking.superlative())
            }
        };
        figure.title.push_str(&said);
    }
}

fn row(cell: &Cell<'_>, columns: &[&Metric], run: &Run, prefix: &str) -> Row {
    let lines = run.machine.contestant(cell.model).and_then(|contestant| contestant.server_lines);
    let battery = run.conformance.as_ref();
    let proven = battery.and_then(|battery| Some((battery.of(cell.model)?, battery.cases.len())));
    let starved = (cell.ended(Outcome::Starved) > 0).then(|| cell.served()).flatten();
    // Two lines at most in a narrow column.
    let note = starved
        .map(|served| format!("served {}", served.replace(" of ", " of\u{a0}")))
        .unwrap_or_default();
    let figures = columns.iter().map(|metric| {
        let mut figure = figure(cell, metric);
        figure.id.insert_str(0, "v.");
        if metric.needs_headroom && !figure.value.is_empty() {
            figure.note.clone_from(&note);
        }
        figure
    });
    Row {
        id: format!("v.{}", cell.id),
        label: label(cell.model, &run.machine, prefix),
        ending: ending(cell, prefix),
        served: served(cell),
        figures: figures.collect(),
        conforms: proven.map_or_else(|| "–".into(), |(model, of)| conformance::summary(model, of)),
        conforms_href: proven.map(|_| conformance::id(cell.model, prefix)).unwrap_or_default(),
        conforms_class: match proven {
            Some((model, _)) if model.count(Conforms::Fail) > 0 => "short",
            Some(_) => "",
            None => "missing",
        },
        conforms_value: proven
            .map(|(model, _)| model.count(Conforms::Pass).to_string())
            .unwrap_or_default(),
        lines: lines.map_or_else(|| "–".into(), format::count),
        lines_value: lines.map(|lines| lines.to_string()).unwrap_or_default(),
    }
}

/// A model's name with its colour and mark.
pub(crate) fn label(model: &str, machine: &Machine, prefix: &str) -> Label {
    let contestant = machine.contestant(model);
    let family_name = contestant.map_or("", |contestant| contestant.family.as_str());
    let has_source = contestant.is_some_and(|contestant| !contestant.server_source.is_empty());
    let place = place_in_family(model, machine);
    let (mark, ..) = family::mark(place);
    Label {
        model: model.to_owned(),
        family: family_name.to_owned(),
        colour: family::index(family_name),
        mark,
        shape: family::shape(place),
        legend_group: charts::plain(model),
        source: if has_source { source_id(model, prefix) } else { String::new() },
    }
}

/// Id of the section with a model's source.
pub(crate) fn source_id(model: &str, prefix: &str) -> String {
    format!("{prefix}source.{}", format::slug(model))
}

/// How many models of the same family stand before this one.
pub(crate) fn place_in_family(model: &str, machine: &Machine) -> usize {
    let family =
        |name: &str| machine.contestant(name).map_or("", |contestant| contestant.family.as_str());
    let own = family(model);
    let before = machine.contestants.iter().take_while(|contestant| contestant.name != model);
    before.filter(|contestant| contestant.family == own).count()
}

/// How a cell ended.
pub(crate) fn ending(cell: &Cell<'_>, prefix: &str) -> Ending {
    let of = cell.finals.len();
    let share = |number: usize| {
        if number == of { String::new() } else { format!(" {number} of {of}") }
    };
    let failures = words::FAILURES.into_iter().filter_map(|outcome| {
        let number = cell.ended(outcome);
        (number > 0 && (number < of || outcome != cell.outcome)).then(|| Badge {
            text: format!("{}{}", words::outcome(outcome), share(number)),
            href: format!("{prefix}doubt.{}", words::outcome(outcome)),
        })
    });
    let flags = words::FLAGS.into_iter().filter_map(|flag| {
        let number = cell.carries(flag);
        (number > 0).then(|| Badge {
            text: format!("{}{}", words::flag(flag), share(number)),
            href: format!("{prefix}doubt.{}", words::flag(flag)),
        })
    });
    // Of a starved cell the page says everywhere how many it served.
    let told = cell.outcome == Outcome::Starved && cell.served().is_some();
    let speaking = cell.finals.iter().find(|trial| trial.outcome == cell.outcome && !told);
    Ending {
        word: words::outcome(cell.outcome),
        detail: speaking.and_then(|trial| trial.outcome_detail.clone()).unwrap_or_default(),
        badges: failures.chain(flags).collect(),
    }
}

/// `128 of 10 000`, and how many were open where that is another number.
fn served(cell: &Cell<'_>) -> Figure {
    let open = cell.spread(&ESTABLISHED).map(|spread| spread.median);
    let active = cell.behind.iter().filter_map(|trial| metric::active(trial)).max().map(float);
    let Some(text) = cell.served() else {
        return Figure::missing();
    };
    Figure {
        id: format!("v.{}.served", cell.id),
        value: cell
            .spread(&metric::SERVED)
            .map(|spread| spread.median.to_string())
            .unwrap_or_default(),
        text,
        spread: open
            .filter(|&open| active != Some(open))
            .map(|open| format!("{} open", format::counted(open)))
            .unwrap_or_default(),
        class: if cell.ended(Outcome::Starved) > 0 { "short" } else { "" },
        ..Figure::default()
    }
}

/// What the table compares and what its marks claim.
fn caption(group: &Group<'_>, cells: &[&Cell<'_>], usual: &str) -> String {
    let repeats: Vec<usize> = cells.iter().map(|cell| cell.behind.len()).collect();
    let (least, most) = (
        repeats.iter().copied().filter(|&repeats| repeats > 0).min().unwrap_or(0),
        repeats.iter().copied().max().unwrap_or(0),
    );
    let trials = if least == most {
        format!("{} a cell", format::plural(most, "trial"))
    } else {
        format!("{least} to {} a cell", format::plural(most, "trial"))
    };
    let spread = match least {
        0 => "nothing was measured",
        1..6 if most >= 6 => {
            "medians, with an interval of order statistics beneath, or, below six trials, with the range: such a model is not compared"
        }
        1 => "with a single trial nothing is known of the spread, so nobody leads such a column",
        2..6 => {
            "medians, with the range beneath: below six trials no interval is claimed and nobody is told from anybody"
        }
        _ => "medians, with an interval of order statistics beneath",
    };
    let usual = if least < 6 || usual.is_empty() {
        String::new()
    } else {
        format!(", the {usual} unless a tooltip names others")
    };
    format!("{}. {trials}: {spread}{usual}.", sentence_case(&group.load()))
}

/// With a capital.
pub(crate) fn sentence_case(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map_or(String::new(), |first| first.to_uppercase().chain(characters).collect())
}
