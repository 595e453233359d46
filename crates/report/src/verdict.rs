//! The verdict table: every model of a group at one load, each figure with its spread, nobody's figure without its taint.

use record::stats::float;
use record::{Conforms, Machine, Outcome, Run};

use crate::cells::{Cell, Group};
use crate::figure::{Figure, figure};
use crate::metric::{self, ESTABLISHED, Metric};
use crate::ranking::Ranking;
use crate::{charts, conformance, family, format, tables, words};

/// One table.
pub(crate) struct Verdict {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) caption: String,
    pub(crate) columns: Vec<&'static Metric>,
    pub(crate) rows: Vec<Row>,
}

/// One model.
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) label: Label,
    pub(crate) ending: Ending,
    pub(crate) served: Figure,
    pub(crate) figures: Vec<Figure>,
    /// Cases of the battery that it passes, and where they stand; empty where it was not run.
    pub(crate) conforms: String,
    pub(crate) conforms_href: String,
    pub(crate) conforms_class: &'static str,
    pub(crate) lines: String,
}

/// A model's name with the colour and mark that it has in charts.
pub(crate) struct Label {
    pub(crate) model: String,
    pub(crate) family: String,
    /// Into [`family::FAMILIES`].
    pub(crate) colour: usize,
    pub(crate) mark: &'static str,
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

/// A small sign with its explanation.
pub(crate) struct Badge {
    pub(crate) text: String,
    pub(crate) title: String,
    pub(crate) href: String,
}

/// The verdict on a group at the largest load that all its models share.
pub(crate) fn verdict(group: &Group<'_>, run: &Run, prefix: &str) -> Option<Verdict> {
    let connections = group.common_connections()?;
    let cells: Vec<&Cell> = group.at(connections).collect();
    let rows =
        cells.iter().map(|cell| row(cell, group.experiment, run, prefix)).collect::<Vec<_>>();
    let mut table = Verdict {
        id: format!("v.{}.{connections}", group.id),
        title: format!(
            "{}, at {}",
            tables::title(group),
            tables::connections_in_words(connections)
        ),
        caption: caption(group, &cells),
        columns: metric::verdict(group.experiment).to_vec(),
        rows,
    };
    for (place, metric) in metric::verdict(group.experiment).iter().enumerate() {
        compare(metric, &cells, table.rows.iter_mut().map(|row| &mut row.figures[place]));
    }
    Some(table)
}

/// Bars and leaders of a column, over the ranked figures alone.
fn compare<'rows>(
    metric: &Metric,
    cells: &[&Cell<'_>],
    column: impl Iterator<Item = &'rows mut Figure>,
) {
    let Some(ranking) = Ranking::new(metric, cells) else { return };
    let longest = ranking.ranked.iter().map(|(_, spread)| spread.median).fold(0.0, f64::max);
    let mut leaders: Vec<&str> = ranking.leaders().iter().map(|(cell, _)| cell.model).collect();
    // Where nobody can be told from the best, nobody is the best.
    if leaders.len() == ranking.ranked.len() {
        leaders.clear();
    }
    for (cell, figure) in cells.iter().zip(column) {
        let ranked = ranking.ranked.iter().find(|(ranked, _)| ranked.model == cell.model);
        if let Some((_, spread)) = ranked.filter(|_| longest > 0.0) {
            figure.bar = format!("{:.1}", (spread.median / longest * 100.0).clamp(0.0, 100.0));
        }
        if leaders.contains(&cell.model) {
            figure.class = "lead";
            let others: Vec<&str> =
                leaders.iter().copied().filter(|leader| *leader != cell.model).collect();
            let said = if others.is_empty() {
                format!("; {} of those ranked", ranking.superlative())
            } else {
                format!(
                    "; {} of those ranked, its spread overlaps that of {}",
                    if leaders[0] == cell.model {
                        ranking.superlative()
                    } else {
                        "not told from the best"
                    },
                    format::list(&others)
                )
            };
            figure.title.push_str(&said);
        }
    }
}

fn row(cell: &Cell<'_>, experiment: &str, run: &Run, prefix: &str) -> Row {
    let contestant = run.machine.contestant(cell.model);
    let battery = run.conformance.as_ref();
    let proven = battery.and_then(|battery| Some((battery.of(cell.model)?, battery.cases.len())));
    let starved = (cell.ended(Outcome::Starved) > 0).then(|| cell.served()).flatten();
    // Two lines at most in a narrow column.
    let note = starved
        .map(|served| format!("served {}", served.replace(" of ", " of\u{a0}")))
        .unwrap_or_default();
    let figures = metric::verdict(experiment).iter().map(|metric| {
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
        lines: contestant
            .and_then(|contestant| contestant.server_lines)
            .map_or_else(|| "–".into(), format::count),
    }
}

/// A model's name with its colour and mark.
pub(crate) fn label(model: &str, machine: &Machine, prefix: &str) -> Label {
    let contestant = machine.contestant(model);
    let family_name = contestant.map_or("", |contestant| contestant.family.as_str());
    let has_source = contestant.is_some_and(|contestant| !contestant.server_source.is_empty());
    let (mark, ..) = family::mark(place_in_family(model, machine));
    Label {
        model: model.to_owned(),
        family: family_name.to_owned(),
        colour: family::index(family_name),
        mark,
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
            title: words::outcome_meaning(outcome).into(),
            href: format!("{prefix}doubt.{}", words::outcome(outcome)),
        })
    });
    let flags = words::FLAGS.into_iter().filter_map(|flag| {
        let number = cell.carries(flag);
        (number > 0).then(|| Badge {
            text: format!("{}{}", words::flag(flag), share(number)),
            title: words::flag_meaning(flag).into(),
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
        return Figure {
            text: "–".into(),
            title: "not measured".into(),
            class: "missing",
            ..Figure::default()
        };
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
        title: "connections with an answer in the window, of those that sent requests".into(),
        class: if cell.ended(Outcome::Starved) > 0 { "short" } else { "" },
        ..Figure::default()
    }
}

/// What the table compares and what its marks claim.
fn caption(group: &Group<'_>, cells: &[&Cell<'_>]) -> String {
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
        1 => "with a single trial nothing is known of the spread, so nobody leads such a column",
        2..6 => "medians, with the range beneath: below six trials no interval is claimed",
        _ => "medians, with an interval of order statistics beneath, its coverage in the tooltip",
    };
    format!("{}. {trials}: {spread}.", sentence_case(&group.load()))
}

/// With a capital.
pub(crate) fn sentence_case(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map_or(String::new(), |first| first.to_uppercase().chain(characters).collect())
}
