//! Which model for me? Who needs least for each need, from this run alone.

use record::Run;
use record::stats::{Line, Spread};

use crate::answer::{Piece, cite, link, name, plain};
use crate::cells::{Cell, Group};
use crate::metric::{CPU, MEMORY, Metric, P99};
use crate::ranking::Ranking;
use crate::verdict::sentence_case;
use crate::{format, growth, tables, words};

/// One need.
pub(crate) struct Choice {
    pub(crate) need: String,
    /// What decides.
    pub(crate) by: &'static str,
    /// The first, with its figure; empty where it was not measured.
    pub(crate) first: Vec<Piece>,
    /// Who ties with the first, or why nothing can be said.
    pub(crate) others: Vec<Piece>,
    /// Whether the others tie with the first.
    pub(crate) tied: bool,
}

/// The need of those who have many connections and little memory.
const LITTLE_MEMORY: &str = "Little memory for each connection";
/// Busy loads that have a row of their own.
const BUSY_MAX: usize = 3;

/// The table's rows; nothing without a trial.
pub(crate) fn choices(run: &Run, groups: &[Group<'_>]) -> Vec<Choice> {
    if groups.is_empty() {
        return Vec::new();
    }
    let busy = find(groups, "sweep");
    let idle = find(groups, "idle-mass");
    let mut rows: Vec<Choice> = Vec::new();
    for &connections in busy.map(busiest).unwrap_or_default() {
        let need = format!("{}, all busy", tables::connections_in_words(connections));
        rows.push(choice(need, &CPU, busy.map(|group| (group, connections))));
    }
    let at = |group: Option<&'_ Group<'_>>| group.and_then(Group::common_connections);
    let need = at(idle).map_or_else(
        || "Many connections, few of them active".into(),
        |connections| format!("{} open, few active", tables::connections_in_words(connections)),
    );
    rows.push(choice(need, &CPU, idle.and_then(|group| Some((group, at(idle)?)))));
    let blocking = find(groups, "blocking");
    rows.push(choice(
        "Handlers that block".into(),
        &P99,
        blocking.and_then(|group| Some((group, at(blocking)?))),
    ));
    let heavy = idle.or(busy);
    let weighed = find(groups, "memory").and_then(lightest);
    rows.push(weighed.unwrap_or_else(|| {
        let load = heavy.and_then(|group| Some((group, at(heavy)?)));
        choice(LITTLE_MEMORY.into(), &MEMORY, load)
    }));
    rows.push(simplest(run, heavy.and_then(|group| Some((group, at(heavy)?)))));
    rows
}

/// The group of an experiment: as it is by default, or offloaded as an expert would have it.
fn find<'group, 'run>(
    groups: &'group [Group<'run>],
    experiment: &str,
) -> Option<&'group Group<'run>> {
    let of = |variant: &str| {
        groups
            .iter()
            .find(|group| group.experiment == experiment && group.variant.starts_with(variant))
    };
    of("default").or_else(|| of("offload")).or_else(|| of(""))
}

/// The largest counts of a sweep.
fn busiest<'group>(group: &'group Group<'_>) -> &'group [u64] {
    &group.connections[group.connections.len().saturating_sub(BUSY_MAX)..]
}

fn choice(need: String, metric: &'static Metric, load: Option<(&Group<'_>, u64)>) -> Choice {
    let row =
        |first, others| Choice { need: need.clone(), by: metric.name, first, others, tied: false };
    let Some((group, connections)) = load else { return row(Vec::new(), Vec::new()) };
    let Some(ranking) = Ranking::new(metric, group, connections) else {
        return row(Vec::new(), Vec::new());
    };
    if !ranking.held_back.is_empty() {
        let why = format!(
            "the generator was the limit for {}, so nobody leads",
            format::plural(ranking.held_back.len(), "model")
        );
        return row(vec![plain("open")], vec![plain(why)]);
    }
    let Some((cell, spread)) = ranking.ranked.first() else {
        return row(vec![plain("nobody")], vec![plain("no cell here is ranked")]);
    };
    let verdict = group.common_connections() == Some(connections);
    let tied = ranking.leaders().len() > 1;
    Choice { tied, ..row(cited(cell, metric, spread, verdict), others(&ranking, metric, verdict)) }
}

/// The first and its figure, linked to the verdict table or, of a smaller load, to the full one.
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

fn others(ranking: &Ranking<'_, '_>, metric: &Metric, verdict: bool) -> Vec<Piece> {
    if !ranking.settles() {
        let why = ranking.unsettled();
        let why = why.map(|why| format!("a difference may be chance: {why}"));
        return vec![plain(why.unwrap_or_else(|| "nothing to compare with".into()))];
    }
    let mut pieces = Vec::new();
    for (cell, _) in ranking.leaders().into_iter().skip(1) {
        if !pieces.is_empty() {
            pieces.push(plain(", "));
        }
        let href = if verdict { format!("v.{}.{}", cell.id, metric.id) } else { cell.id.clone() };
        pieces.push(link(cell.model.to_owned(), href));
    }
    if pieces.is_empty() {
        pieces.push(plain("nobody ties with it"));
    }
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
    let mut others = Vec::new();
    for model in &ties {
        others.extend((!others.is_empty()).then(|| plain(", ")));
        others.push(named(model));
    }
    if ties.is_empty() {
        others.push(plain("nobody ties with it"));
    }
    Some(Choice {
        need: LITTLE_MEMORY.into(),
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
fn simplest(run: &Run, load: Option<(&Group<'_>, u64)>) -> Choice {
    let row = |first, others| Choice {
        need: "Simple code".into(),
        by: "Lines of the server's page",
        first,
        others,
        tied: false,
    };
    let Some((group, connections)) = load else { return row(Vec::new(), Vec::new()) };
    let mut lines: Vec<(u64, &Cell)> = group
        .at(connections)
        .filter(|cell| cell.unranked.is_none())
        .filter_map(|cell| Some((run.machine.contestant(cell.model)?.server_lines?, cell)))
        .collect();
    lines.sort_by_key(|(lines, _)| *lines);
    let Some((least, first)) = lines.first() else { return row(Vec::new(), Vec::new()) };
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
    row(vec![name(first), plain(format!(": {} lines", format::count(*least)))], others)
}

impl Choice {
    /// With a capital, as a row's heading.
    pub(crate) fn heading(&self) -> String {
        sentence_case(&self.need)
    }
}
