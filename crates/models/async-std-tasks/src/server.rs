//! A task per connection, with the words of std: spawn, read, write, sleep, and an `.await` behind each.
//!
//! ```text
//! accept --> task 1: read > answer > write > read ... --+   worker 1: runs the tasks that are ready,
//!        --> task 2: read > answer > write > read ... --+-> worker 2: and takes from the other when it has none
//! ```
//!
//! A task waits in `.await`, holding no thread; of the workers without a ready task, one waits in epoll for all of
//! them, and the others for that one.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::{Shutdown, TcpListener};
use std::pin::Pin;
use std::task::{Poll, ready};
use std::thread;
use std::time::Instant;

use async_global_executor::GlobalExecutorConfig;
use async_std::future::timeout;
use async_std::io::{Read as _, WriteExt as _};
use async_std::net::TcpStream;
use async_std::task::{self, sleep, yield_now};
use contract::{
    AfterAccept, Block, READ_SIZE, ServeOptions, Service, Step, Workers, after_accept_error, drain,
};

pub(crate) fn serve(listener: TcpListener, options: &ServeOptions) -> io::Result<()> {
    // async-std would ask the environment, which no running program may safely change: the executor is told first.
    let workers = options.workers_or(Workers::Cpus);
    async_global_executor::init_with_config(
        GlobalExecutorConfig::default().with_min_threads(workers).with_max_threads(workers),
    );
    blocking::set_max_blocking_threads(options.blocking_threads);
    contract::announce()?;
    // In a task, since this thread is no worker: every connection would wake it first, and it a worker.
    task::block_on(task::spawn(accept(listener, *options)));
    Ok(())
}

async fn accept(listener: TcpListener, options: ServeOptions) {
    let listener = async_std::net::TcpListener::from(listener);
    loop {
        // SIGTERM's shutdown(2) reports a hang-up, for which the runtime wakes readers; `accept` then fails.
        match listener.accept().await {
            Ok((stream, _)) => {
                drop(task::spawn(converse(stream, options)));
                // Or a storm of connections would be nobody else's turn.
                yield_now().await;
            }
            Err(error) => match after_accept_error(&error) {
                AfterAccept::Stop => break,
                AfterAccept::Retry => {}
                AfterAccept::BackOff(pause) => sleep(pause).await,
            },
        }
    }
    for nap in drain() {
        sleep(nap).await;
    }
}

async fn converse(mut stream: TcpStream, options: ServeOptions) -> io::Result<()> {
    let mut service = Service::new(&options);
    loop {
        match service.step() {
            Step::Read { deadline: None } => read(&mut stream, &mut service).await?,
            Step::Read { deadline: Some(deadline) } => {
                let left = deadline.saturating_duration_since(Instant::now());
                match timeout(left, read(&mut stream, &mut service)).await {
                    Ok(result) => result?,
                    Err(_) => service.expired(),
                }
            }
            Step::Write => {
                let count = stream.write(service.output()).await?;
                service.wrote(count);
                // Others that are ready go first. By then the next request may have come, and reading it now is cheaper
                // than waiting for it: every wait arms epoll anew.
                yield_now().await;
            }
            Step::Wait(duration) => {
                sleep(duration).await;
                service.waited();
            }
            Step::Block(duration) => {
                run(options.block, move || thread::sleep(duration)).await;
                service.waited();
            }
            Step::Compute(work) => {
                let digest = run(options.block, move || work.run()).await;
                service.computed(digest);
            }
            Step::Shutdown => stream.shutdown(Shutdown::Write)?,
            Step::Close => return Ok(()),
        }
    }
}

/// Reads into the service. The buffer is the worker's and lent for one poll, not in the task: a connection that waits
/// for bytes holds no memory for them.
async fn read(stream: &mut TcpStream, service: &mut Service) -> io::Result<()> {
    thread_local! {
        static BUFFER: RefCell<[u8; READ_SIZE]> = const { RefCell::new([0; READ_SIZE]) };
    }
    poll_fn(|context| {
        BUFFER.with_borrow_mut(|buffer| {
            let count = ready!(Pin::new(&mut *stream).poll_read(context, buffer))?;
            service.received(&buffer[..count]);
            Poll::Ready(Ok(()))
        })
    })
    .await
}

/// Inline, a call holds its worker; what is ready meanwhile waits for the others, or for the end of the call.
async fn run<T: Send + 'static>(block: Block, call: impl FnOnce() -> T + Send + 'static) -> T {
    match block {
        Block::Inline => call(),
        Block::Offload => task::spawn_blocking(call).await,
    }
}
