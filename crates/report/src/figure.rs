//! One figure as a table cell: text, spread, what it claims, and whether it may be compared.

use record::stats::Spread;

use crate::cells::Cell;
use crate::format;
use crate::metric::Metric;

/// A figure, ready for a template.
#[derive(Default)]
pub(crate) struct Figure {
    /// Its own anchor.
    pub(crate) id: String,
    /// The median for programs, see [`format::machine`]; empty where nothing was measured.
    pub(crate) value: String,
    /// The median for people.
    pub(crate) text: String,
    /// Low and high for people; empty with one trial.
    pub(crate) spread: String,
    /// What the numbers are, and why they are not ranked.
    pub(crate) title: String,
    /// `lead`, `unranked`, `missing`, or nothing.
    pub(crate) class: &'static str,
    /// Said right beside the figure, so that it cannot be misread.
    pub(crate) note: String,
    /// Share of the longest bar, in percent; empty without a bar.
    pub(crate) bar: String,
}

impl Figure {
    /// A dash.
    pub(crate) fn missing() -> Self {
        Self {
            text: "–".into(), title: "not measured".into(), class: "missing", ..Self::default()
        }
    }
}

/// A cell's figure.
pub(crate) fn figure(cell: &Cell<'_>, metric: &Metric) -> Figure {
    let id = format!("{}.{}", cell.id, metric.id);
    let Some(spread) = cell.spread(metric) else {
        let broken = cell.finals.iter().any(|trial| metric.is_broken(trial));
        let (text, title) = if broken {
            ("not a number", "the record holds no number here")
        } else {
            ("–", "not measured")
        };
        return Figure {
            id,
            text: text.into(),
            title: title.into(),
            class: "missing",
            ..Figure::default()
        };
    };
    let unranked = metric.better.and_then(|_| cell.unranked(metric));
    Figure {
        id,
        value: format::machine(spread.median),
        text: metric.text(spread.median),
        spread: range(metric, &spread),
        title: title(metric, &spread, unranked.as_deref()),
        class: if unranked.is_some() { "unranked" } else { "" },
        ..Figure::default()
    }
}

/// What the numbers are, and why they are not ranked.
fn title(metric: &Metric, spread: &Spread, unranked: Option<&str>) -> String {
    let same = spread.repeats > 1 && range(metric, spread).is_empty();
    let kind = if same { same_in_all(spread.repeats) } else { format::spread_kind(spread) };
    match unranked {
        Some(why) => format!("{kind}; {why}"),
        None => kind,
    }
}

/// In the digits shown.
fn same_in_all(repeats: usize) -> String {
    format!("the same in all {} trials", format::size(repeats))
}

/// `10.9–11.8`; nothing with one trial, and nothing where both ends look like the median.
pub(crate) fn range(metric: &Metric, spread: &Spread) -> String {
    let (low, high) = (metric.text(spread.low), metric.text(spread.high));
    if low == high { String::new() } else { format!("{low}–{high}") }
}

/// `11.2 µs (10.9–11.8, range of 3 trials)`.
pub(crate) fn sentence(metric: &Metric, spread: &Spread) -> String {
    format!("{} {}", metric.with_unit(spread.median), basis(metric, spread))
}

/// `(10.9–11.8, range of 3 trials)`.
pub(crate) fn basis(metric: &Metric, spread: &Spread) -> String {
    match (spread.repeats, spread.coverage) {
        (1, _) => "(1 trial)".into(),
        (repeats, _) if range(metric, spread).is_empty() => {
            format!("({})", same_in_all(repeats))
        }
        (repeats, None) => {
            format!("({}, range of {})", range(metric, spread), format::plural(repeats, "trial"))
        }
        (repeats, Some(coverage)) => format!(
            "({}, {} % interval of {})",
            range(metric, spread),
            format::significant(coverage * 100.0),
            format::plural(repeats, "trial")
        ),
    }
}

/// `1.24 s`, from nanoseconds.
pub(crate) fn seconds(ns: u64) -> String {
    format!("{} s", format::significant(record::stats::float(ns) / 1e9))
}
