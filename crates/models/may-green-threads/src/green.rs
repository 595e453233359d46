//! Green threads: how many workers carry them, on which stacks, and how one is started.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use may::coroutine::{Builder, JoinHandle, sleep, yield_now};

/// may counts words of 8 bytes: 64 KiB. A request goes 5 KiB deep, a panic that prints its backtrace 22. What is not
/// touched costs addresses alone: 664 MiB of them for ten thousand stacks and the guard pages below, of 128 TiB.
/// A whole number of pages, or may takes none of them twice: it compares this with the size that it has rounded up.
const STACK_WORDS: usize = 64 * 1024 / 8;

/// Goes before the first green thread. may makes `stacks` of them then, and later keeps as many that are free again.
pub(crate) fn configure(workers: usize, stacks: usize) {
    let config = may::config();
    config.set_workers(workers).set_stack_size(STACK_WORDS).set_pool_capacity(stacks);
    // may would pin worker 1 of each of several processes to one and the same CPU.
    config.set_worker_pin(false);
}

/// Starts a green thread: may's `go!`, with what that macro hides in sight.
///
/// As `go!` it is safe by the care of those who write the bodies: see the SAFETY comment for what they must not do.
///
/// # Errors
/// The system refuses a stack: two mappings, so that `vm.max_map_count` stops at half of itself. may panics then.
pub(crate) fn go<T: Send + 'static>(
    body: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let spawn = || {
        #[expect(unsafe_code, reason = "may has no safe way to start a green thread")]
        // SAFETY: a green thread may go on on another worker after each wait. So a body keeps nothing across one that
        // belongs to its thread: here, all it holds is its own and `Send`, and the one thread-local is touched by a
        // function that does not wait and is not inlined, lest its address be kept (`stream::read_into`). And it
        // must not leave its stack: of that no more than a third was ever used, and below lies a guard page.
        unsafe {
            Builder::new().spawn(body)
        }
    };
    catch_unwind(AssertUnwindSafe(spawn)).unwrap_or_else(|_| Err(io::ErrorKind::OutOfMemory.into()))
}

/// Sleeps, and goes on on a worker: may's one timer thread would otherwise run whom it wakes until the next wait, and
/// keep all the other sleepers waiting.
pub(crate) fn nap(time: Duration) {
    sleep(time);
    yield_now();
}
