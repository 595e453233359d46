//! A run from end to end: what is right, who works, what they saw.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, channel};
use std::thread::{Scope, ScopedJoinHandle};

use crate::asking::{Asking, requests};
use crate::check::{RATE_MAX, check};
use crate::child;
use crate::crew::{Crew, Joint, Voice};
use crate::error::Error;
use crate::learn::right_answers;
use crate::observer::{Observer, Stop};
use crate::options::Load;
use crate::outcome::Outcome;
use crate::pattern::Pattern;
use crate::pipe::Job;
use crate::plan::{Gauge, Place, Plan, Signals};
use crate::protocol::{Echo, Protocol};
use crate::steps::{Step, any_open, complete};
use crate::summing::Before;
use crate::target::Target;
use crate::watch::Watch;
use crate::worker::{Report, Wires, work};

/// Drives `load` and returns what was measured; `observer` hears of each phase, `stop` ends it early.
///
/// Blocks the calling thread, which only watches: the load comes from threads or processes of its own, which end before
/// this returns.
///
/// # Errors
///
/// When nothing could be measured: the load contradicts itself, no connection opened, a limit of this machine was
/// reached while opening, or `stop` was asked for before the window opened. What goes wrong later is counted in
/// [`Outcome::errors`].
///
/// # Panics
///
/// When a thread of the generator panicked, which would be a fault of the generator.
pub fn run(load: &Load, observer: &mut dyn Observer, stop: &Stop) -> Result<Outcome, Error> {
    let mut outcomes = run_steps(load, &[Step::Pace(load.pace)], observer, stop)?;
    Ok(outcomes.pop().expect("each step has its outcome"))
}

/// Drives `load` at one pace after the other, over the same connections, with a warm-up and a window for each; returns
/// an outcome for each. `load.pace` is not looked at. A stop keeps the outcomes until then.
///
/// ```no_run
/// use load::{Load, Pace, Step, Stop, Target};
///
/// let load = Load::new(Target::parse("http://127.0.0.1:8080/")?, 100);
/// let shares = [0.25, 0.5, 0.75, 0.9];
/// let steps = shares.map(|of_ceiling| Step::Share { of_ceiling, poisson: true });
/// let outcomes = load::run_steps(&load, &steps, &mut |_| {}, &Stop::new())?;
/// // The first is the ceiling itself.
/// assert_eq!((outcomes.len(), outcomes[0].pace), (5, Pace::Closed));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// As [`run`].
///
/// # Panics
///
/// As [`run`].
pub fn run_steps(
    load: &Load,
    steps: &[Step],
    observer: &mut dyn Observer,
    stop: &Stop,
) -> Result<Vec<Outcome>, Error> {
    check(load)?;
    let steps = &complete(steps, RATE_MAX)?;
    let job = |right| Job { load: load.clone(), process: 0, any_open: any_open(steps), right };
    match &load.target {
        Target::Echo { .. } => {
            let expected = "the bytes that were sent".to_owned();
            let before = Before { expected, ..Before::default() };
            let echo = Echo(Pattern::new(load.size, load.seed));
            drive(echo, job(Vec::new()), steps, observer, stop, before)
        }
        Target::Http { host, addr, path } => {
            let (right, before) = right_answers(load, *addr, &requests(load, host, path));
            let job = job(right.clone());
            match Asking::new(load, host, path, right) {
                Asking::One(one) => drive(one, job, steps, observer, stop, before),
                Asking::Several(several) => drive(several, job, steps, observer, stop, before),
            }
        }
    }
}

fn drive<P: Protocol>(
    protocol: P,
    job: Job,
    steps: &[Step],
    observer: &mut dyn Observer,
    stop: &Stop,
    before: Before,
) -> Result<Vec<Outcome>, Error> {
    if job.load.processes > 1 {
        return drive_children(job, steps, observer, stop, before);
    }
    let plan = &Plan::new(&job.load, protocol, Place { process: 0 }, job.any_open);
    let signals = Signals::new(stop);
    let gauges: Vec<Gauge> = (0..plan.threads()).map(|_| Gauge::default()).collect();
    std::thread::scope(|scope| {
        let (report, reports) = channel();
        let (joints, threads) = start_threads(scope, plan, &signals, &gauges, &report)?;
        drop(report);
        let crew = Crew::new(&gauges, reports, Voice::new(&signals, joints));
        let led = Watch { crew, observer }.lead(plan, &job.load, steps, before);
        for thread in threads {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
        led
    })
}

/// Starts the threads of this process, one for each gauge.
pub(crate) fn start_threads<'scope, 'env, P: Protocol>(
    scope: &'scope Scope<'scope, 'env>,
    plan: &'env Plan<P>,
    signals: &'env Signals<'env>,
    gauges: &'env [Gauge],
    report: &Sender<Report>,
) -> Result<(Vec<Joint>, Vec<ScopedJoinHandle<'scope, ()>>), Error> {
    crate::limit::reserve_descriptors(plan.all_connections().div_ceil(plan.processes));
    let (mut joints, mut threads) = (Vec::new(), Vec::new());
    for (thread, gauge) in gauges.iter().enumerate() {
        let (sender, words) = channel();
        let wires = Wires { thread, signals, gauge, report: report.clone(), words };
        let builder = std::thread::Builder::new().name(format!("load-{thread}"));
        let spawned = builder.spawn_scoped(scope, move || work(plan, &wires));
        // A failure drops the joints, and with them the threads that were started.
        let failed = Error::io("failed to start a thread", "give fewer, or raise ulimit -u");
        threads.push(
            spawned
                .inspect_err(|_| signals.abort.store(true, Ordering::Relaxed))
                .map_err(failed)?,
        );
        joints.push(Joint::Thread(sender));
    }
    Ok((joints, threads))
}

/// The same over several processes, in each of which threads do the work.
fn drive_children(
    mut job: Job,
    steps: &[Step],
    observer: &mut dyn Observer,
    stop: &Stop,
    before: Before,
) -> Result<Vec<Outcome>, Error> {
    if !child::has_entry() {
        let why = "several processes, and a program that cannot be a child; call load::child_entry() first in its main";
        return Err(Error::Usage(why.to_owned()));
    }
    let plan = Plan::new(&job.load, (), Place { process: 0 }, job.any_open);
    let signals = Signals::new(stop);
    let gauges: Vec<Gauge> = (0..plan.processes).map(|_| Gauge::default()).collect();
    std::thread::scope(|scope| {
        let (report, reports) = channel();
        let mut joints = Vec::new();
        for (process, gauge) in gauges.iter().enumerate() {
            job.process = process;
            // A failure drops the joints, at which the children that were started end.
            let (child, stdin, stdout) = child::spawn(&job)?;
            joints.push(stdin);
            let report = report.clone();
            scope.spawn(move || child::listen(child, stdout, process, gauge, &report));
        }
        drop(report);
        let crew = child::crew(&gauges, &signals, reports, joints);
        Watch { crew, observer }.lead(&plan, &job.load, steps, before)
    })
}
