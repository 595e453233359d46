//! From a planned trial to what contestant and generator are told, and to the record of both.

use std::net::SocketAddr;
use std::time::Duration;

use load::{Body, Churn, Expect, Load, Target, Until, Warmup};
use measure::cpus;
use record::trial::{Beside, Pace, Settings, Trial};

use crate::calibration::resolved;
use crate::expected;
use crate::order::Planned;
use crate::plan::{Arrivals, Block, Experiment, Opening, Service};
use crate::registry::Model;
use crate::trial::Setup;

/// An answer may take as long as the trial: a connection that is never served shows as such, not as a time-out.
const PATIENCE_BEYOND_WINDOW: Duration = Duration::from_secs(10);
/// What a connection adds to that, since the others' first answers come before its own, and to the time that a server
/// may take to let all of them go.
const PATIENCE_PER_CONNECTION: Duration = Duration::from_micros(100);

/// At least this many windows fit into the longest warm-up, so that two of them can agree.
const WARMUP_WINDOWS: u32 = 5;

/// Of a process's descriptors, a ninth more than its share of the connections: the kernel spreads them unevenly.
const HEADROOM: u64 = 9;

/// What the record says of them.
pub(crate) fn of(setup: &Setup, planned: &Planned<'_>, model: &Model) -> Settings {
    let experiment = planned.experiment;
    let echo = planned.service == Service::Echo;
    let connections = planned.connections;
    let burn_ns = (experiment.burn_ns > 0).then_some(experiment.burn_ns);
    let burn = |ns| setup.calibration.iterations(Duration::from_nanos(ns));
    let processes = many(experiment, model).then(|| processes(connections));
    Settings {
        workers: experiment.workers.or_else(|| model.workers_on(setup.cpus.server.len())),
        blocking_threads: experiment.blocking_threads,
        block: experiment.block.map(|block| Block::name(block).to_owned()),
        burn: burn_ns.map(burn),
        burn_ns,
        active: Some(experiment.active.of(connections)),
        size: echo.then_some(experiment.size),
        path: (!echo).then(|| path(setup, &experiment.path)),
        pipeline: Some(experiment.pipeline),
        opening: (experiment.opening == Opening::Burst).then(|| "burst".to_owned()),
        greet: experiment.greet.then_some(true),
        churn: experiment.churn.then_some(true),
        processes,
        congestion_control: setup.congestion_control.clone(),
        server_cpus: Some(cpus::list(&setup.cpus.server)),
        generator_cpus: Some(cpus::list(&setup.cpus.generator)),
        warmup_s: Some(experiment.warmup(model, connections).as_secs_f64()),
        duration_s: Some(experiment.window(model, connections).as_secs_f64()),
    }
}

/// Who else asks, before they have.
pub(crate) fn beside(setup: &Setup, planned: &Planned<'_>) -> Option<Beside> {
    let beside = planned.experiment.beside.as_ref()?;
    Some(Beside {
        path: path(setup, &beside.path),
        connections: beside.connections,
        rate: beside.rate,
        slow: beside.slow.map(|slow| slow.name().to_owned()),
        ..Beside::default()
    })
}

/// Whether contestant and generator may take several processes.
fn many(experiment: &Experiment, model: &Model) -> bool {
    experiment.many_processes && model.event_driven
}

/// Processes that a contestant takes for that many connections.
pub(crate) fn processes(connections: u64) -> u64 {
    let with_headroom = connections.saturating_add(connections / HEADROOM);
    u64::try_from(load::processes_for(count(with_headroom))).unwrap_or(1)
}

/// The plan was checked; what it says otherwise is asked for as it stands, and answered with 404.
fn path(setup: &Setup, path: &str) -> String {
    resolved(path, setup.calibration).unwrap_or_else(|_| path.to_owned())
}

/// The command line of a contestant.
pub(crate) fn serve_args(trial: &Trial) -> Vec<String> {
    // A killed harness stops nobody: the kernel does it.
    let fixed =
        ["serve", "--listen", "127.0.0.1:0", "--service", &trial.service, "--die-with-parent"];
    let settings = &trial.settings;
    let numbers = [
        ("--workers", settings.workers),
        ("--blocking-threads", settings.blocking_threads),
        ("--burn", settings.burn),
        ("--processes", settings.processes),
    ];
    let numbers = numbers.iter().filter_map(|(name, number)| Some((*name, (*number)?.to_string())));
    let block = settings.block.iter().map(|block| ("--block", block.clone()));
    let options = numbers.chain(block).flat_map(|(name, value)| [name.to_owned(), value]);
    fixed.into_iter().map(str::to_owned).chain(options).collect()
}

/// What the generator is to do.
pub(crate) fn load(
    setup: &Setup,
    planned: &Planned<'_>,
    model: &Model,
    trial: &Trial,
    pace: load::Pace,
    addr: SocketAddr,
) -> Load {
    let experiment = planned.experiment;
    let (target, expect) = match &trial.settings.path {
        None => (Target::Echo { addr }, None),
        Some(path) => {
            (Target::Http { host: addr.to_string(), addr, path: path.clone() }, right_answer(path))
        }
    };
    let (warmup, window) = (
        experiment.warmup(model, planned.connections),
        experiment.window(model, planned.connections),
    );
    let storm = experiment.opening == Opening::Burst;
    // Who serves fewer by its nature would never answer all.
    let most = model.serves_at_most(trial.settings.workers);
    let answers_all = most.is_none_or(|most| most >= planned.connections);
    let connections = count(planned.connections);
    Load {
        opening: if storm { load::Opening::Burst } else { load::Opening::Gated },
        greet: (storm || experiment.greet) && answers_all,
        // The server closes, so that no port of the generator rests; an echo server waits for its client.
        churn: experiment.churn.then_some(match planned.service {
            Service::Http => Churn::Server,
            Service::Echo => Churn::Client,
        }),
        active: (!experiment.churn).then(|| count(experiment.active.of(planned.connections))),
        pace,
        until: Until::Duration(window),
        warmup: Warmup { max: warmup, window: warmup / WARMUP_WINDOWS },
        pipeline: count(experiment.pipeline),
        size: count(experiment.size),
        timeout: warmup + window + PATIENCE_BEYOND_WINDOW + per_connection(planned),
        processes: if many(experiment, model) { load::processes_for(connections) } else { 1 },
        cpus: setup.cpus.generator.clone(),
        // Another for each repeat, or one bad choice of active connections would stay for the whole run.
        seed: setup.seed.wrapping_add(u64::from(planned.order)),
        expect,
        ..Load::new(target, connections)
    }
}

/// The time that is waited longer for all those connections.
pub(crate) fn per_connection(planned: &Planned<'_>) -> Duration {
    PATIENCE_PER_CONNECTION.saturating_mul(u32::try_from(planned.connections).unwrap_or(u32::MAX))
}

/// The right answer to a path, where the service says so beforehand.
pub(crate) fn right_answer(path: &str) -> Option<Expect> {
    Some(Expect { status: Some(200), body: Body::Exact(expected::body(path)?) })
}

/// A rate as the generator and as the record have it.
pub(crate) fn open(rate: f64, arrivals: Arrivals) -> load::Pace {
    match arrivals {
        Arrivals::Poisson => load::Pace::Poisson(rate),
        Arrivals::Even => load::Pace::Rate(rate),
    }
}

/// A pace as the record has it.
pub(crate) fn recorded(pace: load::Pace) -> Pace {
    match pace {
        load::Pace::Closed => Pace::default(),
        load::Pace::Rate(rate) => Pace { kind: "rate".into(), rate: Some(rate) },
        load::Pace::Poisson(rate) => Pace { kind: "poisson".into(), rate: Some(rate) },
    }
}

/// Preflight has refused whatever does not fit into memory, so nothing that is left is cut.
pub(crate) fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
