//! How far each model went, and what stopped it there.

use crate::run::{Cell, Run};
use crate::trial::{Outcome, SetBy, Trial};

/// The experiment that grows until something stops each model.
pub const WALL: &str = "wall";

/// Where one model's connections ended.
#[derive(Clone, Debug)]
pub struct Wall<'run> {
    /// The contestant.
    pub model: &'run str,
    /// `echo` or `http`.
    pub service: &'run str,
    /// The most connections at which it was measured and served all; `None` where not even the fewest.
    pub held: Option<u64>,
    /// The trial that ended otherwise, at the next count; `None` where nothing stopped it.
    pub stopped: Option<&'run Trial>,
}

impl Wall<'_> {
    /// Who set the limit: the suite, too, where its plan ended before anything stopped the model.
    #[must_use]
    pub fn set_by(&self) -> Option<SetBy> {
        self.stopped.map_or(Some(SetBy::Suite), set_by)
    }

    /// Which limit, in plain words, with its figures where they are known.
    #[must_use]
    pub fn limit(&self) -> String {
        let Some(trial) = self.stopped else {
            return "nothing stopped it before the plan ended".into();
        };
        let detail = trial.outcome_detail.as_deref();
        match (&trial.stopped_by, detail) {
            (Some(by), Some(detail)) => format!("{}: {detail}", by.limit),
            (Some(by), None) => by.limit.clone(),
            (None, detail) => detail.unwrap_or_default().to_owned(),
        }
    }
}

/// Limits that a trial is held against by what each of its connections is estimated to need.
const ESTIMATED: [&str; 2] = ["memory available", "cgroup memory"];

/// Whether a limit is held against an estimate.
#[must_use]
pub fn is_met_by_estimate(limit: &str) -> bool {
    ESTIMATED.contains(&limit)
}

/// Whether a trial was refused by an estimate, so that the model may go further.
#[must_use]
pub fn is_estimated(trial: &Trial) -> bool {
    let by = trial.stopped_by.as_ref();
    trial.outcome == Outcome::Limit && by.is_some_and(|by| is_met_by_estimate(&by.limit))
}

/// Who set the limit that stopped a trial; records from before it was noted tell by their outcome.
///
/// An estimate is the suite's, whatever the record says: two models that were refused at a million connections hold them.
#[must_use]
pub fn set_by(trial: &Trial) -> Option<SetBy> {
    if is_estimated(trial) {
        return Some(SetBy::Suite);
    }
    if let Some(by) = &trial.stopped_by {
        return Some(by.set_by);
    }
    match trial.outcome {
        Outcome::Ok | Outcome::Interrupted => None,
        Outcome::Inconsistent => Some(SetBy::Suite),
        Outcome::Limit | Outcome::Killed => Some(SetBy::Machine),
        Outcome::Starved | Outcome::Hung | Outcome::FailedStart | Outcome::Died => {
            Some(SetBy::Model)
        }
    }
}

/// The walls of a run, by service and in the order of its cells.
#[must_use]
pub fn walls(run: &Run) -> Vec<Wall<'_>> {
    let mut cells: Vec<Cell<'_>> =
        run.cells().into_iter().filter(|cell| cell.experiment == WALL).collect();
    let mut order: Vec<(&str, &str)> = Vec::new();
    for cell in &cells {
        if !order.contains(&(cell.service, cell.model)) {
            order.push((cell.service, cell.model));
        }
    }
    cells.sort_by_key(|cell| cell.connections);
    let wall = |(service, model)| {
        let mut held = None;
        for cell in cells.iter().filter(|cell| (cell.service, cell.model) == (service, model)) {
            if cell.outcome() == Outcome::Ok {
                held = Some(cell.connections);
                continue;
            }
            let outcome = cell.outcome();
            let stopped = cell.finals().into_iter().find(|trial| trial.outcome == outcome);
            return Wall { model, service, held, stopped };
        }
        Wall { model, service, held, stopped: None }
    };
    order.into_iter().map(wall).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::StoppedBy;

    fn trial(model: &str, connections: u64, outcome: Outcome) -> Trial {
        Trial {
            experiment: WALL.into(),
            model: model.into(),
            service: "http".into(),
            connections,
            repeat: 1,
            outcome,
            ..Trial::default()
        }
    }

    #[test]
    fn a_wall_lies_after_the_last_count_that_was_held_and_says_whose_it_is() {
        let by = StoppedBy { set_by: SetBy::Suite, limit: "the generator's descriptors".into() };
        let mut forks = trial("forks", 2, Outcome::Limit);
        (forks.stopped_by, forks.outcome_detail) = (Some(by), Some("needs 7".into()));
        let run = Run {
            trials: vec![
                trial("loop", 1, Outcome::Ok),
                trial("loop", 2, Outcome::Ok),
                trial("pool", 2, Outcome::Starved),
                trial("pool", 1, Outcome::Ok),
                forks,
            ],
            ..Run::default()
        };
        let walls = walls(&run);
        let of = |model: &str| walls.iter().find(|wall| wall.model == model).unwrap();
        assert_eq!((of("loop").held, of("loop").set_by()), (Some(2), Some(SetBy::Suite)));
        assert!(of("loop").limit().contains("plan ended"));
        assert_eq!((of("pool").held, of("pool").set_by()), (Some(1), Some(SetBy::Model)));
        assert_eq!((of("forks").held, of("forks").set_by()), (None, Some(SetBy::Suite)));
        assert_eq!(of("forks").limit(), "the generator's descriptors: needs 7");
    }

    #[test]
    fn an_estimate_is_the_suites_whatever_a_record_says() {
        let mut refused = trial("green", 2, Outcome::Limit);
        let by = |limit: &str| Some(StoppedBy { set_by: SetBy::Machine, limit: limit.into() });
        refused.stopped_by = by("memory available");
        assert_eq!((is_estimated(&refused), set_by(&refused)), (true, Some(SetBy::Suite)));
        refused.stopped_by = by("nofile");
        assert_eq!((is_estimated(&refused), set_by(&refused)), (false, Some(SetBy::Machine)));
    }
}
