//! What the method makes of a difference that is known: none between two entries of one model, one where work was added.

use record::Machine;
use record::stats::Ratio;

use crate::cells::{Cell, Group};
use crate::metric::CPU;
use crate::ranking::in_percent;
use crate::twins::{first, paired};
use crate::verdict::{Label, label};

/// A known difference, and what was seen of it.
pub(crate) struct Check {
    pub(crate) label: Label,
    /// What was done to the second entry.
    pub(crate) done: String,
    /// What must be seen then.
    pub(crate) due: &'static str,
    /// CPU per request of the second entry beside the first.
    pub(crate) seen: String,
    /// `yes`, `no`, or `too few repeats to tell`.
    pub(crate) verdict: &'static str,
}

/// Of the experiment's groups: every second entry, and every entry that burns beside the one that does not.
pub(crate) fn checks(groups: &[&Group<'_>], machine: &Machine, prefix: &str) -> Vec<Check> {
    let check = |base: &Cell<'_>, other: &Cell<'_>, done: String, is_other: bool| {
        let ratio = paired(base, other, &CPU)?;
        Some(Check {
            label: label(other.model, machine, prefix),
            done,
            due: if is_other { "a difference" } else { "none" },
            seen: in_percent(&ratio),
            verdict: verdict(&ratio, is_other),
        })
    };
    let again = groups.iter().flat_map(|group| {
        let twins = group.twins.iter();
        twins.filter_map(|twin| check(first(group, twin)?, twin, "nothing".into(), false))
    });
    let plain = || groups.iter().filter(|group| group.burnt().is_none());
    let burning = groups.iter().filter_map(|group| Some((group, group.burnt()?)));
    let beside = burning.flat_map(|(group, burnt)| {
        group.cells.iter().filter_map(move |cell| {
            let base = plain().find_map(|plain| first(plain, cell))?;
            check(base, cell, burnt.clone(), true)
        })
    });
    again.chain(beside).collect()
}

fn verdict(ratio: &Ratio, is_other: bool) -> &'static str {
    if ratio.coverage.is_none() {
        return "too few repeats to tell";
    }
    let holds_one = ratio.low <= 1.0 && ratio.high >= 1.0;
    if holds_one == is_other { "no" } else { "yes" }
}
