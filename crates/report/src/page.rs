//! The page: parts in reading order, one for each run, and the template that holds them.

use askama::Template;
use record::Run;

use crate::answer::{self, Answer};
use crate::charts::{self, Chart, script_safe};
use crate::conformance::{self, Conformance};
use crate::doubts::{self, Doubts};
use crate::environment::{self, Environment};
use crate::family::{self, FAMILIES, Family};
use crate::percentiles::{PERCENTS, Percentiles, percentiles};
use crate::sources::{self, Source};
use crate::tables::{self, Table};
use crate::verdict::{self, Label, Verdict};
use crate::{cells, format};

/// The whole page.
#[derive(Template)]
#[template(path = "page.html")]
pub(crate) struct Page<'run> {
    title: String,
    parts: Vec<Part<'run>>,
    families: &'static [Family],
    /// Percentile columns.
    percents: Vec<String>,
    dark: (&'static str, &'static str),
    light: (&'static str, &'static str),
    css: &'static str,
    js: &'static str,
    plotly: &'run str,
    /// Colours on light ground to those on dark ground, as JSON.
    colours: String,
}

/// One run.
struct Part<'run> {
    prefix: String,
    name: String,
    asked: Vec<(&'static str, Vec<String>)>,
    ground: String,
    answers: Vec<Answer>,
    verdicts: Vec<Verdict>,
    groups: Vec<Charted>,
    tables: Vec<Table>,
    tails: Vec<Tail>,
    conformance: Option<Conformance<'run>>,
    sources: Vec<Source<'run>>,
    environment: Environment<'run>,
    doubts: Doubts,
}

/// The charts of a group.
struct Charted {
    id: String,
    title: String,
    load: String,
    legend: Vec<Label>,
    charts: Vec<Chart>,
}

/// Curves of latency by percentile, drawn and in a table.
struct Tail {
    percentiles: Percentiles,
    legend: Vec<Label>,
    chart: Option<Chart>,
    /// Shown at once; the others on request.
    open: bool,
}

impl<'run> Page<'run> {
    /// Every run after the other: trials of different runs are never mixed.
    pub(crate) fn new(runs: &'run [Run], plotly: &'run str) -> Self {
        let parts: Vec<Part> = runs
            .iter()
            .zip(1..)
            .map(|(run, number)| {
                Part::new(run, if number == 1 { String::new() } else { format!("run{number}.") })
            })
            .collect();
        let colours: std::collections::BTreeMap<_, _> = family::dark_for_light().collect();
        Self {
            title: title(runs),
            parts,
            families: &FAMILIES,
            percents: PERCENTS.iter().map(|percent| format!("p{percent}")).collect(),
            light: (family::PAPER.0, family::INK.0),
            dark: (family::PAPER.1, family::INK.1),
            css: include_str!("../templates/page.css"),
            js: include_str!("../templates/page.js"),
            plotly,
            colours: script_safe(&serde_json::to_string(&colours).unwrap_or_default()),
        }
    }
}

impl<'run> Part<'run> {
    fn new(run: &'run Run, prefix: String) -> Self {
        let groups = cells::groups(run, &prefix);
        let cells = groups.iter().map(|group| group.cells.len()).sum();
        let verdicts: Vec<Verdict> =
            groups.iter().filter_map(|group| verdict::verdict(group, run, &prefix)).collect();
        let answers = groups
            .iter()
            .zip(&verdicts)
            .filter_map(|(group, verdict)| answer::answer(group, &verdict.id));
        let mut trouble = Vec::new();
        let mut tails = Vec::new();
        for group in &groups {
            let all = percentiles(group, &run.machine, &prefix, &mut trouble);
            tails.extend(all.into_iter().enumerate().map(|(place, percentiles)| {
                Tail {
                    chart: charts::percentile_chart(&percentiles, &run.machine),
                    legend: percentiles
                        .curves
                        .iter()
                        .map(|curve| verdict::label(&curve.model, &run.machine, &prefix))
                        .collect(),
                    percentiles,
                    open: place == 0,
                }
            }));
        }
        Self {
            name: run.name(),
            asked: asked(run, &groups),
            ground: answer::ground(run, &groups),
            answers: answers.collect(),
            groups: groups.iter().map(|group| charted(group, run, &prefix)).collect(),
            tables: groups
                .iter()
                .map(|group| tables::table(group, &run.machine, &prefix, cells))
                .collect(),
            tails,
            conformance: conformance::conformance(run, &prefix),
            sources: sources::sources(run, &groups, &prefix),
            environment: environment::environment(run),
            doubts: doubts::doubts(run, &groups, &trouble, &prefix),
            verdicts,
            prefix,
        }
    }
}

fn charted(group: &cells::Group<'_>, run: &Run, prefix: &str) -> Charted {
    Charted {
        id: format!("charts.{}", group.id),
        title: tables::title(group),
        load: group.load(),
        legend: group
            .models
            .iter()
            .map(|model| verdict::label(model, &run.machine, prefix))
            .collect(),
        charts: charts::charts(group, &run.machine),
    }
}

fn title(runs: &[Run]) -> String {
    let mut models: Vec<&str> =
        runs.iter().flat_map(|run| &run.trials).map(|trial| trial.model.as_str()).collect();
    models.sort_unstable();
    models.dedup();
    let most = runs.iter().flat_map(|run| &run.trials).map(|trial| trial.connections).max();
    match most {
        None => "c10k: nothing was measured".into(),
        Some(most) => {
            let most = usize::try_from(most).unwrap_or(usize::MAX);
            format!(
                "c10k: {}, up to {}",
                format::plural(models.len(), "model"),
                format::plural(most, "connection")
            )
        }
    }
}

/// What was asked, from what was done.
fn asked(run: &Run, groups: &[cells::Group<'_>]) -> Vec<(&'static str, Vec<String>)> {
    let distinct = |of: &dyn Fn(&cells::Group) -> Vec<String>| {
        let mut all: Vec<String> = Vec::new();
        for item in groups.iter().flat_map(of) {
            if !all.contains(&item) {
                all.push(item);
            }
        }
        all
    };
    let mut connections: Vec<u64> =
        groups.iter().flat_map(|group| group.connections.clone()).collect();
    connections.sort_unstable();
    connections.dedup();
    let connections: Vec<String> = connections.into_iter().map(format::count).collect();
    let windows: Vec<f64> =
        run.trials.iter().filter_map(|trial| trial.duration_s.filter(|s| s.is_finite())).collect();
    let window =
        record::stats::median(&windows).map(|s| format!("{} s (median)", format::significant(s)));
    let models = distinct(&|group| group.models.iter().map(ToString::to_string).collect());
    let loads = distinct(&|group| {
        vec![format!(
            "{}: {}, {}",
            tables::title(group),
            group.load(),
            format::plural(group.cells.len(), "cell")
        )]
    });
    let rows = [
        ("Models", vec![format::list(&models)]),
        ("Loads", loads),
        ("Connections", vec![format::list(&connections)]),
        ("Window", vec![window.unwrap_or_default()]),
        ("Profile", vec![run.machine.profile.clone()]),
        ("Made", vec![run.machine.started_at.clone()]),
        ("On", vec![run.machine.host_label.clone()]),
    ];
    rows.into_iter().filter(|(_, lines)| lines.iter().any(|line| !line.is_empty())).collect()
}
