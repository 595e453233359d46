//! Which model for me? Who needs least for each need, from this run alone.

use record::Run;
use record::stats::{Line, Spread};

use crate::answer::{Piece, cite, link, listed, name, plain, uncompared};
use crate::cells::{Cell, Group};
use crate::metric::{self, CPU, MEMORY, Metric, P99};
use crate::ranking::Ranking;
use crate::verdict::sentence_case;
use crate::{format, growth, tables, words};

/// One need.
pub(crate) struct Choice {
    pub(crate) need: String,
    /// Where all figures of that load stand; empty where there are none.
    pub(crate) href: String,
    /// What decides.
    pub(crate) by: &'static str,
    /// The first, with its figure; empty where it was not measured.
    pub(crate) first: Vec<Piece>,
    /// Who ties with the first, or why nobody is first.
    pub(crate) others: Vec<Piece>,
    /// Whether the others tie with the first.
    pub(crate) tied: bool,
}

/// The need of those who have many connections and little memory.
const LITTLE_MEMORY: &str = "Little memory for each connection";
/// Times between neighbours that part a column in two.
const GAP_MIN: f64 = 10.0;
/// Busy loads that have a row of their own.
const BUSY_MAX: usize = 3;

/// A group at so many connections.
type Load<'group, 'run> = (&'group Group<'run>, u64);

/// The table's rows; nothing without a trial.
pub(crate) fn choices(run: &Run, groups: &[Group<'_>]) -> Vec<Choice> {
    if groups.is_empty() {
        return Vec::new();
    }
    let find = |experiment, variant| find(groups, experiment, variant);
    let busy = find("sweep", "default");
    let mut rows: Vec<Choice> = Vec::new();
    for &connections in busy.map(busiest).unwrap_or_default() {
        let need = format!("{}, all busy", tables::connections_in_words(connections));
        rows.extend(busy.map(|group| choice(need, &CPU, (group, connections))));
    }
    let idle = find("idle-mass", "default").and_then(usual);
    let weighed = find("memory", "default").and_then(lightest);
    // Where nothing was weighed by itself, the row for little memory has this load.
    let looked_at: &[&Metric] = if weighed.is_some() { &[&CPU, &MEMORY] } else { &[&CPU] };
    for &metric in looked_at {
        let unmeasured = || unmeasured("Many connections, few of them active", metric);
        rows.push(idle.map_or_else(unmeasured, |load| choice(mostly_idle(load), metric, load)));
    }
    let blocking: Vec<Load> = ["inline", "offload"]
        .into_iter()
        .filter_map(|variant| find("blocking", variant).and_then(usual))
        .collect();
    if blocking.is_empty() {
        rows.push(unmeasured("Handlers that block", &P99));
    }
    rows.extend(blocking.into_iter().map(|load| Choice {
        by: "Latency p99 of everybody else",
        ..choice(format!("Handlers that block, {}", load.0.variant), &P99, load)
    }));
    let heavy = idle.or(busy.and_then(usual));
    let little = || Some(choice(LITTLE_MEMORY.into(), &MEMORY, heavy?));
    rows.push(weighed.or_else(little).unwrap_or_else(|| unmeasured(LITTLE_MEMORY, &MEMORY)));
    rows.extend(heavy.and_then(|load| simplest(run, load)));
    rows
}

/// The group of an experiment whose variant begins so.
fn find<'group, 'run>(
    groups: &'group [Group<'run>],
    experiment: &str,
    variant: &str,
) -> Option<&'group Group<'run>> {
    groups.iter().find(|group| group.experiment == experiment && group.variant.starts_with(variant))
}

/// At the load of its verdict.
fn usual<'group, 'run>(group: &'group Group<'run>) -> Option<Load<'group, 'run>> {
    Some((group, group.common_connections()?))
}

/// The largest counts of a sweep.
fn busiest<'group>(group: &'group Group<'_>) -> &'group [u64] {
    &group.connections[group.connections.len().saturating_sub(BUSY_MAX)..]
}

/// `10 000 connections open, 100 of them active`.
fn mostly_idle((group, connections): Load<'_, '_>) -> String {
    let trials = group.at(connections).flat_map(|cell| &cell.attempts);
    let active = trials.filter_map(|trial| metric::active(trial)).max();
    let active = active.map_or_else(|| "few".into(), format::count);
    format!("{} open, {active} of them active", tables::connections_in_words(connections))
}

fn unmeasured(need: &str, metric: &Metric) -> Choice {
    Choice {
        need: need.into(),
        href: String::new(),
        by: metric.name,
        first: Vec::new(),
        others: Vec::new(),
        tied: false,
    }
}

fn choice(need: String, metric: &'static Metric, load: Load<'_, '_>) -> Choice {
    let (group, connections) = load;
    let Some(ranking) = Ranking::new(metric, group, connections) else {
        return unmeasured(&need, metric);
    };
    let verdict = group.common_connections() == Some(connections);
    let href = if verdict {
        format!("v.{}.{connections}", group.id)
    } else {
        format!("table.{}", group.id)
    };
    let row = |first, others, tied| Choice { need, href, by: metric.name, first, others, tied };
    let cited = |(cell, spread): &(&Cell<'_>, Spread)| cited(cell, metric, spread, verdict);
    match ranking.ranked.as_slice() {
        [] => row(vec![plain("nobody")], vec![plain("no cell here is ranked")], false),
        [only] => row(cited(only), vec![plain("nothing to compare with")], false),
        [first, ..] if ranking.settles() => {
            let tied = ranking.leaders().len() > 1;
            row(cited(first), ties(&ranking, metric, verdict), tied)
        }
        ranked => {
            let mut others = from_to(ranked, cited);
            others.push(plain(format!("; {}", why_open(&ranking))));
            row(vec![plain("open")], others, false)
        }
    }
}

/// `3 models from ... to ..., then 15 models from ... to ...`.
fn from_to<'cell, 'run>(
    ranked: &[(&'cell Cell<'run>, Spread)],
    cited: impl Fn(&(&'cell Cell<'run>, Spread)) -> Vec<Piece>,
) -> Vec<Piece> {
    let (ahead, behind) = ranked.split_at(widest_gap(ranked).unwrap_or(ranked.len()));
    let mut pieces = Vec::new();
    for part in [ahead, behind] {
        let [first, rest @ ..] = part else { continue };
        let then = if pieces.is_empty() { "" } else { ", then " };
        pieces.push(plain(format!("{then}{} from ", format::plural(part.len(), "model"))));
        pieces.extend(cited(first));
        if let Some(last) = rest.last() {
            pieces.push(plain(" to "));
            pieces.extend(cited(last));
        }
    }
    pieces
}

/// After how many models the figure grows most from one to the next; `None` where it nowhere grows so much that nobody would
/// ask for an interval.
fn widest_gap(ranked: &[(&Cell<'_>, Spread)]) -> Option<usize> {
    let leap = |pair: &[(&Cell<'_>, Spread)]| pair[1].1.median / pair[0].1.median;
    let leaps = ranked.windows(2).map(leap).enumerate();
    let (at, widest) = leaps.max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    (widest >= GAP_MIN).then_some(at + 1)
}

/// Why nobody is first.
fn why_open(ranking: &Ranking<'_, '_>) -> String {
    if ranking.held_back.is_empty() {
        let why = ranking.unsettled().unwrap_or_else(|| "nobody was compared".into());
        return format!("a difference may be chance: {why}");
    }
    let models = format::plural(ranking.held_back.len(), "model");
    format!("the generator was the limit for {models}")
}

/// A model and its figure, linked to the verdict table or, of another load, to the full one.
fn cited(cell: &Cell<'_>, metric: &Metric, spread: &Spread, verdict: bool) -> Vec<Piece> {
    if verdict {
        let mut pieces = vec![name(cell), plain(": ")];
        cite(&mut pieces, cell, metric, spread);
        return pieces;
    }
    vec![
        link(cell.model.to_owned(), cell.id.clone()),
        plain(format!(": {}", crate::figure::sentence(metric, spread))),
    ]
}

/// Who cannot be told from the first.
fn ties(ranking: &Ranking<'_, '_>, metric: &Metric, verdict: bool) -> Vec<Piece> {
    let figure = |cell: &Cell<'_>| {
        if verdict { format!("v.{}.{}", cell.id, metric.id) } else { cell.id.clone() }
    };
    let tied = ranking.leaders().into_iter().skip(1);
    let mut pieces =
        listed("", tied.map(|(cell, _)| vec![link(cell.model.to_owned(), figure(cell))]));
    if pieces.is_empty() {
        pieces.push(plain("nobody ties with it"));
    }
    pieces.extend(uncompared(ranking));
    pieces
}

/// Who grows least with each connection, by the slope that the memory experiment was made for; those whose intervals meet
/// the first one's are not told from it. `None` where nobody has a slope.
fn lightest(group: &Group<'_>) -> Option<Choice> {
    let mut lines = growth::lines(group, growth::own);
    lines.sort_by(|(_, a), (_, b)| a.slope.total_cmp(&b.slope));
    let (model, first) = *lines.first()?;
    let interval = growth::interval(&first);
    let of = format::plural(first.points, "trial");
    let basis = if interval.is_empty() {
        format!(" (a line through {of}, spread unknown)")
    } else {
        format!(" ({interval}, 95 % interval of the slope through {of})")
    };
    let named = |model: &str| link(model.to_owned(), growth::id(group, model));
    let meets = |line: &Line| {
        let ends = |line: &Line| line.slope_interval.unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
        ends(line).0 <= ends(&first).1
    };
    let ties: Vec<&str> =
        lines.iter().skip(1).filter(|(_, line)| meets(line)).map(|(model, _)| *model).collect();
    let mut others = listed("", ties.iter().map(|model| vec![named(model)]));
    if ties.is_empty() {
        others.push(plain("nobody ties with it"));
    }
    Some(Choice {
        need: LITTLE_MEMORY.into(),
        href: format!("table.{}", group.id),
        by: "Memory per connection, as a slope",
        first: vec![
            named(model),
            plain(format!(": {} KiB", growth::kib(first.slope))),
            plain(basis),
        ],
        others,
        tied: !ties.is_empty(),
    })
}

/// The shortest server among those that served everybody at a load: lines are counted, so there is no spread.
fn simplest(run: &Run, (group, connections): Load<'_, '_>) -> Option<Choice> {
    let mut lines: Vec<(u64, &Cell)> = group
        .at(connections)
        .filter(|cell| cell.unranked.is_none())
        .filter_map(|cell| Some((run.machine.contestant(cell.model)?.server_lines?, cell)))
        .collect();
    lines.sort_by_key(|(lines, _)| *lines);
    let (least, first) = lines.first()?;
    let mut others = vec![plain(format!(
        "of those that served all at {} ({})",
        tables::connections_in_words(connections),
        words::experiment(group.experiment)
    ))];
    for (place, (lines, cell)) in lines.iter().skip(1).take(2).enumerate() {
        others.push(plain(if place == 0 { "; next: " } else { ", " }));
        others.push(name(cell));
        others.push(plain(format!(" {}", format::count(*lines))));
    }
    Some(Choice {
        need: "Simple code".into(),
        href: String::new(),
        by: "Lines of the server's page",
        first: vec![name(first), plain(format!(": {} lines", format::count(*least)))],
        others,
        tied: false,
    })
}

impl Choice {
    /// With a capital, as a row's heading.
    pub(crate) fn heading(&self) -> String {
        sentence_case(&self.need)
    }
}
