//! A green thread per connection: it is written like a thread, and when it blocks, a worker takes up the next one's stack.
//!
//! ```text
//! accept --> green thread 1: read > answer > write > read ... --+   worker 1: runs those that are ready,
//!        --> green thread 2: read > answer > write > read ... --+-> worker 2: and takes from the other when it has none
//! ```
//!
//! A green thread waits on a stack of its own, holding no thread; a worker without a ready one waits in epoll for its
//! share of the sockets.

use std::io::{self, ErrorKind};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use contract::{
    AfterAccept, Block, Pool, ServeOptions, Service, Step, Workers, after_accept_error, drain,
    listener,
};
use may::io::{CoIo, WaitIo as _};
use may::sync::spsc;

use crate::green::{configure, go, nap};
use crate::stream::Stream;

/// A tenth of ten thousand connections, and may's own number. A stack made anew costs half as much again as a short
/// connection; these are made at the start: 10 ms and 8 MiB.
const STACKS: usize = 1_000;

/// Connections accepted in a row, until it is the others' turn.
const ACCEPTS: usize = 16;

pub(crate) fn serve(listener: TcpListener, options: &ServeOptions) -> io::Result<()> {
    configure(options.workers_or(Workers::Cpus), STACKS);
    let shared = Arc::new(Shared { options: *options, pool: Pool::new(options.blocking_threads) });
    let accepting = go(move || accept(listener, &shared))?;
    accepting
        .join()
        .unwrap_or_else(|_| Err(io::Error::other("the accepting green thread panicked")))
}

struct Shared {
    options: ServeOptions,
    pool: Pool,
}

fn accept(listener: TcpListener, shared: &Arc<Shared>) -> io::Result<()> {
    // Adopted as it is: may's own `bind` would share the port by SO_REUSEPORT, and cut the backlog to 1,024.
    let mut listener = CoIo::new(listener)?;
    contract::announce()?;
    for accepts in 1_usize.. {
        match listener.inner().accept() {
            Ok((socket, _)) => {
                let shared = Arc::clone(shared);
                if let Err(error) = go(move || converse(socket, &shared)) {
                    nap(listener::back_off("failed to start a green thread", &error));
                }
            }
            // SIGTERM's shutdown(2) ends this wait too; `accept` then fails.
            Err(error) if error.kind() == ErrorKind::WouldBlock => drop(listener.wait_io()),
            Err(error) => match after_accept_error(&error) {
                AfterAccept::Stop => break,
                AfterAccept::Retry => {}
                AfterAccept::BackOff(pause) => nap(pause),
            },
        }
        if accepts % ACCEPTS == 0 {
            // As a stream gives way.
            listener = CoIo::new(listener.into_inner())?;
            listener.wait_io();
        }
    }
    drain().for_each(nap);
    Ok(())
}

fn converse(socket: TcpStream, shared: &Shared) -> io::Result<()> {
    let mut stream = Stream::new(socket)?;
    let mut service = Service::new(&shared.options);
    loop {
        if stream.turn_is_over() {
            stream = stream.give_way()?;
        }
        match service.step() {
            Step::Read { deadline } => match stream.read(&mut service, deadline) {
                Err(error) if error.kind() == ErrorKind::TimedOut => service.expired(),
                result => result?,
            },
            Step::Write => {
                let count = stream.write(service.output())?;
                service.wrote(count);
            }
            Step::Wait(duration) => {
                nap(duration);
                service.waited();
            }
            Step::Block(duration) => {
                run(&mut stream, shared, move || thread::sleep(duration));
                service.waited();
            }
            Step::Compute(work) => {
                service.computed(run(&mut stream, shared, move || work.run()));
            }
            Step::Shutdown => stream.shutdown()?,
            Step::Close => return Ok(()),
        }
    }
}

/// Inline, a call holds its worker, and every green thread that waits for that one.
fn run<T: Send + 'static>(
    stream: &mut Stream,
    shared: &Shared,
    call: impl Fn() -> T + Copy + Send + 'static,
) -> T {
    if shared.options.block == Block::Offload {
        let (send, result) = spsc::channel();
        // Late for all is better than never for one: without a thread, the call is made here.
        if shared.pool.run(move || drop(send.send(call()))).is_ok()
            && let Ok(result) = result.recv()
        {
            return result;
        }
    }
    stream.end_turn();
    call()
}
