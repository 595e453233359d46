//! A task per connection, and nothing hidden: the executor is a value, and whoever calls `run` is a worker.
//!
//! ```text
//! accept --> task 1: read > answer > write > read ... --+   worker 1: runs the tasks that are ready,
//!        --> task 2: read > answer > write > read ... --+-> worker 2: and takes from the other when it has none
//! ```
//!
//! A task waits in `.await`, holding no thread; of the workers without a ready task, one waits in epoll for all of
//! them, and the others for that one.

use std::cell::RefCell;
use std::future::{pending, poll_fn};
use std::io::{self, ErrorKind, Read as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use contract::{
    AfterAccept, Block, READ_SIZE, ServeOptions, Service, Step, Workers, after_accept_error, drain,
};
use smol::future::{FutureExt as _, yield_now};
use smol::io::AsyncWriteExt as _;
use smol::{Async, Executor, Timer};

/// The queue of ready tasks; of reactors there is one for the process in any case.
static EXECUTOR: Executor<'static> = Executor::new();

pub(crate) fn serve(listener: TcpListener, options: &ServeOptions) -> io::Result<()> {
    blocking::set_max_blocking_threads(options.blocking_threads);
    // smol's own `block_on`: with another one, a helper thread would do the waiting in epoll, and wake the workers.
    for _ in 1..options.workers_or(Workers::Cpus) {
        thread::Builder::new().spawn(|| smol::block_on(EXECUTOR.run(pending::<()>())))?;
    }
    // In a task, since what is given to `run` itself is polled whenever this worker wakes.
    smol::block_on(EXECUTOR.run(EXECUTOR.spawn(accept(listener, *options))))
}

async fn accept(listener: TcpListener, options: ServeOptions) -> io::Result<()> {
    let listener = Async::new(listener)?;
    contract::announce()?;
    loop {
        // SIGTERM's shutdown(2) reports a hang-up, for which the runtime wakes readers; `accept` then fails.
        match listener.accept().await {
            Ok((stream, _)) => {
                EXECUTOR.spawn(converse(stream, options)).detach();
                // Or a storm of connections would be nobody else's turn.
                yield_now().await;
            }
            Err(error) => match after_accept_error(&error) {
                AfterAccept::Stop => break,
                AfterAccept::Retry => {}
                AfterAccept::BackOff(pause) => drop(Timer::after(pause).await),
            },
        }
    }
    for nap in drain() {
        Timer::after(nap).await;
    }
    Ok(())
}

async fn converse(mut stream: Async<TcpStream>, options: ServeOptions) -> io::Result<()> {
    let mut service = Service::new(&options);
    loop {
        match service.step() {
            Step::Read { deadline: None } => read(&stream, &mut service).await?,
            Step::Read { deadline: Some(deadline) } => {
                let read = async { Some(read(&stream, &mut service).await) };
                let expired = async {
                    Timer::at(deadline).await;
                    None
                };
                match read.or(expired).await {
                    Some(result) => result?,
                    None => service.expired(),
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
                Timer::after(duration).await;
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
            Step::Shutdown => stream.get_ref().shutdown(Shutdown::Write)?,
            Step::Close => return Ok(()),
        }
    }
}

/// Reads into the service: tries first, and waits only where nothing has come. The buffer is the worker's and lent for
/// one try, not in the task: a connection that waits for bytes holds no memory for them.
async fn read(stream: &Async<TcpStream>, service: &mut Service) -> io::Result<()> {
    thread_local! {
        static BUFFER: RefCell<[u8; READ_SIZE]> = const { RefCell::new([0; READ_SIZE]) };
    }
    let mut receive = || {
        BUFFER.with_borrow_mut(|buffer| {
            let count = stream.get_ref().read(buffer)?;
            service.received(&buffer[..count]);
            Ok(())
        })
    };
    loop {
        match receive() {
            Err(error) if io::Error::kind(&error) == ErrorKind::WouldBlock => {
                poll_fn(|context| stream.poll_readable(context)).await?;
            }
            result => return result,
        }
    }
}

/// Inline, a call holds its worker; what is ready meanwhile waits for the others, or for the end of the call.
async fn run<T: Send + 'static>(block: Block, call: impl FnOnce() -> T + Send + 'static) -> T {
    match block {
        Block::Inline => call(),
        Block::Offload => smol::unblock(call).await,
    }
}
