//! Deferreds: a call that would wait returns a result to come, and what follows is added to that, for success and for
//! error.
//!
//! ```text
//! worker 1: +-> wait in epoll --> whoever is ready fires: its chain goes on until it has to wait again --+
//!           +--------------------------------------------------------------------------------------------+
//! worker 2: the same; whoever accepts a connection keeps it
//! ```
//!
//! Nobody waits but the loops. A connection is the value that travels down a chain, one chain a round:
//!
//! ```text
//! accept --> read --readable--> write --written--> wait --its time has come, its thread is done--> the next round
//!             |  |               ^  |                |
//!             |  +-deadline-408--+  |                |
//!             +------error----------+------error-----+--> closed
//! ```

use std::io::{self, ErrorKind, Write as _};
use std::{net, thread};

use contract::{
    AfterAccept, Pool, ServeOptions, Service, Step, after_accept_error, drain, run_workers,
};
use mio::Token;
use mio::net::{TcpListener, TcpStream};

use self::deferred::Deferred;
use self::event_loop::{EventLoop, Loop};

pub(crate) mod deferred;
pub(crate) mod event_loop;

/// Connections accepted in a row until it is the others' turn: a tenth of ten thousand.
const ACCEPTS: usize = 1024;

pub(crate) fn serve(listener: net::TcpListener, options: &ServeOptions) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let (threads, options) = (Pool::new(options.blocking_threads), *options);
    run_workers(&options, |_| {
        let listener = TcpListener::from_std(listener.try_clone()?);
        let event_loop = EventLoop::prepare(options.block, threads.clone())?;
        Ok(move || work(event_loop(), listener, options))
    })
}

fn work(event_loop: Loop, mut listener: TcpListener, options: ServeOptions) -> io::Result<()> {
    let token = event_loop.register(&mut listener)?;
    let port = Port { event_loop, token, listener, options };
    event_loop.readable(token, None).done(|_| accept(port));
    event_loop.run()?;
    drain().try_for_each(|nap| event_loop.turn(Some(nap)))
}

struct Port {
    event_loop: Loop,
    token: Token,
    listener: TcpListener,
    options: ServeOptions,
}

/// Until nobody waits, or comes again: the edge that led here will not.
fn accept(port: Port) {
    let Port { event_loop, token, ref listener, ref options } = port;
    for _ in 0..ACCEPTS {
        match listener.accept().and_then(|(stream, _)| open(event_loop, stream, options)) {
            Ok(connection) => converse(connection),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return event_loop.readable(token, None).done(|_| accept(port));
            }
            Err(error) => match after_accept_error(&error) {
                AfterAccept::Stop => return event_loop.stop(),
                AfterAccept::Retry => {}
                AfterAccept::BackOff(pause) => {
                    return event_loop.after(pause).done(|_| accept(port));
                }
            },
        }
    }
    event_loop.soon().done(|_| accept(port));
}

/// One pointer, handed down the chain: an error drops it, and so closes it.
type Connection = Box<Open>;

struct Open {
    event_loop: Loop,
    token: Token,
    stream: TcpStream,
    service: Service,
}

fn open(event_loop: Loop, mut stream: TcpStream, options: &ServeOptions) -> io::Result<Connection> {
    let token = event_loop.register(&mut stream)?;
    Ok(Box::new(Open { event_loop, token, stream, service: Service::new(options) }))
}

/// One round, one chain. An error of any of the three arrives at its end; what comes next is a new chain, since one that
/// went on for ever would grow for ever.
fn converse(mut connection: Connection) {
    if connection.step() == Step::Close {
        return;
    }
    read(connection).add_callback(write).add_callback(wait).done(|result| {
        if let Ok(connection) = result {
            converse(connection);
        }
    });
}

/// Reads, if that is the step; so with the other two: who is not asked for passes the connection on.
fn read(mut connection: Connection) -> Deferred<Connection> {
    let Step::Read { deadline } = connection.step() else { return Deferred::Now(Ok(connection)) };
    let (event_loop, token) = (connection.event_loop, connection.token);
    event_loop.readable(token, deadline).add_both(move |ready| {
        let Open { stream, service, .. } = &mut *connection;
        if ready.is_err() {
            service.expired();
            return Deferred::Now(Ok(connection));
        }
        match event_loop.read(token, stream, |bytes| service.received(bytes)) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => read(connection),
            result => Deferred::Now(result.map(|()| connection)),
        }
    })
}

/// Tried at once; the edge follows a refusal.
fn write(mut connection: Connection) -> Deferred<Connection> {
    if connection.step() != Step::Write {
        return Deferred::Now(Ok(connection));
    }
    let (event_loop, token) = (connection.event_loop, connection.token);
    match connection.stream.write(connection.service.output()) {
        Ok(count) => {
            connection.service.wrote(count);
            event_loop.soon().add_callback(|()| Deferred::Now(Ok(connection)))
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            event_loop.writable(token).add_callback(|()| write(connection))
        }
        Err(error) => Deferred::Now(Err(error)),
    }
}

fn wait(mut connection: Connection) -> Deferred<Connection> {
    let event_loop = connection.event_loop;
    match connection.step() {
        Step::Wait(duration) => event_loop.after(duration).add_callback(|()| {
            connection.service.waited();
            Deferred::Now(Ok(connection))
        }),
        Step::Block(duration) => {
            event_loop.offload(move || thread::sleep(duration)).add_callback(|()| {
                connection.service.waited();
                Deferred::Now(Ok(connection))
            })
        }
        Step::Compute(work) => event_loop.offload(move || work.run()).add_callback(|digest| {
            connection.service.computed(digest);
            Deferred::Now(Ok(connection))
        }),
        _ => Deferred::Now(Ok(connection)),
    }
}

impl Open {
    /// What to do next, where it is more than to end the sending.
    fn step(&mut self) -> Step {
        let step = self.service.step();
        if step != Step::Shutdown {
            return step;
        }
        // Refused means gone already, which the next read says.
        drop(self.stream.shutdown(net::Shutdown::Write));
        self.service.step()
    }
}
