//! Each runtime, set up as its contestant sets it up, and a way inside.
//!
//! A bench's future is a task, not what `block_on` waits for: that one is no task, and waking it costs a futex on another
//! thread, and on this one a turn of the whole loop (three times the time of a switch on tokio, as measured).
//!
//! Runtimes that are values are made anew for each sample, with a worker for each CPU that the sample may use. may and
//! async-std exist once in a process: they keep a worker for each CPU of the first sample, wherever the workers run.
//! `handmade-async`, `callbacks` and the other loops are programs, not libraries, so no bench reaches their insides:
//! their figures are those of the live benches.

use std::future::Future;
use std::num::NonZero;
use std::sync::Once;
use std::thread;

use io_uring::IoUring;
use may::coroutine::{self, JoinHandle};
use monoio::{IoUringDriver, RuntimeBuilder};
use smol::Executor;

/// What every unit with a stack of its own gets, thread or green: four times what the deepest of them uses.
pub const STACK_BYTES: usize = 64 * 1024;

/// Green threads that may keeps stacks for.
const SPARE_STACKS: usize = 1024;

/// Completions of a ring until the kernel must put some aside: one for each of ten thousand tasks.
const COMPLETIONS: u32 = 16 * 1024;

/// A worker for each CPU that the calling thread may use.
#[must_use]
pub fn workers() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// In a task on tokio with one thread, this one.
///
/// # Panics
/// When the task does, or the system refuses what the runtime needs; so do the others.
pub fn tokio_local<T: Send + 'static>(inside: impl Future<Output = T> + Send + 'static) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let task = async { tokio::spawn(inside).await.expect("the bench does not panic") };
    runtime.expect("epoll is there").block_on(task)
}

/// In a task on tokio's stealing workers.
///
/// # Panics
/// When the task does.
pub fn tokio_threads<T: Send + 'static>(inside: impl Future<Output = T> + Send + 'static) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers())
        .enable_all()
        .build()
        .expect("epoll is there, and threads");
    runtime.block_on(async { tokio::spawn(inside).await.expect("the bench does not panic") })
}

/// The executor of [`smol()`]: its tasks are spawned here.
pub static SMOL: Executor<'static> = Executor::new();

/// In a task on smol's executor, which as many threads run.
pub fn smol<T: Send + 'static>(inside: impl Future<Output = T> + Send + 'static) -> T {
    let (running, ended) = smol::channel::bounded::<()>(1);
    thread::scope(|scope| {
        for _ in 1..workers() {
            // Until the sender is dropped.
            scope.spawn(|| smol::block_on(SMOL.run(ended.recv())));
        }
        let result = smol::block_on(SMOL.run(SMOL.spawn(inside)));
        drop(running);
        result
    })
}

/// In a task on async-std's global executor.
pub fn async_std<T: Send + 'static>(inside: impl Future<Output = T> + Send + 'static) -> T {
    static CONFIGURED: Once = Once::new();
    CONFIGURED.call_once(|| {
        let config = async_global_executor::GlobalExecutorConfig::default();
        let workers = workers();
        async_global_executor::init_with_config(
            config.with_min_threads(workers).with_max_threads(workers),
        );
    });
    async_std::task::block_on(async_std::task::spawn(inside))
}

/// In a task on a ring of compio's, entered by this thread alone.
///
/// # Panics
/// When the kernel refuses a ring; so does the next one.
pub fn compio<T: 'static>(inside: impl Future<Output = T> + 'static) -> T {
    let mut ring = compio::driver::ProactorBuilder::new();
    ring.cqsize(COMPLETIONS).single_issuer(true).defer_taskrun(true);
    let runtime = compio::runtime::Runtime::builder().with_proactor(ring).build();
    let task = async { compio::runtime::spawn(inside).await.expect("the bench does not panic") };
    runtime.expect("io_uring is allowed; see `cargo c10k doctor`").block_on(task)
}

/// In a task on a ring of monoio's, entered by this thread alone.
///
/// # Panics
/// When the kernel refuses a ring.
pub fn monoio<T: 'static>(inside: impl Future<Output = T> + 'static) -> T {
    let mut ring = IoUring::builder();
    ring.setup_cqsize(COMPLETIONS).setup_single_issuer().setup_defer_taskrun();
    let runtime = RuntimeBuilder::<IoUringDriver>::new().uring_builder(ring).enable_timer().build();
    let task = async { monoio::spawn(inside).await };
    runtime.expect("io_uring is allowed; see `cargo c10k doctor`").block_on(task)
}

/// In a green thread of may's.
///
/// # Panics
/// When the green thread does.
pub fn may<T: Send + 'static>(inside: impl FnOnce() -> T + Send + 'static) -> T {
    may_with(SPARE_STACKS, inside)
}

/// The same, with so many stacks made beforehand, unless may was started before.
///
/// # Panics
/// When the green thread does.
pub fn may_with<T: Send + 'static>(
    spare_stacks: usize,
    inside: impl FnOnce() -> T + Send + 'static,
) -> T {
    static CONFIGURED: Once = Once::new();
    CONFIGURED.call_once(|| {
        let config = may::config();
        // may counts a stack in words.
        config.set_workers(workers()).set_stack_size(STACK_BYTES / size_of::<usize>());
        config.set_pool_capacity(spare_stacks).set_worker_pin(false);
    });
    go(inside).join().expect("the bench does not panic")
}

/// Starts a green thread, from inside.
///
/// # Panics
/// When the system refuses a stack.
pub fn go<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    #[expect(unsafe_code, reason = "may has no safe way to start a green thread")]
    // SAFETY: the bodies of the benches hold nothing that belongs to a thread, and use some hundred bytes of stack.
    unsafe { coroutine::Builder::new().spawn(body) }
        .expect("a stack is two mappings, of which there are enough")
}
