//! One trial: a fresh contestant, one load, one record. Whatever happens to the contestant becomes the record's outcome.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use load::{Body, Event, Expect, Load, Observer as _, Stop, Target, Until, Warmup};
use measure::cpus::{self, CpuSets};
use measure::limits;
use measure::tree::{Memory, Tree};
use record::run::{Timestamp, utc};
use record::trial::{Outcome, Pace, SCHEMA, Settings, Trial};

use crate::contestant::{Contestant, Launch, StartError};
use crate::expected;
use crate::figures;
use crate::interrupt::{self, InFlight};
use crate::need;
use crate::observe::{Before, Edges};
use crate::order::Planned;
use crate::plan::{Opening, Service};
use crate::registry::Model;
use crate::stall::Stall;
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
}

/// An answer may take as long as the trial: a connection that is never served shows as such, not as a time-out.
const PATIENCE_BEYOND_WINDOW: Duration = Duration::from_secs(10);

/// A SYN that was dropped is sent again after 1, 3, 7 s: whoever takes no connection for longer takes no more.
const OPENING_PATIENCE: Duration = Duration::from_secs(10);

/// At least this many windows fit into the longest warm-up, so that two of them can agree.
const WARMUP_WINDOWS: u32 = 5;

/// Measures one trial. Never panics, never leaves a process: a failure of any kind is the trial's outcome.
pub fn run(
    setup: &Setup,
    planned: &Planned<'_>,
    model: &Model,
    attempt: u32,
    progress: &mut (dyn FnMut(Event) + Send),
) -> Trial {
    let mut trial = blank(setup, planned, model, attempt);
    let measured =
        catch_unwind(AssertUnwindSafe(|| measure(setup, planned, model, &mut trial, progress)));
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

/// The trial before anything is known of it.
fn blank(setup: &Setup, planned: &Planned<'_>, model: &Model, attempt: u32) -> Trial {
    let key = planned.key();
    let experiment = planned.experiment;
    let echo = planned.service == Service::Echo;
    let settings = Settings {
        workers: model.workers_on(setup.cpus.server.len()),
        active: Some(experiment.active.of(planned.connections)),
        size: echo.then_some(experiment.size),
        path: (!echo).then(|| experiment.path.clone()),
        pipeline: Some(experiment.pipeline),
        opening: (experiment.opening == Opening::Burst).then(|| "burst".to_owned()),
        congestion_control: setup.congestion_control.clone(),
        server_cpus: Some(cpus::list(&setup.cpus.server)),
        generator_cpus: Some(cpus::list(&setup.cpus.generator)),
        warmup_s: Some(experiment.warmup(planned.connections).as_secs_f64()),
        duration_s: Some(experiment.window(planned.connections).as_secs_f64()),
        ..Settings::default()
    };
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
        settings,
        pace: Pace::default(),
        ..Trial::default()
    }
}

fn measure(
    setup: &Setup,
    planned: &Planned<'_>,
    model: &Model,
    trial: &mut Trial,
    progress: &mut (dyn FnMut(Event) + Send),
) {
    let generator_threads = setup.cpus.generator.len();
    let need = need::of_cell(model, planned.connections, trial.settings.workers, generator_threads);
    if let Err(hit) = limits::preflight(&need) {
        trial.outcome = Outcome::Limit;
        trial.outcome_detail = Some(hit.to_string());
        return;
    }
    let before = Before::read();
    let stop = Stop::new();
    let in_flight = InFlight::trial(&stop);
    let on_exit = {
        let stop = stop.clone();
        move || stop.request()
    };
    let contestant = match Contestant::start(&launch(setup, trial), on_exit, interrupt::requested) {
        Ok(contestant) => contestant,
        Err(error) => return failed_start(trial, &error),
    };
    in_flight.contestant(contestant.pid());

    let group = u32::try_from(contestant.pid().as_raw()).unwrap_or_default();
    weigh_idle(group, trial);
    let load = load(setup, planned, model, &contestant);
    let mut edges = Edges::of(group, &setup.cpus.server, &setup.cpus.generator, progress);
    let mut stall = Stall::of(OPENING_PATIENCE, stop.clone());
    let mut observer = |event| {
        stall.look(event, Instant::now());
        edges.event(event);
    };
    let result = load::run(&load, &mut observer, &stop);
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
    figures::write(&course, &seen, body_bytes(planned, &load), trial);
    verdict::write(&course, model, trial);
}

fn launch(setup: &Setup, trial: &Trial) -> Launch {
    let service = ["serve", "--listen", "127.0.0.1:0", "--service", &trial.service];
    // A killed harness stops nobody: the kernel does it.
    let mut args: Vec<String> =
        service.into_iter().chain(["--die-with-parent"]).map(str::to_owned).collect();
    if let Some(workers) = trial.settings.workers {
        args.extend(["--workers".into(), workers.to_string()]);
    }
    Launch {
        user: None,
        program: setup.binaries.join(&trial.model),
        args,
        cpus: setup.cpus.server.clone(),
        announce_within: setup.announce_within,
        stop_within: setup.stop_within,
    }
}

fn failed_start(trial: &mut Trial, error: &StartError) {
    trial.outcome = match error {
        StartError::Interrupted => Outcome::Interrupted,
        _ => Outcome::FailedStart,
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

fn load(setup: &Setup, planned: &Planned<'_>, model: &Model, contestant: &Contestant) -> Load {
    let experiment = planned.experiment;
    let addr = contestant.address();
    let (target, expect) = match planned.service {
        Service::Echo => (Target::Echo { addr }, None),
        Service::Http => {
            let expect = expected::body(&experiment.path)
                .map(|body| Expect { status: Some(200), body: Body::Exact(body) });
            (Target::Http { host: addr.to_string(), addr, path: experiment.path.clone() }, expect)
        }
    };
    let (warmup, window) =
        (experiment.warmup(planned.connections), experiment.window(planned.connections));
    let storm = experiment.opening == Opening::Burst;
    // Who serves fewer by its nature would never answer all.
    let most = model.serves_at_most(model.workers_on(setup.cpus.server.len()));
    let answers_all = most.is_none_or(|most| most >= planned.connections);
    Load {
        opening: if storm { load::Opening::Burst } else { load::Opening::Gated },
        greet: storm && answers_all,
        active: Some(count(experiment.active.of(planned.connections))),
        until: Until::Duration(window),
        warmup: Warmup { max: warmup, window: warmup / WARMUP_WINDOWS },
        pipeline: count(experiment.pipeline),
        size: count(experiment.size),
        timeout: warmup + window + PATIENCE_BEYOND_WINDOW,
        cpus: setup.cpus.generator.clone(),
        // Another for each repeat, or one bad choice of active connections would stay for the whole run.
        seed: setup.seed.wrapping_add(u64::from(planned.order)),
        expect,
        ..Load::new(target, count(planned.connections))
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

/// Preflight has refused whatever does not fit into memory, so nothing that is left is cut.
fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
