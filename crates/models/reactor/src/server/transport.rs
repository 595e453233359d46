//! The transport: a connection's socket, what it has not sent yet, and the protocol that is told of everything.
//!
//! ```text
//! socket --bytes--> data_received   write(bytes) --> socket
//!        --end----> eof_received          |             |
//!                                         +--> unsent --+   not empty: pause_writing; empty again: resume_writing
//! whatever ends it: connection_lost, once
//! ```

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr};
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::time::{Duration, Instant};

use mio::Token;
use mio::net::TcpStream;

use super::reactor::{Reactor, Selectable, Timer};

/// What is called on a connection's object. It is shared, so its state is in cells.
pub(crate) trait Protocol: Sized + 'static {
    /// The first call.
    fn connection_made(&self, transport: &Rc<Transport<Self>>);
    /// Bytes have come.
    fn data_received(&self, transport: &Rc<Transport<Self>>, bytes: &[u8]);
    /// The peer sends no more.
    fn eof_received(&self, transport: &Rc<Transport<Self>>);
    /// Called by [`Transport::write`] when the socket did not take all: what is written now piles up.
    fn pause_writing(&self) {}
    /// All of it has been sent.
    fn resume_writing(&self, _transport: &Rc<Transport<Self>>) {}
    /// The last call: closed, or with what went wrong.
    fn connection_lost(&self, transport: &Rc<Transport<Self>>, reason: io::Result<()>);
}

/// One for each connection.
pub(crate) struct Transport<P> {
    reactor: &'static Reactor,
    protocol: P,
    /// None once the connection is lost.
    stream: RefCell<Option<TcpStream>>,
    /// Whether it is still being made.
    connecting: Cell<bool>,
    /// Whether the protocol wants bytes.
    reading: Cell<bool>,
    /// An edge came while it did not, or was not used up: it will not be reported again.
    readable: Cell<bool>,
    /// The end of input came with an edge, and will be found behind the last bytes.
    input_ended: Cell<bool>,
    /// What the socket has not taken. The protocol is paused while it holds anything: its high-water mark is zero, since
    /// an answer is in flight until its last byte is written.
    unsent: RefCell<Vec<u8>>,
    /// Whether to close when all is sent.
    closing: Cell<bool>,
}

impl<P: Protocol> Transport<P> {
    /// A connection that was accepted.
    pub(crate) fn accepted(
        reactor: &'static Reactor,
        mut stream: TcpStream,
        protocol: P,
    ) -> io::Result<()> {
        let token = reactor.register(&mut stream)?;
        let this = Self::new(reactor, Some((token, stream)), protocol);
        this.call(P::connection_made);
        Ok(())
    }

    /// A connection to be made; the protocol hears of it in any case.
    pub(crate) fn connect(reactor: &'static Reactor, address: SocketAddr, protocol: P) {
        let connected = TcpStream::connect(address)
            .and_then(|mut stream| Ok((reactor.register(&mut stream)?, stream)));
        match connected {
            Ok(connected) => Self::new(reactor, Some(connected), protocol).connecting.set(true),
            Err(error) => Self::new(reactor, None, protocol).say_lost(Err(error)),
        }
    }

    fn new(reactor: &'static Reactor, socket: Option<(Token, TcpStream)>, protocol: P) -> Rc<Self> {
        let (token, stream) = socket.unzip();
        let this = Rc::new(Self {
            reactor,
            protocol,
            stream: RefCell::new(stream),
            connecting: Cell::new(false),
            reading: Cell::new(true),
            readable: Cell::new(false),
            input_ended: Cell::new(false),
            unsent: RefCell::default(),
            closing: Cell::new(false),
        });
        if let Some(token) = token {
            let selectable: Rc<Self> = Rc::clone(&this);
            reactor.add(token, selectable);
        }
        this
    }

    /// Sends, or keeps what the socket does not take until it does.
    pub(crate) fn write(self: &Rc<Self>, bytes: &[u8]) {
        let was_empty = self.unsent.borrow().is_empty();
        let sent = if was_empty { self.send(bytes) } else { 0 };
        self.unsent.borrow_mut().extend_from_slice(&bytes[sent..]);
        if was_empty && sent < bytes.len() {
            self.protocol.pause_writing();
        }
    }

    /// How much the socket took. Bytes for a connection that is lost are lost with it.
    fn send(self: &Rc<Self>, bytes: &[u8]) -> usize {
        let written = match &mut *self.stream.borrow_mut() {
            Some(stream) => stream.write(bytes),
            None => Ok(bytes.len()),
        };
        match written {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => {
                self.lose(Err(error));
                bytes.len()
            }
        }
    }

    /// Sends no more after this.
    pub(crate) fn write_eof(&self) {
        if let Some(stream) = &*self.stream.borrow() {
            // Refused means gone already, which the next read says.
            drop(stream.shutdown(Shutdown::Write));
        }
    }

    /// No bytes, until it is resumed: the kernel keeps them, and then the peer.
    pub(crate) fn pause_reading(&self) {
        self.reading.set(false);
    }

    /// Lets bytes come again, but not within this call.
    pub(crate) fn resume_reading(self: &Rc<Self>) {
        self.reading.set(true);
        self.read_on();
    }

    fn read_on(self: &Rc<Self>) {
        if self.reading.get() && self.readable.replace(false) {
            let this = Rc::clone(self);
            self.reactor.call_soon(move || this.ready_to_read(false));
        }
    }

    /// Closes when everything is sent.
    pub(crate) fn close(self: &Rc<Self>) {
        self.closing.set(true);
        if self.unsent.borrow().is_empty() {
            self.lose(Ok(()));
        }
    }

    /// Whether the connection is lost, or will be when everything is sent.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.get() || self.stream.borrow().is_none()
    }

    /// Closes at once. The protocol hears of it when it is not in the middle of something.
    fn lose(self: &Rc<Self>, reason: io::Result<()>) {
        let Some(stream) = self.stream.take() else { return };
        self.reactor.remove(stream);
        self.say_lost(reason);
    }

    fn say_lost(self: &Rc<Self>, reason: io::Result<()>) {
        let this = Rc::clone(self);
        self.reactor.call_soon(move || {
            this.guard(|protocol| protocol.connection_lost(&this, reason));
        });
    }

    /// Calls a method of the protocol, unless the connection is lost.
    fn call(self: &Rc<Self>, method: impl FnOnce(&P, &Rc<Self>)) {
        if self.stream.borrow().is_some() && !self.guard(|protocol| method(protocol, self)) {
            self.lose(Err(io::Error::other("the protocol panicked")));
        }
    }

    /// An exception in a method is logged, and costs its connection alone.
    fn guard(&self, call: impl FnOnce(&P)) -> bool {
        panic::catch_unwind(AssertUnwindSafe(|| call(&self.protocol))).is_ok()
    }

    /// Calls a method of the protocol at that time.
    pub(crate) fn call_at(self: &Rc<Self>, due: Instant, method: fn(&P, &Rc<Self>)) -> Timer {
        let this = Rc::clone(self);
        self.reactor.call_at(due, move || this.call(method))
    }

    /// The same after that time.
    pub(crate) fn call_later(self: &Rc<Self>, time: Duration, method: fn(&P, &Rc<Self>)) {
        self.call_at(Instant::now() + time, method);
    }

    /// The same when the events of this turn are dealt with.
    pub(crate) fn call_soon(self: &Rc<Self>, method: fn(&P, &Rc<Self>)) {
        let this = Rc::clone(self);
        self.reactor.call_soon(move || this.call(method));
    }

    /// The same with what a job returns that must not hold the loop.
    pub(crate) fn call_from_thread<T: Send + 'static>(
        self: &Rc<Self>,
        job: impl FnOnce() -> T + Send + 'static,
        method: fn(&P, &Rc<Self>, T),
    ) {
        let this = Rc::clone(self);
        self.reactor.call_from_thread(job, move |result| match result {
            Ok(value) => this.call(|protocol, this| method(protocol, this, value)),
            Err(error) => this.lose(Err(error)),
        });
    }

    /// Takes back what was to be called.
    pub(crate) fn cancel(&self, timer: Timer) {
        self.reactor.cancel(timer);
    }
}

impl<P: Protocol> Selectable for Transport<P> {
    /// One read. If it does not fill the buffer it has emptied the socket, and more will be a new edge.
    fn ready_to_read(self: Rc<Self>, input_ended: bool) {
        self.input_ended.set(self.input_ended.get() || input_ended);
        if !self.reading.get() || self.connecting.get() {
            return self.readable.set(true);
        }
        let mut buffer = self.reactor.buffer.borrow_mut();
        let read = match &mut *self.stream.borrow_mut() {
            Some(stream) => stream.read(&mut buffer),
            None => return,
        };
        match read {
            Ok(0) => self.call(P::eof_received),
            Ok(count) => {
                self.readable.set(count == buffer.len() || self.input_ended.get());
                self.call(|protocol, this| protocol.data_received(this, &buffer[..count]));
                self.read_on();
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => self.lose(Err(error)),
        }
    }

    fn ready_to_write(self: Rc<Self>) {
        if self.connecting.replace(false) {
            let error = self.stream.borrow().as_ref().and_then(|one| one.take_error().transpose());
            return match error {
                None => self.call(P::connection_made),
                Some(error) => self.lose(error.and_then(Err)),
            };
        }
        if self.unsent.borrow().is_empty() {
            return;
        }
        let unsent = self.unsent.take();
        let sent = self.send(&unsent);
        if sent < unsent.len() {
            *self.unsent.borrow_mut() = unsent[sent..].to_vec();
        } else if self.closing.get() {
            self.lose(Ok(()));
        } else {
            self.call(P::resume_writing);
        }
    }
}

#[cfg(test)]
mod tests;
