//! A section for each experiment that the record holds, known or not, so that none vanishes from the page.

use record::Run;
use record::stats::float;

use crate::answer::Answer;
use crate::cells::{Group, Kind};
use crate::charts::{self, Chart};
use crate::checks::{self, Check};
use crate::disturbed::{self, SideBySide};
use crate::format::{self, slug};
use crate::growth::{self, Growth};
use crate::metric::{CLIENT_MEMORY, CPU, CPU_EACH, Metric, P99, PSS};
use crate::multiples::{self, Line, Multiples};
use crate::percentiles::{PERCENTS, Percentiles, percentiles};
use crate::stability::{self, Stability};
use crate::tables::{self, Table};
use crate::verdict::{self, Label, Verdict};
use crate::walls::{self, Walls};
use crate::{across, guides, words};

/// One experiment.
pub(crate) struct Experiment {
    pub(crate) id: String,
    pub(crate) title: String,
    /// How to read it.
    pub(crate) reading: &'static str,
    /// Against the offered rate, for each service.
    pub(crate) offered: Vec<Charted>,
    /// The same, model by model.
    pub(crate) offered_apart: Vec<Multiples>,
    pub(crate) growth: Vec<Growth>,
    /// Of the experiment that grows until something stops each model.
    pub(crate) walls: Vec<Walls>,
    pub(crate) disturbed: Vec<SideBySide>,
    /// Of the experiment that tests the method.
    pub(crate) checks: Vec<Check>,
    pub(crate) groups: Vec<Section>,
}

impl Experiment {
    /// All of its charts.
    pub(crate) fn charts(&self) -> impl Iterator<Item = &Chart> {
        let offered = self.offered.iter().flat_map(|charted| &charted.charts);
        let groups = self.groups.iter().flat_map(|group| {
            group
                .charted
                .charts
                .iter()
                .chain(group.tails.iter().filter_map(|tail| tail.chart.as_ref()))
        });
        offered.chain(groups)
    }
}

/// Charts and the buttons above them.
pub(crate) struct Charted {
    pub(crate) id: String,
    pub(crate) legend: Vec<Label>,
    pub(crate) charts: Vec<Chart>,
}

/// One group of an experiment.
pub(crate) struct Section {
    pub(crate) title: String,
    pub(crate) load: String,
    /// `None` where it stands at the top of the page.
    pub(crate) answer: Option<Answer>,
    /// `None` where it stands at the top of the page.
    pub(crate) verdict: Option<Verdict>,
    /// Whether the verdict is one of many at rates that the charts above have together.
    pub(crate) folded: bool,
    pub(crate) charted: Charted,
    pub(crate) multiples: Vec<Multiples>,
    pub(crate) stability: Option<Stability>,
    pub(crate) table: Table,
    pub(crate) tails: Vec<Tail>,
}

/// Curves of latency by percentile, drawn and in a table.
pub(crate) struct Tail {
    pub(crate) percentiles: Percentiles,
    pub(crate) legend: Vec<Label>,
    pub(crate) chart: Option<Chart>,
    pub(crate) multiples: Option<Multiples>,
}

/// What an experiment that nobody wrote a guide for says of itself.
const NO_GUIDE: &str = "No guide was written for this experiment. Its load stands above each table; a dash means not measured, and what \
                        is struck out is not ranked.";

/// A group's verdict and its answer, unless they stand elsewhere.
type Told = (Option<Verdict>, Option<Answer>);

/// All experiments of a run, in the order of its groups.
pub(crate) fn experiments(
    run: &Run,
    groups: &[Group<'_>],
    told: Vec<Told>,
    prefix: &str,
    trouble: &mut Vec<(String, String)>,
) -> Vec<Experiment> {
    let mut experiments: Vec<Experiment> = Vec::new();
    let mut last = None;
    for (group, told) in groups.iter().zip(told) {
        if last != Some(group.experiment) {
            experiments.push(experiment(run, groups, group.experiment, prefix));
            last = Some(group.experiment);
        }
        if let Some(experiment) = experiments.last_mut() {
            experiment.groups.push(section(run, group, told, prefix, trouble));
        }
    }
    experiments
}

fn experiment(run: &Run, groups: &[Group<'_>], name: &str, prefix: &str) -> Experiment {
    let own: Vec<&Group> = groups.iter().filter(|group| group.experiment == name).collect();
    let mut services: Vec<&str> = own.iter().map(|group| group.service).collect();
    services.dedup();
    // Where others ask beside, all variants have the same rate.
    let disturbed = own.iter().any(|group| group.kind() == Kind::Disturbed);
    let paced = services.into_iter().filter(|_| !disturbed).map(|service| {
        let of = own.iter().copied().filter(|group| group.service == service && group.is_paced());
        (service, of.collect())
    });
    let paced: Vec<(&str, Vec<&Group>)> = paced.collect();
    let offered = paced.iter().map(|(service, groups)| Charted {
        id: format!("{prefix}offered.{}.{}", slug(name), slug(service)),
        legend: groups.first().map(|group| legend(run, group, prefix)).unwrap_or_default(),
        charts: charts::offered(groups, &run.machine),
    });
    let growth = own.iter().filter(|_| name == "memory");
    Experiment {
        id: format!("{prefix}x.{}", slug(name)),
        title: verdict::sentence_case(words::experiment(name)),
        reading: guides::guide(name).map_or(NO_GUIDE, |guide| guide.reading),
        offered: offered.filter(|charted| !charted.charts.is_empty()).collect(),
        offered_apart: paced
            .iter()
            .filter_map(|(_, groups)| against_offered(run, groups, prefix))
            .collect(),
        growth: growth.filter_map(|group| growth::growth(group, &run.machine, prefix)).collect(),
        walls: own
            .iter()
            .filter(|_| name == record::wall::WALL)
            .map(|group| walls::walls(group, &run.machine, prefix))
            .collect(),
        disturbed: disturbed::side_by_side(&own, &run.machine, prefix),
        checks: if name == "calibration" {
            checks::checks(&own, &run.machine, prefix)
        } else {
            Vec::new()
        },
        groups: Vec::new(),
    }
}

fn legend(run: &Run, group: &Group<'_>, prefix: &str) -> Vec<Label> {
    group.models.iter().map(|model| verdict::label(model, &run.machine, prefix)).collect()
}

fn section(
    run: &Run,
    group: &Group<'_>,
    (verdict, answer): Told,
    prefix: &str,
    trouble: &mut Vec<(String, String)>,
) -> Section {
    let mut charts = if group.is_paced() && group.connections.len() == 1 {
        // They stand in the charts against the offered rate.
        Vec::new()
    } else {
        charts::charts(group, &run.machine)
    };
    charts.extend(charts::rate_and_latency(group, &run.machine));
    let tails = percentiles(group, &run.machine, prefix, trouble);
    Section {
        title: tables::title(group),
        load: group.load(),
        answer,
        verdict,
        folded: group.is_paced() && group.variant != "default",
        charted: Charted {
            id: format!("charts.{}", group.id),
            legend: legend(run, group, prefix),
            charts,
        },
        multiples: drawn_apart(group)
            .into_iter()
            .filter_map(|metric| against_connections(run, group, metric, prefix))
            .collect(),
        stability: stability::stability(group, &run.machine, prefix),
        table: tables::table(group, &run.machine, prefix),
        tails: tails.into_iter().map(|percentiles| tail(run, percentiles, prefix)).collect(),
    }
}

fn tail(run: &Run, percentiles: Percentiles, prefix: &str) -> Tail {
    let label = |model: &str| verdict::label(model, &run.machine, prefix);
    Tail {
        chart: charts::percentile_chart(&percentiles, &run.machine),
        legend: percentiles.curves.iter().map(|curve| label(&curve.model)).collect(),
        multiples: by_percentile(&percentiles, &label),
        percentiles,
    }
}

/// What is drawn model by model.
fn drawn_apart(group: &Group<'_>) -> [&'static Metric; 2] {
    match (group.kind(), group.experiment) {
        (Kind::Fetch, _) => [&CPU_EACH, &CLIENT_MEMORY],
        (_, "memory" | "wall") => [&PSS, &CPU],
        _ => [&CPU, &P99],
    }
}

/// Latency against the offered rate.
fn against_offered(run: &Run, groups: &[&Group<'_>], prefix: &str) -> Option<Multiples> {
    let first = groups.first()?;
    let line = |model: &&str| {
        let cells = groups.iter().flat_map(|group| group.of(model));
        let mut points: Vec<(f64, f64)> = cells
            .filter(|cell| cell.unranked(&P99).is_none())
            .filter_map(|cell| Some((across::offered(cell)?, cell.spread(&P99)?.median)))
            .filter(|(_, y)| *y > 0.0)
            .collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let last = points.last().map_or_else(
            || "not ranked".into(),
            |(rate, value)| format!("{} at {}", P99.with_unit(*value), format::significant(*rate)),
        );
        Line { label: verdict::label(model, &run.machine, prefix), points, last }
    };
    multiples::multiples(
        format!("multiples.offered.{}", first.id),
        format!("{} against offered requests/s", P99.name),
        "offered requests/s",
        P99.unit,
        first.models.iter().map(line).collect(),
    )
}

/// A figure against connections.
fn against_connections(
    run: &Run,
    group: &Group<'_>,
    metric: &Metric,
    prefix: &str,
) -> Option<Multiples> {
    let line = |model: &&str| {
        let points: Vec<(f64, f64)> = group
            .of(model)
            .filter(|cell| cell.unranked.is_none())
            .filter_map(|cell| Some((float(cell.connections), cell.spread(metric)?.median)))
            .filter(|(x, y)| *x > 0.0 && *y > 0.0)
            .collect();
        let last = points.last().map_or_else(
            || "not ranked".into(),
            |(connections, value)| {
                format!("{} at {}", metric.with_unit(*value), format::counted(*connections))
            },
        );
        Line { label: verdict::label(model, &run.machine, prefix), points, last }
    };
    multiples::multiples(
        format!("multiples.{}.{}", group.id, metric.id),
        metric.name.to_owned(),
        group.counts(),
        if metric.unit.is_empty() { metric.name } else { metric.unit },
        group.models.iter().map(line).collect(),
    )
}

/// Latency by percentile.
fn by_percentile(percentiles: &Percentiles, label: &dyn Fn(&str) -> Label) -> Option<Multiples> {
    let lines = percentiles.curves.iter().map(|curve| {
        let points = PERCENTS
            .iter()
            .zip(&curve.at)
            .filter_map(|(percent, ms)| Some((100.0 / (100.0 - percent), (*ms)?)))
            .filter(|(_, ms)| *ms > 0.0);
        Line {
            label: label(&curve.model),
            points: points.collect(),
            last: if curve.taint.is_empty() {
                format!("slowest {} ms", curve.max_text())
            } else {
                curve.why().to_owned()
            },
        }
    });
    multiples::multiples(
        format!("multiples.{}", percentiles.id),
        "Latency by percentile".into(),
        "one answer in so many is slower",
        "ms",
        lines.collect(),
    )
}
