//! How fast connections are opened: as the server accepts, at a rate, or all at once.

use std::time::Duration;

use crate::accept_queue::AcceptQueue;
use crate::clock::now_ns;
use crate::life::Opening;
use crate::number::{count, index};
use crate::options::Pace;
use crate::pace::Schedule;
use crate::plan::Plan;

/// Handshakes under way at once, and connections that may wait in the server's accept queue before more are opened:
/// half of the shortest backlog in common use, 128.
pub(crate) const CONNECTS_MAX: usize = 64;
/// How long to let the server accept before its queue is looked at again.
const QUEUE_WAIT: Duration = Duration::from_micros(200);
/// How long a queue may go without becoming shorter before it is no longer waited for: the server may never accept. That
/// others fill it again meanwhile is no sign of that.
const QUEUE_STUCK_NS: u64 = 1_000_000_000;

/// Says how many connections may be opened now.
#[derive(Debug)]
pub(crate) enum Gate {
    /// As many as the server has room for.
    Queue(Queue),
    /// Those that are due.
    Rate(Schedule),
    /// All.
    Open,
}

/// Holds connects back while the server is behind with accepting.
#[derive(Debug)]
pub(crate) struct Queue {
    /// `None` when the listener is not in sight, or when it has stood still for too long.
    listener: Option<AcceptQueue>,
    /// Its length at the last look.
    length: u64,
    /// When it was last found short enough, or shorter than at the look before.
    moved_ns: u64,
    is_stuck: bool,
}

impl Gate {
    /// The gate of thread `thread` of `plan`.
    pub(crate) fn new<P>(plan: &Plan<P>, thread: usize, now: u64) -> Self {
        match plan.opening {
            Opening::Gated => Self::Queue(Queue {
                listener: AcceptQueue::of(plan.addr),
                length: u64::MAX,
                moved_ns: now,
                is_stuck: false,
            }),
            Opening::Rate(per_s) => {
                let mut schedule =
                    Schedule::new(Pace::Rate(per_s), thread, plan.threads_total, plan.seed);
                schedule.restart(now);
                Self::Rate(schedule)
            }
            Opening::Burst => Self::Open,
        }
    }

    /// How many connections may be opened now, `under_way` of the earlier ones being no further than the queue of this
    /// thread. Waits a little when the server is behind.
    pub(crate) fn admits(&mut self, under_way: usize, now: u64) -> usize {
        match self {
            Self::Queue(_) if under_way > 0 => 0,
            Self::Queue(queue) => queue.admits(),
            Self::Rate(schedule) => schedule.take_due(now),
            Self::Open => usize::MAX,
        }
    }

    /// When to ask again, at the latest.
    pub(crate) fn wake_ns(&self, under_way: usize) -> u64 {
        match self {
            // The gate has done the waiting.
            Self::Queue(_) if under_way == 0 => 0,
            Self::Queue(_) | Self::Open => u64::MAX,
            Self::Rate(schedule) => schedule.next_ns,
        }
    }

    pub(crate) fn is_stuck(&self) -> bool {
        matches!(self, Self::Queue(Queue { is_stuck: true, .. }))
    }
}

impl Queue {
    fn admits(&mut self) -> usize {
        let Some(length) = self.listener.as_mut().and_then(AcceptQueue::length) else {
            return CONNECTS_MAX;
        };
        match self.look(length, now_ns()) {
            Look::Room => return CONNECTS_MAX,
            Look::Behind => {}
            Look::Stuck => {
                self.listener = None;
                self.is_stuck = true;
            }
        }
        std::thread::sleep(QUEUE_WAIT);
        0
    }

    fn look(&mut self, length: u64, now: u64) -> Look {
        let room = length <= count(CONNECTS_MAX);
        if room || length < self.length {
            self.moved_ns = now;
        }
        self.length = length;
        match now - self.moved_ns {
            _ if room => Look::Room,
            0..=QUEUE_STUCK_NS => Look::Behind,
            _ => Look::Stuck,
        }
    }
}

/// What a look at the queue shows.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    /// The server keeps up.
    Room,
    /// It accepts, and has more to accept.
    Behind,
    /// It does not accept.
    Stuck,
}

impl Schedule {
    /// Takes everything that is due by `now`, and says how much that is.
    fn take_due(&mut self, now: u64) -> usize {
        let mut due = 0_u64;
        while self.next_ns <= now {
            due += 1;
            self.advance();
        }
        index(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_that_others_refill_moves_and_one_that_never_shrinks_is_stuck() {
        let fresh = || Queue { listener: None, length: u64::MAX, moved_ns: 0, is_stuck: false };
        let looks = |lengths: [u64; 6]| {
            let mut queue = fresh();
            let times = (0..).map(|step| step * (QUEUE_STUCK_NS / 2 + 1));
            times.zip(lengths).map(|(now, length)| queue.look(length, now)).last().unwrap()
        };
        assert_eq!(looks([100, 4000, 3900, 4000, 3900, 4000]), Look::Behind);
        assert_eq!(looks([100, 200, 300, 300, 300, 400]), Look::Stuck);
        assert_eq!(looks([100, 200, 300, 300, 300, 64]), Look::Room);
    }

    #[test]
    fn a_rate_admits_what_is_due_and_no_more() {
        let mut schedule = Schedule::new(Pace::Rate(1_000.0), 0, 1, 1);
        schedule.restart(0);
        assert_eq!(schedule.take_due(0), 1);
        assert_eq!(schedule.take_due(999_999), 0);
        assert_eq!(schedule.take_due(10_000_000), 10);
        assert_eq!(schedule.next_ns, 11_000_000);
    }
}
