//! Child processes, when one process may not hold enough descriptors: each is this program again, with a share of the
//! connections, led over its standard input and heard over its standard output.

use std::io::{self, BufRead, BufReader};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use crate::asking::Asking;
use crate::crew::{Crew, Joint, Voice};
use crate::error::Error;
use crate::interval::{Intervals, Slice};
use crate::observer::Stop;
use crate::options::Load;
use crate::pattern::Pattern;
use crate::pipe::{Failure, Job, Order, Saying, read_line, write_line};
use crate::plan::{Gauge, Place, Plan, Signals};
use crate::protocol::{Echo, Protocol};
use crate::run::start_threads;
use crate::target::Target;
use crate::watch::WATCH;
use crate::worker::Report;

/// Set for a child, and nobody else.
const CHILD: &str = "C10K_LOAD_CHILD";
/// Time between two words of a child on how far it is, while its parent decides by them when the warm-up is over.
const WATCH_WARM_UP: Duration = Duration::from_millis(10);

/// Whether this program has said that it can be its own child.
static HAS_ENTRY: AtomicBool = AtomicBool::new(false);

/// Where a child process begins: what a program calls first in its `main` if it is to run loads of several
/// [`processes`](crate::Load::processes). In a child it does the child's work and never returns; elsewhere it returns
/// at once.
pub fn child_entry() {
    HAS_ENTRY.store(true, Ordering::Relaxed);
    if std::env::var_os(CHILD).is_some() {
        // Or `ps` and `top` would call it `exe`; only for people.
        let _named = nix::sys::prctl::set_name(c"c10k-load");
        let _done: ExitCode = work_as_child().map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
        std::process::exit(0);
    }
}

/// Whether [`child_entry`] was called.
pub(crate) fn has_entry() -> bool {
    HAS_ENTRY.load(Ordering::Relaxed)
}

/// Starts child `process` and gives it its share.
pub(crate) fn spawn(job: &Job) -> Result<(Child, ChildStdin, ChildStdout), Error> {
    let failed = || {
        let what = format!("failed to start generator process {}", job.process + 1);
        Error::io::<io::Error>(what, "give fewer, or raise ulimit -u")
    };
    let mut child = Command::new("/proc/self/exe")
        .env(CHILD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed())?;
    let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        unreachable!("both are pipes");
    };
    write_line(&mut stdin, job).map_err(failed())?;
    Ok((child, stdin, stdout))
}

/// Passes on what child `process` says, until it ends.
pub(crate) fn listen(
    mut child: Child,
    stdout: ChildStdout,
    process: usize,
    gauge: &Gauge,
    report: &Sender<Report>,
) {
    for line in BufReader::new(stdout).lines() {
        let Ok(saying) = line.and_then(|line| read_line(&line)) else { break };
        let said = match saying {
            Saying::Gauge { established, answers, errors, in_flight } => {
                gauge.set(established, answers, errors, in_flight);
                continue;
            }
            Saying::Slice(slice) => {
                gauge.slices.put(slice);
                continue;
            }
            Saying::Opened(opened) => Report::Opened(opened),
            Saying::Paused => Report::Paused,
            Saying::Settled => Report::Settled,
            Saying::Measured(parts) => Report::Measured(parts),
            Saying::Closed(closed) => Report::Closed(closed),
            Saying::Failed(failure) => Report::Failed(failure.into_error(process)),
        };
        // Nobody listens any more when another one failed first.
        let _gone = report.send(said);
    }
    // Without its standard input it ends; what it would not hear of, a broken pipe tells it.
    let what = match child.wait() {
        Ok(status) => format!("it ended too early, with {status}"),
        Err(error) => format!("it could not be waited for: {error}"),
    };
    let _gone = report.send(Report::Failed(Error::Process { number: process + 1, what }));
}

fn work_as_child() -> io::Result<()> {
    // Ctrl-C reaches the whole group; it is the parent who decides what it means.
    ctrlc::set_handler(|| {}).map_err(io::Error::other)?;
    let mut first = String::new();
    io::stdin().lock().read_line(&mut first)?;
    let job: Job = read_line(&first)?;
    let (load, place) = (&job.load, Place { process: job.process });
    match &load.target {
        Target::Echo { .. } => {
            let echo = Echo(Pattern::new(load.size, load.seed));
            Hand::new(&job).work(&Plan::new(load, echo, place, job.any_open))
        }
        Target::Http { host, path, .. } => {
            let hand = Hand::new(&job);
            match Asking::new(load, host, path, job.right.clone()) {
                Asking::One(one) => hand.work(&Plan::new(load, one, place, job.any_open)),
                Asking::Several(several) => {
                    hand.work(&Plan::new(load, several, place, job.any_open))
                }
            }
        }
    }
}

/// A child's main thread: it tells its parent what its threads say.
struct Hand<'a> {
    load: &'a Load,
    intervals: Intervals,
    out: io::Stdout,
}

impl<'a> Hand<'a> {
    fn new(job: &'a Job) -> Self {
        Self { load: &job.load, intervals: Intervals::new(None, 0), out: io::stdout() }
    }

    fn work<P: Protocol>(mut self, plan: &Plan<P>) -> io::Result<()> {
        let stop = Stop::new();
        let signals = Signals::new(&stop);
        let gauges: Vec<Gauge> = (0..plan.threads()).map(|_| Gauge::default()).collect();
        std::thread::scope(|scope| {
            let (report, reports) = channel();
            match start_threads(scope, plan, &signals, &gauges, &report) {
                Ok((joints, _threads)) => {
                    let voice = Voice::new(&signals, joints);
                    scope.spawn(|| obey(voice, plan, &stop));
                    drop(report);
                    self.tell(&signals, &gauges, &reports)
                }
                Err(error) => self.say(&Saying::Failed(error.into())),
            }
        })
    }

    /// Passes on what the threads report, each kind of report once all have made it, and how far they are.
    fn tell(
        &mut self,
        signals: &Signals<'_>,
        gauges: &[Gauge],
        reports: &Receiver<Report>,
    ) -> io::Result<()> {
        let (mut opened, mut parts, mut closed) = (Vec::new(), Vec::new(), Vec::new());
        let (mut paused, mut settled) = (0, 0);
        self.intervals = Intervals::new(self.load.interval, gauges.len());
        loop {
            let is_fast = signals.warming_up.load(Ordering::Relaxed);
            match reports.recv_timeout(if is_fast { WATCH_WARM_UP } else { WATCH }) {
                Err(RecvTimeoutError::Timeout) => self.tell_progress(gauges, false)?,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Ok(Report::Failed(error)) => {
                    return self.say(&Saying::Failed(Failure::from(error)));
                }
                Ok(Report::Opened(more)) => {
                    opened.extend(more);
                    if opened.len() == gauges.len() {
                        self.say(&Saying::Opened(std::mem::take(&mut opened)))?;
                    }
                }
                Ok(Report::Paused) => {
                    paused += 1;
                    if paused % gauges.len() == 0 {
                        self.tell_progress(gauges, false)?;
                        self.say(&Saying::Paused)?;
                    }
                }
                Ok(Report::Settled) => {
                    settled += 1;
                    if settled % gauges.len() == 0 {
                        self.say(&Saying::Settled)?;
                    }
                }
                Ok(Report::Measured(more)) => {
                    parts.extend(more);
                    if parts.len() == gauges.len() {
                        self.tell_progress(gauges, true)?;
                        self.say(&Saying::Measured(std::mem::take(&mut parts)))?;
                        self.intervals = Intervals::new(self.load.interval, gauges.len());
                    }
                }
                Ok(Report::Closed(more)) => {
                    closed.extend(more);
                    if closed.len() == gauges.len() {
                        self.say(&Saying::Closed(std::mem::take(&mut closed)))?;
                    }
                }
            }
        }
    }

    fn tell_progress(&mut self, gauges: &[Gauge], at_end: bool) -> io::Result<()> {
        while let Some(interval) =
            self.intervals.next(gauges.iter().map(|gauge| &gauge.slices), at_end)
        {
            self.say(&Saying::Slice(Slice::from(interval)))?;
        }
        self.say(&Saying::Gauge {
            established: Gauge::sum(gauges, |gauge| &gauge.established),
            answers: Gauge::sum(gauges, |gauge| &gauge.answers),
            errors: Gauge::sum(gauges, |gauge| &gauge.errors),
            in_flight: Gauge::sum(gauges, |gauge| &gauge.in_flight),
        })
    }

    fn say(&mut self, saying: &Saying) -> io::Result<()> {
        write_line(&mut self.out, saying)
    }
}

/// Does what the parent says. When it says nothing more, it has what it wanted, or is gone: the connections end with
/// the process.
fn obey<P>(mut voice: Voice<'_>, plan: &Plan<P>, stop: &Stop) {
    for line in io::stdin().lock().lines() {
        let Ok(order) = line.and_then(|line| read_line(&line)) else { break };
        match order {
            Order::Word(word) => {
                if word.is_window() {
                    voice.signals().new_window(plan.until);
                }
                voice.tell(word);
            }
            Order::EndWarmUp => voice.end_warm_up(),
            Order::OpenWindow { at_ns } => voice.open_window_at(at_ns),
            Order::Stop => stop.request(),
        }
    }
    std::process::exit(0);
}

/// The crew of a run over several processes.
pub(crate) fn crew<'a>(
    gauges: &'a [Gauge],
    signals: &'a Signals<'a>,
    reports: Receiver<Report>,
    joints: Vec<ChildStdin>,
) -> Crew<'a> {
    let joints = joints.into_iter().map(Joint::Child).collect();
    Crew::new(gauges, reports, Voice::new(signals, joints))
}
