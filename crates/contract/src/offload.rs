//! The pool that a loop without a runtime gives its blocking calls to.

use std::collections::VecDeque;
use std::io;
use std::num::NonZero;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

type Job = Box<dyn FnOnce() + Send>;

/// Enough for a job that sleeps or computes; the default of 2 MiB would reserve 256 MiB for a full pool.
const STACK_SIZE: usize = 64 * 1024;

/// Threads that are started when a job finds none idle, up to a limit; beyond it jobs queue.
///
/// Without blocking calls it has no thread at all, so that a model's memory is its own. Dropping it lets the threads
/// end after the jobs that are queued.
#[derive(Clone)]
pub struct Pool {
    shared: Arc<Shared>,
    _open: Arc<Open>,
}

struct Shared {
    most_threads: usize,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
    closed: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A job's panic happens outside the lock; the state is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                // One job's panic ends that job.
                drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(job)));
                state = self.lock();
            } else if state.closed {
                return;
            } else {
                state.idle += 1;
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
            }
        }
    }
}

/// The last clone of a pool closes it.
struct Open(Arc<Shared>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.wake.notify_all();
    }
}

impl Pool {
    /// A pool of at most that many threads; none is started yet.
    #[must_use]
    pub fn new(most_threads: NonZero<usize>) -> Self {
        let shared = Arc::new(Shared {
            most_threads: most_threads.get(),
            state: Mutex::default(),
            wake: Condvar::new(),
        });
        Self { _open: Arc::new(Open(Arc::clone(&shared))), shared }
    }

    /// Queues a job; it tells its own end, for instance by a channel and a wake-up of the loop.
    ///
    /// # Errors
    /// The pool has no thread and the system refuses one.
    pub fn run(&self, job: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let mut state = self.shared.lock();
        state.jobs.push_back(Box::new(job));
        if state.jobs.len() > state.idle && state.threads < self.shared.most_threads {
            let shared = Arc::clone(&self.shared);
            match thread::Builder::new().stack_size(STACK_SIZE).spawn(move || shared.work()) {
                Ok(_) => state.threads += 1,
                Err(error) if state.threads == 0 => {
                    state.jobs.pop_back();
                    return Err(error);
                }
                // The threads there are will come to it.
                Err(_) => {}
            }
        }
        drop(state);
        self.shared.wake.notify_one();
        Ok(())
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Pool")
            .field("most_threads", &self.shared.most_threads)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn jobs_run_side_by_side_up_to_the_limit_and_queue_beyond_it() {
        let pool = Pool::new(NonZero::new(2).unwrap());
        let (started, starts) = mpsc::channel();
        let gates: Vec<_> = (0..3)
            .map(|index| {
                let started = started.clone();
                let (open, gate) = mpsc::channel::<()>();
                pool.run(move || {
                    started.send(index).unwrap();
                    let _ = gate.recv();
                })
                .unwrap();
                open
            })
            .collect();
        let mut both = [starts.recv().unwrap(), starts.recv().unwrap()];
        both.sort_unstable();
        assert_eq!(both, [0, 1]);
        assert!(starts.try_recv().is_err(), "the third job waits for a thread");
        gates[0].send(()).unwrap();
        assert_eq!(starts.recv().unwrap(), 2);
        drop(gates);
    }

    #[test]
    fn a_panicking_job_costs_no_thread() {
        let pool = Pool::new(NonZero::<usize>::MIN);
        pool.run(|| panic!("on purpose")).unwrap();
        let (done, end) = mpsc::channel();
        pool.run(move || done.send(()).unwrap()).unwrap();
        end.recv().unwrap();
    }

    #[test]
    fn queued_jobs_run_after_the_pool_is_dropped() {
        let pool = Pool::new(NonZero::<usize>::MIN);
        let (done, end) = mpsc::channel();
        for index in 0..3 {
            let done = done.clone();
            pool.run(move || done.send(index).unwrap()).unwrap();
        }
        drop((pool, done));
        assert_eq!(end.iter().collect::<Vec<i32>>(), [0, 1, 2]);
    }
}
