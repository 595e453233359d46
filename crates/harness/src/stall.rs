//! A contestant that stops taking connections: noticed after a while, instead of waiting for each of them to time out.

use std::time::{Duration, Instant};

use load::{Event, Stop};

/// Ends a load whose opening stands still.
#[derive(Debug)]
pub(crate) struct Stall {
    patience: Duration,
    stop: Stop,
    /// Connections open at the last step forward, and when that was.
    best: Option<(usize, Instant)>,
    stalled: Option<Stalled>,
}

/// Where the opening stood still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stalled {
    /// Connections that were open.
    pub(crate) established: usize,
    /// Connections that were to be opened.
    pub(crate) total: usize,
    /// For so long none was added.
    pub(crate) patience: Duration,
}

impl Stall {
    pub(crate) fn of(patience: Duration, stop: Stop) -> Self {
        Self { patience, stop, best: None, stalled: None }
    }

    /// Looks at one event that happened `now`.
    pub(crate) fn look(&mut self, event: Event, now: Instant) {
        let Event::Opening { established, total } = event else { return };
        match self.best {
            // Once all are open, what is still waited for are first answers, each with a time-out of its own.
            _ if established >= total => self.best = None,
            Some((best, since)) if established <= best => {
                if now.duration_since(since) >= self.patience && self.stalled.is_none() {
                    self.stalled = Some(Stalled { established, total, patience: self.patience });
                    self.stop.request();
                }
            }
            _ => self.best = Some((established, now)),
        }
    }

    /// Where it stood still, if it did.
    pub(crate) fn stalled(&self) -> Option<Stalled> {
        self.stalled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    /// Opening as seen every five seconds; whether the load was ended.
    fn ends(established: &[usize]) -> bool {
        let (stop, start) = (Stop::new(), Instant::now());
        let mut stall = Stall::of(PATIENCE, stop.clone());
        let times = (0..).map(|step| start + step * PATIENCE / 2);
        for (now, established) in times.zip(established) {
            stall.look(Event::Opening { established: *established, total: 100 }, now);
        }
        assert_eq!(stop.requested(), stall.stalled().is_some());
        stop.requested()
    }

    #[test]
    fn opening_that_goes_on_is_left_alone_however_slow() {
        assert!(!ends(&[0, 0, 1, 1, 2, 3, 3, 4]));
    }

    #[test]
    fn opening_that_stands_still_is_ended() {
        assert!(ends(&[0, 40, 40, 40]));
        assert!(ends(&[0, 0, 0]));
    }

    #[test]
    fn first_answers_are_waited_for_when_all_are_open() {
        assert!(!ends(&[0, 100, 100, 100, 100]));
    }

    #[test]
    fn other_events_are_no_opening() {
        let (stop, start) = (Stop::new(), Instant::now());
        let mut stall = Stall::of(PATIENCE, stop.clone());
        stall.look(Event::WarmingUp, start);
        stall.look(Event::WarmingUp, start + 2 * PATIENCE);
        assert!(!stop.requested());
    }
}
