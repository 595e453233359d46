//! Breaking a contestant on purpose, in the middle of the window, and what that costs everybody else.
//!
//! ```text
//! window opens ------- half -------------------------------- window closes
//! witnesses ask ask ask  |  ask (lost) (lost) ask ask ask  -->  all served again, or their patience is over
//!                     fault: begun, seen, over --next answer--full service-->
//! ```

mod inject;
mod sockets;
mod witness;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use record::trial::{self, Outcome, SetBy, Trial};

use self::inject::{Happened, Server};
use self::witness::{KEEPERS, NEWCOMERS, Seen, Witnesses, connection_of};
use crate::contestant::Contestant;
use crate::limited;
use crate::order::Planned;
use crate::plan::Fault;
use crate::registry::Model;
use crate::stopped;
use crate::watch::until;

/// After the window, for whoever is not yet served again.
const RECOVERS_WITHIN: Duration = Duration::from_secs(5);
/// Between two looks whether the trial is over already.
const LOOK: Duration = Duration::from_millis(5);

/// The fault of a trial, if it has one.
#[derive(Debug)]
pub(crate) struct Faults<'a> {
    fault: Option<Fault>,
    /// From the opening of the window.
    delay: Duration,
    forks: bool,
    contestant: &'a Contestant,
    open: Option<Open>,
    found: Option<Found>,
}

/// While the window is open: the witnesses ask, and the fault comes.
#[derive(Debug)]
struct Open {
    fault: Fault,
    since: Instant,
    witnesses: Witnesses,
    over: Arc<AtomicBool>,
    injecting: JoinHandle<Result<Happened, String>>,
}

impl<'a> Faults<'a> {
    pub(crate) fn of(planned: &Planned<'_>, model: &Model, contestant: &'a Contestant) -> Self {
        Self {
            fault: planned.experiment.fault(),
            delay: planned.experiment.window(model, planned.connections) / 2,
            forks: limited::forks(model),
            contestant,
            open: None,
            found: None,
        }
    }

    /// The window opens.
    pub(crate) fn begin(&mut self) {
        let Some(fault) = self.fault else { return };
        let server = Server { address: self.contestant.address(), leader: self.contestant.pid() };
        self.open = Some(Open::begin(fault, server, self.forks, self.delay));
    }

    /// The window closes: waits until everybody is served again, unless the server has ended.
    pub(crate) fn end(&mut self) {
        if let Some(open) = self.open.take() {
            self.found = Some(open.end(|| self.contestant.has_ended()));
        }
    }

    /// What came of it, also where the window never closed.
    pub(crate) fn found(mut self) -> Option<Found> {
        if let Some(open) = self.open.take() {
            self.found = Some(open.end(|| true));
        }
        self.found
    }
}

impl Open {
    fn begin(fault: Fault, server: Server, forks: bool, delay: Duration) -> Self {
        let (since, over) = (Instant::now(), Arc::new(AtomicBool::new(false)));
        let witnesses = Witnesses::begin(server.address);
        let (first, told) = (witnesses.first(), Arc::clone(&over));
        let injecting = thread::spawn(move || {
            while since.elapsed() < delay {
                if told.load(Ordering::Relaxed) {
                    return Err("the trial was over before it".into());
                }
                thread::sleep(LOOK);
            }
            match fault {
                Fault::None => Ok(inject::nothing()),
                Fault::Panic => inject::panic(server),
                Fault::KilledChild => inject::kill_child(server, connection_of(&first)),
                Fault::Descriptors => inject::exhaust(server, forks),
            }
        });
        Self { fault, since, witnesses, over, injecting }
    }

    fn end(self, has_ended: impl Fn() -> bool) -> Found {
        if has_ended() {
            self.over.store(true, Ordering::Relaxed);
        }
        let happened =
            self.injecting.join().unwrap_or_else(|_| Err("the harness failed at it".into()));
        let mut found = Found { fault: self.fault, after: Duration::ZERO, happened, seen: None };
        if let Ok(Happened { begun, over, .. }) = found.happened {
            let served = || self.witnesses.seen(begun, over).full_service.is_some();
            until(RECOVERS_WITHIN, || served() || has_ended());
            found.seen = Some(self.witnesses.seen(begun, over));
            found.after = begun.duration_since(self.since);
        }
        self.witnesses.end();
        found
    }
}

/// What is known of a fault when the trial is over.
#[derive(Debug)]
pub(crate) struct Found {
    fault: Fault,
    after: Duration,
    happened: Result<Happened, String>,
    seen: Option<Seen>,
}

/// Writes what was lost; the losses of the measured clients are counted, too. A server that has ended has lost every
/// connection, also those whose clients had no time to notice.
pub(crate) fn write(
    found: &Found,
    load: Option<&load::Outcome>,
    has_ended: bool,
    trial: &mut Trial,
) {
    let mut fault = trial::Fault {
        kind: found.fault.name().into(),
        witnesses: count(KEEPERS + NEWCOMERS),
        ..trial::Fault::default()
    };
    if let (Ok(happened), Some(seen)) = (&found.happened, &found.seen) {
        let requests = load.map_or(0, |load| load.errors_in_window);
        let connections = load.map_or(0, |load| load.reopened + load.dead);
        let lasted = happened.over.duration_since(happened.begun);
        fault.seen = Some(happened.how.clone());
        fault.after_ms = Some(ms(found.after));
        fault.lasted_ms = (!lasted.is_zero()).then(|| ms(lasted));
        fault.limit = happened.shortage.map(|it| it.limit);
        fault.crowd = happened.shortage.map(|it| it.crowd);
        fault.shut_out = happened.shortage.map(|it| it.shut_out);
        fault.requests_lost = (!has_ended).then(|| requests + count(seen.requests_lost));
        fault.connections_lost = Some(if has_ended {
            count(KEEPERS) + trial.connections
        } else {
            connections + count(seen.connections_lost)
        });
        fault.next_answer_ns = seen.next_answer.map(ns);
        fault.full_service_ns = seen.full_service.map(ns);
        if seen.full_service.is_none() {
            trial.warnings.push("service was not full again before the trial ended".into());
        }
    }
    trial.fault = Some(fault);
}

/// Calls a trial inconsistent whose losses would be told of a fault that nobody saw.
pub(crate) fn judge(found: &Found, trial: &mut Trial) {
    let complaint = trial.fault.as_ref().and_then(|fault| complaint(found, fault));
    if let (Some(why), Outcome::Ok) = (complaint, trial.outcome) {
        (trial.outcome, trial.outcome_detail) = (Outcome::Inconsistent, Some(why));
        trial.stopped_by = Some(stopped::by(SetBy::Suite, "the fault or its control failed"));
    }
}

/// Why what was lost says nothing of the fault.
fn complaint(found: &Found, fault: &trial::Fault) -> Option<String> {
    let seen = match (&found.happened, &found.seen) {
        (Err(why), _) => return Some(format!("the fault was not seen to happen: {why}")),
        (Ok(_), None) => return Some("nobody saw what the fault did".into()),
        (Ok(_), Some(seen)) => seen,
    };
    let lost = fault.requests_lost.unwrap_or(0) + fault.connections_lost.unwrap_or(0);
    if seen.lost_before > 0 {
        return Some(format!(
            "{} requests of the witnesses were lost before the fault",
            seen.lost_before
        ));
    }
    match found.fault {
        Fault::None if lost > 0 => {
            Some(format!("the control lost {lost} requests and connections"))
        }
        Fault::None if seen.full_service.is_none() => {
            Some("the control did not serve every witness".into())
        }
        Fault::KilledChild if fault.connections_lost == Some(0) => Some(
            "the child's client lost no connection: it was not the child that served it".into(),
        ),
        _ => None,
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn ns(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(fault: Fault, happened: Result<Happened, String>, seen: Seen) -> Found {
        Found { fault, after: Duration::ZERO, happened, seen: Some(seen) }
    }

    /// What is said of a trial that was measured, and how it then ended.
    fn judged(found: &Found) -> (Outcome, String) {
        let mut trial = Trial::default();
        write(found, None, false, &mut trial);
        judge(found, &mut trial);
        (trial.outcome, trial.outcome_detail.unwrap_or_default())
    }

    #[test]
    fn losses_count_only_of_a_fault_that_was_seen_and_a_control_that_lost_nothing() {
        let nothing = || Ok(inject::nothing());
        let served = || Seen { full_service: Some(Duration::ZERO), ..Seen::default() };
        let lost = || Seen { requests_lost: 1, connections_lost: 1, ..served() };
        for fault in [Fault::Panic, Fault::KilledChild, Fault::Descriptors] {
            assert_eq!(judged(&found(fault, nothing(), lost())).0, Outcome::Ok, "{fault:?}");
        }
        assert_eq!(judged(&found(Fault::None, nothing(), served())).0, Outcome::Ok);
        let early = Seen { lost_before: 3, ..lost() };
        for (found, word) in [
            (found(Fault::Panic, Err("it was answered".into()), lost()), "answered"),
            (found(Fault::None, nothing(), lost()), "control lost 2"),
            (found(Fault::None, nothing(), Seen::default()), "did not serve every"),
            (found(Fault::KilledChild, nothing(), served()), "lost no connection"),
            (found(Fault::Descriptors, nothing(), early), "3 requests"),
        ] {
            let (outcome, detail) = judged(&found);
            assert_eq!(outcome, Outcome::Inconsistent, "{found:?}");
            assert!(detail.contains(word), "{detail}");
        }
    }
}
