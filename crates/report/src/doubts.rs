//! "How this may be wrong": whatever taints a figure, with links to what it taints, and what holds for every such measurement.

mod always;

use std::collections::BTreeMap;

use record::stats::float;
use record::trial::Counters;
use record::{Flag, Outcome, Run, Trial};

use crate::cells::{Cell, Group};
use crate::metric::{CURVES, Metric, VERDICT};
use crate::{format, metric, words};

/// Cells of one model that are named under a doubt; the others are counted.
const PLACES_MAX: usize = 3;
/// A generator that used less of its CPUs was flagged for what it sent late, by its own rule.
const BUSY_SHARE: f64 = 0.9;
/// Models whose cells are in sight at once; those of more unfold.
const OPEN_MAX: usize = 4;
/// Different warnings of trials that are spelled out.
const WARNINGS_MAX: usize = 60;

/// One reason not to believe a figure.
pub(crate) struct Doubt {
    /// Badges link here; empty where nothing does.
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) text: String,
    /// `64 cells of 20 models`; empty where it is about no cell.
    pub(crate) extent: String,
    pub(crate) models: Vec<OfModel>,
    /// Whether all is in sight.
    pub(crate) is_short: bool,
}

/// The cells of one model that a doubt is about.
pub(crate) struct OfModel {
    pub(crate) model: String,
    pub(crate) places: Vec<Place>,
    /// Places that are not named.
    pub(crate) more: usize,
}

/// A cell that a doubt is about.
pub(crate) struct Place {
    model: String,
    pub(crate) href: String,
    pub(crate) load: String,
    /// Trials, of how many; empty where nothing is counted.
    pub(crate) number: String,
    /// What was found there; empty where the next place has the same.
    pub(crate) detail: String,
}

/// All doubts of a run, the gravest first.
pub(crate) struct Doubts {
    /// About the record as a whole: said at the top of the page too.
    pub(crate) record: Vec<String>,
    pub(crate) tainted: Vec<Doubt>,
    pub(crate) missing: Vec<Doubt>,
    pub(crate) warnings: Vec<Doubt>,
    /// What the machine did not tell, or says of itself.
    pub(crate) machine: Vec<String>,
    /// True of every measurement made this way.
    pub(crate) always: Vec<Doubt>,
}

/// Everything that can be held against a run's figures.
pub(crate) fn doubts(
    run: &Run,
    groups: &[Group<'_>],
    trouble: &[(String, String)],
    prefix: &str,
) -> Doubts {
    let cells: Vec<Placed> = groups
        .iter()
        .flat_map(|group| {
            let again = group.twins.iter().map(|cell| (cell, true));
            let cells = group.cells.iter().map(|cell| (cell, false)).chain(again);
            cells.map(move |(cell, is_again)| Placed { group, cell, is_again })
        })
        .collect();
    let outcomes = words::FAILURES.into_iter().filter_map(|outcome| ended(outcome, &cells, prefix));
    let flags = words::FLAGS.into_iter().filter_map(|flag| flagged(flag, &cells, prefix));
    Doubts {
        record: record(run),
        tainted: outcomes.chain(flags).collect(),
        missing: missing(&cells, prefix),
        warnings: warnings(&cells, trouble),
        machine: run.machine.warnings.clone(),
        always: always::always(run, &cells),
    }
}

struct Placed<'group, 'run> {
    group: &'group Group<'run>,
    cell: &'group Cell<'run>,
    /// Whether it is a model's second entry.
    is_again: bool,
}

impl Placed<'_, '_> {
    fn place(&self) -> Place {
        let group = self.group;
        let variant =
            if group.variant == "default" { String::new() } else { format!(" {}", group.variant) };
        let again = if self.is_again { " again" } else { "" };
        let load = format!(
            "{} {}{variant} {}{again}",
            group.experiment,
            group.service,
            format::count(self.cell.connections)
        );
        Place {
            href: self.cell.id.clone(),
            model: self.cell.model.to_owned(),
            load,
            number: String::new(),
            detail: String::new(),
        }
    }

    /// `2 of 7 trials`, and what they show.
    fn found(&self, number: usize, of: usize, detail: Option<String>) -> Place {
        let number = format!("{number} of {}", format::plural(of, "trial"));
        Place { number, detail: detail.unwrap_or_default(), ..self.place() }
    }
}

impl Doubt {
    fn new(
        id: String,
        title: impl Into<String>,
        text: impl Into<String>,
        places: Vec<Place>,
    ) -> Self {
        let cells = format::plural(places.len(), "cell");
        let models = by_model(places);
        let extent = match models.len() {
            0 => String::new(),
            number => format!("{cells} of {}", format::plural(number, "model")),
        };
        let is_short = models.len() <= OPEN_MAX;
        Self { id, title: title.into(), text: text.into(), extent, models, is_short }
    }
}

/// Models in the order of their first places; what neighbours share is said once, after the last of them.
fn by_model(places: Vec<Place>) -> Vec<OfModel> {
    let mut models: Vec<OfModel> = Vec::new();
    for place in places {
        let at = models.iter().position(|of| of.model == place.model).unwrap_or_else(|| {
            models.push(OfModel { model: place.model.clone(), places: Vec::new(), more: 0 });
            models.len() - 1
        });
        let of = &mut models[at];
        if of.places.len() == PLACES_MAX {
            of.more += 1;
            continue;
        }
        if let Some(last) = of.places.last_mut().filter(|last| last.detail == place.detail) {
            last.detail.clear();
        }
        of.places.push(place);
    }
    models
}

fn record(run: &Run) -> Vec<String> {
    let mut said = run.warnings.clone();
    if run.trials.is_empty() {
        said.push("no trial was recorded: there is nothing to compare".into());
    } else if run.finished_at.is_none() {
        said.push("the plan was not finished, or the run is still going on: cells may lack repeats or be absent".into());
    }
    said
}

fn ended(outcome: Outcome, cells: &[Placed<'_, '_>], prefix: &str) -> Option<Doubt> {
    let places = cells.iter().filter(|placed| placed.cell.ended(outcome) > 0).map(|placed| {
        let cell = placed.cell;
        let served = (outcome == Outcome::Starved).then(|| cell.served()).flatten();
        let detail = served.map(|served| format!("served {served}")).or_else(|| {
            let trial = cell.finals.iter().find(|trial| trial.outcome == outcome)?;
            trial.outcome_detail.clone()
        });
        placed.found(cell.ended(outcome), cell.finals.len(), detail)
    });
    let places: Vec<Place> = places.collect();
    let word = words::outcome(outcome);
    (!places.is_empty()).then(|| {
        Doubt::new(format!("{prefix}doubt.{word}"), word, words::outcome_meaning(outcome), places)
    })
}

fn flagged(flag: Flag, cells: &[Placed<'_, '_>], prefix: &str) -> Option<Doubt> {
    let places = cells.iter().filter_map(|placed| {
        // Attempts, since a noisy one is a fact even where a quiet one took its place.
        let carrying: Vec<&Trial> = placed
            .cell
            .attempts
            .iter()
            .copied()
            .filter(|trial| trial.flags.contains(&flag))
            .collect();
        let of = placed.cell.attempts.len();
        (!carrying.is_empty()).then(|| placed.found(carrying.len(), of, evidence(flag, &carrying)))
    });
    let places: Vec<Place> = places.collect();
    let word = words::flag(flag);
    (!places.is_empty()).then(|| {
        Doubt::new(format!("{prefix}doubt.{word}"), word, words::flag_meaning(flag), places)
    })
}

/// The figure that raised a flag, at its worst.
fn evidence(flag: Flag, trials: &[&Trial]) -> Option<String> {
    let worst = |of: &dyn Fn(&Trial) -> Option<f64>| {
        trials
            .iter()
            .filter_map(|trial| of(trial))
            .filter(|value| value.is_finite())
            .reduce(f64::max)
    };
    let percent = |share: f64| format!("{} %", format::significant(share * 100.0));
    match flag {
        Flag::GeneratorBound => {
            let share = worst(&|trial| trial.generator.cpu_share);
            let late = worst(&|trial| trial.generator.late_while_free_ns_p99.map(float));
            match late.filter(|_| share.is_none_or(|share| share < BUSY_SHARE)) {
                Some(ns) => Some(format!("sent up to {} ms late", format::significant(ns / 1e6))),
                None => share.map(|share| format!("it used {} of its CPUs", percent(share))),
            }
        }
        Flag::Noisy => {
            let steal = worst(&|trial| trial.machine.steal_share)
                .map(|share| format!("steal up to {}", percent(share)));
            let other = worst(&|trial| trial.machine.other_cpu_share)
                .map(|share| format!("others up to {}{}", percent(share), counted_too(trials)));
            let of_late =
                |trial: &Trial| trial.machine.probe_recent_ratio.or(trial.machine.probe_ratio);
            let slow = furthest(trials, &of_late).map(|ratio| match ratio {
                slower if slower > 1.0 => format!("a CPU up to {} slower", percent(slower - 1.0)),
                quicker => format!("a CPU up to {} quicker", percent(1.0 / quicker - 1.0)),
            });
            let said: Vec<String> = steal.into_iter().chain(other).chain(slow).collect();
            (!said.is_empty()).then(|| said.join(", "))
        }
        Flag::Drifted => furthest(trials, &|trial| trial.machine.probe_ratio).map(|ratio| {
            format!("the probe took {} times as long at the furthest", format::significant(ratio))
        }),
        Flag::TcpDrops => {
            let count = |of: fn(&record::trial::Tcp) -> Option<u64>| {
                trials.iter().filter_map(|trial| of(&trial.tcp)).max()
            };
            let said = [
                count(|tcp| tcp.listen_overflows)
                    .map(|number| format!("{} listen overflows", format::count(number))),
                count(|tcp| tcp.listen_drops)
                    .map(|number| format!("{} listen drops", format::count(number))),
                count(|tcp| tcp.syn_retransmits)
                    .map(|number| format!("{} SYNs sent again", format::count(number))),
            ];
            let said: Vec<String> = said.into_iter().flatten().collect();
            (!said.is_empty()).then(|| said.join(", "))
        }
        Flag::ColdStart | Flag::UncleanExit | Flag::Nonconforming => None,
    }
}

/// The ratio that is furthest from 1, on either side.
fn furthest(trials: &[&Trial], of: &dyn Fn(&Trial) -> Option<f64>) -> Option<f64> {
    let ratios = trials.iter().filter_map(|trial| of(trial)).filter(|ratio| ratio.is_normal());
    ratios.max_by(|a, b| a.ln().abs().total_cmp(&b.ln().abs()))
}

/// Tracepoints count whoever runs on the server's CPUs; switches of both kinds are /proc's, and the server's alone.
fn counted_too(trials: &[&Trial]) -> &'static str {
    let traced = trials.iter().any(|trial| trial.server.counters == Some(Counters::Perf));
    if traced { " (their system calls on the server's CPUs are counted too)" } else { "" }
}

/// Figures that the page would show and some measured trials lack, or that are no number.
fn missing(cells: &[Placed<'_, '_>], prefix: &str) -> Vec<Doubt> {
    let shown: BTreeMap<&str, &Metric> = VERDICT
        .iter()
        .chain(&CURVES)
        .chain([&&metric::SERVED, &&metric::ESTABLISHED])
        .map(|metric| (metric.id, *metric))
        .collect();
    let mut doubts = Vec::new();
    for (id, metric) in shown {
        let trials = || {
            cells
                .iter()
                .flat_map(|placed| placed.cell.behind.iter().map(move |trial| (placed, *trial)))
                // A client has no figure of a server.
                .filter(|(_, trial)| trial.client.is_none())
        };
        let (all, broken) =
            (trials().count(), trials().filter(|(_, trial)| metric.is_broken(trial)).count());
        let lacking: Vec<&Placed> = trials()
            .filter(|(_, trial)| metric.value(trial).is_none())
            .map(|(placed, _)| placed)
            .collect();
        if lacking.is_empty() {
            continue;
        }
        let no_number = if broken == 0 {
            String::new()
        } else {
            format!("; in {} the record holds something that is not a number", format::size(broken))
        };
        let text = format!(
            "absent from {} of {} that were measured{no_number}",
            format::size(lacking.len()),
            format::plural(all, "trial")
        );
        let mut places: Vec<Place> = Vec::new();
        if lacking.len() < all {
            places = lacking.iter().map(|placed| placed.place()).collect();
            places.dedup_by(|a, b| a.href == b.href);
        }
        doubts.push(Doubt::new(format!("{prefix}doubt.missing.{id}"), metric.name, text, places));
    }
    doubts
}

/// What trials and histograms say of themselves, the same words once.
fn warnings(cells: &[Placed<'_, '_>], trouble: &[(String, String)]) -> Vec<Doubt> {
    let mut said: BTreeMap<String, Vec<Place>> = BTreeMap::new();
    for placed in cells {
        for trial in &placed.cell.attempts {
            let mut errors: Vec<String> = trial
                .errors
                .iter()
                .filter(|(_, count)| **count > 0)
                .map(|(kind, _)| format!("errors of kind `{kind}`"))
                .collect();
            errors.extend(trial.warnings.iter().cloned());
            for text in errors {
                said.entry(text).or_default().push(placed.place());
            }
        }
        for (_, text) in trouble.iter().filter(|(id, _)| *id == placed.cell.id) {
            said.entry(format!("{text}; the curve of latency by percentile lacks it"))
                .or_default()
                .push(placed.place());
        }
    }
    let unnamed = said.len().saturating_sub(WARNINGS_MAX);
    let mut doubts: Vec<Doubt> = said
        .into_iter()
        .take(WARNINGS_MAX)
        .map(|(text, mut places)| {
            let trials = format::plural(places.len(), "trial");
            places.dedup_by(|a, b| a.href == b.href);
            Doubt::new(String::new(), text, trials, places)
        })
        .collect();
    if unnamed > 0 {
        let text =
            format!("{} more are in the record", format::plural(unnamed, "different warning"));
        doubts.push(Doubt::new(String::new(), "and others", text, Vec::new()));
    }
    doubts
}
