//! The answer first: sentences made from the data, each with its figure, its spread and a link to its cell.

use record::stats::{Spread, float};
use record::{Outcome, Run};

use crate::cells::{Cell, Group, Kind};
use crate::figure::basis;
use crate::metric::{self, ALL_GREETED, CPU, ESTABLISHED, MEMORY, Metric, P99, RATE};
use crate::ranking::Ranking;
use crate::verdict::sentence_case;
use crate::{format, tables, words};

/// Ties whose figures stand in the sentence; of more of them, each name leads to its figure.
const CITED_TIES_MAX: usize = 2;

/// Models of which the same is said one by one.
const NAMED_MAX: usize = 4;

/// Words, linked where `href` is not empty.
pub(crate) struct Piece {
    pub(crate) text: String,
    pub(crate) href: String,
}

/// The answer for one load.
pub(crate) struct Answer {
    pub(crate) title: String,
    pub(crate) load: String,
    /// Of the verdict table below.
    pub(crate) table: String,
    pub(crate) sentences: Vec<Vec<Piece>>,
}

/// What the group's largest common load says.
pub(crate) fn answer(group: &Group<'_>, table: &str) -> Option<Answer> {
    let connections = group.common_connections()?;
    let cells: Vec<&Cell> = group.at(connections).collect();
    let best_of = |metric: &'static Metric, words| {
        best(metric, words, &Ranking::new(metric, group, connections)?)
    };
    let said = match group.kind() {
        Kind::Storm => {
            vec![best_of(&ALL_GREETED, "time until every connection had its first answer")]
        }
        Kind::Fetch => vec![
            best_of(&metric::CPU_EACH, "CPU per good fetch"),
            best_of(&metric::CLIENT_MEMORY, "memory of the client"),
        ],
        Kind::Idiom => vec![best_of(&metric::LATE, "time beyond what is due")],
        Kind::Disturbed => vec![best_of(&P99, "latency p99 of everybody else")],
        Kind::Served => vec![
            best_of(&CPU, "server CPU per request"),
            // Where connections come and go, what is open at the end is chance.
            best_of(&MEMORY, "memory per connection (the kernel's part aside)")
                .filter(|_| !group.churns()),
            rate(group, connections),
        ],
    };
    let client = matches!(group.kind(), Kind::Fetch | Kind::Idiom);
    let served = if client { None } else { service(&cells) };
    let sentences = [served, left_out(&cells)].into_iter().chain(said).chain([single(&cells)]);
    Some(Answer {
        title: format!("{}, at {}", tables::title(group), group.amount(connections)),
        load: group.load(),
        table: table.to_owned(),
        sentences: sentences.flatten().collect(),
    })
}

/// How much there is to go by.
pub(crate) fn ground(run: &Run, groups: &[Group<'_>]) -> String {
    let cells: Vec<&Cell> = groups.iter().flat_map(|group| &group.cells).collect();
    let ok = cells.iter().filter(|cell| cell.outcome == Outcome::Ok).count();
    let single = cells.iter().filter(|cell| cell.behind.len() == 1).count();
    let rest = if single == 0 {
        String::new()
    } else {
        let who = if single == cells.len() {
            "every cell rests".into()
        } else {
            format!("{} rest", format::plural(single, "cell"))
        };
        format!("; {who} on a single trial, whose spread is unknown")
    };
    format!(
        "{} in {}, {} of them ok{rest}.",
        format::plural(run.trials.len(), "trial"),
        format::plural(cells.len(), "cell"),
        format::size(ok)
    )
}

/// Who served every connection, and who did not.
fn service(cells: &[&Cell<'_>]) -> Option<Vec<Piece>> {
    // Noise taints times, not who was served.
    let served_all =
        |cell: &&Cell| !cell.behind.is_empty() && cell.ended(Outcome::Ok) == cell.finals.len();
    let whole: Vec<&Cell> = cells.iter().copied().filter(served_all).collect();
    let starved: Vec<&Cell> =
        cells.iter().copied().filter(|cell| cell.ended(Outcome::Starved) > 0).collect();
    let mut pieces = Vec::new();
    if let Some(first) = whole.first() {
        let who = match (whole.len(), cells.len()) {
            (1, 1) => "The only model".to_owned(),
            (some, all) if some == all => format!("All {all} models"),
            (some, all) => format!("{some} of {all} models"),
        };
        let active =
            first.behind.iter().filter_map(|trial| metric::active(trial)).max().unwrap_or(0);
        let open = |cell: &&Cell| {
            cell.spread(&ESTABLISHED).is_some_and(|open| open.low >= float(cell.connections))
        };
        let what = if active < first.connections {
            let said = if whole.iter().all(open) { "all open" } else { "asked for" };
            let (active, all) = (format::count(active), format::count(first.connections));
            format!("the {active} connections that sent requests, with {all} {said}")
        } else {
            format!("the {}", tables::connections_in_words(first.connections))
        };
        pieces.push(plain(format!("{who} served all of {what}")));
    }
    for cell in &starved {
        pieces.push(plain(if pieces.is_empty() { "" } else { "; " }));
        pieces.push(name(cell));
        pieces.push(plain(" served only "));
        pieces.push(link(
            cell.served().unwrap_or_else(|| "some".into()),
            format!("v.{}.served", cell.id),
        ));
    }
    match starved.len() {
        0 => {}
        1 => pieces.push(plain(
            ", so its rate and latency describe those alone and nothing of it is ranked",
        )),
        _ => pieces.push(plain(
            ", so their rates and latencies describe those alone and nothing of them is ranked",
        )),
    }
    pieces.extend(not_all_open(cells, pieces.is_empty()));
    (!pieces.is_empty()).then(|| {
        pieces.push(plain("."));
        pieces
    })
}

/// Who had fewer connections open than asked for; of many, how many.
fn not_all_open(cells: &[&Cell<'_>], is_first: bool) -> Vec<Piece> {
    let short: Vec<(&Cell, f64)> = cells
        .iter()
        .filter_map(|cell| Some((*cell, cell.spread(&ESTABLISHED)?.low)))
        .filter(|(cell, open)| *open < float(cell.connections))
        .collect();
    let mut pieces = Vec::new();
    let separator = |pieces: &[Piece]| if is_first && pieces.is_empty() { "" } else { "; " };
    if short.len() > NAMED_MAX {
        let models = format::plural(short.len(), "model");
        return vec![plain(format!("{}{models} had fewer open than asked for", separator(&[])))];
    }
    for (cell, open) in short {
        pieces.push(plain(separator(&pieces)));
        pieces.push(name(cell));
        pieces.push(plain(" had only "));
        let text = format!("{} open", format::counted(open));
        pieces.push(link(text, format!("v.{}.served", cell.id)));
    }
    pieces
}

/// Whose figures are in no ranking: who leads here may lead only because they are missing.
fn left_out(cells: &[&Cell<'_>]) -> Option<Vec<Piece>> {
    // Of the starved it is said already.
    let other = |cell: &&&Cell| cell.unranked.is_some() && cell.ended(Outcome::Starved) == 0;
    let named = cells.iter().filter(other).map(|cell| {
        let why = match cell.outcome {
            Outcome::Ok => "noisy",
            outcome => words::outcome(outcome),
        };
        vec![name(cell), plain(format!(" ({why})"))]
    });
    let mut pieces = listed("Not ranked: ", named);
    (!pieces.is_empty()).then(|| {
        pieces.push(plain("."));
        pieces
    })
}

/// One after the other with commas between, and words before the first; nothing of none.
pub(crate) fn listed(lead: &str, items: impl Iterator<Item = Vec<Piece>>) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for item in items {
        pieces.push(plain(if pieces.is_empty() { lead } else { ", " }));
        pieces.extend(item);
    }
    pieces
}

/// Who needs least, who cannot be told apart, and what the other end costs.
fn best(metric: &'static Metric, what: &str, ranking: &Ranking<'_, '_>) -> Option<Vec<Piece>> {
    let [(first, best), .., (last, worst)] = ranking.ranked.as_slice() else { return None };
    let mut pieces = vec![
        plain(format!("{} {what}: ", sentence_case(ranking.superlative()))),
        name(first),
        plain(", "),
    ];
    cite(&mut pieces, first, metric, best);
    let ties: Vec<_> =
        ranking.leaders().into_iter().filter(|(cell, _)| cell.model != first.model).collect();
    for (place, (cell, spread)) in ties.iter().enumerate() {
        pieces.push(plain(if place == 0 { "; not told apart from it: " } else { ", " }));
        if ties.len() > CITED_TIES_MAX {
            pieces.push(link(cell.model.to_owned(), format!("v.{}.{}", cell.id, metric.id)));
            continue;
        }
        pieces.push(name(cell));
        pieces.push(plain(", "));
        cite(&mut pieces, cell, metric, spread);
    }
    if let Some(why) = ranking.unsettled() {
        pieces.push(plain(format!("; none is told from the others ({why})")));
    } else {
        pieces.extend(uncompared(ranking));
    }
    if !ties.iter().any(|(cell, _)| cell.model == last.model) {
        pieces.push(plain("; at the other end "));
        pieces.push(name(last));
        pieces.push(plain(", "));
        cite(&mut pieces, last, metric, worst);
        let (low, high) = (best.median.min(worst.median), best.median.max(worst.median));
        if low > 0.0 {
            pieces.push(plain(format!(", {} times the first", two_digits(high / low))));
        }
    }
    pieces.extend(held_back(metric, ranking));
    pieces.push(plain("."));
    Some(pieces)
}

/// Whose figure is the generator's as much as theirs, and stands in no ranking; of many, how many.
fn held_back(metric: &Metric, ranking: &Ranking<'_, '_>) -> Vec<Piece> {
    let lead = "; not ranked, since the generator was the limit: ";
    let cells = &ranking.held_back;
    if cells.len() > NAMED_MAX {
        return vec![plain(lead), plain(format::plural(cells.len(), "model"))];
    }
    let figure = |cell: &&Cell<'_>| format!("v.{}.{}", cell.id, metric.id);
    listed(lead, cells.iter().map(|cell| vec![link(cell.model.to_owned(), figure(cell))]))
}

/// Who has too few repeats to be told from the first, or from anybody.
pub(crate) fn uncompared(ranking: &Ranking<'_, '_>) -> Vec<Piece> {
    let uncompared = ranking.ranked.iter().filter_map(|(cell, _)| {
        let why = ranking.uncompared(cell.model)?;
        Some(vec![name(cell), plain(format!(" ({why})"))])
    });
    listed("; not compared: ", uncompared)
}

/// Rates say something about a server only where the generator could have asked for more.
fn rate(group: &Group<'_>, connections: u64) -> Option<Vec<Piece>> {
    let ranking = Ranking::new(&RATE, group, connections)?;
    if ranking.held_back.is_empty() {
        return best(&RATE, "rate of requests", &ranking);
    }
    let rates: Vec<(f64, &Cell)> = ranking
        .held_back
        .iter()
        .filter_map(|cell| Some((cell.spread(&RATE)?.median, *cell)))
        .collect();
    let least = rates.iter().min_by(|a, b| a.0.total_cmp(&b.0))?;
    let most = rates.iter().max_by(|a, b| a.0.total_cmp(&b.0))?;
    let mut pieces = vec![plain(format!(
        "The load generator was the limit in trials of {}, ",
        format::plural(ranking.held_back.len(), "model")
    ))];
    for (place, (rate, cell)) in [least, most].into_iter().enumerate() {
        if place == 1 && least.1.model == most.1.model {
            break;
        }
        pieces.push(plain(if place == 0 { "" } else { " to " }));
        pieces.push(name(cell));
        pieces.push(plain(" at "));
        pieces.push(link(RATE.with_unit(*rate), format!("v.{}.{}", cell.id, RATE.id)));
    }
    pieces.push(plain(
        ": these are the least that the servers can do, so nobody leads in rate or latency here; compare CPU per request.",
    ));
    Some(pieces)
}

/// A figure, linked to its cell, and what it rests on.
pub(crate) fn cite(pieces: &mut Vec<Piece>, cell: &Cell<'_>, metric: &Metric, spread: &Spread) {
    pieces.push(link(metric.with_unit(spread.median), format!("v.{}.{}", cell.id, metric.id)));
    pieces.push(plain(format!(" {}", basis(metric, spread))));
}

pub(crate) fn plain(text: impl Into<String>) -> Piece {
    Piece { text: text.into(), href: String::new() }
}

pub(crate) fn link(text: String, href: String) -> Piece {
    Piece { text, href }
}

pub(crate) fn name(cell: &Cell<'_>) -> Piece {
    Piece { text: cell.model.to_owned(), href: format!("v.{}", cell.id) }
}

/// One trial each shows no spread, so no difference is certain.
fn single(cells: &[&Cell<'_>]) -> Option<Vec<Piece>> {
    let single: Vec<&Cell> = cells.iter().copied().filter(|cell| cell.behind.len() == 1).collect();
    let mut pieces = if single.len() == cells.len() {
        vec![plain("Every figure here")]
    } else if single.len() > NAMED_MAX {
        vec![plain(format!("What is said here of {}", format::plural(single.len(), "model")))]
    } else {
        listed("What is said here of ", single.iter().map(|cell| vec![name(cell)]))
    };
    pieces.push(plain(" rests on a single trial: a difference may be chance."));
    (!single.is_empty()).then_some(pieces)
}

fn two_digits(ratio: f64) -> String {
    if ratio < 10.0 { format!("{ratio:.1}") } else { format::significant(ratio) }
}
