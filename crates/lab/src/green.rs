//! Green threads of may: how many workers carry them, and how one is started.

use may::coroutine::{Builder, JoinHandle};

/// Words of 8 bytes: 64 KiB, enough for a panic that prints its backtrace.
const STACK_WORDS: usize = 8 * 1024;

/// Goes before the first green thread of the process.
pub(crate) fn workers(workers: usize) {
    may::config().set_workers(workers).set_stack_size(STACK_WORDS).set_pool_capacity(16);
}

/// Starts one.
pub(crate) fn go<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    #[expect(unsafe_code, reason = "may has no safe way to start a green thread")]
    // SAFETY: a green thread may go on on another worker after each wait, so its body must keep nothing across one that
    // belongs to its thread: those of this package hold what is `Send` and touch no thread-local. And it must stay on
    // its stack, which their few calls deep do.
    let started = unsafe { Builder::new().spawn(body) };
    started.expect("there is memory for a handful of stacks")
}
