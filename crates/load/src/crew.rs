//! Those who do the work, threads of this process or processes of their own: what they are told and what they say.
//!
//! ```text
//!              Word: step, measure, end --> thread, or child process --> its threads
//! watching <--            Report: opened, paused, settled, measured <---'
//! ```

use std::process::ChildStdin;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use crate::error::Error;
use crate::pipe::{Order, write_line};
use crate::plan::{Gauge, Signals};
use crate::worker::{Report, Word};

/// The crew of one run, as its leader has it.
pub(crate) struct Crew<'a> {
    pub(crate) gauges: &'a [Gauge],
    reports: Receiver<Report>,
    voice: Voice<'a>,
    stop_told: bool,
}

/// What reaches the crew.
pub(crate) struct Voice<'a> {
    signals: &'a Signals<'a>,
    joints: Vec<Joint>,
}

/// How one of them is reached.
pub(crate) enum Joint {
    Thread(Sender<Word>),
    Child(ChildStdin),
}

impl<'a> Crew<'a> {
    /// One gauge for each joint.
    pub(crate) fn new(gauges: &'a [Gauge], reports: Receiver<Report>, voice: Voice<'a>) -> Self {
        Self { gauges, reports, voice, stop_told: false }
    }

    pub(crate) fn signals(&self) -> &'a Signals<'a> {
        self.voice.signals
    }

    pub(crate) fn stop_requested(&self) -> bool {
        self.voice.signals.stop_requested()
    }

    pub(crate) fn abort(&self) {
        self.voice.signals.abort.store(true, Ordering::Relaxed);
    }

    pub(crate) fn tell(&mut self, word: Word) {
        self.voice.tell(word);
    }

    pub(crate) fn end_warm_up(&mut self) {
        self.voice.end_warm_up();
    }

    pub(crate) fn open_window_at(&mut self, at_ns: u64) {
        self.voice.open_window_at(at_ns);
    }

    /// The next report; `None` when none came in `time`.
    pub(crate) fn hear(&mut self, time: Duration) -> Result<Option<Report>, Error> {
        if self.stop_requested() && !self.stop_told {
            self.stop_told = true;
            self.voice.order(&Order::Stop);
        }
        match self.reports.recv_timeout(time) {
            Ok(Report::Failed(error)) => Err(error),
            Ok(report) => Ok(Some(report)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            // They are gone without a word: one panicked, which `join` will tell.
            Err(RecvTimeoutError::Disconnected) => Err(Error::Interrupted),
        }
    }
}

impl<'a> Voice<'a> {
    pub(crate) fn new(signals: &'a Signals<'a>, joints: Vec<Joint>) -> Self {
        Self { signals, joints }
    }

    pub(crate) fn signals(&self) -> &'a Signals<'a> {
        self.signals
    }

    pub(crate) fn tell(&mut self, word: Word) {
        if let Word::Step { warms_up, .. } = word {
            self.signals.warming_up.store(warms_up, Ordering::Relaxed);
        }
        for joint in &mut self.joints {
            match joint {
                // One that is gone has reported why, or panicked.
                Joint::Thread(sender) => drop(sender.send(word)),
                Joint::Child(stdin) => drop(write_line(stdin, &Order::Word(word))),
            }
        }
    }

    pub(crate) fn end_warm_up(&mut self) {
        self.signals.warming_up.store(false, Ordering::Relaxed);
        self.order(&Order::EndWarmUp);
    }

    pub(crate) fn open_window_at(&mut self, at_ns: u64) {
        self.signals.window_ns.store(at_ns, Ordering::Relaxed);
        self.order(&Order::OpenWindow { at_ns });
    }

    /// Tells children what threads see by the signals.
    fn order(&mut self, order: &Order) {
        for joint in &mut self.joints {
            if let Joint::Child(stdin) = joint {
                drop(write_line(stdin, order));
            }
        }
    }
}
