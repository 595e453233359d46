//! The foot of a verdict table: how far two entries of one model differ, and how small a difference the run could see.

use crate::format;
use crate::ranking::Ranking;

/// What limits a column's comparisons.
pub(crate) struct Limits {
    /// The A/A floor, or why it is unknown; `None` where nothing is compared.
    floor: Option<Result<(f64, String), String>>,
    /// The smallest ratio above 1 that was likely to be seen.
    visible: Option<f64>,
    /// Why it is not known: nobody was compared.
    blind: Option<String>,
}

/// A row of the foot.
pub(crate) struct Foot {
    pub(crate) name: &'static str,
    pub(crate) meaning: &'static str,
    /// One of each column, with what it rests on.
    pub(crate) cells: Vec<(String, String)>,
    /// The same for all columns, in words; then `cells` is empty.
    pub(crate) why: String,
}

impl Limits {
    /// Those of a ranking; `None` of a column that is not ranked.
    pub(crate) fn of(ranking: Option<&Ranking<'_, '_>>) -> Self {
        let Some(ranking) = ranking else {
            return Self { floor: None, visible: None, blind: None };
        };
        let floor = ranking.ties.floor.as_ref().map_err(Clone::clone).map(|floor| {
            let pairs = format::plural(floor.pairs, "pair");
            (floor.ratio, format!("{}, {pairs} or more each", format::list(&floor.models)))
        });
        Self {
            floor: Some(floor),
            visible: ranking.ties.smallest_visible(),
            blind: ranking.unsettled(),
        }
    }
}

/// Both rows, over all columns of a table.
pub(crate) fn foot(limits: &[Limits]) -> Vec<Foot> {
    let dash = || ("–".to_owned(), String::new());
    let floors = limits.iter().map(|limits| match &limits.floor {
        Some(Ok((ratio, of))) => (beyond(*ratio), of.clone()),
        Some(Err(why)) => ("unknown".into(), why.clone()),
        None => dash(),
    });
    let visible = limits.iter().map(|limits| match (&limits.visible, &limits.blind) {
        (Some(ratio), _) => (beyond(*ratio), String::new()),
        (None, Some(why)) => ("–".into(), why.clone()),
        (None, None) => dash(),
    });
    vec![
        row(
            "A/A floor",
            "how far two entries of the same model differed, of this variant or, where it has none, of another under the same load: smaller differences are ties",
            floors.collect(),
        ),
        row(
            "Visible",
            "the smallest difference that these trials would have shown nine times of ten, over all pairs of the column: two steady models show smaller ones",
            visible.collect(),
        ),
    ]
}

/// One row, said once where all columns lack the figure for the same reason.
fn row(name: &'static str, meaning: &'static str, cells: Vec<(String, String)>) -> Foot {
    let known = cells.iter().any(|(text, _)| text.starts_with('±'));
    let mut reasons: Vec<&str> =
        cells.iter().map(|(_, why)| why.as_str()).filter(|why| !why.is_empty()).collect();
    reasons.sort_unstable();
    reasons.dedup();
    if known {
        return Foot { name, meaning, cells, why: String::new() };
    }
    let why = if reasons.is_empty() { "nothing was compared".into() } else { reasons.join("; ") };
    Foot { name, meaning, cells: Vec::new(), why: format!("unknown: {why}") }
}

/// `±3.1 %`, from a ratio above 1.
fn beyond(ratio: f64) -> String {
    // Counts may agree to the last digit.
    let percent = match (ratio - 1.0) * 100.0 {
        percent if percent < 0.01 => "0.01".into(),
        percent => format::significant(percent),
    };
    format!("±{percent}\u{202f}%")
}
