//! A result that is not there yet: kept by whoever works for it, awaited by whoever needs it, on this thread or another.

use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;

use crate::sync::{Mutex, MutexGuard};

/// To be kept, once.
pub(crate) struct Promise<T>(Arc<Shared<T>>);

/// Awaits what was promised: the result, or the panic that came in its place. Dropping it forgets the result.
pub(crate) struct JoinHandle<T>(Arc<Shared<T>>);

struct Shared<T>(Mutex<State<T>>);

struct State<T> {
    result: Option<thread::Result<T>>,
    /// Who awaits the result.
    waker: Option<Waker>,
}

/// A promise, and the handle of whoever relies on it.
pub(crate) fn promise<T>() -> (Promise<T>, JoinHandle<T>) {
    let shared = Arc::new(Shared(Mutex::new(State { result: None, waker: None })));
    (Promise(Arc::clone(&shared)), JoinHandle(shared))
}

impl<T> Promise<T> {
    pub(crate) fn keep(self, result: thread::Result<T>) {
        let mut state = self.0.lock();
        state.result = Some(result);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> JoinHandle<T> {
    /// The result, if it is there and has not been taken.
    pub(crate) fn take(&self) -> Option<thread::Result<T>> {
        self.0.lock().result.take()
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = thread::Result<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.0.lock();
        let result = state.result.take();
        if result.is_none() {
            state.waker = Some(context.waker().clone());
        }
        result.map_or(Poll::Pending, Poll::Ready)
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
