//! Two sides and what they have in common: runs, or models or variants of one run.

use std::collections::{BTreeMap, BTreeSet};

use super::Place;
use super::difference::differences;
use super::figures::{Figures, Found};
use super::floor::floor_among;
use super::judge::judge;
use super::memory::{self, MEMORY};
use super::metric::{METRICS, Metric};
use super::rows::{Comparison, Row};
use crate::machine::Machine;
use crate::run::{Cell, Run};
use crate::stats::Line;
use crate::trial::twin_base;

/// What is compared with what; ratios are the second over the first.
#[derive(Clone, Copy, Debug)]
pub enum Sides<'run> {
    /// Two runs, trials unpaired.
    Runs(&'run Run, &'run Run),
    /// Two models of one run, paired by repeat.
    Models(&'run Run, &'run str, &'run str),
    /// Each model under two variants of one run, paired by repeat; a twin's variant gives an A/A comparison.
    Variants(&'run Run, &'run str, &'run str),
}

/// Compares all cells that both sides hold, by every figure.
#[must_use]
pub fn compare(sides: Sides<'_>) -> Comparison {
    let (first, second) = sides.cells();
    let pairs: Vec<(&Cell<'_>, &Cell<'_>)> = first
        .iter()
        .filter_map(|a| Some((a, second.iter().find(|b| sides.key(b) == sides.key(a))?)))
        .collect();
    let mut comparison = sides.headed(&pairs);
    let runs = match sides {
        Sides::Runs(first, second) => vec![first, second],
        Sides::Models(run, ..) | Sides::Variants(run, ..) => vec![run],
    };
    let runs = runs.into_iter().map(|run| (run.cells(), &run.machine)).collect();
    let mut floors = Floors { runs, known: BTreeMap::new(), unknown: BTreeSet::new() };
    for metric in &METRICS {
        comparison.rows.extend(by_metric(sides, &pairs, metric, &mut floors));
    }
    comparison.rows.extend(by_slope(sides, &pairs));
    let alone = |cells: &[Cell<'_>], others: &[Cell<'_>]| -> Vec<String> {
        let lonely = |cell: &&Cell<'_>| !others.iter().any(|b| sides.key(b) == sides.key(cell));
        cells.iter().filter(lonely).map(label).collect()
    };
    comparison.only_first = alone(&first, &second);
    comparison.only_second = alone(&second, &first);
    comparison.floors_unknown = floors.unknown;
    comparison
}

impl<'run> Sides<'run> {
    /// The cells of each side. Twins stand beside their first entry and nowhere else.
    fn cells(self) -> (Vec<Cell<'run>>, Vec<Cell<'run>>) {
        let of = |run: &'run Run, keep: &dyn Fn(&Cell<'run>) -> bool| {
            run.cells().into_iter().filter(|cell| keep(cell)).collect::<Vec<_>>()
        };
        let own = |cell: &Cell<'_>| twin_base(cell.variant).is_none();
        match self {
            Self::Runs(first, second) => (of(first, &own), of(second, &own)),
            Self::Models(run, first, second) => (
                of(run, &|cell| own(cell) && cell.model == first),
                of(run, &|cell| own(cell) && cell.model == second),
            ),
            Self::Variants(run, first, second) => {
                (of(run, &|cell| cell.variant == first), of(run, &|cell| cell.variant == second))
            }
        }
    }

    /// What two cells must have in common to be compared.
    fn key<'cell>(
        self,
        cell: &'cell Cell<'_>,
    ) -> (&'cell str, &'cell str, u64, &'cell str, &'cell str) {
        let (variant, model) = match self {
            Self::Runs(..) => (cell.variant, cell.model),
            Self::Models(..) => (cell.variant, ""),
            Self::Variants(..) => ("", cell.model),
        };
        (cell.experiment, cell.service, cell.connections, variant, model)
    }

    fn headed(self, pairs: &[(&Cell<'_>, &Cell<'_>)]) -> Comparison {
        let (first, second) = match self {
            Self::Runs(first, second) => (first.name(), second.name()),
            Self::Models(_, first, second) | Self::Variants(_, first, second) => {
                (first.to_owned(), second.to_owned())
            }
        };
        let (differing, changed) = match self {
            Self::Runs(first, second) => differences(first, second, pairs),
            // Within a run all but what is compared is the same.
            Self::Models(..) | Self::Variants(..) => (Vec::new(), Vec::new()),
        };
        Comparison { first, second, differing, changed, ..Comparison::default() }
    }

    /// The row of two cells, named after what they have in common or after both.
    fn row(self, first: &Cell<'_>, second: &Cell<'_>) -> Row {
        let mut row = Row::new(&Place::of(first), first.model.to_owned());
        match self {
            Self::Runs(..) => {}
            Self::Models(_, first, second) => row.model = format!("{second} / {first}"),
            Self::Variants(..) => row.variant = format!("{} / {}", second.variant, first.variant),
        }
        row
    }

    fn figures(self, cell: &Cell<'_>, metric: &Metric) -> Result<Figures, String> {
        match self {
            Self::Runs(..) => Figures::across_runs(cell, metric),
            Self::Models(..) | Self::Variants(..) => Figures::of(cell, metric),
        }
    }

    fn found(self, first: &Figures, second: &Figures, metric: &Metric) -> Found {
        match self {
            Self::Runs(..) => first.unpaired(second, metric),
            Self::Models(..) | Self::Variants(..) => first.paired(second, metric),
        }
    }
}

fn by_metric(
    sides: Sides<'_>,
    pairs: &[(&Cell<'_>, &Cell<'_>)],
    metric: &'static Metric,
    floors: &mut Floors<'_>,
) -> Vec<Row> {
    let (mut rows, mut found) = (Vec::new(), Vec::new());
    for (a, b) in pairs {
        let figures = (sides.figures(a, metric), sides.figures(b, metric));
        let median = |side: &Result<Figures, String>| side.as_ref().ok().and_then(Figures::median);
        let mut row = sides.row(a, b);
        (row.metric, row.name, row.unit) = (metric.id, metric.name, metric.unit);
        (row.first, row.second) = (median(&figures.0), median(&figures.1));
        let one = match &figures {
            (Ok(first), Ok(second)) => sides.found(first, second, metric),
            (Err(why), Err(other)) if why == other => Found::Nothing(why.clone()),
            (Err(why), _) => Found::Nothing(format!("first: {why}")),
            (_, Err(why)) => Found::Nothing(format!("second: {why}")),
        };
        if let Found::Ratio(_) = one {
            row.floor = floors.of(&Place::of(a), metric);
        }
        found.push((one, row.floor.unwrap_or(1.0)));
        rows.push(row);
    }
    for (row, judgement) in rows.iter_mut().zip(judge(found)) {
        row.take(judgement, metric.better);
    }
    rows
}

/// Memory per connection, where several numbers of connections were measured.
fn by_slope(sides: Sides<'_>, pairs: &[(&Cell<'_>, &Cell<'_>)]) -> Vec<Row> {
    let series = |cell: &Cell<'_>| {
        let (experiment, service, _, variant, model) = sides.key(cell);
        [experiment, service, variant, model].map(str::to_owned)
    };
    let mut by_series = BTreeMap::<_, Vec<_>>::new();
    for (a, b) in pairs {
        by_series.entry(series(a)).or_default().push((*a, *b));
    }
    let (mut rows, mut found) = (Vec::new(), Vec::new());
    for cells in by_series.into_values().filter(|cells| cells.len() > 1) {
        let (first, second): (Vec<_>, Vec<_>) = cells.iter().copied().unzip();
        let lines = (memory::slope(&first), memory::slope(&second));
        let slope = |side: &Result<Line, String>| side.as_ref().ok().map(|line| line.slope);
        let mut row = sides.row(first[0], second[0]);
        (row.metric, row.name, row.unit) = (MEMORY.id, MEMORY.name, MEMORY.unit);
        (row.connections, row.first, row.second) = (None, slope(&lines.0), slope(&lines.1));
        let one = match &lines {
            (Ok(first), Ok(second)) => memory::found(first, second),
            (Err(why), _) | (_, Err(why)) => Found::Nothing(why.clone()),
        };
        found.push((one, 1.0));
        rows.push(row);
    }
    for (row, judgement) in rows.iter_mut().zip(judge(found)) {
        row.take(judgement, MEMORY.better);
    }
    rows
}

/// The floors of a comparison, each worked out once.
struct Floors<'run> {
    runs: Vec<(Vec<Cell<'run>>, &'run Machine)>,
    known: BTreeMap<(Place, &'static str), Option<f64>>,
    unknown: BTreeSet<String>,
}

impl Floors<'_> {
    /// The floor of a figure at a place: of two runs the higher, or the one that is known.
    fn of(&mut self, place: &Place, metric: &'static Metric) -> Option<f64> {
        if let Some(known) = self.known.get(&(place.clone(), metric.id)) {
            return *known;
        }
        let mut highest: Option<f64> = None;
        for (cells, machine) in &self.runs {
            match floor_among(cells, machine, place, metric) {
                Ok(floor) => highest = Some(highest.unwrap_or(1.0).max(floor.ratio)),
                Err(why) => {
                    self.unknown.insert(why);
                }
            }
        }
        self.known.insert((place.clone(), metric.id), highest);
        highest
    }
}

/// What a cell is called in a list.
fn label(cell: &Cell<'_>) -> String {
    let connections = cell.connections.to_string();
    [cell.experiment, cell.service, &connections, cell.variant, cell.model].join(" ")
}
