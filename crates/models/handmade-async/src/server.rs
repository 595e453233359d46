//! A task per connection on an executor of our own: what `.await` hides is in the files beside this one.
//!
//! ```text
//! accept --> task 1: read > answer > write > read ... --+
//!        --> task 2: read > answer > write > read ... --+--> executor 1: polls whichever is ready, sleeps in epoll
//! executor 2: the same, on another thread; a task stays where it was accepted
//! ```
//!
//! A task waits in `.await`, having left a waker with whoever can end the wait: the reactor, a timer, a thread.

use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use contract::{
    AfterAccept, Block, Pool, ServeOptions, Service, Step, after_accept_error, drain, listener,
    run_workers,
};

use crate::executor::{block_on, spawn, unblock, yield_now};
use crate::net::{self, TcpStream};
use crate::reactor::Reactor;
use crate::timer::{sleep, timeout_at};

pub(crate) fn serve(listener: TcpListener, options: &ServeOptions) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let (threads, options) = (Pool::new(options.blocking_threads), *options);
    run_workers(&options, |_| {
        let (reactor, listener, threads) =
            (Reactor::new()?, listener.try_clone()?, threads.clone());
        Ok(move || block_on(reactor, accept(listener, options, threads))?)
    })
}

/// What the connections of an executor share.
struct Shared {
    options: ServeOptions,
    threads: Pool,
}

async fn accept(listener: TcpListener, options: ServeOptions, threads: Pool) -> io::Result<()> {
    let listener = net::TcpListener::new(listener)?;
    let shared = Rc::new(Shared { options, threads });
    loop {
        match listener.accept().await {
            Ok(stream) => drop(spawn(converse(stream, Rc::clone(&shared)))),
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

async fn converse(stream: TcpStream, shared: Rc<Shared>) -> io::Result<()> {
    let mut service = Service::new(&shared.options);
    loop {
        match service.step() {
            Step::Read { deadline: None } => stream.read(|bytes| service.received(bytes)).await?,
            Step::Read { deadline: Some(deadline) } => {
                let read = stream.read(|bytes| service.received(bytes));
                match timeout_at(deadline, read).await {
                    Some(result) => result?,
                    None => service.expired(),
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
                run(&shared, move || thread::sleep(duration)).await;
                service.waited();
            }
            Step::Compute(work) => {
                let digest = run(&shared, move || work.run()).await;
                service.computed(digest);
            }
            Step::Shutdown => stream.shutdown()?,
            Step::Close => return Ok(()),
        }
    }
}

/// Inline, a call holds the executor and every task on it; between two of them the others have their turn.
async fn run<T: Send + 'static>(
    shared: &Shared,
    call: impl Fn() -> T + Copy + Send + 'static,
) -> T {
    if shared.options.block == Block::Offload {
        match unblock(&shared.threads, call).await {
            Ok(result) => return result,
            // Late for all is better than never for one.
            Err(error) => {
                let _pause: Duration =
                    listener::back_off("failed to start a thread, so the executor blocks", &error);
            }
        }
    }
    let result = call();
    yield_now().await;
    result
}
