//! Callbacks on objects: the reactor calls the transport whose socket is ready, and that calls methods of its protocol.
//!
//! ```text
//! worker 1: +-> wait in epoll --> whoever is ready: its methods are called, one after the other --+
//!           +-------------------------------------------------------------------------------------+
//! worker 2: the same; whoever accepts a connection keeps it
//! ```
//!
//! Nobody waits but the loops. A connection is two objects, and what it waits for is which of its methods comes next:
//!
//! ```text
//! Port --accept--> connection_made --> converse --write--> Transport --the socket refuses--> pause_writing
//!                  data_received ---------^  ^  |                    --it has taken all----> resume_writing --> converse
//!                  eof_received, expired ----+  +--call_later, call_from_thread--> waited, computed --> converse
//!                                               +--close, or any error--> connection_lost
//! ```

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::{net, thread};

use contract::{
    AfterAccept, Digest, Pool, ServeOptions, Service, Step, after_accept_error, drain, run_workers,
};
use mio::net::TcpListener;

use self::reactor::{Reactor, Selectable, Timer};
use self::transport::{Protocol, Transport};

pub(crate) mod reactor;
pub(crate) mod transport;

/// Connections accepted in a row until it is the others' turn: a tenth of ten thousand.
const ACCEPTS: usize = 1024;
/// Steps of one connection until it is the others' turn: 16 writes of 64 KiB are a mebibyte.
const STEPS: usize = 16;

pub(crate) fn serve(listener: net::TcpListener, options: &ServeOptions) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let (threads, options) = (Pool::new(options.blocking_threads), *options);
    run_workers(&options, |_| {
        let listener = TcpListener::from_std(listener.try_clone()?);
        let reactor = Reactor::prepare(options.block, threads.clone())?;
        Ok(move || work(reactor(), listener, options))
    })
}

fn work(
    reactor: &'static Reactor,
    mut listener: TcpListener,
    options: ServeOptions,
) -> io::Result<()> {
    let token = reactor.register(&mut listener)?;
    reactor.add(token, Rc::new(Port { reactor, listener, options }));
    reactor.run()?;
    drain().try_for_each(|nap| reactor.turn(Some(nap)))
}

/// Makes a protocol for each connection that comes.
struct Port {
    reactor: &'static Reactor,
    listener: TcpListener,
    options: ServeOptions,
}

impl Selectable for Port {
    /// Accepts until nobody waits, or comes again: the edge that led here will not.
    fn ready_to_read(self: Rc<Self>, _: bool) {
        let reactor = self.reactor;
        let protocol = || Conversation::new(&self.options);
        let open = |(stream, _)| Transport::accepted(reactor, stream, protocol());
        for _ in 0..ACCEPTS {
            match self.listener.accept().and_then(open) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => match after_accept_error(&error) {
                    AfterAccept::Stop => return reactor.stop(),
                    AfterAccept::Retry => {}
                    AfterAccept::BackOff(pause) => {
                        return reactor.call_later(pause, || self.ready_to_read(false));
                    }
                },
            }
        }
        reactor.call_soon(|| self.ready_to_read(false));
    }
}

/// The protocol of one connection.
struct Conversation {
    service: RefCell<Service>,
    /// Set between `pause_writing` and `resume_writing`.
    paused: Cell<bool>,
    /// When `expired` is called, while a head is incomplete.
    deadline: Cell<Option<Timer>>,
}

impl Protocol for Conversation {
    fn connection_made(&self, transport: &Rc<Transport<Self>>) {
        self.converse(transport);
    }

    fn data_received(&self, transport: &Rc<Transport<Self>>, bytes: &[u8]) {
        self.service.borrow_mut().received(bytes);
        self.converse(transport);
    }

    fn eof_received(&self, transport: &Rc<Transport<Self>>) {
        self.service.borrow_mut().end_of_input();
        self.converse(transport);
    }

    fn pause_writing(&self) {
        self.paused.set(true);
    }

    fn resume_writing(&self, transport: &Rc<Transport<Self>>) {
        self.paused.set(false);
        self.converse(transport);
    }

    /// Whatever the reason, there is nobody left to tell it.
    fn connection_lost(&self, transport: &Rc<Transport<Self>>, _: io::Result<()>) {
        self.forget_deadline(transport);
    }
}

impl Conversation {
    fn new(options: &ServeOptions) -> Self {
        let service = RefCell::new(Service::new(options));
        Self { service, paused: Cell::default(), deadline: Cell::default() }
    }

    /// Performs steps until one has to wait, which then calls a method, or until the turn is over.
    fn converse(&self, transport: &Rc<Transport<Self>>) {
        self.forget_deadline(transport);
        transport.pause_reading();
        let mut service = self.service.borrow_mut();
        for _ in 0..STEPS {
            if self.paused.get() || transport.is_closing() {
                return;
            }
            match service.step() {
                Step::Read { deadline } => {
                    let timer = deadline.map(|due| transport.call_at(due, Self::expired));
                    self.deadline.set(timer);
                    return transport.resume_reading();
                }
                Step::Write => {
                    transport.write(service.output());
                    let count = service.output().len();
                    service.wrote(count);
                }
                Step::Wait(duration) => return transport.call_later(duration, Self::waited),
                Step::Block(duration) => {
                    let waited =
                        |this: &Self, transport: &Rc<Transport<Self>>, ()| this.waited(transport);
                    return transport.call_from_thread(move || thread::sleep(duration), waited);
                }
                Step::Compute(work) => {
                    return transport.call_from_thread(move || work.run(), Self::computed);
                }
                Step::Shutdown => transport.write_eof(),
                Step::Close => return transport.close(),
            }
        }
        transport.call_soon(Self::converse);
    }

    fn forget_deadline(&self, transport: &Rc<Transport<Self>>) {
        if let Some(deadline) = self.deadline.take() {
            transport.cancel(deadline);
        }
    }

    fn expired(&self, transport: &Rc<Transport<Self>>) {
        self.service.borrow_mut().expired();
        self.converse(transport);
    }

    fn waited(&self, transport: &Rc<Transport<Self>>) {
        self.service.borrow_mut().waited();
        self.converse(transport);
    }

    fn computed(&self, transport: &Rc<Transport<Self>>, digest: Digest) {
        self.service.borrow_mut().computed(digest);
        self.converse(transport);
    }
}
