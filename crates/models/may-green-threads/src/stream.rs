//! A socket that blocks a green thread and no other: it waits in epoll, only when there is nothing to read or no room
//! to write.
//!
//! A socket is registered once, for both directions, and reported when something changes: an edge. may's own socket
//! tries to read before each wait, in vain; this one remembers that the last read emptied it.

use std::cell::RefCell;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use contract::{READ_SIZE, Service};
use may::io::{CoIo, WaitIo as _};

/// Reads and writes in a row, until it is the others' turn: 16 reads of 16 KiB are a quarter of a mebibyte.
const STEPS: usize = 16;

/// `EPOLLERR`, `EPOLLHUP` and `EPOLLRDHUP` of `epoll_ctl(2)`, among the events that may hands on.
const ENDED: usize = 0x8 | 0x10 | 0x2000;

pub(crate) struct Stream {
    /// The first field, so that it is dropped first. What it holds it closes before it takes the number out of epoll,
    /// where by then it could be another socket's, accepted by another worker: that one would never be heard of again.
    io: CoIo<Arc<TcpStream>>,
    /// Keeps the number taken until then.
    socket: Arc<TcpStream>,
    /// Reading would be in vain until there is an edge.
    emptied: bool,
    /// The end of input came with an edge, and will be found behind the last bytes: no edge will follow it.
    ended: bool,
    /// Reads and writes since the last wait.
    steps: usize,
}

impl Stream {
    pub(crate) fn new(socket: TcpStream) -> io::Result<Self> {
        Self::register(Arc::new(socket))
    }

    fn register(socket: Arc<TcpStream>) -> io::Result<Self> {
        let io = CoIo::new(Arc::clone(&socket))?;
        Ok(Self { io, socket, emptied: true, ended: false, steps: 0 })
    }

    /// Reads into the service; past the deadline that is `TimedOut`.
    pub(crate) fn read(
        &mut self,
        service: &mut Service,
        deadline: Option<Instant>,
    ) -> io::Result<()> {
        loop {
            match deadline {
                Some(deadline) => self.wait_until(deadline)?,
                None if self.emptied && !self.ended => self.wait(),
                None => {}
            }
            match read_into(&self.socket, service) {
                Ok(filled) => {
                    self.steps += 1;
                    // Behind a deadline an edge may have been missed, so that the next read is a try.
                    self.emptied = !filled && deadline.is_none();
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    (self.emptied, self.ended) = (true, false);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes as much as there is room for, and at least a byte.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match (&*self.socket).write(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.wait(),
                result => {
                    self.steps += 1;
                    return result;
                }
            }
        }
    }

    pub(crate) fn shutdown(&self) -> io::Result<()> {
        self.socket.shutdown(Shutdown::Write)
    }

    /// Waits for an edge, or takes one that came since the last wait. It may be of either direction.
    fn wait(&mut self) {
        self.ended |= self.io.wait_io() & ENDED != 0;
        self.emptied = false;
        self.steps = 0;
    }

    /// Waits for bytes, or their end. Only a call that receives has a time limit in may, so it looks at the first byte.
    fn wait_until(&mut self, deadline: Instant) -> io::Result<()> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        // may cuts it down to whole milliseconds, and would wait for ever if none were left.
        self.io.set_read_timeout(Some(left + Duration::from_millis(1)))?;
        self.io.peek(&mut [0]).map(drop)
    }

    pub(crate) fn turn_is_over(&self) -> bool {
        self.steps >= STEPS
    }

    /// For a call that has held the worker for longer than any read.
    pub(crate) fn end_turn(&mut self) {
        self.steps = STEPS;
    }

    /// Comes back behind all whom epoll has found ready meanwhile: registered anew, it is reported as they are.
    ///
    /// `yield_now` would put it behind those that run already. A worker asks epoll only when nobody is left who could
    /// run, so that two that keep yielding would keep all the others waiting.
    pub(crate) fn give_way(self) -> io::Result<Self> {
        let Self { io, socket, .. } = self;
        drop(io);
        let mut stream = Self::register(socket)?;
        stream.wait();
        Ok(stream)
    }
}

/// Reads into the service, by a buffer that all green threads of a worker share; true if that was filled.
///
/// The next worker has another one. So nothing in here waits, and it is not inlined: the compiler takes it that a
/// function stays on its thread, and could keep the buffer's address across the caller's wait.
#[inline(never)]
fn read_into(mut socket: &TcpStream, service: &mut Service) -> io::Result<bool> {
    thread_local! {
        static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_SIZE]);
    }
    BUFFER.with_borrow_mut(|buffer| {
        let count = socket.read(buffer)?;
        service.received(&buffer[..count]);
        Ok(count == buffer.len())
    })
}
