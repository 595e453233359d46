//! The measured window: opened and closed by the thread itself, to the nanosecond.

use std::sync::atomic::Ordering;

use crate::clock::{now_ns, thread_cpu_ns, thread_preemptions};
use crate::connection::Connection;
use crate::engine::{Buffers, Engine};
use crate::error::Error;
use crate::interval::Slice;
use crate::number::ns;
use crate::options::Until;
use crate::outcome::InFlight;
use crate::protocol::Protocol;

/// Longest wait for answers in a pause.
const DRAIN_NS_MAX: u64 = 2_000_000_000;
/// A pause begins when no answer has come for this long, even if some are missing: a connection that is never served
/// would hold it up for ever. Servers that were seen to take longer are given twice the time they took.
const SILENCE_NS_MIN: u64 = 200_000_000;
/// A turn without anything to do that takes longer than this was interrupted: the time was not this thread's.
const TURN_NS_MAX: u64 = 20_000;

/// One thread's window.
#[derive(Debug)]
pub(crate) struct Window {
    state: State,
    pub(crate) start_ns: u64,
    /// When it closes; never, unless it is open and has a given length.
    pub(crate) end_ns: u64,
    /// When the interval under way ends; never, when nobody wants them. Before the window: when it opens, once that is
    /// known.
    cut_ns: u64,
    pub(crate) duration_ns: u64,
    /// CPU time of this thread inside the window.
    pub(crate) cpu_ns: u64,
    /// Of that, what an open loop spent polling for the moment of its next request, with nothing else to do.
    pub(crate) polled_ns: u64,
    /// How often this thread lost its CPU inside the window.
    pub(crate) preempted: u64,
    /// CPU time between the edges: resume and end of the drain.
    pub(crate) edges_cpu_ns: u64,
    /// Answers between the edges.
    pub(crate) edges_answers: u64,
    /// Ended by a stop.
    pub(crate) interrupted: bool,
    /// Ended because no connection was left to send on.
    pub(crate) all_dead: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Before,
    Open,
    Closed,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            state: State::Before,
            start_ns: 0,
            end_ns: u64::MAX,
            cut_ns: u64::MAX,
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

impl Window {
    pub(crate) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// A turn, taken only to pass the time, took so long and found nothing.
    pub(crate) fn polled(&mut self, turn_ns: u64) {
        if self.is_open() && turn_ns <= TURN_NS_MAX {
            self.polled_ns += turn_ns;
        }
    }

    /// Whether the window is to open, or an interval is over, or the window itself.
    pub(crate) fn is_cut(&self, now: u64) -> bool {
        now >= self.cut_ns || now >= self.end_ns
    }
}

impl<P: Protocol> Engine<'_, P> {
    /// Lets requests flow until the watching thread says that it is enough, then pauses.
    pub(crate) fn warm_up(&mut self, buffers: &mut Buffers) -> Result<(), Error> {
        if self.is_warming_up() {
            self.begin_asking(now_ns());
        }
        while self.is_warming_up() {
            self.turn(buffers, u64::MAX)?;
            if self.signals.stopped() {
                return Err(Error::Interrupted);
            }
        }
        self.pause(buffers)
    }

    fn is_warming_up(&self) -> bool {
        self.signals.warming_up.load(Ordering::Relaxed)
    }

    /// Sends no more and waits for what is in flight: for all of it, for silence, or for two seconds.
    fn pause(&mut self, buffers: &mut Buffers) -> Result<(), Error> {
        self.asking = false;
        let begun_ns = now_ns();
        let silence_ns_max = (2 * self.slowest_ns).clamp(SILENCE_NS_MIN, DRAIN_NS_MAX);
        loop {
            let at_rest = self.flights.count == 0
                && self.connecting + self.closing == 0
                && self.to_open.is_empty();
            let now =
                if at_rest { return Ok(()) } else { self.turn(buffers, begun_ns + DRAIN_NS_MAX)? };
            let silence_ns = now.saturating_sub(self.last_answer_ns.max(begun_ns));
            if silence_ns >= silence_ns_max || now - begun_ns >= DRAIN_NS_MAX {
                return Ok(());
            }
        }
    }

    /// From resume to the end of the drain, the window in between.
    /// It begins at `at_ns`, together with the others. `settled` hears when the window could open.
    pub(crate) fn measure(
        &mut self,
        buffers: &mut Buffers,
        at_ns: u64,
        settled: impl Fn() -> Result<(), Error>,
    ) -> Result<(), Error> {
        let (cpu_ns, answers) = (thread_cpu_ns(), self.tally.answers);
        // What happened during the pause is seen before anything is sent: a connection may have been closed.
        self.turn(buffers, 0)?;
        while now_ns() < at_ns {
            self.turn(buffers, at_ns)?;
        }
        let at_ns = if self.plan.threads_total == 1 { now_ns() } else { at_ns };
        self.claiming = matches!(self.plan.until, Until::Requests(_));
        let settles = !self.is_open_loop() && matches!(self.plan.until, Until::Duration(_));
        if !settles {
            self.open_window(at_ns);
        }
        self.begin_asking(at_ns);
        let mut has_settled = false;
        while self.window.state != State::Closed {
            let now = self.turn(buffers, self.window.end_ns)?;
            if self.window.state == State::Before && !self.is_starting() {
                if !has_settled {
                    has_settled = true;
                    settled()?;
                }
                self.open_window_together(now);
            }
            if self.is_over(now) {
                self.close_window(now.min(self.window.end_ns));
            }
        }
        self.pause(buffers)?;
        self.window.edges_cpu_ns = thread_cpu_ns() - cpu_ns;
        self.window.edges_answers = self.tally.answers - answers;
        Ok(())
    }

    fn is_over(&mut self, now: u64) -> bool {
        let stopped = self.signals.stopped();
        self.window.interrupted |= stopped && self.window.state != State::Closed;
        // A thread whose connections are all to be idle keeps them for the whole window.
        self.window.all_dead |=
            self.living == 0 && (self.claiming || self.connections.iter().any(|slot| slot.active));
        let all_answered = self.signals.exhausted() && self.flights.count == 0;
        stopped || all_answered || self.window.all_dead || now >= self.window.end_ns
    }

    /// Opens the window when it is time for all; alone, at once.
    fn open_window_together(&mut self, now: u64) {
        let at_ns = self.signals.window_ns.load(Ordering::Relaxed);
        if self.plan.threads_total == 1 {
            self.open_window(now);
        } else if at_ns > now {
            self.window.cut_ns = at_ns;
        } else if at_ns > 0 {
            // The word came late.
            self.open_window(now);
        }
    }

    fn open_window(&mut self, now: u64) {
        self.window.state = State::Open;
        self.window.start_ns = now;
        if let Until::Duration(duration) = self.plan.until {
            self.window.end_ns = now.saturating_add(ns(duration));
        }
        if let Some(interval_ns) = self.plan.interval_ns {
            self.window.cut_ns = now.saturating_add(interval_ns);
            self.tally.slice = Some(Slice::new(self.is_open_loop()));
        }
        self.window.preempted = thread_preemptions();
        self.window.cpu_ns = thread_cpu_ns();
        self.tally.in_flight_start = self.in_flight(now, 0);
    }

    /// Closes the window as of `end_ns`; what is in flight is noted, and no more is sent.
    pub(crate) fn close_window(&mut self, end_ns: u64) {
        // A stop may come in the turn in which the window ends by itself.
        if self.window.state == State::Closed {
            return;
        }
        if self.window.state == State::Before {
            self.open_window(now_ns());
        }
        let start_ns = self.window.start_ns;
        let end_ns = end_ns.max(start_ns);
        self.cut(end_ns);
        self.cut_last(end_ns);
        self.window.cpu_ns = thread_cpu_ns() - self.window.cpu_ns;
        self.window.preempted = thread_preemptions() - self.window.preempted;
        self.window.duration_ns = end_ns - start_ns;
        self.window.state = State::Closed;
        self.window.end_ns = u64::MAX;
        self.trickle.note_open();
        self.tally.in_flight_end = self.in_flight(end_ns, start_ns);
        self.note_unanswered(end_ns);
        // With a given number of requests, those that are due beyond it are nobody's.
        while self.asking && !self.claiming && self.schedule.next_ns < end_ns {
            self.tally.unsent += 1;
            self.tally.unanswered.saturating_record(end_ns - self.schedule.next_ns);
            self.schedule.advance();
        }
        self.asking = false;
    }

    /// How long each request in flight has waited since it was due.
    fn note_unanswered(&mut self, end_ns: u64) {
        for (place, connection) in self.connections.iter().enumerate() {
            for message in connection.answered..connection.asked {
                let (due_ns, _) = self.flights.started(place, message);
                self.tally.unanswered.saturating_record(end_ns.saturating_sub(due_ns));
            }
        }
    }

    /// Opens the window if its time has come, ends each interval that was over by `now`, and the window if that was.
    pub(crate) fn cut_or_close(&mut self, now: u64) {
        if self.window.state == State::Before {
            let at_ns = std::mem::replace(&mut self.window.cut_ns, u64::MAX);
            self.open_window(at_ns);
        } else if now >= self.window.end_ns {
            self.close_window(self.window.end_ns);
        } else {
            self.cut(now);
        }
    }

    fn cut(&mut self, now: u64) {
        while let Some(interval_ns) = self.plan.interval_ns.filter(|_| self.window.cut_ns <= now) {
            self.window.cut_ns += interval_ns;
            self.hand_over(interval_ns);
        }
    }

    /// The window closes within an interval.
    fn cut_last(&mut self, end_ns: u64) {
        if let Some(interval_ns) = self.plan.interval_ns {
            let rest_ns = end_ns.saturating_sub(self.window.cut_ns - interval_ns);
            if rest_ns > 0 {
                self.hand_over(rest_ns);
            }
            self.window.cut_ns = u64::MAX;
            self.tally.slice = None;
        }
    }

    fn hand_over(&mut self, length_ns: u64) {
        let in_flight = self.flights.count;
        if let Some(slice) = self.tally.slice.replace(Slice::new(self.is_open_loop())) {
            self.gauge.slices.put(Slice { length_ns, in_flight, ..slice });
        }
    }

    /// Requests in flight at `at_ns`, their ages counted from `since_ns` at the earliest.
    fn in_flight(&self, at_ns: u64, since_ns: u64) -> InFlight {
        let mut sum = InFlight::default();
        for (place, connection) in self.connections.iter().enumerate() {
            if connection.in_flight() == 0 {
                continue;
            }
            let ages = (connection.answered..connection.asked).map(|message| {
                let (_, sent_ns) = self.flights.started(place, message);
                at_ns.saturating_sub(sent_ns.max(since_ns))
            });
            let age_ns: u64 = ages.sum();
            sum.count += connection.in_flight();
            sum.age_ns += age_ns;
            if connection.verified > 0 {
                sum.served_count += connection.in_flight();
                sum.served_age_ns += age_ns;
            }
        }
        sum
    }

    /// Verified answers of each active connection of this thread; from now on they count anew.
    pub(crate) fn take_verified(&mut self) -> Vec<u64> {
        self.connections
            .iter_mut()
            .filter(|slot| slot.active)
            .map(|Connection { verified, .. }| std::mem::take(verified))
            .collect()
    }
}
