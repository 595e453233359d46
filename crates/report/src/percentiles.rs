//! Latency by percentile, from the stored histograms: where the tail begins, and how far it reaches.

use hdrhistogram::Histogram;
use record::Machine;
use record::stats::{decode, float, merge};

use crate::cells::{Cell, Group};
use crate::verdict::{Label, label};
use crate::{format, tables};

/// What is read from a histogram, in percent; `max` stands beside them.
pub(crate) const PERCENTS: [f64; 9] = [25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99, 99.999];

/// The curves of one load.
pub(crate) struct Percentiles {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) curves: Vec<Curve>,
}

/// One cell's merged histogram.
pub(crate) struct Curve {
    pub(crate) model: String,
    pub(crate) label: Label,
    /// Milliseconds at each of [`PERCENTS`]; `None` where too few answers were measured to tell.
    pub(crate) at: Vec<Option<f64>>,
    pub(crate) max: f64,
    pub(crate) answers: u64,
    pub(crate) trials: usize,
    /// Why the curve is not to be compared; empty where it may be.
    pub(crate) taint: String,
}

impl Curve {
    /// `1.24`, or a dash.
    pub(crate) fn texts(&self) -> Vec<String> {
        let text = |ms: &Option<f64>| ms.map_or_else(|| "–".into(), format::significant);
        self.at.iter().map(text).collect()
    }

    /// The taint for a place that says what it is: without `not ranked`.
    pub(crate) fn why(&self) -> &str {
        self.taint.strip_prefix("not ranked: ").unwrap_or(&self.taint)
    }

    pub(crate) fn max_text(&self) -> String {
        format::significant(self.max)
    }

    pub(crate) fn answers_text(&self) -> String {
        format::count(self.answers)
    }
}

/// The curves of every load of a group; unreadable histograms are told to `trouble`.
pub(crate) fn percentiles(
    group: &Group<'_>,
    machine: &Machine,
    prefix: &str,
    trouble: &mut Vec<(String, String)>,
) -> Vec<Percentiles> {
    let mut all = Vec::new();
    // What is asked there is not how they serve: the few that send keep windows from being empty.
    if ["memory", "wall"].contains(&group.experiment) {
        return all;
    }
    for &connections in group.connections.iter().rev() {
        let curves: Vec<Curve> = group
            .at(connections)
            .filter_map(|cell| curve(cell, machine, prefix, trouble))
            .collect();
        if !curves.is_empty() {
            all.push(Percentiles {
                id: format!("percentiles.{}.{connections}", group.id),
                title: format!("{}, {}", tables::title(group), group.amount(connections)),
                curves,
            });
        }
    }
    all
}

fn curve(
    cell: &Cell<'_>,
    machine: &Machine,
    prefix: &str,
    trouble: &mut Vec<(String, String)>,
) -> Option<Curve> {
    let mut histograms = Vec::new();
    for text in cell.behind.iter().filter_map(|trial| trial.histogram.as_deref()) {
        match decode(text) {
            Ok(histogram) => histograms.push(histogram),
            Err(error) => trouble.push((cell.id.clone(), format!("{error:#}"))),
        }
    }
    let merged = merge(&histograms);
    if merged.is_empty() {
        return None;
    }
    let bound = cell.unranked(&crate::metric::P99);
    Some(Curve {
        model: cell.model.to_owned(),
        label: label(cell.model, machine, prefix),
        at: PERCENTS.iter().map(|&percent| value(&merged, percent)).collect(),
        max: float(merged.max()) / 1e6,
        answers: merged.len(),
        trials: histograms.len(),
        taint: match (bound, cell.served()) {
            (Some(why), Some(served)) if cell.outcome == record::Outcome::Starved => {
                format!("{why}, served {served}")
            }
            (Some(why), _) => why,
            (None, _) => String::new(),
        },
    })
}

/// A percentile needs one answer beyond it at least: with 1000 answers there is no 99.99th.
fn value(histogram: &Histogram<u64>, percent: f64) -> Option<f64> {
    let beyond = float(histogram.len()) * (1.0 - percent / 100.0);
    // Rounding must not lose the case of exactly one.
    (beyond >= 0.999_999).then(|| float(histogram.value_at_quantile(percent / 100.0)) / 1e6)
}
