//! What ends by itself, for a loop that must not wait for it: times, and blocking calls and computing on a pool.
//!
//! Every loop without a runtime needs this beside its multiplexer, and none is told from another by it.

use std::collections::BTreeMap;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::work::Digest;
use crate::{Block, Pool, Service, Step, listener};

/// Why a connection may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The others have had their turn.
    Turn,
    /// The deadline of a [`Step::Read`] has passed.
    Deadline,
    /// A [`Step::Wait`] or a [`Step::Block`] is over.
    Waited,
    /// A [`Step::Compute`] is done.
    Computed(Digest),
}

impl End {
    /// Tells the service of the connection.
    pub fn tell(self, service: &mut Service) {
        match self {
            Self::Turn => {}
            Self::Deadline => service.expired(),
            Self::Waited => service.waited(),
            Self::Computed(digest) => service.computed(digest),
        }
    }
}

/// Times and jobs, each of them for a key; a key has one at a time.
pub struct Later<K> {
    block: Block,
    /// In the order in which they are due.
    times: BTreeMap<(Instant, K), End>,
    /// From a key to its time.
    due: BTreeMap<K, Instant>,
    pool: Pool,
    wake: Arc<dyn Fn() + Send + Sync>,
    finish: mpsc::Sender<(K, End)>,
    finished: mpsc::Receiver<(K, End)>,
}

impl<K: Copy + Ord + Send + 'static> Later<K> {
    /// Nothing yet. `wake` is called on a thread of the pool when a job is done, and must end the loop's wait.
    pub fn new(block: Block, pool: Pool, wake: impl Fn() + Send + Sync + 'static) -> Self {
        let (finish, finished) = mpsc::channel();
        let (times, due, wake) = (BTreeMap::new(), BTreeMap::new(), Arc::new(wake));
        Self { block, times, due, pool, wake, finish, finished }
    }

    /// Begins what a step waits for beside its socket, in place of what the key had; no step at all is a turn.
    pub fn start(&mut self, key: K, step: Option<Step>) {
        self.cancel(key);
        match step {
            None => self.at(key, Instant::now(), End::Turn),
            Some(Step::Read { deadline: Some(due) }) => self.at(key, due, End::Deadline),
            Some(Step::Wait(duration)) => self.at(key, Instant::now() + duration, End::Waited),
            Some(step @ (Step::Block(_) | Step::Compute(_))) => self.run(key, step),
            Some(_) => {}
        }
    }

    /// Gives the key a turn after that time, in place of what it had.
    pub fn turn_after(&mut self, key: K, time: Duration) {
        self.cancel(key);
        self.at(key, Instant::now() + time, End::Turn);
    }

    /// How long the loop may wait for readiness.
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        let ((due, _), _) = self.times.first_key_value()?;
        Some(due.saturating_duration_since(Instant::now()))
    }

    /// A job that is done, or a time that had come by `now`, the beginning of the loop's turn: a turn that is given up
    /// in it comes in the next.
    pub fn next(&mut self, now: Instant) -> Option<(K, End)> {
        if let Ok(finished) = self.finished.try_recv() {
            return Some(finished);
        }
        let first = self.times.first_entry().filter(|first| first.key().0 <= now)?;
        let ((_, key), end) = first.remove_entry();
        self.due.remove(&key);
        Some((key, end))
    }

    fn at(&mut self, key: K, due: Instant, end: End) {
        self.times.insert((due, key), end);
        self.due.insert(key, due);
    }

    fn cancel(&mut self, key: K) {
        if let Some(due) = self.due.remove(&key) {
            self.times.remove(&(due, key));
        }
    }

    /// Inline the loop stands still, and the end comes in its next turn, so that pipelined calls let the others in.
    fn run(&mut self, key: K, step: Step) {
        if self.block == Block::Inline {
            return self.at(key, Instant::now(), perform(step));
        }
        let (finish, wake) = (self.finish.clone(), Arc::clone(&self.wake));
        let job = move || {
            if finish.send((key, perform(step))).is_ok() {
                wake();
            }
        };
        if let Err(error) = self.pool.run(job) {
            // Late for all is better than never for one.
            let _pause = listener::back_off("failed to start a thread, so the loop blocks", &error);
            self.at(key, Instant::now(), perform(step));
        }
    }
}

/// Holds the calling thread until the step is done.
fn perform(step: Step) -> End {
    match step {
        Step::Compute(work) => return End::Computed(work.run()),
        Step::Block(duration) => thread::sleep(duration),
        _ => {}
    }
    End::Waited
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Work;
    use std::num::NonZero;

    const MS: Duration = Duration::from_millis(1);
    const HOUR: Duration = Duration::from_hours(1);

    fn later(block: Block) -> (Later<u8>, mpsc::Receiver<()>) {
        let (wake, woken) = mpsc::channel();
        let wake = move || wake.send(()).unwrap();
        (Later::new(block, Pool::new(NonZero::<usize>::MIN), wake), woken)
    }

    fn read_until(due: Instant) -> Option<Step> {
        Some(Step::Read { deadline: Some(due) })
    }

    #[test]
    fn times_come_in_order_and_none_before_it_is_due() {
        let (mut later, _) = later(Block::Offload);
        let start = Instant::now();
        later.start(1, read_until(start + 3 * MS));
        later.start(2, read_until(start + MS));
        later.start(3, read_until(start + HOUR));
        assert_eq!(later.next(start), None);
        assert_eq!(later.next(start + 5 * MS), Some((2, End::Deadline)));
        assert_eq!(later.next(start + 5 * MS), Some((1, End::Deadline)));
        assert_eq!(later.next(start + 5 * MS), None);
    }

    #[test]
    fn a_step_takes_the_place_of_the_one_before() {
        let (mut later, _) = later(Block::Offload);
        let start = Instant::now();
        later.start(1, read_until(start));
        later.start(1, Some(Step::Write));
        assert_eq!((later.next(start), later.timeout()), (None, None));
        later.start(1, read_until(start));
        later.start(1, Some(Step::Wait(HOUR)));
        assert_eq!(later.next(start + MS), None);
        assert!(later.timeout().is_some_and(|timeout| timeout > HOUR / 2));
    }

    #[test]
    fn a_turn_given_up_comes_in_the_next_turn_of_the_loop() {
        let (mut later, _) = later(Block::Offload);
        let now = Instant::now();
        later.start(1, None);
        assert_eq!(later.next(now), None);
        assert_eq!(later.timeout(), Some(Duration::ZERO));
        assert_eq!(later.next(Instant::now()), Some((1, End::Turn)));
    }

    #[test]
    fn an_offloaded_job_wakes_the_loop_and_an_inline_one_need_not() {
        let work = Work::new(1_000);
        let (mut offloading, woken) = later(Block::Offload);
        offloading.start(1, Some(Step::Compute(work)));
        woken.recv().unwrap();
        assert_eq!(offloading.next(Instant::now()), Some((1, End::Computed(work.run()))));

        let (mut inline, woken) = later(Block::Inline);
        inline.start(1, Some(Step::Compute(work)));
        assert_eq!(inline.next(Instant::now()), Some((1, End::Computed(work.run()))));
        assert!(woken.try_recv().is_err());
    }
}
