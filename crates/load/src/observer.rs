//! Watching a run and ending it early.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::interval::Interval;
use crate::options::Pace;

/// What happens during a run, told to the [`Observer`] in the caller's thread.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// Connections are being opened; repeated while it lasts.
    Opening {
        /// Open so far.
        established: usize,
        /// To be opened.
        total: usize,
    },
    /// All connections that can be opened are open; nothing was asked yet.
    Open {
        /// Open now.
        established: usize,
        /// Time that it took.
        open_time: Duration,
    },
    /// With several steps: the next one begins.
    Step {
        /// From 1.
        number: usize,
        /// How many there are.
        total: usize,
        /// Its pace.
        pace: Pace,
    },
    /// Requests flow, and are thrown away.
    WarmingUp,
    /// The load is paused before the window: nothing in flight, or nothing that will be answered soon.
    /// It resumes when the observer returns.
    WindowOpens,
    /// How far it is; repeated during warm-up and window.
    Progress {
        /// Since the phase began.
        elapsed: Duration,
        /// Answers in this phase.
        answers: u64,
        /// Errors since the run began.
        errors: u64,
        /// Requests sent and not answered.
        in_flight: u64,
        /// Answers a second since the last progress.
        answers_per_s: f64,
    },
    /// The load is paused after the window, as before it; the connections are still open and are closed when the
    /// observer returns.
    WindowCloses,
}

/// Hears of each [`Event`] in the thread that called [`run`](crate::run()).
pub trait Observer {
    /// One event; the load waits for the return at [`Event::WindowOpens`] and [`Event::WindowCloses`].
    fn event(&mut self, event: Event);

    /// An interval of the window has ended, for loads that ask for [`intervals`](crate::Load::interval). They come in
    /// their order, some 100 ms after their end; those that end with the window come before [`Event::WindowCloses`].
    fn interval(&mut self, _interval: &Interval) {}
}

/// Any closure observes.
impl<F: FnMut(Event)> Observer for F {
    fn event(&mut self, event: Event) {
        self(event);
    }
}

/// A shared flag that ends a run early; what was measured until then is kept.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// A flag that nobody has raised.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Raises the flag; the run ends within some 10 ms.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the flag was raised.
    #[must_use]
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
