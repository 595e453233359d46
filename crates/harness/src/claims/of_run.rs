//! Figures of a run: of each cell, of what a connection adds, of the most that was held.

use record::claims::CaseFigure;
use record::run::{Cell, Run};
use record::stats::{float, line};
use record::trial::Outcome;

use super::criterion::{Aggregate, DEFAULT, Test};
use super::evidence::Found;
use super::metric::Metric;
use super::words::number;

pub(super) fn find(run: &Run, test: &Test, experiment: &str) -> Found {
    let cells = run.cells();
    let measured = Cells { all: &cells, test, experiment };
    if !cells.iter().any(|cell| measured.wanted(cell)) {
        return Found { missing: vec![measured.command(&test.connections)], ..Found::default() };
    }
    let is_absent = |count: &&u64| {
        !cells.iter().any(|cell| cell.connections == **count && measured.wanted(cell))
    };
    let absent: Vec<u64> = test.connections.iter().filter(is_absent).copied().collect();
    let open = (!absent.is_empty()).then(|| measured.command(&absent));
    let mut found = Found { open, ..Found::default() };
    for model in super::models(run, test) {
        match test.aggregate {
            Aggregate::Each => measured.each(&model, &mut found),
            Aggregate::Slope => measured.slope(&model, &mut found),
            Aggregate::Largest => measured.largest(&model, &mut found),
        }
    }
    if found.cases.is_empty() && found.missing.is_empty() {
        let (models, command) = (test.models.join(", "), measured.how(&[]));
        found.missing.push(format!("this run measured none of {models}: `{command}`"));
    }
    found
}

struct Cells<'a> {
    all: &'a [Cell<'a>],
    test: &'a Test,
    experiment: &'a str,
}

impl<'a> Cells<'a> {
    /// Of the test's experiment and variants, at its connections.
    fn wanted(&self, cell: &Cell<'_>) -> bool {
        let test = self.test;
        let experiment = cell.experiment == self.experiment
            || test.also.iter().any(|also| also == cell.experiment);
        experiment
            && cell.service != "echo"
            && test.variants.iter().any(|variant| variant == cell.variant)
            && (test.connections.is_empty() || test.connections.contains(&cell.connections))
            && test.workers.is_none_or(|workers| {
                cell.trials.iter().all(|trial| trial.settings.workers == Some(workers))
            })
    }

    fn of(&self, model: &str) -> impl Iterator<Item = &'a Cell<'a>> {
        self.all.iter().filter(move |cell| cell.model == model && self.wanted(cell))
    }

    /// That it was not measured at these numbers of connections, and what measures it.
    fn command(&self, connections: &[u64]) -> String {
        let experiment = self.experiment;
        let counts = listed(connections);
        let at = if counts.is_empty() { counts } else { format!(" at {counts}") };
        let variants: Vec<&str> = self.test.variants.iter().map(String::as_str).collect();
        let variants = if variants == [DEFAULT] {
            String::new()
        } else {
            format!(" ({})", variants.join(", "))
        };
        let workers = match self.test.workers {
            None => String::new(),
            Some(1) => " with 1 worker".into(),
            Some(workers) => format!(" with {workers} workers"),
        };
        let how = self.how(connections);
        format!("this run did not measure {experiment}{variants}{at}{workers}: `{how}`")
    }

    fn how(&self, connections: &[u64]) -> String {
        let experiment = self.experiment;
        // The sweep alone can be had at any number of connections.
        let option = if connections.is_empty() || experiment != "sweep" {
            String::new()
        } else {
            format!(" --connections {}", listed(connections))
        };
        // A loop has a worker for each CPU of its side.
        let cpus = self.test.workers.map(|each| format!("taskset -c 0-{} ", 2 * each - 1));
        let cpus = cpus.filter(|_| self.all.iter().any(|cell| cell.experiment == experiment));
        let cpus = cpus.unwrap_or_default();
        format!("{cpus}c10k run --profile standard --experiments {experiment}{option}")
    }

    fn each(&self, model: &str, found: &mut Found) {
        let Some(metric) = Metric::named(&self.test.metric) else { return };
        let several = self.test.variants.len() > 1;
        for cell in self.of(model) {
            if self.is_base(cell) {
                continue;
            }
            let value = metric.of(cell).and_then(|value| match &self.test.over {
                None => Some(value),
                Some(_) => Some(value / self.base(cell, metric)?).filter(|ratio| ratio.is_finite()),
            });
            let at = at(cell, several);
            let Some(value) = value else {
                let at = if at.is_empty() { at } else { format!(" at {at}") };
                let alone = metric.of(cell).is_some();
                let why = if alone { "nothing to compare it with".into() } else { why_not(cell) };
                found.missing.push(format!("{model}{at}: {why}"));
                continue;
            };
            let unit = if self.test.over.is_some() { "" } else { metric.unit };
            found.cases.push(CaseFigure {
                model: model.into(),
                at,
                value,
                unit: unit.into(),
                passed: None,
                detail: detail(cell),
            });
        }
    }

    /// A base is compared with others, never with itself.
    fn is_base(&self, cell: &Cell<'_>) -> bool {
        let Some(over) = &self.test.over else { return false };
        over.metric.is_none()
            && over.model.as_deref().unwrap_or(cell.model) == cell.model
            && over.variant.as_deref().unwrap_or(cell.variant) == cell.variant
            && over.connections.unwrap_or(cell.connections) == cell.connections
    }

    fn base(&self, cell: &Cell<'_>, metric: &'static Metric) -> Option<f64> {
        let over = self.test.over.as_ref()?;
        let metric = over.metric.as_deref().map_or(Some(metric), Metric::named)?;
        let base = self.all.iter().find(|base| {
            base.experiment == cell.experiment
                && base.service == cell.service
                && base.model == over.model.as_deref().unwrap_or(cell.model)
                && base.variant == over.variant.as_deref().unwrap_or(cell.variant)
                && base.connections == over.connections.unwrap_or(cell.connections)
        });
        metric.of(base?)
    }

    fn slope(&self, model: &str, found: &mut Found) {
        let Some(metric) = Metric::named(&self.test.metric) else { return };
        let growth = |model: &str| {
            let points: Vec<(f64, f64)> = self
                .of(model)
                .filter(|cell| cell.outcome() == Outcome::Ok)
                .filter_map(|cell| Some((float(cell.connections), metric.of(cell)?)))
                .collect();
            line(&points).map(|line| line.slope)
        };
        let base = self.test.over.as_ref().and_then(|over| over.model.as_deref());
        if base == Some(model) {
            return;
        }
        let value = match base {
            None => growth(model),
            Some(base) => growth(model).zip(growth(base)).map(|(value, base)| value / base),
        };
        match value.filter(|value| value.is_finite()) {
            None => found
                .missing
                .push(format!("{model}: memory at two numbers of connections at least is needed")),
            Some(value) => found.cases.push(CaseFigure {
                model: model.into(),
                at: "for each connection".into(),
                value,
                unit: if base.is_some() { String::new() } else { metric.unit.into() },
                ..CaseFigure::default()
            }),
        }
    }

    fn largest(&self, model: &str, found: &mut Found) {
        let held = |cell: &&Cell<'_>| self.holds(cell) == Some(true);
        let most = self.of(model).filter(held).map(|cell| cell.connections).max().unwrap_or(0);
        let mut beyond: Vec<&Cell<'_>> = self
            .of(model)
            .filter(|cell| cell.connections > most && self.holds(cell) == Some(false))
            .collect();
        beyond.sort_by_key(|cell| cell.connections);
        if most == 0 && beyond.is_empty() {
            return;
        }
        let value = float(most);
        let stopped = beyond.first();
        // Where nothing stopped it, more may be held: that proves the one bound and leaves the other open.
        let proven = self.test.at_least.is_none_or(|least| value >= least)
            && self.test.at_most.is_none_or(|most| value > most);
        // Nor is it known whether it holds more where something between could not be compared.
        let until = stopped.map_or(u64::MAX, |cell| cell.connections);
        let unknown = |cell: &Cell<'_>| {
            cell.outcome() == Outcome::Ok && (most + 1..until).contains(&cell.connections)
        };
        if !proven && self.of(model).any(unknown) {
            found.missing.push(format!(
                "{model}: how fast it is beyond {} has nothing to be compared with: `c10k run --experiments claims`",
                number(value)
            ));
            return;
        }
        if stopped.is_none() && !proven {
            found.missing.push(format!(
                "{model} held all of {}, and more were not tried: `c10k run --profile full --experiments wall`",
                number(value)
            ));
            return;
        }
        let detail = match stopped {
            None => "more were not tried".into(),
            Some(cell) if cell.outcome() == Outcome::Ok => {
                format!("at {}: too slow", number(float(cell.connections)))
            }
            Some(cell) => format!("at {}: {}", number(float(cell.connections)), why_not(cell)),
        };
        found.cases.push(CaseFigure {
            model: model.into(),
            value,
            unit: "connections".into(),
            detail: Some(detail),
            ..CaseFigure::default()
        });
    }

    /// Whether the cell's connections are held, and held as fast as they must be; absent where nothing tells.
    fn holds(&self, cell: &Cell<'_>) -> Option<bool> {
        match cell.outcome() {
            Outcome::Ok => {}
            Outcome::Interrupted => return None,
            _ => return Some(false),
        }
        let Some(times) = self.test.within else { return Some(true) };
        let p99 = |cell: &Cell<'_>| Metric::named("p99_ms").and_then(|metric| metric.of(cell));
        // With more active a closed loop's latency grows by itself, whatever the model.
        let few = self.of(cell.model).filter(|few| few.connections == 100);
        let few = few.filter(|few| active(few) == active(cell));
        let few = few.min_by_key(|few| few.experiment != cell.experiment)?;
        Some(p99(cell)? <= times * p99(few)?)
    }
}

fn listed(counts: &[u64]) -> String {
    counts.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// At which load, and in which variant where there are several; an idiom has no load.
fn at(cell: &Cell<'_>, several: bool) -> String {
    let client = cell.trials.iter().find_map(|trial| trial.client.as_ref());
    let load = match client {
        Some(client) if !client.sleeps_ms.is_empty() => String::new(),
        Some(_) if cell.connections == 1 => "1 fetch".into(),
        Some(_) => format!("{} fetches", number(float(cell.connections))),
        None if cell.connections == 1 => "1 connection".into(),
        None => format!("{} connections", number(float(cell.connections))),
    };
    match (several, load.is_empty()) {
        (false, _) => load,
        (true, true) => cell.variant.into(),
        (true, false) => format!("{}, {load}", cell.variant),
    }
}

fn active(cell: &Cell<'_>) -> Option<u64> {
    cell.finals().first()?.settings.active.or(Some(cell.connections))
}

fn detail(cell: &Cell<'_>) -> Option<String> {
    cell.finals().iter().rev().find_map(|trial| trial.outcome_detail.clone())
}

/// Why a cell has no figure, or does not count.
fn why_not(cell: &Cell<'_>) -> String {
    let outcome = crate::summary::outcome_name(cell.outcome());
    match detail(cell) {
        Some(detail) => format!("{outcome}: {detail}"),
        None if cell.outcome() != Outcome::Ok => outcome,
        None if cell.counted().is_empty() => "every trial was noisy".into(),
        None => "too slow, or the figure is absent".into(),
    }
}
