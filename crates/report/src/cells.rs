//! A run as groups of cells: who is compared with whom, what each figure is, and what may be ranked.

use std::rc::Rc;

use record::compare::{Place, Ties};
use record::stats::{Spread, float, spread};
use record::trial::twin_base;
use record::{Flag, Machine, Outcome, Run, Trial};

use crate::format::{self, slug};
use crate::metric::{Metric, SERVED, active};
use crate::{guides, words};

/// What is compared in one table: the same experiment, service and variant; models and connections differ.
pub(crate) struct Group<'run> {
    /// Prefix of the ids of its cells.
    pub(crate) id: String,
    pub(crate) experiment: &'run str,
    pub(crate) service: &'run str,
    pub(crate) variant: &'run str,
    /// Ascending.
    pub(crate) connections: Vec<u64>,
    /// In report order.
    pub(crate) models: Vec<&'run str>,
    /// By connections, then in report order.
    pub(crate) cells: Vec<Cell<'run>>,
    /// Second entries of the same models, which say how far two entries differ by chance; never compared with others.
    pub(crate) twins: Vec<Cell<'run>>,
    /// All cells of the run, as the record compares them.
    all: Rc<[record::Cell<'run>]>,
    machine: &'run Machine,
}

/// What the trials of a group measure, which decides what their tables show.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A server under load.
    Served,
    /// A server that all connect to at once.
    Storm,
    /// A server while others ask it for something that disturbs, or something is done to it.
    Disturbed,
    /// A client that fetches.
    Fetch,
    /// A client that sleeps.
    Idiom,
}

/// All trials of one model at one load.
pub(crate) struct Cell<'run> {
    pub(crate) id: String,
    pub(crate) model: &'run str,
    pub(crate) connections: u64,
    /// The trial that speaks for each repeat.
    pub(crate) finals: Vec<&'run Trial>,
    /// The trials behind the figures.
    pub(crate) behind: Vec<&'run Trial>,
    /// Every attempt, noisy ones included.
    pub(crate) attempts: Vec<&'run Trial>,
    /// As most repeats ended.
    pub(crate) outcome: Outcome,
    /// Why no figure of this cell is ranked; `None` where they are.
    pub(crate) unranked: Option<String>,
}

/// The groups of a run, in the order of the record's cells; `prefix` keeps the ids of several runs apart.
pub(crate) fn groups<'run>(run: &'run Run, prefix: &str) -> Vec<Group<'run>> {
    let mut groups: Vec<Group<'run>> = Vec::new();
    let cells: Rc<[record::Cell<'run>]> = run.cells().into();
    for cell in cells.iter() {
        let base = twin_base(cell.variant).filter(|base| has_base(&cells, cell, base));
        let variant = base.unwrap_or(cell.variant);
        let same = |group: &Group| {
            (group.experiment, group.service, group.variant)
                == (cell.experiment, cell.service, variant)
        };
        if !groups.iter().any(same) {
            let id = [cell.experiment, cell.service, variant].map(slug).join(".");
            groups.push(Group {
                id: format!("{prefix}{id}"),
                experiment: cell.experiment,
                service: cell.service,
                variant,
                connections: Vec::new(),
                models: Vec::new(),
                cells: Vec::new(),
                twins: Vec::new(),
                all: Rc::clone(&cells),
                machine: &run.machine,
            });
        }
        match groups.iter_mut().find(|group| same(group)) {
            Some(group) if base.is_some() => group.twins.push(Cell::new(cell, &group.id)),
            Some(group) => group.add(cell),
            None => {}
        }
    }
    // HTTP before echo, since more is done for a request.
    let rank = |name: &str, order: &[&str]| {
        order.iter().position(|known| *known == name).unwrap_or(order.len())
    };
    groups.sort_by_key(|group| {
        (
            guides::place(group.experiment),
            group.experiment,
            rank(group.variant, &["default"]),
            rank(group.service, &["http", "echo"]),
        )
    });
    for group in &mut groups {
        group.models.sort_by_key(|model| (run.machine.place(model), *model));
    }
    groups
}

/// Whether the first entry of a twin was measured at the same load; alone it is a cell like any other.
fn has_base(cells: &[record::Cell<'_>], twin: &record::Cell<'_>, base: &str) -> bool {
    cells.iter().any(|cell| {
        (cell.experiment, cell.service, cell.variant, cell.connections, cell.model)
            == (twin.experiment, twin.service, base, twin.connections, twin.model)
    })
}

impl<'run> Group<'run> {
    fn add(&mut self, cell: &record::Cell<'run>) {
        if !self.models.contains(&cell.model) {
            self.models.push(cell.model);
        }
        // The record gives the cells by connections, so the last is the largest so far.
        if self.connections.last() != Some(&cell.connections) {
            self.connections.push(cell.connections);
        }
        self.cells.push(Cell::new(cell, &self.id));
    }

    /// The cells at so many connections, in report order.
    pub(crate) fn at(&self, connections: u64) -> impl Iterator<Item = &Cell<'run>> {
        self.cells.iter().filter(move |cell| cell.connections == connections)
    }

    /// A model's cells, by connections.
    pub(crate) fn of(&self, model: &str) -> impl Iterator<Item = &Cell<'run>> {
        self.cells.iter().filter(move |cell| cell.model == model)
    }

    /// What its trials measure.
    pub(crate) fn kind(&self) -> Kind {
        let mut trials = self.cells.iter().flat_map(|cell| &cell.attempts);
        if self.experiment == "storm" {
            return Kind::Storm;
        }
        let client = trials.clone().find_map(|trial| trial.client.as_ref());
        match client.map(|client| client.task.as_str()) {
            Some("fetch") => Kind::Fetch,
            Some(_) => Kind::Idiom,
            None if trials.any(|trial| trial.beside.is_some() || trial.fault.is_some()) => {
                Kind::Disturbed
            }
            None => Kind::Served,
        }
    }

    /// Whether any of its trials holds a figure.
    pub(crate) fn has(&self, metric: &Metric) -> bool {
        let mut trials = self.cells.iter().flat_map(|cell| &cell.finals);
        trials.any(|trial| (metric.of)(trial).is_some())
    }

    /// `1 connection`, `1 000 fetches`, `3 sleeps`: what the number of connections is here.
    pub(crate) fn amount(&self, number: u64) -> String {
        match self.counts() {
            "fetches" if number == 1 => "1 fetch".into(),
            counts if number == 1 => format!("1 {}", counts.trim_end_matches('s')),
            counts => format!("{} {counts}", format::count(number)),
        }
    }

    /// What the number of connections counts here, in the plural.
    pub(crate) fn counts(&self) -> &'static str {
        match self.kind() {
            Kind::Fetch => "fetches",
            Kind::Idiom => "sleeps",
            Kind::Served | Kind::Storm | Kind::Disturbed => "connections",
        }
    }

    /// What the record says of who can be told from whom by a figure.
    pub(crate) fn ties(&self, metric: &Metric, connections: u64) -> Ties {
        let place = Place {
            experiment: self.experiment.to_owned(),
            service: self.service.to_owned(),
            connections,
            variant: self.variant.to_owned(),
        };
        Ties::among(&self.all, self.machine, &place, &metric.compared())
    }

    /// The count of connections that most models were asked for; of several the one that was repeated most, since a single
    /// trial tells nobody from anybody; of several such the largest.
    pub(crate) fn common_connections(&self) -> Option<u64> {
        let repeats =
            |connections| self.at(connections).map(|cell| cell.finals.len()).max().unwrap_or(0);
        // Where connections grow until something gives, most models are past their wall at the last of them.
        let counts = |cell: &&Cell| self.experiment != "wall" || cell.outcome == Outcome::Ok;
        self.connections.iter().copied().max_by_key(|&connections| {
            (self.at(connections).filter(counts).count(), repeats(connections), connections)
        })
    }

    /// In words: what is being done to the server.
    pub(crate) fn load(&self) -> String {
        if matches!(self.kind(), Kind::Fetch | Kind::Idiom) {
            return format!("the model’s client, {}", self.variant);
        }
        let mut words: Vec<String> = self.activity().into_iter().collect();
        let first = self.cells.first().and_then(|cell| cell.attempts.first());
        if let Some(trial) = first {
            words.push(self.pace().unwrap_or_else(|| words::pace(trial)));
            if let Some(depth) = trial.settings.pipeline.filter(|&depth| depth > 1) {
                words.push(format!("{} requests in flight a connection", format::count(depth)));
            }
            words.extend(self.burnt());
        }
        if self.variant != "default" && !self.variant.is_empty() {
            words.push(format!("variant {}", self.variant));
        }
        words.join(", ")
    }

    /// The range of offered rates, where they differ: a share of a ceiling is another rate for each model.
    fn pace(&self) -> Option<String> {
        let trials = || self.cells.iter().flat_map(|cell| &cell.attempts);
        let kind = &trials().find(|trial| trial.pace.rate.is_some())?.pace.kind;
        let (low, high) = trials()
            .filter_map(|trial| trial.pace.rate.filter(|rate| rate.is_finite()))
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), rate| {
                (low.min(rate), high.max(rate))
            });
        (low < high).then(|| {
            format!(
                "open loop ({kind}) at {} to {} requests/s",
                format::significant(low),
                format::significant(high)
            )
        })
    }

    /// `each request burns 20 µs`: what the server was made to do besides answering.
    pub(crate) fn burnt(&self) -> Option<String> {
        let mut trials = self.cells.iter().flat_map(|cell| &cell.attempts);
        let ns = trials.find_map(|trial| trial.settings.burn_ns.filter(|&ns| ns > 0))?;
        Some(format!("each request burns {} µs", format::significant(float(ns) / 1e3)))
    }

    /// Whether each request comes on a connection of its own.
    pub(crate) fn churns(&self) -> bool {
        self.cells
            .iter()
            .flat_map(|cell| &cell.attempts)
            .any(|trial| trial.settings.churn == Some(true))
    }

    /// Whether requests were offered at a rate, which then says nothing of the server.
    pub(crate) fn is_paced(&self) -> bool {
        self.cells.iter().any(Cell::is_paced)
    }

    /// `1 % of them active`, `100 of them active`; nothing where all are.
    fn activity(&self) -> Option<String> {
        let trials = || self.cells.iter().flat_map(|cell| &cell.attempts);
        let extent = |of: &dyn Fn(&Trial) -> Option<f64>| {
            trials()
                .filter_map(|trial| of(trial))
                .fold((f64::INFINITY, 0.0), |(low, high): (f64, f64), value| {
                    (low.min(value), high.max(value))
                })
        };
        let share = |trial: &Trial| {
            let active = active(trial)?;
            (trial.connections > 0).then(|| float(active) * 100.0 / float(trial.connections))
        };
        let (low, high) = extent(&share);
        let (least, most) = extent(&|trial| active(trial).map(float));
        if low >= 100.0 {
            None
        } else if low < high && least < most {
            let (low, high) = (format::significant(low), format::significant(high));
            Some(format!("{low} to {high} % of them active"))
        } else if low < high {
            Some(format!("{} of them active", format::counted(most)))
        } else {
            Some(format!("{} % of them active", format::counted(high)))
        }
    }
}

impl<'run> Cell<'run> {
    fn new(cell: &record::Cell<'run>, group: &str) -> Self {
        let finals = cell.finals();
        let counted = cell.counted();
        let outcome = cell.outcome();
        let wrong = finals.iter().any(|trial| trial.flags.contains(&Flag::Nonconforming));
        let wrong = wrong.then(|| "not ranked: it failed a case of the battery".to_owned());
        let unranked = unranked(cell, counted.is_empty());
        let behind = if counted.is_empty() {
            // What a fault cost is a figure also where it was the server.
            let told = |trial: &&Trial| measured(trial.outcome) || trial.fault.is_some();
            finals.iter().copied().filter(told).collect()
        } else {
            counted
        };
        Self {
            id: format!("{group}.{}.{}", cell.connections, slug(cell.model)),
            model: cell.model,
            connections: cell.connections,
            attempts: cell.trials.clone(),
            finals,
            behind,
            outcome,
            unranked: unranked.or(wrong),
        }
    }

    /// Whether requests were offered at a rate.
    pub(crate) fn is_paced(&self) -> bool {
        self.attempts.iter().any(|trial| trial.pace.rate.is_some())
    }

    /// Median and spread of a figure.
    pub(crate) fn spread(&self, metric: &Metric) -> Option<Spread> {
        let values: Vec<f64> = self.behind.iter().filter_map(|trial| metric.value(trial)).collect();
        spread(&values)
    }

    /// Why this figure is not ranked; `None` where it is.
    pub(crate) fn unranked(&self, metric: &Metric) -> Option<String> {
        let bound = metric.needs_headroom && self.carries(Flag::GeneratorBound) > 0;
        let bound = bound.then(|| "not ranked: the generator was the limit".to_owned());
        self.unranked.clone().or(bound)
    }

    /// Finals that carry a flag.
    pub(crate) fn carries(&self, flag: Flag) -> usize {
        self.finals.iter().filter(|trial| trial.flags.contains(&flag)).count()
    }

    /// Finals that ended in a way.
    pub(crate) fn ended(&self, outcome: Outcome) -> usize {
        self.finals.iter().filter(|trial| trial.outcome == outcome).count()
    }

    /// `128 of 10 000`, `all 10 000`; the range of several trials that differ.
    pub(crate) fn served(&self) -> Option<String> {
        // Noise taints times, not who was served.
        let trials = || self.finals.iter().filter(|trial| measured(trial.outcome));
        let served: Vec<f64> = trials().filter_map(|trial| SERVED.value(trial)).collect();
        let served = spread(&served)?;
        let of = trials().filter_map(|trial| active(trial)).max()?;
        let text = if served.low < served.high {
            format!("{} to {}", format::counted(served.low), format::counted(served.high))
        } else {
            format::counted(served.median)
        };
        let quiet = if of < self.connections { " active" } else { "" };
        if served.low >= float(of) {
            return Some(format!("all {}{quiet}", format::count(of)));
        }
        Some(format!("{text} of {}{quiet}", format::count(of)))
    }
}

/// Has figures that describe a whole window.
fn measured(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Ok | Outcome::Starved | Outcome::Inconsistent)
}

/// A cell is ranked when its repeats ended `ok`; those that were interrupted, or left out while most are `ok`, do not count.
fn unranked(cell: &record::Cell<'_>, none_counted: bool) -> Option<String> {
    let outcomes = cell.outcomes();
    let ended = |outcome: &Outcome| match outcome {
        Outcome::Ok | Outcome::Interrupted => false,
        Outcome::Inconsistent => cell.outcome() == Outcome::Inconsistent,
        _ => true,
    };
    let worst = outcomes.keys().copied().filter(ended).max();
    match worst {
        Some(outcome) => Some(format!("not ranked: {}", words::outcome(outcome))),
        None if !outcomes.contains_key(&Outcome::Ok) => {
            Some(format!("not ranked: {}", words::outcome(cell.outcome())))
        }
        None if none_counted => Some("not ranked: every trial was noisy".into()),
        None => None,
    }
}
