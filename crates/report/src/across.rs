//! Figures of the verdict that come from other experiments of the same run: latency at half load, capacity, the wall.

use record::stats::median;

use crate::cells::{Cell, Group};
use crate::figure::{Figure, figure};
use crate::metric::P99;
use crate::{format, walls, words};

/// A service level that capacity is measured by.
const CAPACITY_P99_MS: f64 = 10.0;
/// The experiment that offers rates.
const RATE: &str = "rate";

/// What stands above a column.
pub(crate) struct Column {
    /// Last part of its figures' ids.
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) meaning: &'static str,
}

/// A column whose figures come from another experiment than the table's.
pub(crate) struct Across {
    pub(crate) column: Column,
    of: fn(&[Group<'_>], &Cell<'_>, &str) -> Option<Figure>,
}

/// Latency columns stand after latency, the wall after memory.
pub(crate) static AFTER_LATENCY: [Across; 2] = [
    Across {
        column: Column {
            id: "half",
            name: "p99 at half load",
            unit: "ms",
            meaning: "latency p99 in the open loop at half of the model's own ceiling",
        },
        of: half_load,
    },
    Across {
        column: Column {
            id: "capacity",
            name: "Capacity",
            unit: "requests/s",
            meaning: "the highest offered rate at which and below which latency p99 is 10 ms or less",
        },
        of: capacity,
    },
];
/// After memory.
pub(crate) static AFTER_MEMORY: [Across; 1] = [Across {
    column: Column {
        id: "wall",
        name: "Wall",
        unit: "connections",
        meaning: "the most connections at which the model was measured and served all",
    },
    of: wall,
}];

/// What the requests of the rate experiment are, where they are not those of the table: ` p99 at half load and ...`.
pub(crate) fn told(groups: &[Group<'_>], service: &str) -> Option<String> {
    let mut rates =
        groups.iter().filter(|group| group.experiment == RATE && group.service == service);
    let burnt = rates.find_map(Group::burnt)?;
    Some(format!(
        " In {} and {} {burnt}, at an offered rate.",
        AFTER_LATENCY[0].column.name, AFTER_LATENCY[1].column.name
    ))
}

impl Across {
    /// A model's figure, under the id of its row; `None` where it was not measured.
    pub(crate) fn figure(
        &self,
        groups: &[Group<'_>],
        cell: &Cell<'_>,
        service: &str,
    ) -> Option<Figure> {
        let figure = (self.of)(groups, cell, service)?;
        Some(Figure { id: format!("v.{}.{}", cell.id, self.column.id), ..figure })
    }
}

/// The cells of a model in the groups of an experiment, with the group's variant.
fn cells<'group, 'run>(
    groups: &'group [Group<'run>],
    experiment: &'group str,
    service: &'group str,
    model: &'group str,
) -> impl Iterator<Item = (&'run str, &'group Cell<'run>)> {
    groups
        .iter()
        .filter(move |group| group.experiment == experiment && group.service == service)
        .flat_map(move |group| group.of(model).map(|cell| (group.variant, cell)))
}

fn half_load(groups: &[Group<'_>], row: &Cell<'_>, service: &str) -> Option<Figure> {
    let (_, cell) = cells(groups, RATE, service, row.model).find(|(variant, _)| {
        variant.strip_prefix("rate-").is_some_and(|share| share.starts_with("50%"))
    })?;
    Some(figure(cell, &P99)).filter(|figure| !figure.value.is_empty())
}

/// The offered rate of a cell: the median over its trials, since a share of a ceiling may differ between repeats.
pub(crate) fn offered(cell: &Cell<'_>) -> Option<f64> {
    let rates: Vec<f64> = cell.behind.iter().filter_map(|trial| trial.pace.rate).collect();
    median(&rates).filter(|rate| *rate > 0.0)
}

/// From the lowest offered rate on, the last one before latency first passes the level.
fn capacity(groups: &[Group<'_>], row: &Cell<'_>, service: &str) -> Option<Figure> {
    let mut steps: Vec<(f64, f64)> = cells(groups, RATE, service, row.model)
        .filter(|(_, cell)| cell.unranked(&P99).is_none())
        .filter_map(|(_, cell)| Some((offered(cell)?, cell.spread(&P99)?.median)))
        .collect();
    steps.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (lowest, _) = *steps.first()?;
    let kept = steps.iter().take_while(|(_, p99)| *p99 <= CAPACITY_P99_MS).count();
    let (text, value) = match steps.get(kept.wrapping_sub(1)) {
        None => (format!("<{}", format::significant(lowest)), String::new()),
        Some((rate, _)) if kept == steps.len() => {
            (format!("≥{}", format::significant(*rate)), rate.to_string())
        }
        Some((rate, _)) => (format::significant(*rate), rate.to_string()),
    };
    Some(Figure {
        text,
        value,
        title: format!("of {} offered", format::plural(steps.len(), "rate")),
        ..Figure::default()
    })
}

fn wall(groups: &[Group<'_>], row: &Cell<'_>, service: &str) -> Option<Figure> {
    let steps: Vec<&Cell> =
        cells(groups, "wall", service, row.model).map(|(_, cell)| cell).collect();
    steps.first()?;
    let (held, stopped) = walls::reached(steps.clone());
    let title = stopped.map(|cell| {
        let detail = cell.finals.iter().find_map(|trial| trial.outcome_detail.clone());
        let at = format::count(cell.connections);
        let by = cell.finals.iter().find_map(|trial| record::wall::set_by(trial));
        let by = by.map(|by| format!("; set by the {}", by.name())).unwrap_or_default();
        format!("at {at} {}: {}{by}", words::outcome(cell.outcome), detail.unwrap_or_default())
    });
    Some(Figure {
        text: walls::text(steps.into_iter(), held, stopped),
        spread: stopped.map(|cell| words::outcome(cell.outcome).to_owned()).unwrap_or_default(),
        value: held.map(|cell| cell.connections.to_string()).unwrap_or_default(),
        title: title.unwrap_or_else(|| "nothing stopped it".into()),
        ..Figure::default()
    })
}
