//! One loop a worker: the kernel says who is ready, and each connection's state says what that means.
//!
//! ```text
//! worker 1: +-> wait in epoll --> whoever is ready, one after the other: read > answer > write --+
//!           +------------------------------------------------------------------------------------+
//! worker 2: the same; whoever accepts a connection keeps it
//! ```
//!
//! Nobody waits but the loops. What a connection waits for is its state, the step that it stopped at:
//!
//! ```text
//! accept --> Read --readable--> the service answers --> Write --writable--> Read ...
//!             |                      |       ^
//!             |                      |       +--its time has come-- Wait <-----------+
//!             |                      |       +--its thread is done- Block, Compute <-+
//!             +--deadline--> 408     +-----------------------------------------------+
//! ```

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net;
use std::os::fd::AsRawFd as _;
use std::time::{Duration, Instant};

use contract::later::Later;
use contract::{
    AfterAccept, Pool, READ_SIZE, ServeOptions, Service, Step, after_accept_error, drain,
    end_on_panic, run_workers,
};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};

/// Events taken from one wait, and connections accepted in a row: a tenth of ten thousand that are all active.
const EVENTS: usize = 1024;
/// Reads and writes of one connection until it is the others' turn: 16 of 16 KiB are a quarter of a mebibyte.
const STEPS: usize = 16;

const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);
/// Like the waker's token, no descriptor's number.
const LISTENER: Token = Token(usize::MAX);

pub(crate) fn serve(listener: net::TcpListener, options: &ServeOptions) -> io::Result<()> {
    // A panic ends a loop and everything on it.
    end_on_panic();
    listener.set_nonblocking(true)?;
    let threads = Pool::new(options.blocking_threads);
    run_workers(options, |_| {
        let worker = Worker::new(listener.try_clone()?, *options, threads.clone())?;
        Ok(|| worker.run())
    })
}

struct Worker {
    options: ServeOptions,
    poll: Poll,
    listener: TcpListener,
    accepting: bool,
    /// By descriptor, which is the token too: the kernel hands out the lowest that is free.
    connections: Vec<Option<Box<Connection>>>,
    later: Later<Token>,
    /// One for all connections, since what is read goes to a service at once.
    buffer: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    service: Service,
    /// The step that waits for an event; none while the others have their turn.
    state: Option<Step>,
    /// An edge is reported once, so it is remembered until a short read has used it up. Writing needs no memory: it is
    /// tried first, and the edge follows a refusal.
    readable: bool,
    /// The end of input came with an edge, and will be found behind the last bytes.
    input_ended: bool,
}

impl Worker {
    fn new(listener: net::TcpListener, options: ServeOptions, threads: Pool) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), Token(usize::MAX - 1))?;
        let later = Later::new(options.block, threads, move || drop(waker.wake()));
        let mut listener = TcpListener::from_std(listener);
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let (accepting, connections, buffer) = (true, Vec::new(), vec![0; READ_SIZE]);
        Ok(Self { options, poll, listener, accepting, connections, later, buffer })
    }

    fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        while self.accepting {
            self.turn(&mut events, None)?;
        }
        drain().try_for_each(|nap| self.turn(&mut events, Some(nap)))
    }

    /// Waits, and gives everyone who is ready a turn. A connection ends in its own turn, and no wait reports it again:
    /// an event never meets another connection that got the same descriptor.
    fn turn(&mut self, events: &mut Events, nap: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(events, self.later.timeout().into_iter().chain(nap).min()) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        let now = Instant::now();
        for event in events.iter() {
            match event.token() {
                LISTENER => self.accept(),
                token => self.resume(token, |connection| {
                    connection.input_ended |= event.is_read_closed();
                    connection.readable |= event.is_readable() || event.is_read_closed();
                }),
            }
        }
        while let Some((token, end)) = self.later.next(now) {
            match token {
                LISTENER => self.accept(),
                token => self.resume(token, |connection| {
                    end.tell(&mut connection.service);
                    connection.state = None;
                }),
            }
        }
        Ok(())
    }

    /// Until nobody waits, or comes again: the edge that led here will not.
    fn accept(&mut self) {
        for _ in 0..EVENTS {
            match self.listener.accept().and_then(|(stream, _)| self.open(stream)) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => match after_accept_error(&error) {
                    AfterAccept::Stop => return self.accepting = false,
                    AfterAccept::Retry => {}
                    AfterAccept::BackOff(pause) => return self.later.turn_after(LISTENER, pause),
                },
            }
        }
        self.later.start(LISTENER, None);
    }

    /// Registered once, for both directions: an edge that is not wanted yet is remembered.
    fn open(&mut self, mut stream: TcpStream) -> io::Result<()> {
        let slot = usize::try_from(stream.as_raw_fd()).expect("descriptors count from zero");
        self.poll.registry().register(&mut stream, Token(slot), BOTH)?;
        let (service, state) = (Service::new(&self.options), None);
        let connection = Connection { stream, service, state, readable: false, input_ended: false };
        self.connections.resize_with(self.connections.len().max(slot + 1), || None);
        self.connections[slot] = Some(Box::new(connection));
        Ok(())
    }

    /// Tells a connection what happened, lets it go on, and arranges for what it then waits for.
    fn resume(&mut self, token: Token, tell: impl FnOnce(&mut Connection)) {
        let Some(Some(connection)) = self.connections.get_mut(token.0) else { return };
        tell(connection);
        if !matches!(connection.state, None | Some(Step::Read { .. } | Step::Write)) {
            return;
        }
        let state = connection.converse(&mut self.buffer).unwrap_or(Some(Step::Close));
        connection.state = state;
        self.later.start(token, state);
        drop(self.connections[token.0].take_if(|one| one.state == Some(Step::Close)));
    }
}

impl Connection {
    /// Performs steps until one has to wait, and says which, or until the turn is over. A read that does not fill the
    /// buffer has emptied the socket, and more will be a new edge: no second read asks for it.
    fn converse(&mut self, buffer: &mut [u8]) -> io::Result<Option<Step>> {
        for _ in 0..STEPS {
            let step = self.service.step();
            let result = match step {
                Step::Read { .. } if self.readable => {
                    self.readable = false;
                    self.stream.read(buffer).map(|count| {
                        self.readable = count == buffer.len() || self.input_ended;
                        self.service.received(&buffer[..count]);
                    })
                }
                Step::Write => {
                    self.stream.write(self.service.output()).map(|count| self.service.wrote(count))
                }
                Step::Shutdown => self.stream.shutdown(net::Shutdown::Write),
                _ => return Ok(Some(step)),
            };
            match result {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Some(step)),
                result => result?,
            }
        }
        Ok(None)
    }
}
