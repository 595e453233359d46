//! Timers: wakers in the order in which they are due. The first one bounds the executor's sleep.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::executor::{self, Executor};

#[derive(Default)]
pub(crate) struct Timers {
    /// By time, and by a number that tells those of one time apart.
    due: RefCell<BTreeMap<(Instant, u64), Waker>>,
    next: Cell<u64>,
}

impl Timers {
    /// How long the executor may sleep.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        let due = self.due.borrow();
        let ((first, _), _) = due.first_key_value()?;
        Some(first.saturating_duration_since(Instant::now()))
    }

    /// Wakes the tasks whose time has come.
    pub(crate) fn wake(&self) {
        let mut due = self.due.borrow_mut();
        if due.is_empty() {
            return;
        }
        let now = Instant::now();
        while let Some(first) = due.first_entry().filter(|first| first.key().0 <= now) {
            first.remove().wake();
        }
    }
}

/// Ready when its time has come; dropping it takes its timer away.
pub(crate) struct Sleep {
    executor: Rc<Executor>,
    key: (Instant, u64),
}

pub(crate) fn sleep(duration: Duration) -> Sleep {
    sleep_until(Instant::now() + duration)
}

pub(crate) fn sleep_until(due: Instant) -> Sleep {
    let executor = executor::current();
    let number = executor.timers.next.replace(executor.timers.next.get() + 1);
    Sleep { executor, key: (due, number) }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if Instant::now() >= self.key.0 {
            return Poll::Ready(());
        }
        // Each time, since the task that polls it now need not be the one that polled it first.
        self.executor.timers.due.borrow_mut().insert(self.key, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.executor.timers.due.borrow_mut().remove(&self.key);
    }
}

/// What the future comes to, or nothing if it is not ready by then.
pub(crate) async fn timeout_at<T>(due: Instant, future: impl Future<Output = T>) -> Option<T> {
    let (mut future, mut sleep) = (pin!(future), sleep_until(due));
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(result) => Poll::Ready(Some(result)),
        Poll::Pending => Pin::new(&mut sleep).poll(context).map(|()| None),
    })
    .await
}
