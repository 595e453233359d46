//! The watching thread: leads the others from phase to phase, and tells the observer.

use std::time::{Duration, Instant};

use crate::clock::now_ns;
use crate::crew::Crew;
use crate::error::Error;
use crate::interval::Intervals;
use crate::number::{float, index, ns};
use crate::observer::{Event, Observer};
use crate::open::{Closed, Opened};
use crate::options::{Load, Pace};
use crate::outcome::Outcome;
use crate::plan::{Gauge, Plan};
use crate::steps::Step;
use crate::summing::{Before, sum_up};
use crate::worker::{Part, Report, Word};

/// Time between two [`Event::Progress`] and [`Event::Opening`].
pub(crate) const WATCH: Duration = Duration::from_millis(100);
/// Rates of neighbouring windows that differ by no more than this are the same: the warm-up is over.
const WARM_TOLERANCE: f64 = 0.1;
/// How long it takes until a word is heard by all: they begin together, so late.
const WORD_TRAVELS: Duration = Duration::from_millis(20);

/// The watching thread's view of a run.
pub(crate) struct Watch<'a> {
    pub(crate) crew: Crew<'a>,
    pub(crate) observer: &'a mut dyn Observer,
}

/// However the watching ends, by an error or by a panic of the observer, the threads end with it.
impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.crew.abort();
    }
}

impl Watch<'_> {
    /// Leads the crew through the run; consumes itself, so that a failure lets them go.
    pub(crate) fn lead<P>(
        mut self,
        plan: &Plan<P>,
        load: &Load,
        steps: &[Step],
        mut before: Before,
    ) -> Result<Vec<Outcome>, Error> {
        self.open(plan, &mut before)?;
        let mut outcomes = Vec::new();
        for (place, step) in steps.iter().enumerate() {
            let pace = step.pace(&outcomes)?;
            if steps.len() > 1 {
                self.observer.event(Event::Step { number: place + 1, total: steps.len(), pace });
            }
            before.warnings.extend(step.warning(&outcomes));
            match self.step(plan, load, pace, &mut before) {
                Ok(parts) => outcomes.push(sum_up(plan, &before, pace, parts)),
                // What was measured before is kept.
                Err(Error::Interrupted) if self.crew.stop_requested() && place > 0 => break,
                Err(error) => return Err(error),
            }
            if self.crew.stop_requested() {
                break;
            }
            before.next_step();
        }
        self.close(&mut outcomes);
        Ok(outcomes)
    }

    /// Lets all connections be closed, which the last outcome tells. What was measured stands, whatever comes of it.
    fn close(&mut self, outcomes: &mut [Outcome]) {
        self.crew.tell(Word::End);
        let mut closed: Vec<Closed> = Vec::new();
        let take = |report| {
            if let Report::Closed(parts) = report {
                closed.extend(parts);
            }
        };
        let all = self.gather(take, |_| {});
        let begun_ns = closed.iter().map(|part| part.begun_ns).min();
        let ended_ns = closed.iter().map(|part| part.ended_ns).max();
        if let (Ok(()), Some(last), Some(begun), Some(ended)) =
            (all, outcomes.last_mut(), begun_ns, ended_ns)
        {
            last.close_time = Some(Duration::from_nanos(ended - begun));
        }
    }

    fn open<P>(&mut self, plan: &Plan<P>, before: &mut Before) -> Result<(), Error> {
        let mut opened: Vec<Opened> = Vec::new();
        self.gather(
            |report| {
                if let Report::Opened(parts) = report {
                    opened.extend(parts);
                }
            },
            |watch| {
                let established = index(Gauge::sum(watch.crew.gauges, |gauge| &gauge.established));
                watch.observer.event(Event::Opening { established, total: plan.connections });
            },
        )?;
        before.opening(plan, &opened)?;
        let Before { established, open_time, .. } = *before;
        self.observer.event(Event::Open { established, open_time });
        Ok(())
    }

    /// Warm-up and window of one step.
    fn step<P>(
        &mut self,
        plan: &Plan<P>,
        load: &Load,
        pace: Pace,
        before: &mut Before,
    ) -> Result<Vec<Part>, Error> {
        self.warm_up(load, pace, before)?;
        self.gather(|_| {}, |_| {})?;
        if self.crew.stop_requested() {
            return Err(Error::Interrupted);
        }
        self.observer.event(Event::WindowOpens);
        let parts = self.measure(plan, load)?;
        self.observer.event(Event::WindowCloses);
        Ok(parts)
    }

    fn measure<P>(&mut self, plan: &Plan<P>, load: &Load) -> Result<Vec<Part>, Error> {
        let travels = if plan.threads_total > 1 { WORD_TRAVELS } else { Duration::ZERO };
        let soon_ns = move || now_ns() + ns(travels);
        self.crew.signals().new_window(plan.until);
        self.crew.tell(Word::Measure { at_ns: soon_ns() });
        let mut progress = Progress::start(self.crew.gauges);
        let mut intervals = Intervals::new(load.interval, self.crew.gauges.len());
        let mut parts = Vec::new();
        let mut settled = 0;
        while parts.len() < plan.threads_total {
            match self.crew.hear(WATCH)? {
                Some(Report::Measured(more)) => parts.extend(more),
                Some(Report::Settled) => {
                    settled += 1;
                    if settled == self.crew.gauges.len() {
                        self.crew.open_window_at(soon_ns());
                    }
                }
                Some(_) => {}
                None => {
                    self.tell_intervals(&mut intervals, false);
                    progress.tell(self);
                }
            }
        }
        self.tell_intervals(&mut intervals, true);
        Ok(parts)
    }

    fn tell_intervals(&mut self, intervals: &mut Intervals, at_end: bool) {
        let gauges = self.crew.gauges;
        while let Some(interval) = intervals.next(gauges.iter().map(|gauge| &gauge.slices), at_end)
        {
            self.observer.interval(&interval);
        }
    }

    /// Lets the requests flow until two windows agree or the time is up.
    fn warm_up(&mut self, load: &Load, pace: Pace, before: &mut Before) -> Result<(), Error> {
        let began = Instant::now();
        // Where nobody asks there is nothing to warm up.
        let is_wanted = !load.warmup.max.is_zero() && load.active() > 0;
        before.warmup_converged = !is_wanted;
        if is_wanted {
            self.observer.event(Event::WarmingUp);
        }
        self.crew.tell(Word::Step { pace, warms_up: is_wanted });
        let mut progress = Progress::start(self.crew.gauges);
        let mut last = (Instant::now(), progress.answers, None::<f64>);
        while !before.warmup_converged
            && began.elapsed() < load.warmup.max
            && !self.crew.stop_requested()
        {
            let left = load.warmup.max.saturating_sub(began.elapsed());
            let rest = load.warmup.window.saturating_sub(last.0.elapsed());
            self.crew.hear(WATCH.min(rest).min(left))?;
            progress.tell(self);
            if last.0.elapsed() >= load.warmup.window {
                let answers = Gauge::sum(self.crew.gauges, |gauge| &gauge.answers);
                let rate = float(answers - last.1) / last.0.elapsed().as_secs_f64();
                before.warmup_converged = last.2.is_some_and(|previous| agree(previous, rate));
                last = (Instant::now(), answers, Some(rate));
            }
        }
        self.crew.end_warm_up();
        before.warmup_time = began.elapsed();
        Ok(())
    }

    /// Waits until everyone has reported the end of a phase; calls `meanwhile` now and then.
    fn gather(
        &mut self,
        mut take: impl FnMut(Report),
        mut meanwhile: impl FnMut(&mut Self),
    ) -> Result<(), Error> {
        let mut missing = self.crew.gauges.len();
        while missing > 0 {
            match self.crew.hear(WATCH)? {
                Some(report) => {
                    missing -= 1;
                    take(report);
                }
                None => meanwhile(self),
            }
        }
        Ok(())
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
        let gauges = watch.crew.gauges;
        let answers = Gauge::sum(gauges, |gauge| &gauge.answers);
        let seconds = self.told.elapsed().as_secs_f64();
        watch.observer.event(Event::Progress {
            elapsed: self.began.elapsed(),
            answers: answers - self.first_answers,
            errors: Gauge::sum(gauges, |gauge| &gauge.errors),
            in_flight: Gauge::sum(gauges, |gauge| &gauge.in_flight),
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
