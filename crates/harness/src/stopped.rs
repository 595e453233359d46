//! What stopped a trial, and whose limit that is: the suite's, the machine's or the model's.

use load::ErrorKind;
use measure::limits::{LimitHit, Need};
use record::stats::float;
use record::trial::{Outcome, SetBy, StoppedBy, Trial};
use record::wall::is_met_by_estimate;

use crate::contestant::End;
use crate::registry::Model;
use crate::verdict::{Course, starved_as_declared};

/// What ends a process that nobody told to end: the kernel, out of memory.
const SIGKILL: i32 = 9;

/// A limit that the preflight found: it is the generator's where the generator alone would meet it.
pub(crate) fn by_hit(hit: &LimitHit, need: &Need) -> StoppedBy {
    match hit.limit.as_str() {
        "nofile" if need.server_descriptors <= hit.have => {
            by(SetBy::Suite, "descriptors of the generator's process (nofile)")
        }
        "net.core.somaxconn" => by(SetBy::Model, "it accepts no more than it serves"),
        limit if is_met_by_estimate(limit) => by(SetBy::Suite, limit),
        limit => by(SetBy::Machine, limit),
    }
}

/// Of several limits that stop a cell at once the one that would be left when the suite had lifted its own, and of those the
/// one that is missed by most.
pub(crate) fn first(hits: Vec<LimitHit>, need: &Need) -> Option<(LimitHit, StoppedBy)> {
    let mut told: Vec<_> = hits.into_iter().map(|hit| (by_hit(&hit, need), hit)).collect();
    let share = |hit: &LimitHit| float(hit.have) / float(hit.need.max(1));
    told.sort_by(|(a, hit), (b, other)| {
        let is_own = |by: &StoppedBy| by.set_by == SetBy::Suite;
        is_own(a).cmp(&is_own(b)).then(share(hit).total_cmp(&share(other)))
    });
    told.into_iter().next().map(|(by, hit)| (hit, by))
}

/// What stopped a trial that was begun; `None` of one that was measured.
pub(crate) fn of(course: &Course, model: &Model, trial: &Trial) -> Option<StoppedBy> {
    let limit = match &course.result {
        Err(load::Error::Limit { kind, .. }) => Some(*kind),
        _ => None,
    };
    Some(match trial.outcome {
        Outcome::Ok | Outcome::Interrupted => return None,
        Outcome::Limit => by_generator(limit),
        Outcome::Starved if starved_as_declared(model, trial) => {
            by(SetBy::Model, "it serves a fixed number at a time")
        }
        Outcome::Starved => by(SetBy::Model, "it does not give every connection its turn"),
        Outcome::Hung => by(SetBy::Model, "it answers no more"),
        Outcome::FailedStart => by(SetBy::Model, "it does not start"),
        Outcome::Killed if course.stopped.end == Some(End::Signalled(SIGKILL)) => {
            by(SetBy::Machine, "SIGKILL, as the kernel sends it when memory is out")
        }
        Outcome::Died | Outcome::Killed => by(SetBy::Model, "it ends by itself"),
        Outcome::Inconsistent => by(SetBy::Suite, "its accounts do not close"),
    })
}

/// A limit that the generator met while it opened connections.
fn by_generator(kind: Option<ErrorKind>) -> StoppedBy {
    match kind {
        Some(ErrorKind::NoFd) => by(SetBy::Suite, "descriptors of the generator's process"),
        Some(ErrorKind::NoPort) => by(SetBy::Suite, "ports of the generator's addresses"),
        Some(ErrorKind::NoMemory) => by(SetBy::Machine, "memory for sockets"),
        _ => by(SetBy::Suite, "the load could not be made"),
    }
}

pub(crate) fn by(set_by: SetBy, limit: &str) -> StoppedBy {
    StoppedBy { set_by, limit: limit.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(limit: &str, have: u64) -> LimitHit {
        LimitHit {
            limit: limit.into(),
            have,
            need: have + 1,
            message: "x".into(),
            remedy: "y".into(),
        }
    }

    #[test]
    fn descriptors_are_the_suites_limit_where_the_server_has_enough_and_else_the_machines() {
        let forks = Need { generator_descriptors: 200, server_descriptors: 64, ..Need::default() };
        assert_eq!(by_hit(&hit("nofile", 100), &forks).set_by, SetBy::Suite);
        let threads = Need { server_descriptors: 200, ..forks };
        assert_eq!(by_hit(&hit("nofile", 100), &threads).set_by, SetBy::Machine);
        assert_eq!(by_hit(&hit("net.core.somaxconn", 100), &threads).set_by, SetBy::Model);
        assert_eq!(by_hit(&hit("memory available", 100), &threads).set_by, SetBy::Suite);
    }

    #[test]
    fn a_limit_of_the_machine_goes_before_one_that_the_suite_could_lift() {
        let need = Need { generator_descriptors: 200, server_descriptors: 64, ..Need::default() };
        let both = vec![hit("nofile", 100), hit("kernel.pid_max", 100)];
        let (hit, by) = first(both, &need).unwrap();
        assert_eq!((hit.limit.as_str(), by.set_by), ("kernel.pid_max", SetBy::Machine));
        let mut maps = self::hit("vm.max_map_count", 100);
        maps.need = 300;
        let pids = self::hit("kernel.pid_max", 100);
        let (tightest, _) = first(vec![pids, maps], &need).unwrap();
        assert_eq!(tightest.limit, "vm.max_map_count");
        assert!(first(Vec::new(), &need).is_none());
    }
}
