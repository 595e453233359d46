//! A task per connection on a runtime per thread: a task stays where it was accepted, so nothing of it need be `Send`.
//!
//! ```text
//! accept --> task 1: read > answer > write > read ... --+
//!        --> task 2: read > answer > write > read ... --+--> worker 1: runs the tasks that are ready
//! accept --> task 3: read > answer > write > read ... -----> worker 2: the same, and takes none from the other
//! ```
//!
//! A task waits in `.await`, holding no thread; a worker without a ready task waits in an epoll of its own.

use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::pin::Pin;
use std::sync::{Arc, Barrier};
use std::task::{Poll, ready};
use std::{io, process, thread};

use contract::{
    AfterAccept, Block, READ_SIZE, ServeOptions, Service, Step, Workers, after_accept_error, drain,
};
use tokio::io::{AsyncRead as _, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::runtime::LocalOptions;
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout_at};

pub(crate) fn serve(listener: TcpListener, options: &ServeOptions) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let workers = options.workers_or(Workers::Cpus);
    // All are set up before one runs: the first connections may take every descriptor there is.
    let set_up = Arc::new(Barrier::new(workers));
    for _ in 1..workers {
        let (listener, options, set_up) = (listener.try_clone()?, *options, Arc::clone(&set_up));
        thread::Builder::new().spawn(move || {
            if let Err(error) = work(listener, options, workers, &set_up) {
                // Half a server that keeps its port is worse than none.
                eprintln!("a worker failed: {error}");
                process::exit(1);
            }
        })?;
    }
    work(listener, *options, workers, &set_up)
}

/// A runtime that never leaves its thread, made there; of the threads for blocking calls it has its share.
fn work(
    listener: TcpListener,
    options: ServeOptions,
    workers: usize,
    set_up: &Barrier,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(options.blocking_threads.get().div_ceil(workers))
        .enable_all()
        .build_local(LocalOptions::default())?;
    set_up.wait();
    contract::announce()?;
    runtime.block_on(accept(listener, options))?;
    // Without it, the runtime's end would wait for the blocking calls of requests that are past saving.
    runtime.shutdown_background();
    Ok(())
}

async fn accept(listener: TcpListener, options: ServeOptions) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        // SIGTERM's shutdown(2) reports a hang-up, for which the runtime wakes readers; `accept` then fails.
        match listener.accept().await {
            Ok((stream, _)) => drop(spawn_local(converse(stream, options))),
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
    Ok(())
}

async fn converse(mut stream: TcpStream, options: ServeOptions) -> io::Result<()> {
    let mut service = Service::new(&options);
    loop {
        match service.step() {
            Step::Read { deadline: None } => read(&mut stream, &mut service).await?,
            Step::Read { deadline: Some(deadline) } => {
                match timeout_at(deadline.into(), read(&mut stream, &mut service)).await {
                    Ok(result) => result?,
                    Err(_) => service.expired(),
                }
            }
            Step::Write => {
                let count = stream.write(service.output()).await?;
                service.wrote(count);
            }
            Step::Wait(duration) => {
                sleep(duration).await;
                service.waited();
            }
            Step::Block(duration) => {
                run(options.block, move || thread::sleep(duration)).await?;
                service.waited();
            }
            Step::Compute(work) => {
                let digest = run(options.block, move || work.run()).await?;
                service.computed(digest);
            }
            Step::Shutdown => stream.shutdown().await?,
            Step::Close => return Ok(()),
        }
    }
}

/// Reads into the service. The buffer is on the worker's stack and lives for one poll, not in the task: a connection
/// that waits for bytes holds no memory for them.
async fn read(stream: &mut TcpStream, service: &mut Service) -> io::Result<()> {
    poll_fn(|context| {
        let mut buffer = [MaybeUninit::uninit(); READ_SIZE];
        let mut buffer = ReadBuf::uninit(&mut buffer);
        ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer))?;
        service.received(buffer.filled());
        Poll::Ready(Ok(()))
    })
    .await
}

/// Inline, a call holds its worker and every task on it: no other worker may take them. Offloaded, it is the one thing
/// here that moves between threads.
async fn run<T: Send + 'static>(
    block: Block,
    call: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    match block {
        Block::Inline => Ok(call()),
        Block::Offload => Ok(tokio::task::spawn_blocking(call).await?),
    }
}
