//! One thread of the generator: the phases of a run in their order, with a word to the watching thread after each.

use std::sync::mpsc::{Receiver, Sender};

use crate::engine::{Buffers, Engine};
use crate::error::Error;
use crate::open::Opened;
use crate::plan::{Gauge, Plan, Signals};
use crate::protocol::Protocol;
use crate::tally::Tally;

/// What a thread says at the end of a phase; it then waits to be told to go on.
#[derive(Debug)]
pub(crate) enum Report {
    Opened(Opened),
    Paused,
    Measured,
    /// It ends here.
    Failed(Error),
}

/// What a thread has to show in the end.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) tally: Tally,
    /// Verified answers of each active connection.
    pub(crate) verified: Vec<u64>,
    pub(crate) duration_ns: u64,
    pub(crate) cpu_ns: u64,
    pub(crate) edges_cpu_ns: u64,
    pub(crate) edges_answers: u64,
    pub(crate) interrupted: bool,
    pub(crate) all_dead: bool,
}

/// The joints of one thread with the watching one.
pub(crate) struct Wires<'a> {
    pub(crate) thread: usize,
    pub(crate) signals: &'a Signals<'a>,
    pub(crate) gauge: &'a Gauge,
    pub(crate) report: Sender<Report>,
    pub(crate) go: Receiver<()>,
}

/// Runs one thread's share of `plan`. `None`: it failed, and has said so, or the run was given up.
pub(crate) fn work<P: Protocol>(plan: &Plan<P>, wires: &Wires<'_>) -> Option<Part> {
    let _alarm = Alarm(&wires.report);
    match phases(plan, wires) {
        Ok(part) => Some(part),
        Err(error) => {
            // Nobody listens any more when another thread failed first.
            let _gone = wires.report.send(Report::Failed(error));
            None
        }
    }
}

fn phases<P: Protocol>(plan: &Plan<P>, wires: &Wires<'_>) -> Result<Part, Error> {
    prepare_thread(plan.cpus[wires.thread])?;
    let mut engine = Engine::new(plan, wires.signals, wires.gauge, wires.thread)?;
    let mut buffers = Buffers::new();
    let opened = engine.open(&mut buffers)?;
    wires.say(Report::Opened(opened))?;
    engine.warm_up(&mut buffers)?;
    wires.say(Report::Paused)?;
    engine.measure(&mut buffers)?;
    wires.say(Report::Measured)?;
    Ok(Part {
        verified: engine.verified(),
        duration_ns: engine.window.duration_ns,
        cpu_ns: engine.window.cpu_ns,
        edges_cpu_ns: engine.window.edges_cpu_ns,
        edges_answers: engine.window.edges_answers,
        interrupted: engine.window.interrupted,
        all_dead: engine.window.all_dead,
        tally: engine.tally,
    })
}

/// Tells the watching thread when this one panics: it would wait for ever.
struct Alarm<'a>(&'a Sender<Report>);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _gone = self.0.send(Report::Failed(Error::Interrupted));
        }
    }
}

impl Wires<'_> {
    /// Reports, and waits for the word to go on.
    fn say(&self, report: Report) -> Result<(), Error> {
        let said = self.report.send(report).is_ok();
        if said && self.go.recv().is_ok() { Ok(()) } else { Err(Error::Interrupted) }
    }
}

/// Pins the thread, and asks for timers that keep their time: by default the kernel may be 50 us late.
fn prepare_thread(cpu: Option<usize>) -> Result<(), Error> {
    use nix::sched::{CpuSet, sched_setaffinity};
    nix::sys::prctl::set_timerslack(1).map_err(Error::io("failed to ask for exact timers", ""))?;
    let Some(cpu) = cpu else { return Ok(()) };
    let mut set = CpuSet::new();
    set.set(cpu).and_then(|()| sched_setaffinity(nix::unistd::Pid::from_raw(0), &set)).map_err(
        Error::io(
            format!("failed to pin a thread to CPU {cpu}"),
            "give CPUs that this process may use",
        ),
    )
}
