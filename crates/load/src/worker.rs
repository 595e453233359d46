//! One thread of the generator: the phases of a run as it is told, with a report to the watching thread after each.

use std::sync::mpsc::{Receiver, Sender};

use serde::{Deserialize, Serialize};

use crate::engine::{Buffers, Engine};
use crate::error::Error;
use crate::open::{Closed, Opened};
use crate::options::Pace;
use crate::plan::{Gauge, Plan, Signals};
use crate::protocol::Protocol;
use crate::slow::SlowSeen;
use crate::tally::Tally;

/// What one of the crew is told, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Word {
    /// A new pace; warm up if you are to, and pause.
    Step { pace: Pace, warms_up: bool },
    /// Measure: begin at this time.
    Measure { at_ns: u64 },
    /// That was all.
    End,
}

impl Word {
    pub(crate) fn is_window(self) -> bool {
        matches!(self, Self::Measure { .. })
    }
}

/// What one of the crew says: a thread for itself, a process for all of its threads.
#[derive(Debug)]
pub(crate) enum Report {
    Opened(Vec<Opened>),
    Paused,
    /// Every connection has been started; the window may open.
    Settled,
    Measured(Vec<Part>),
    /// The last word, after [`Word::End`].
    Closed(Vec<Closed>),
    /// It ends here.
    Failed(Error),
}

/// What a thread has to show for one window.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) tally: Tally,
    /// Verified answers of each active connection.
    pub(crate) verified: Vec<u64>,
    pub(crate) slow: SlowSeen,
    pub(crate) duration_ns: u64,
    pub(crate) cpu_ns: u64,
    pub(crate) polled_ns: u64,
    pub(crate) preempted: u64,
    pub(crate) edges_cpu_ns: u64,
    pub(crate) edges_answers: u64,
    pub(crate) interrupted: bool,
    pub(crate) all_dead: bool,
}

impl Part {
    /// What was counted, of a window without length.
    pub(crate) fn of(tally: Tally) -> Self {
        Self {
            tally,
            verified: Vec::new(),
            slow: SlowSeen::default(),
            duration_ns: 0,
            cpu_ns: 0,
            polled_ns: 0,
            preempted: 0,
            edges_cpu_ns: 0,
            edges_answers: 0,
            interrupted: false,
            all_dead: false,
        }
    }
}

/// The joints of one thread with the watching one.
pub(crate) struct Wires<'a> {
    pub(crate) thread: usize,
    pub(crate) signals: &'a Signals<'a>,
    pub(crate) gauge: &'a Gauge,
    pub(crate) report: Sender<Report>,
    pub(crate) words: Receiver<Word>,
}

/// Runs one thread's share of `plan`, until it is told to end, fails, or is given up.
pub(crate) fn work<P: Protocol>(plan: &Plan<P>, wires: &Wires<'_>) {
    let _alarm = Alarm(&wires.report);
    if let Err(error) = phases(plan, wires) {
        // Nobody listens any more when another thread failed first.
        let _gone = wires.report.send(Report::Failed(error));
    }
}

fn phases<P: Protocol>(plan: &Plan<P>, wires: &Wires<'_>) -> Result<(), Error> {
    prepare_thread(plan.cpus[wires.thread])?;
    let mut engine = Engine::new(plan, wires.signals, wires.gauge, wires.thread)?;
    let mut buffers = Buffers::new();
    engine.open(&mut buffers)?;
    wires.say(Report::Opened(vec![engine.opening]))?;
    loop {
        // No word any more: the run was given up.
        match wires.words.recv().map_err(|_| Error::Interrupted)? {
            Word::Step { pace, .. } => {
                engine.begin_step(pace);
                engine.warm_up(&mut buffers)?;
                wires.say(Report::Paused)?;
            }
            Word::Measure { at_ns } => {
                engine.measure(&mut buffers, at_ns, || wires.say(Report::Settled))?;
                wires.say(Report::Measured(vec![engine.take_part()]))?;
            }
            Word::End => return wires.say(Report::Closed(vec![engine.close_all()])),
        }
    }
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
    fn say(&self, report: Report) -> Result<(), Error> {
        self.report.send(report).map_err(|_| Error::Interrupted)
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
