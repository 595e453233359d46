//! The watching thread: starts the others, leads them from phase to phase, tells the observer, adds up what they saw.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use crate::check::check;
use crate::error::Error;
use crate::learn::learn;
use crate::number::{float, index};
use crate::observer::{Event, Observer, Stop};
use crate::open::Opened;
use crate::options::{Body, Expect, Load};
use crate::outcome::Outcome;
use crate::pattern::Pattern;
use crate::plan::{Gauge, Plan, Signals};
use crate::protocol::{Echo, Http, Protocol};
use crate::summing::{Before, sum_up};
use crate::target::Target;
use crate::worker::{Part, Report, Wires, work};

/// Time between two [`Event::Progress`] and [`Event::Opening`].
const WATCH: Duration = Duration::from_millis(100);
/// Rates of neighbouring windows that differ by no more than this are the same: the warm-up is over.
const WARM_TOLERANCE: f64 = 0.1;

/// Drives `load` and returns what was measured; `observer` hears of each phase, `stop` ends it early.
///
/// Blocks the calling thread, which only watches: the load comes from threads of its own, which end before this returns.
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
    check(load)?;
    match &load.target {
        Target::Echo { .. } => {
            let expected = "the bytes that were sent".to_owned();
            let before = Before { expected, ..Before::default() };
            drive(
                &Plan::new(load, Echo(Pattern::new(load.size, load.seed))),
                load,
                observer,
                stop,
                before,
            )
        }
        Target::Http { host, addr, path } => {
            let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes();
            let (expect, before) = expectation(load, *addr, &request);
            drive(&Plan::new(load, Http::new(&request, expect)), load, observer, stop, before)
        }
    }
}

/// What a right HTTP answer is: as given, or learnt.
fn expectation(load: &Load, addr: SocketAddr, request: &[u8]) -> (Expect, Before) {
    if let Some(expect) = &load.expect {
        return (expect.clone(), Before { expected: describe(expect), ..Before::default() });
    }
    let learnt = learn(addr, request, load.timeout);
    let warnings = learnt.warning.into_iter().collect();
    let before =
        Before { expected: learnt.description, requests_sent: 1, warnings, ..Before::default() };
    (learnt.expect, before)
}

/// The expectation in words.
fn describe(expect: &Expect) -> String {
    let status = expect
        .status
        .map_or("a status of 200 to 299".to_owned(), |status| format!("status {status}"));
    match &expect.body {
        Body::Exact(body) => format!("{status} and the {} bytes given", body.len()),
        Body::Length(length) => format!("{status} and {length} bytes"),
        Body::Any => format!("{status}, any body"),
    }
}

fn drive<P: Protocol>(
    plan: &Plan<P>,
    load: &Load,
    observer: &mut dyn Observer,
    stop: &Stop,
    before: Before,
) -> Result<Outcome, Error> {
    let signals = Signals::new(stop, plan.until);
    let gauges: Vec<Gauge> = (0..plan.threads()).map(|_| Gauge::default()).collect();
    std::thread::scope(|scope| {
        let (report, reports) = channel();
        let mut go = Vec::new();
        let mut threads = Vec::new();
        for (thread, gauge) in gauges.iter().enumerate() {
            let (sender, receiver) = channel();
            let wires =
                Wires { thread, signals: &signals, gauge, report: report.clone(), go: receiver };
            let builder = std::thread::Builder::new().name(format!("load-{thread}"));
            let spawned = builder.spawn_scoped(scope, move || work(plan, &wires));
            // A failure drops `go`, and with it the threads that were started.
            let failed = Error::io("failed to start a thread", "give fewer, or raise ulimit -u");
            threads.push(
                spawned
                    .inspect_err(|_| signals.abort.store(true, Ordering::Relaxed))
                    .map_err(failed)?,
            );
            go.push(sender);
        }
        drop(report);
        let watch = Watch { signals: &signals, gauges: &gauges, reports, go, observer, stop };
        let led = watch.lead(plan, load, before);
        let parts: Vec<Option<Part>> = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect();
        let before = led?;
        Ok(sum_up(plan, &before, parts.into_iter().flatten().collect()))
    })
}

/// The watching thread's view of a run.
struct Watch<'a> {
    signals: &'a Signals<'a>,
    gauges: &'a [Gauge],
    reports: Receiver<Report>,
    go: Vec<Sender<()>>,
    observer: &'a mut dyn Observer,
    stop: &'a Stop,
}

/// However the watching ends, by an error or by a panic of the observer, the threads end with it.
impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.signals.abort.store(true, Ordering::Relaxed);
    }
}

impl Watch<'_> {
    /// Leads the threads through the run; consumes itself, so that a failure lets them go.
    fn lead<P>(mut self, plan: &Plan<P>, load: &Load, mut before: Before) -> Result<Before, Error> {
        self.phases(plan, load, &mut before)?;
        Ok(before)
    }

    fn phases<P>(&mut self, plan: &Plan<P>, load: &Load, before: &mut Before) -> Result<(), Error> {
        let began = Instant::now();
        let opened = self.gather(|watch, _| {
            let established = index(Gauge::sum(watch.gauges, |gauge| &gauge.established));
            watch.observer.event(Event::Opening { established, total: plan.connections });
        })?;
        before.opening(plan, &opened, began.elapsed())?;
        self.observer
            .event(Event::Open { established: before.established, open_time: before.open_time });

        self.warm_up(load, before)?;
        self.gather(|_, _| {})?;
        if self.stop.requested() {
            return Err(Error::Interrupted);
        }
        self.observer.event(Event::WindowOpens);
        self.go_on();

        let mut progress = Progress::start(self.gauges);
        self.gather(|watch, _| progress.tell(watch))?;
        self.observer.event(Event::WindowCloses);
        self.go_on();
        Ok(())
    }

    /// Lets the requests flow until two windows agree or the time is up.
    fn warm_up(&mut self, load: &Load, before: &mut Before) -> Result<(), Error> {
        let began = Instant::now();
        if load.warmup.max.is_zero() {
            before.warmup_converged = true;
        } else {
            self.observer.event(Event::WarmingUp);
        }
        self.signals.warming_up.store(!load.warmup.max.is_zero(), Ordering::Relaxed);
        self.go_on();
        let mut progress = Progress::start(self.gauges);
        let mut last = (Instant::now(), progress.answers, None::<f64>);
        while !before.warmup_converged
            && began.elapsed() < load.warmup.max
            && !self.stop.requested()
        {
            let left = load.warmup.max.saturating_sub(began.elapsed());
            self.sleep(WATCH.min(load.warmup.window.saturating_sub(last.0.elapsed())).min(left))?;
            progress.tell(self);
            if last.0.elapsed() >= load.warmup.window {
                let answers = Gauge::sum(self.gauges, |gauge| &gauge.answers);
                let rate = float(answers - last.1) / last.0.elapsed().as_secs_f64();
                before.warmup_converged = last.2.is_some_and(|previous| agree(previous, rate));
                last = (Instant::now(), answers, Some(rate));
            }
        }
        self.signals.warming_up.store(false, Ordering::Relaxed);
        before.warmup_time = began.elapsed();
        Ok(())
    }

    /// Sleeps, unless a thread fails.
    fn sleep(&self, time: Duration) -> Result<(), Error> {
        match self.reports.recv_timeout(time) {
            Ok(Report::Failed(error)) => Err(error),
            Ok(_) | Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => Err(Error::Interrupted),
        }
    }

    /// Waits until every thread has reported the end of its phase; calls `meanwhile` now and then.
    fn gather(
        &mut self,
        mut meanwhile: impl FnMut(&mut Self, Duration),
    ) -> Result<Vec<Opened>, Error> {
        let began = Instant::now();
        let mut opened = Vec::new();
        let mut missing = self.gauges.len();
        while missing > 0 {
            match self.reports.recv_timeout(WATCH) {
                Ok(Report::Failed(error)) => return Err(error),
                Ok(report) => {
                    missing -= 1;
                    if let Report::Opened(part) = report {
                        opened.push(part);
                    }
                }
                Err(RecvTimeoutError::Timeout) => meanwhile(self, began.elapsed()),
                // The threads are gone without a word: one panicked, which `join` will tell.
                Err(RecvTimeoutError::Disconnected) => return Err(Error::Interrupted),
            }
        }
        Ok(opened)
    }

    fn go_on(&self) {
        for go in &self.go {
            // A thread that is gone has reported why, or panicked.
            let _gone = go.send(());
        }
    }
}

/// What was told last, so that the next [`Event::Progress`] has a rate.
struct Progress {
    began: Instant,
    first_answers: u64,
    told: Instant,
    answers: u64,
}

impl Progress {
    fn start(gauges: &[Gauge]) -> Self {
        let answers = Gauge::sum(gauges, |gauge| &gauge.answers);
        Self { began: Instant::now(), first_answers: answers, told: Instant::now(), answers }
    }

    fn tell(&mut self, watch: &mut Watch<'_>) {
        let answers = Gauge::sum(watch.gauges, |gauge| &gauge.answers);
        let seconds = self.told.elapsed().as_secs_f64();
        watch.observer.event(Event::Progress {
            elapsed: self.began.elapsed(),
            answers: answers - self.first_answers,
            errors: Gauge::sum(watch.gauges, |gauge| &gauge.errors),
            in_flight: Gauge::sum(watch.gauges, |gauge| &gauge.in_flight),
            answers_per_s: if seconds > 0.0 {
                float(answers - self.answers) / seconds
            } else {
                0.0
            },
        });
        (self.told, self.answers) = (Instant::now(), answers);
    }
}

/// Whether two rates are the same but for noise; silence is no rate.
fn agree(one: f64, other: f64) -> bool {
    one > 0.0 && other > 0.0 && (one - other).abs() <= WARM_TOLERANCE * one.max(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_within_ten_percent_agree_and_silence_never_does() {
        assert!(agree(100.0, 91.0));
        assert!(!agree(100.0, 89.0));
        assert!(!agree(0.0, 0.0));
    }
}
