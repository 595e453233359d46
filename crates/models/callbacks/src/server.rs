//! Continuation passing: every call that would wait takes along what comes next, and returns at once.
//!
//! ```text
//! worker 1: +-> wait in epoll --> whoever is ready is called back, and leaves what comes next --+
//!           +-----------------------------------------------------------------------------------+
//! worker 2: the same; whoever accepts a connection keeps it
//! ```
//!
//! Nobody waits but the loops. A connection is the closure that waits for it, and is closed when nobody holds that:
//!
//! ```text
//! accept --> read( --readable--> write( --written--> wait( --its time has come, its thread is done--> read( ...
//!             |                    ^
//!             +--deadline--> 408 --+
//! ```

use std::io::{self, ErrorKind, Write as _};
use std::{net, thread};

use contract::{
    AfterAccept, Pool, ServeOptions, Service, Step, after_accept_error, drain, end_on_panic,
    run_workers,
};
use mio::Token;
use mio::net::{TcpListener, TcpStream};

use self::event_loop::{EventLoop, Loop};

pub(crate) mod event_loop;

/// Connections accepted in a row until it is the others' turn: a tenth of ten thousand.
const ACCEPTS: usize = 1024;

pub(crate) fn serve(listener: net::TcpListener, options: &ServeOptions) -> io::Result<()> {
    // A callback's panic unwinds into the loop, where nobody knows what it broke: as in node.js, that is the end.
    end_on_panic();
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
    event_loop.when_readable(token, None, |_| accept(port));
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
                return event_loop.when_readable(token, None, |_| accept(port));
            }
            Err(error) => match after_accept_error(&error) {
                AfterAccept::Stop => return event_loop.stop(),
                AfterAccept::Retry => {}
                AfterAccept::BackOff(pause) => return event_loop.after(pause, |_| accept(port)),
            },
        }
    }
    event_loop.soon(|_| accept(port));
}

/// One pointer, handed from callback to callback: who is not called back drops it, and so closes it.
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

/// The pyramid. Each level gets the error of the one before, and has nobody to return it to.
fn converse(mut connection: Connection) {
    if connection.step() == Step::Close {
        return;
    }
    read(connection, |result| {
        let Ok(connection) = result else { return };
        write(connection, |result| {
            let Ok(connection) = result else { return };
            wait(connection, |result| {
                let Ok(connection) = result else { return };
                converse(connection);
            });
        });
    });
}

/// Reads, if that is the step; so with the other two: who is not asked for passes the connection on.
fn read(mut connection: Connection, then: impl FnOnce(io::Result<Connection>) + 'static) {
    let Step::Read { deadline } = connection.step() else { return then(Ok(connection)) };
    let (event_loop, token) = (connection.event_loop, connection.token);
    event_loop.when_readable(token, deadline, move |ready| {
        let Open { stream, service, .. } = &mut *connection;
        if ready.is_err() {
            service.expired();
            return then(Ok(connection));
        }
        match event_loop.read(token, stream, |bytes| service.received(bytes)) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => read(connection, then),
            result => then(result.map(|()| connection)),
        }
    });
}

/// Tried at once; the edge follows a refusal.
fn write(mut connection: Connection, then: impl FnOnce(io::Result<Connection>) + 'static) {
    if connection.step() != Step::Write {
        return then(Ok(connection));
    }
    let (event_loop, token) = (connection.event_loop, connection.token);
    match connection.stream.write(connection.service.output()) {
        Ok(count) => {
            connection.service.wrote(count);
            event_loop.soon(|_| then(Ok(connection)));
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            event_loop.when_writable(token, |_| write(connection, then));
        }
        Err(error) => event_loop.soon(|_| then(Err(error))),
    }
}

fn wait(mut connection: Connection, then: impl FnOnce(io::Result<Connection>) + 'static) {
    let event_loop = connection.event_loop;
    match connection.step() {
        Step::Wait(duration) => event_loop.after(duration, |_| {
            connection.service.waited();
            then(Ok(connection));
        }),
        Step::Block(duration) => {
            let sleep = move || thread::sleep(duration);
            event_loop.offload(sleep, |result| {
                connection.service.waited();
                then(result.map(|()| connection));
            });
        }
        Step::Compute(work) => {
            let compute = move || work.run();
            event_loop.offload(compute, |result| {
                let result = result.map(|digest| connection.service.computed(digest));
                then(result.map(|()| connection));
            });
        }
        _ => then(Ok(connection)),
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
