//! A ring a core: a task for each connection submits what it wants done, and wakes when the kernel has done it.
//!
//! ```text
//! worker 1: +-> hand over what was submitted, wait for completions (one system call) --+
//!           +-- whoever's is completed, one after the other: answer, submit the next <-+
//! worker 2: the same, with a ring of its own; whoever accepts a connection keeps it
//! ```
//!
//! A task waits in `.await` for its one operation, holding no thread and, while it reads, no buffer either.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Barrier, mpsc};
use std::task::Poll;
use std::thread;

use compio::BufResult;
use compio::io::{AsyncRead as _, AsyncReadManaged as _, AsyncWrite as _};
use compio::net::{TcpListener, TcpStream};
use compio::runtime::spawn;
use compio::time::{sleep, timeout_at};
use contract::listener::back_off;
use contract::{
    AfterAccept, Block, Pool, READ_SIZE, ServeOptions, Service, Step, Workers, after_accept_error,
    drain,
};

use crate::ring;

pub(crate) fn serve(listener: net::TcpListener, options: &ServeOptions) -> io::Result<()> {
    let workers = options.workers_or(Workers::Cpus);
    let threads = Pool::new(options.blocking_threads);
    let all_set_up = Arc::new(Barrier::new(workers));
    let (end, ended) = mpsc::channel();
    for _ in 0..workers {
        let (listener, options, threads) = (listener.try_clone()?, *options, threads.clone());
        let (all_set_up, end) = (Arc::clone(&all_set_up), end.clone());
        let work = move || {
            let runtime = ring::runtime()?;
            // All are set up before one runs: the first connections may take every descriptor there is.
            all_set_up.wait();
            contract::announce()?;
            runtime.block_on(accept(listener, options, threads))
        };
        thread::Builder::new().spawn(move || end.send(catch_unwind(AssertUnwindSafe(work))))?;
    }
    // The first to end ends all: it was stopped, with nothing in flight, or half a server would keep the port.
    match ended.recv() {
        Ok(Ok(result)) => result,
        _ => Err(io::Error::other("a worker panicked")),
    }
}

async fn accept(
    listener: net::TcpListener,
    options: ServeOptions,
    threads: Pool,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        // SIGTERM's shutdown(2) completes it with an error.
        match listener.accept().await {
            Ok((stream, _)) => spawn(converse(stream, options, threads.clone())).detach(),
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

async fn converse(mut stream: TcpStream, options: ServeOptions, threads: Pool) -> io::Result<()> {
    let mut service = Service::new(&options);
    loop {
        match service.step() {
            Step::Read { deadline: None } => read(&mut stream, &mut service).await?,
            Step::Read { deadline: Some(deadline) } => {
                // Past it the read is dropped, which submits its cancellation.
                match timeout_at(deadline, read(&mut stream, &mut service)).await {
                    Ok(result) => result?,
                    Err(_) => service.expired(),
                }
            }
            Step::Write => {
                let BufResult(result, output) = stream.write(service.lend_output()).await;
                service.return_output(output, result?);
            }
            Step::Wait(duration) => {
                sleep(duration).await;
                service.waited();
            }
            Step::Block(duration) => {
                run(options.block, &threads, move || thread::sleep(duration)).await?;
                service.waited();
            }
            Step::Compute(work) => {
                let digest = run(options.block, &threads, move || work.run()).await?;
                service.computed(digest);
            }
            Step::Shutdown => stream.shutdown().await?,
            Step::Close => return Ok(()),
        }
    }
}

/// Reads into the service. The kernel takes a buffer of the ring when there are bytes for it, and it goes back at once.
async fn read(stream: &mut TcpStream, service: &mut Service) -> io::Result<()> {
    match stream.read_managed(READ_SIZE).await {
        Ok(Some(buffer)) => service.received(&buffer),
        Ok(None) => service.end_of_input(),
        // The others have them all: trying again until they give one back would cost more than one of its own.
        Err(error) if error.kind() == ErrorKind::ResourceBusy => {
            let BufResult(result, buffer) = stream.read(Vec::with_capacity(READ_SIZE)).await;
            result?;
            service.received(&buffer);
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Inline, a call holds its worker, and every task on it. A thread of the pool wakes the task, and the ring with it.
async fn run<T: Send + 'static>(
    block: Block,
    threads: &Pool,
    call: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    if block == Block::Inline {
        return Ok(call());
    }
    let (finish, finished) = mpsc::channel();
    let waker = poll_fn(|context| Poll::Ready(context.waker().clone())).await;
    let job = move || {
        drop(finish.send(call()));
        waker.wake();
    };
    if let Err(error) = threads.run(job) {
        sleep(back_off("failed to start a thread", &error)).await;
        return Err(error);
    }
    poll_fn(|_| finished.try_recv().map_or(Poll::Pending, |value| Poll::Ready(Ok(value)))).await
}
