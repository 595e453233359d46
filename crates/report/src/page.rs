//! The page: parts in reading order, one for each run, and the template that holds them.

use std::collections::BTreeMap;

use askama::Template;
use record::Run;

use crate::charts::script_safe;
use crate::extras::{self, ExtraTable, Extras, Mechanisms};
use crate::family::{self, FAMILIES, Family};
use crate::format;
use crate::packed::{Plotly, pack_data};
use crate::part::Part;
use crate::percentiles::PERCENTS;

/// The whole page.
#[derive(Template)]
#[template(path = "page.html")]
pub(crate) struct Page<'run> {
    title: String,
    parts: Vec<Part<'run>>,
    /// Of benches, which belong to no run.
    mechanisms: Option<Mechanisms>,
    extra_tables: [ExtraTable; 2],
    families: &'static [Family],
    marks: [&'static str; 6],
    /// Percentile columns.
    percents: Vec<String>,
    dark: (&'static str, &'static str),
    light: (&'static str, &'static str),
    css: &'static str,
    js: &'static str,
    plotly: &'static Plotly,
    /// What each chart is drawn from, by its id: gzip in base64.
    charts: String,
    /// Colours on light ground to those on dark ground, as JSON.
    colours: String,
}

impl<'run> Page<'run> {
    /// Every run after the other, each against the baseline: trials of different runs are never mixed.
    pub(crate) fn new(
        runs: &'run [Run],
        baseline: Option<&Run>,
        extras: &Extras,
        plotly: &'static Plotly,
    ) -> Self {
        let part = |(place, run): (usize, &'run Run)| {
            let prefix = if place == 0 { String::new() } else { format!("run{}.", place + 1) };
            Part::new(run, &runs[..place], baseline, prefix)
        };
        let parts: Vec<Part> = runs.iter().enumerate().map(part).collect();
        let colours: BTreeMap<_, _> = family::dark_for_light().collect();
        let drawn: BTreeMap<&str, &str> = parts
            .iter()
            .flat_map(Part::charts)
            .map(|chart| (chart.id.as_str(), chart.json.as_str()))
            .collect();
        Self {
            title: title(runs),
            charts: pack_data(&serde_json::to_string(&drawn).unwrap_or_default()),
            parts,
            mechanisms: extras.benches.as_ref().map(extras::mechanisms),
            extra_tables: extras::tables(extras),
            families: &FAMILIES,
            marks: family::marks(),
            percents: PERCENTS.iter().map(|percent| format!("p{percent}")).collect(),
            light: (family::PAPER.0, family::INK.0),
            dark: (family::PAPER.1, family::INK.1),
            css: include_str!("../templates/page.css"),
            js: concat!(
                include_str!("../templates/page.js"),
                include_str!("../templates/table.js"),
                include_str!("../templates/chart.js")
            ),
            plotly,
            colours: script_safe(&serde_json::to_string(&colours).unwrap_or_default()),
        }
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
