//! One loop a worker: the kernel is asked about everyone before each turn, since it remembers nobody between two.
//!
//! ```text
//! worker 1: +-> list who waits --> wait in poll --> whoever is ready, one after the other: read > answer > write --+
//!           +------------------------------------------------------------------------------------------------------+
//! worker 2: the same; whoever accepts a connection keeps it
//! ```
//!
//! Nobody waits but the loops. What a connection waits for is its state, the step that it stopped at, and the list is
//! these states and nothing else:
//!
//! ```text
//! accept --> Read --readable--> the service answers --> Write --writable--> Read ...
//!             |                      |       ^
//!             |                      |       +--its time has come-- Wait <-----------+
//!             |                      |       +--its thread is done- Block, Compute <-+
//!             +--deadline--> 408     +-----------------------------------------------+
//! ```

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd as _, AsRawFd as _, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use contract::later::{End, Later};
use contract::{
    AfterAccept, Pool, READ_SIZE, ServeOptions, Service, Step, after_accept_error, drain,
    end_on_panic, run_workers,
};
use nix::poll::{PollFd, PollFlags};
use rustix::net::{SocketFlags, accept_with};

use self::readiness::Readiness;

pub(crate) mod readiness;

/// Connections accepted in a row: a tenth of ten thousand.
const ACCEPTS: usize = 1024;
/// Reads and writes of one connection until it is the others' turn: 16 of 16 KiB are a quarter of a mebibyte.
const STEPS: usize = 16;

/// Accepted sockets do not block, without a further call that says so.
const ACCEPTED: SocketFlags = SocketFlags::NONBLOCK.union(SocketFlags::CLOEXEC);

pub(crate) fn serve(listener: TcpListener, options: &ServeOptions) -> io::Result<()> {
    // A panic ends a loop and everything on it.
    end_on_panic();
    listener.set_nonblocking(true)?;
    let (listener, threads) = (Arc::new(listener), Pool::new(options.blocking_threads));
    run_workers(options, |_| {
        let worker = Worker::new(Arc::clone(&listener), *options, threads.clone())?;
        Ok(|| worker.run())
    })
}

struct Worker {
    options: ServeOptions,
    listener: Arc<TcpListener>,
    /// What it is asked for: nothing after SIGTERM, and no events while it backs off.
    accepting: Option<PollFlags>,
    readiness: Readiness,
    /// By descriptor: the kernel hands out the lowest that is free.
    connections: Vec<Option<Connection>>,
    later: Later<RawFd>,
    /// One for all connections, since what is read goes to a service at once.
    buffer: Vec<u8>,
}

/// In one piece with the others, since every wait walks along them all; the service, which only a turn needs, is apart.
struct Connection {
    stream: TcpStream,
    /// The step that waits. Readiness needs no memory: as long as it lasts, every wait reports it.
    state: Step,
    service: Box<Service>,
}

impl Worker {
    fn new(listener: Arc<TcpListener>, options: ServeOptions, threads: Pool) -> io::Result<Self> {
        let readiness = Readiness::new()?;
        let later = Later::new(options.block, threads, readiness.waker());
        let (accepting, connections) = (Some(PollFlags::POLLIN), Vec::new());
        let buffer = vec![0; READ_SIZE];
        Ok(Self { options, listener, accepting, readiness, connections, later, buffer })
    }

    fn run(mut self) -> io::Result<()> {
        while self.accepting.is_some() {
            self.turn(None)?;
        }
        drain().try_for_each(|nap| self.turn(Some(nap)))
    }

    /// Lists who waits, waits, and gives everyone who is ready a turn. A connection ends in its own turn, and is ready once
    /// in a wait: its descriptor's next owner is never taken for it.
    fn turn(&mut self, nap: Option<Duration>) -> io::Result<()> {
        let listener = self.accepting.map(|events| PollFd::new(self.listener.as_fd(), events));
        let connections = self.connections.iter().flatten().filter_map(Connection::waits);
        let longest = self.later.timeout().into_iter().chain(nap).min();
        self.readiness.wait(listener.into_iter().chain(connections), longest)?;
        let now = Instant::now();
        while let Some(fd) = self.readiness.next() {
            self.resume(fd, End::Turn);
        }
        while let Some((fd, end)) = self.later.next(now) {
            self.resume(fd, end);
        }
        Ok(())
    }

    /// Until nobody waits: whoever is left is reported again.
    fn accept(&mut self) {
        self.accepting = Some(PollFlags::POLLIN);
        for _ in 0..ACCEPTS {
            match accept_with(&self.listener, ACCEPTED).map_err(io::Error::from) {
                Ok(socket) => self.open(socket.into()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => match after_accept_error(&error) {
                    AfterAccept::Stop => return self.accepting = None,
                    AfterAccept::Retry => {}
                    AfterAccept::BackOff(pause) => {
                        // Asked for no events it still reports a hang-up, which is how SIGTERM shows.
                        self.accepting = Some(PollFlags::empty());
                        return self.later.turn_after(self.listener.as_raw_fd(), pause);
                    }
                },
            }
        }
    }

    fn open(&mut self, stream: TcpStream) {
        let slot = usize::try_from(stream.as_raw_fd()).expect("descriptors count from zero");
        self.connections.resize_with(self.connections.len().max(slot + 1), || None);
        let (state, service) =
            (Step::Read { deadline: None }, Box::new(Service::new(&self.options)));
        self.connections[slot] = Some(Connection { stream, state, service });
    }

    /// Lets a connection go on, since something has ended or, when it is simply its turn, since its socket is ready; and
    /// arranges for what it then waits for.
    fn resume(&mut self, fd: RawFd, end: End) {
        if fd == self.listener.as_raw_fd() {
            return self.accept();
        }
        let slot = usize::try_from(fd).expect("descriptors count from zero");
        let Some(Some(connection)) = self.connections.get_mut(slot) else { return };
        let readable = end == End::Turn && matches!(connection.state, Step::Read { .. });
        end.tell(&mut connection.service);
        connection.state = connection.converse(readable, &mut self.buffer).unwrap_or(Step::Close);
        self.later.start(fd, Some(connection.state));
        drop(self.connections[slot].take_if(|one| one.state == Step::Close));
    }
}

impl Connection {
    /// Its place in the list. Who waits for a time or a thread has none: hang-ups are reported unasked, and again in each
    /// wait.
    fn waits(&self) -> Option<PollFd<'_>> {
        match self.state {
            Step::Read { .. } => Some(PollFd::new(self.stream.as_fd(), PollFlags::POLLIN)),
            Step::Write => Some(PollFd::new(self.stream.as_fd(), PollFlags::POLLOUT)),
            _ => None,
        }
    }

    /// Performs steps until one has to wait, and says which. A read that does not fill the buffer has emptied the
    /// socket: no second read asks for more. Whose turn is over waits like the others, and is reported again at once.
    fn converse(&mut self, mut readable: bool, buffer: &mut [u8]) -> io::Result<Step> {
        let mut steps = 0..STEPS;
        loop {
            let step = self.service.step();
            let result = match step {
                Step::Read { .. } | Step::Write if steps.next().is_none() => return Ok(step),
                Step::Read { .. } if readable => self.stream.read(buffer).map(|count| {
                    readable = count == buffer.len();
                    self.service.received(&buffer[..count]);
                }),
                Step::Write => {
                    self.stream.write(self.service.output()).map(|count| self.service.wrote(count))
                }
                Step::Shutdown => self.stream.shutdown(Shutdown::Write),
                _ => return Ok(step),
            };
            match result {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(step),
                result => result?,
            }
        }
    }
}
