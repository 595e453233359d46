//! How far a model's figures can be trusted, in one place: what they rest on, whether it is correct, what taints them.

use record::{Flag, Run};

use crate::cells::{Cell, Group};
use crate::verdict::Badge;
use crate::{conformance, format, words};

/// What can be said of one model over the whole run.
pub(crate) struct Trust {
    /// The answer.
    pub(crate) summary: String,
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
    let carry = |flag| cells.iter().map(|cell| cell.carries(flag)).sum::<usize>();
    let taint = |flag| {
        let number = carry(flag);
        let word = words::flag(flag);
        let text = format!("{word} {} of {}", format::size(number), format::size(trials));
        let badge = Badge { text, href: format!("{prefix}doubt.{word}") };
        (number > 0).then(|| (badge, words::flag_meaning(flag)))
    };
    let battery = run.conformance.as_ref();
    let proven = battery.and_then(|battery| Some((battery.of(model)?, battery.cases.len())));
    Trust {
        summary: summary(&carry, trials, run.machine.server_cpus.as_deref()),
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

/// What may be believed of all that, in short.
fn summary(carry: &dyn Fn(Flag) -> usize, trials: usize, cpus: Option<&str>) -> String {
    if carry(Flag::Nonconforming) > 0 {
        return "No: it failed a case of the conformance battery, so nothing of it is ranked."
            .into();
    }
    let rates = match carry(Flag::GeneratorBound) {
        0 => "yes, the same way".into(),
        bound => format!(
            "not where they are struck out, since the generator was the limit in {} of {}",
            format::size(bound),
            format::plural(trials, "trial")
        ),
    };
    let drifted = carry(Flag::Drifted) > 0;
    let said = [
        Some("CPU per request, switches, system calls and memory: yes, with the spread beneath them.".into()),
        Some(format!("Rates and latencies: {rates}.")),
        drifted.then(|| "Across loads or runs: not where trials drifted.".into()),
        cpus.map(|cpus| format!("On more CPUs than {cpus}: nothing is known.")),
    ];
    said.into_iter().flatten().collect::<Vec<String>>().join(" ")
}
