//! One trial: a fresh contestant, one load, one record. Whatever happens to the contestant becomes the record's outcome.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use load::{Body, Event, Expect, Load, Observer as _, Stop};
use measure::cpus::CpuSets;
use measure::limits::{self, LimitHit};
use measure::tree::{Memory, Tree};
use record::run::{Timestamp, utc};
use record::trial::{Outcome, SCHEMA, SetBy, StoppedBy, Trial};

use crate::beside::Neighbours;
use crate::calibration::Calibration;
use crate::client_trial;
use crate::contestant::{Contestant, Launch, StartError};
use crate::faults::{self, Faults};
use crate::figures;
use crate::interrupt::{self, InFlight};
use crate::limited;
use crate::need;
use crate::observe::{Before, Edges};
use crate::order::Planned;
use crate::plan::{Fault, Offer, Rate, Service};
use crate::registry::Model;
use crate::settings;
use crate::stall::Stall;
use crate::stopped;
use crate::verdict::{self, Course};

/// What all trials of a run have in common.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Folder of the contestants' binaries.
    pub binaries: PathBuf,
    /// Who runs where.
    pub cpus: CpuSets,
    /// The kernel's default congestion control.
    pub congestion_control: Option<String>,
    /// How long a contestant may take to announce itself.
    pub announce_within: Duration,
    /// How long it may take to stop.
    pub stop_within: Duration,
    /// The run's seed.
    pub seed: u64,
    /// How much work a nanosecond is.
    pub calibration: Calibration,
}

/// A SYN that was dropped is sent again after 1, 3, 7 s: whoever takes no connection for longer takes no more.
const OPENING_PATIENCE: Duration = Duration::from_secs(10);

/// Measures one trial at that pace. Never panics, never leaves a process: a failure of any kind is the trial's outcome.
pub fn run(
    setup: &Setup,
    planned: &Planned<'_>,
    model: &Model,
    pace: load::Pace,
    attempt: u32,
    progress: &mut (dyn FnMut(Event) + Send),
) -> Trial {
    let mut trial = blank(setup, planned, model, attempt);
    trial.beside = settings::beside(setup, planned);
    let measured = catch_unwind(AssertUnwindSafe(|| {
        measure(setup, planned, model, pace, &mut trial, progress);
    }));
    if let Err(panic) = measured {
        let why = panic.downcast_ref::<String>().cloned();
        let why = why
            .or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
            .unwrap_or_default();
        trial.outcome = Outcome::Inconsistent;
        trial.outcome_detail = Some(format!("the harness failed: {why}; report this"));
    }
    trial
}

/// A trial that cannot be asked for what the plan wants.
pub(crate) fn refused(
    setup: &Setup,
    planned: &Planned<'_>,
    model: &Model,
    attempt: u32,
    why: String,
) -> Trial {
    let outcome_detail = Some(why);
    let stopped_by = Some(stopped::by(SetBy::Suite, "no rate to offer"));
    Trial {
        outcome: Outcome::Limit,
        outcome_detail,
        stopped_by,
        ..blank(setup, planned, model, attempt)
    }
}

/// The trial before anything is known of it.
fn blank(setup: &Setup, planned: &Planned<'_>, model: &Model, attempt: u32) -> Trial {
    let key = planned.key();
    Trial {
        schema: SCHEMA,
        experiment: key.experiment,
        model: key.model,
        service: key.service,
        connections: key.connections,
        variant: key.variant,
        repeat: key.repeat,
        attempt,
        order: planned.order,
        started_at: utc(Timestamp::now()),
        settings: settings::of(setup, planned, model),
        ..Trial::default()
    }
}

fn measure(
    setup: &Setup,
    planned: &Planned<'_>,
    model: &Model,
    pace: load::Pace,
    trial: &mut Trial,
    progress: &mut (dyn FnMut(Event) + Send),
) {
    trial.pace = settings::recorded(pace);
    if let Offer::Open(Rate::OfCeiling(percent)) = planned.offer {
        trial.offered_ceiling_percent = Some(percent);
    }
    if let Some((hit, by)) = preflight(setup, planned, model) {
        trial.outcome = Outcome::Limit;
        trial.outcome_detail = Some(hit.to_string());
        trial.stopped_by = Some(by);
        return;
    }
    match &planned.experiment.client {
        Some(task) => client_trial::measure(setup, planned, task, trial),
        None => measure_server(setup, planned, model, pace, trial, progress),
    }
}

fn measure_server(
    setup: &Setup,
    planned: &Planned<'_>,
    model: &Model,
    pace: load::Pace,
    trial: &mut Trial,
    progress: &mut (dyn FnMut(Event) + Send),
) {
    let before = Before::read();
    let stop = Stop::new();
    let in_flight = InFlight::trial(&stop);
    let Some(contestant) = start(setup, planned, model, &stop, trial) else { return };
    in_flight.contestant(contestant.pid());

    let group = u32::try_from(contestant.pid().as_raw()).unwrap_or_default();
    weigh_idle(group, trial);
    let load = settings::load(setup, planned, model, trial, pace, contestant.address());
    let beside = trial.beside.take();
    let beside = beside
        .map(|record| Neighbours::begin(record, planned.experiment.beside.as_ref(), setup, &load));
    let quiet = beside.is_none();
    let mut edges = Edges::of(group, &setup.cpus.server, &setup.cpus.generator, quiet, progress);
    let mut stall = Stall::of(OPENING_PATIENCE, stop.clone());
    let mut faults = Faults::of(planned, model, &contestant);
    let mut observer = |event| {
        stall.look(event, Instant::now());
        // No witness asks while the edges are read.
        if event == Event::WindowCloses {
            faults.end();
        }
        edges.event(event);
        if event == Event::WindowOpens {
            faults.begin();
        }
    };
    let result = load::run(&load, &mut observer, &stop);
    let found = faults.found();
    trial.beside = beside.map(Neighbours::end);
    // Before it is told to stop: from here on an end is as it should be.
    let ended_by_itself = contestant.has_ended();
    let all_cpus: Vec<usize> =
        setup.cpus.server.iter().chain(&setup.cpus.generator).copied().collect();
    let seen = edges.seen(&before, &all_cpus);
    let stopped = contestant.stop();
    drop(in_flight);

    let stalled = stall.stalled();
    let course =
        Course { result, stopped, stalled, ended_by_itself, interrupted: interrupt::requested() };
    if let Some(found) = &found {
        faults::write(found, course.result.as_ref().ok(), ended_by_itself, trial);
    }
    let usual_probe_ns = setup.calibration.probe_ns;
    figures::write(&course, &seen, body_bytes(planned, &load), usual_probe_ns, trial);
    verdict::write(&course, model, trial);
    if let Some(found) = &found {
        faults::judge(found, trial);
    }
}

/// What the machine lacks of what the trial needs, those beside it included, and whose limit that is.
pub(crate) fn preflight(
    setup: &Setup,
    planned: &Planned<'_>,
    model: &Model,
) -> Option<(LimitHit, StoppedBy)> {
    let beside = planned.experiment.beside.as_ref().map_or(0, |beside| beside.connections);
    let together = planned.connections.saturating_add(beside);
    let settings = settings::of(setup, planned, model);
    let need = need::of_trial(model, together, &settings, setup.cpus.generator.len());
    stopped::first(limits::Now::read().hits(&need), &need)
}

fn launch(setup: &Setup, planned: &Planned<'_>, trial: &Trial) -> Launch {
    Launch {
        user: None,
        program: setup.binaries.join(&trial.model),
        args: settings::serve_args(trial),
        cpus: setup.cpus.server.clone(),
        announce_within: setup.announce_within,
        stop_within: setup.stop_within + settings::per_connection(planned),
    }
}

/// Starts the contestant, with as few descriptors or processes as the fault wants; or writes why it did not start.
fn start(
    setup: &Setup,
    planned: &Planned<'_>,
    model: &Model,
    stop: &Stop,
    trial: &mut Trial,
) -> Option<Contestant> {
    let launch = launch(setup, planned, trial);
    let scarce = planned.experiment.fault() == Some(Fault::Descriptors);
    let (launch, _copy) = match limited::launch(launch, model, scarce) {
        Ok(limited) => limited,
        Err(why) => {
            (trial.outcome, trial.outcome_detail) = (Outcome::Limit, Some(format!("{why:#}")));
            trial.stopped_by = Some(stopped::by(SetBy::Machine, "who may refuse forks"));
            return None;
        }
    };
    let told = stop.clone();
    let started = Contestant::start(&launch, move || told.request(), interrupt::requested);
    started.inspect_err(|error| failed_start(trial, error)).ok()
}

fn failed_start(trial: &mut Trial, error: &StartError) {
    trial.outcome = match error {
        StartError::Interrupted => Outcome::Interrupted,
        _ => Outcome::FailedStart,
    };
    trial.stopped_by = match error {
        StartError::Interrupted => None,
        StartError::Spawn { .. } => Some(stopped::by(SetBy::Suite, "no program to start")),
        _ => Some(stopped::by(SetBy::Model, "it does not start")),
    };
    trial.outcome_detail = Some(error.to_string());
}

/// What it weighs before the first connection.
fn weigh_idle(group: u32, trial: &mut Trial) {
    match Tree::of_group(group).and_then(|mut tree| tree.snapshot(Memory::Weigh)) {
        Ok(snapshot) => {
            trial.server.pss_idle_bytes = snapshot.pss_bytes;
            trial
                .warnings
                .extend(snapshot.missing.into_iter().map(|why| format!("idle memory: {why}")));
        }
        Err(error) => trial.warnings.push(format!("idle memory: {error}")),
    }
}

/// Length of a right answer's body, where it is known.
fn body_bytes(planned: &Planned<'_>, load: &Load) -> Option<u64> {
    match (planned.service, &load.expect) {
        (Service::Echo, _) => Some(planned.experiment.size),
        (Service::Http, Some(Expect { body: Body::Exact(body), .. })) => {
            u64::try_from(body.len()).ok()
        }
        (Service::Http, _) => None,
    }
}
