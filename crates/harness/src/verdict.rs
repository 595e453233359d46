//! How a trial ended, what taints its figures, and the words that go with both.

use record::trial::{Flag, Outcome, Trial};

use crate::checks;
use crate::contestant::{End, Stopped, describe};
use crate::registry::Model;
use crate::stall::Stalled;
use crate::stopped;

/// Steal of a twentieth moves a rate by as much, which is what a run wants to resolve.
const STEAL_SHARE_MAX: f64 = 0.05;
/// Ticks of 10 ms make a tenth of a one-second window on two CPUs uncertain by 2 %.
const OTHER_SHARE_MAX: f64 = 0.1;

/// The course that a trial took.
#[derive(Debug)]
pub(crate) struct Course {
    /// What the generator says.
    pub(crate) result: Result<load::Outcome, load::Error>,
    /// How the contestant was stopped.
    pub(crate) stopped: Stopped,
    /// Where opening the connections stood still, if it did.
    pub(crate) stalled: Option<Stalled>,
    /// It had ended before it was told to.
    pub(crate) ended_by_itself: bool,
    /// The user interrupted the run.
    pub(crate) interrupted: bool,
}

/// Writes outcome, detail, flags and warnings.
pub(crate) fn write(course: &Course, model: &Model, trial: &mut Trial) {
    let (outcome, detail) = judge(course, model, trial);
    trial.outcome = outcome;
    trial.outcome_detail = detail;
    trial.stopped_by = stopped::of(course, model, trial);
    flag(course, trial);
    warn(course, trial);
}

/// The first thing that went wrong is what the trial is about.
fn judge(course: &Course, model: &Model, trial: &Trial) -> (Outcome, Option<String>) {
    if course.ended_by_itself {
        return ended(&course.stopped);
    }
    if course.interrupted {
        return (Outcome::Interrupted, Some("the run was interrupted during this trial".into()));
    }
    if let Some(Stalled { established, total, patience }) = course.stalled {
        let detail = format!(
            "it announced itself, took {established} of {total} connections and then no more for {} s{}",
            patience.as_secs(),
            course.stopped.last_words
        );
        return (Outcome::Hung, Some(detail));
    }
    let outcome = match &course.result {
        Ok(outcome) => outcome,
        Err(error) => return not_measured(error, &course.stopped),
    };
    let mut complaints = checks::complaints(&trial.checks);
    complaints.extend(checks::wrong_answers(outcome));
    if !complaints.is_empty() {
        return (Outcome::Inconsistent, Some(complaints.join("; ")));
    }
    // Idle connections and other clients may hold all places that a pool has.
    let others = outcome.active < outcome.connections || trial.beside.is_some();
    if outcome.requests == 0 && others && starved_as_declared(model, trial) {
        return (Outcome::Starved, Some(starved(outcome, model, trial)));
    }
    if outcome.requests == 0 {
        let detail = format!(
            "it announced itself, took {} connections and answered no request{}{}",
            outcome.established,
            listed(trial),
            course.stopped.last_words
        );
        return (Outcome::Hung, Some(detail));
    }
    if outcome.served < outcome.active && had_their_turn(outcome) {
        return (Outcome::Starved, Some(starved(outcome, model, trial)));
    }
    (Outcome::Ok, None)
}

/// An open loop takes the connection that has been free for longest, so each has asked after as many requests as there
/// are connections.
fn had_their_turn(outcome: &load::Outcome) -> bool {
    outcome.pace == load::Pace::Closed
        || outcome.requests_sent
            > u64::try_from(outcome.active).unwrap_or(u64::MAX).saturating_mul(2)
}

fn ended(stopped: &Stopped) -> (Outcome, Option<String>) {
    let how = stopped.end.map_or_else(|| "an unknown status".into(), describe);
    let outcome = match stopped.end {
        Some(End::Signalled(_)) => Outcome::Killed,
        Some(End::Exited(_)) | None => Outcome::Died,
    };
    (outcome, Some(format!("it ended with {how} in mid-trial{}", stopped.last_words)))
}

fn not_measured(error: &load::Error, stopped: &Stopped) -> (Outcome, Option<String>) {
    let outcome = match error {
        load::Error::Limit { .. } => Outcome::Limit,
        load::Error::NotOpened { .. } => Outcome::Hung,
        load::Error::Interrupted => Outcome::Interrupted,
        // The generator itself failed: nothing is known of the contestant, and nothing may be ranked.
        load::Error::Usage(_) | load::Error::Process { .. } | load::Error::Io { .. } => {
            Outcome::Inconsistent
        }
    };
    (outcome, Some(format!("{error}{}", stopped.last_words)))
}

fn starved(outcome: &load::Outcome, model: &Model, trial: &Trial) -> String {
    let served = format!("served {} of {} connections", outcome.served, outcome.active);
    match model.serves_at_most(trial.settings.workers) {
        Some(most) if starved_as_declared(model, trial) => {
            format!("{served}: as declared, it serves {most} at a time")
        }
        _ => format!("{served}{}", listed(trial)),
    }
}

/// Whether a starved trial is what the registry says of the model, and so no failure: with those beside there were more
/// connections than it serves.
#[must_use]
pub(crate) fn starved_as_declared(model: &Model, trial: &Trial) -> bool {
    let beside = trial.beside.as_ref().map_or(0, |beside| beside.connections);
    let asked = trial.connections.saturating_add(beside);
    model.serves_at_most(trial.settings.workers).is_some_and(|most| asked > most)
}

fn listed(trial: &Trial) -> String {
    if trial.errors.is_empty() {
        return String::new();
    }
    let errors: Vec<String> =
        trial.errors.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    format!("; errors: {}", errors.join(", "))
}

fn flag(course: &Course, trial: &mut Trial) {
    let above = |share: Option<f64>, most: f64| share.is_some_and(|share| share > most);
    let some = |count: Option<u64>| count.is_some_and(|count| count > 0);
    let outcome = course.result.as_ref().ok();
    let raised = [
        (Flag::GeneratorBound, outcome.is_some_and(|outcome| outcome.saturated)),
        (
            Flag::Noisy,
            above(trial.machine.steal_share, STEAL_SHARE_MAX)
                || above(trial.machine.other_cpu_share, OTHER_SHARE_MAX),
        ),
        (Flag::TcpDrops, some(trial.tcp.listen_overflows) || some(trial.tcp.listen_drops)),
        (Flag::ColdStart, outcome.is_some_and(|outcome| !outcome.warmup_converged)),
        (Flag::UncleanExit, !course.stopped.complaints.is_empty()),
    ];
    trial.flags = raised.into_iter().filter_map(|(flag, raised)| raised.then_some(flag)).collect();
}

fn warn(course: &Course, trial: &mut Trial) {
    trial.warnings.extend(course.stopped.complaints.iter().cloned());
    let Ok(outcome) = &course.result else { return };
    if outcome.established < outcome.connections {
        let opened =
            format!("opened {} of {} connections", outcome.established, outcome.connections);
        trial.warnings.push(format!("{opened}{}", listed(trial)));
    } else if !trial.errors.is_empty() {
        trial.warnings.push(format!("not every request was answered{}", listed(trial)));
    }
    if outcome.dead > 0 {
        trial
            .warnings
            .push(format!("{} connections broke and could not be opened again", outcome.dead));
    }
    if trial.flags.contains(&Flag::TcpDrops) {
        let number =
            |count: Option<u64>| count.map_or_else(|| "unknown".into(), |count| count.to_string());
        trial.warnings.push(format!(
            "the listen queue overflowed {} times and dropped {} connections: latency comes in steps of seconds",
            number(trial.tcp.listen_overflows),
            number(trial.tcp.listen_drops)
        ));
    }
}

#[cfg(test)]
mod tests {
    use record::trial::Beside;

    use super::*;
    use crate::registry::Registry;

    #[test]
    fn whoever_is_beside_takes_places_of_a_pool() {
        let registry = Registry::embedded();
        let beside = |connections| Some(Beside { connections, ..Beside::default() });
        let starved = |model: &str, connections, beside| {
            let model = registry.get(model).unwrap();
            let mut trial = Trial { connections, beside, ..Trial::default() };
            trial.settings.workers = model.workers_on(1);
            starved_as_declared(model, &trial)
        };
        assert!(starved("sequential", 1, beside(1)));
        assert!(!starved("sequential", 1, None));
        assert!(starved("thread-pool", 10, beside(2_000)));
        assert!(!starved("thread-pool", 10, beside(118)));
        assert!(!starved("thread-per-connection", 10, beside(2_000)), "it serves whoever comes");
    }
}
