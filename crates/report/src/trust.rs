//! How far a model's figures can be trusted, in one place: what they rest on, whether it is correct, what taints them.

use record::Run;

use crate::cells::{Cell, Group};
use crate::verdict::Badge;
use crate::{conformance, format, words};

/// What can be said of one model over the whole run.
pub(crate) struct Trust {
    /// `412 trials in 64 cells`.
    pub(crate) rest: String,
    /// `27 of 27`; empty without a battery.
    pub(crate) conforms: String,
    pub(crate) conforms_href: String,
    /// How many trials carry each flag, and what that does to the figures.
    pub(crate) taints: Vec<(Badge, &'static str)>,
}

/// Counted over the trials that speak for a repeat.
pub(crate) fn trust(run: &Run, groups: &[Group<'_>], model: &str, prefix: &str) -> Trust {
    let cells: Vec<&Cell<'_>> = groups.iter().flat_map(|group| group.of(model)).collect();
    let trials = cells.iter().map(|cell| cell.finals.len()).sum();
    let taint = |flag| {
        let number: usize = cells.iter().map(|cell| cell.carries(flag)).sum();
        let word = words::flag(flag);
        let text = format!("{word} {} of {}", format::size(number), format::size(trials));
        let badge = Badge { text, href: format!("{prefix}doubt.{word}") };
        (number > 0).then(|| (badge, words::flag_meaning(flag)))
    };
    let battery = run.conformance.as_ref();
    let proven = battery.and_then(|battery| Some((battery.of(model)?, battery.cases.len())));
    Trust {
        rest: format!(
            "{} in {}",
            format::plural(trials, "trial"),
            format::plural(cells.len(), "cell")
        ),
        conforms: proven.map(|(model, of)| conformance::summary(model, of)).unwrap_or_default(),
        conforms_href: proven.map(|_| conformance::id(model, prefix)).unwrap_or_default(),
        taints: words::FLAGS.into_iter().filter_map(taint).collect(),
    }
}
