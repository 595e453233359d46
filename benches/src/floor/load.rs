//! The generator of the floor.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::READ_SIZE;
use super::sys::{self, Epoll};

/// Connects begun and not yet established: a quarter of the backlog, so that no SYN is dropped.
const CONNECTS_IN_FLIGHT: usize = 1024;

/// A server silent for so long is gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longest head that the first answer may have.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// When a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// After so many requests; fewer than there are connections leave the rest idle.
    Requests(u64),
    /// After that time; what is in flight then is waited for.
    Time(Duration),
}

/// What a run did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Requests sent and answered.
    pub requests: u64,
    /// Bytes read.
    pub bytes: u64,
    /// From the first request to the last answer.
    pub duration: Duration,
    /// CPU time of this process in between.
    pub cpu: Duration,
}

/// Open connections, each with at most one request in flight.
pub struct Load {
    epoll: Epoll,
    connections: Vec<Connection>,
    request: Vec<u8>,
    answer_bytes: usize,
    buffer: Vec<u8>,
}

struct Connection {
    socket: OwnedFd,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Connecting,
    Idle,
    /// Bytes of the answer that have not come.
    Waiting(usize),
}

impl Load {
    /// Opens the connections, and learns from one more how long an answer is; all answers must have that length.
    ///
    /// # Errors
    /// The server is not there, closes, or answers without a content length; the descriptors do not suffice.
    pub fn open(address: SocketAddr, path: &str, connections: usize) -> io::Result<Self> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n").into_bytes();
        let answer_bytes = answer_bytes(address, &request)?;
        let mut load = Self {
            epoll: Epoll::new()?,
            connections: Vec::with_capacity(connections),
            request,
            answer_bytes,
            buffer: vec![0; READ_SIZE],
        };
        let mut established = 0;
        while established < connections {
            while load.connections.len() < connections
                && load.connections.len() - established < CONNECTS_IN_FLIGHT
            {
                load.connect(address)
                    .map_err(|error| unopened(load.connections.len() + 1, connections, &error))?;
            }
            established += load
                .established()
                .map_err(|error| unopened(established + 1, connections, &error))?;
        }
        Ok(load)
    }

    /// Bytes of one answer, head included.
    #[must_use]
    pub fn answer_bytes(&self) -> usize {
        self.answer_bytes
    }

    fn connect(&mut self, address: SocketAddr) -> io::Result<()> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        match socket.connect(&address.into()) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => return Err(error),
            _ => {}
        }
        let token = u64::try_from(self.connections.len()).expect("a count fits 64 bits");
        let socket = OwnedFd::from(socket);
        // Told of writing once, when it is established, and never again while requests are short.
        self.epoll.add(socket.as_fd(), sys::READ_AND_WRITE, token)?;
        self.connections.push(Connection { socket, state: State::Connecting });
        Ok(())
    }

    /// Waits, and says how many connections were established.
    fn established(&mut self) -> io::Result<usize> {
        let ready = self.wait()?;
        let mut established = 0;
        for index in 0..ready {
            let connection = &mut self.connections[index_of(self.epoll.token(index))];
            if let Some(error) = SockRef::from(&connection.socket).take_error()? {
                return Err(error);
            }
            if connection.state == State::Connecting {
                connection.state = State::Idle;
                established += 1;
            }
        }
        Ok(established)
    }

    /// Sends a request on each connection, and on each the next as soon as the last is answered.
    ///
    /// # Errors
    /// The server closes a connection, sends more than an answer, or falls silent.
    pub fn run(&mut self, until: Until) -> io::Result<Counts> {
        let (start, cpu) = (Instant::now(), cpu_time()?);
        let (mut sent, mut answered, mut bytes) = (0, 0, 0);
        let limit = match until {
            Until::Requests(requests) => requests,
            Until::Time(_) => u64::MAX,
        };
        for index in 0..self.connections.len() {
            if sent < limit {
                self.send(index)?;
                sent += 1;
            }
        }
        while answered < sent {
            let ready = self.wait()?;
            // One look at the clock for all that are ready.
            let over = matches!(until, Until::Time(time) if start.elapsed() >= time);
            for event in 0..ready {
                let index = index_of(self.epoll.token(event));
                let (count, whole) = self.receive(index)?;
                bytes += count;
                if whole {
                    answered += 1;
                    if sent < limit && !over {
                        self.send(index)?;
                        sent += 1;
                    }
                }
            }
        }
        let duration = start.elapsed();
        Ok(Counts { requests: answered, bytes, duration, cpu: cpu_time()?.saturating_sub(cpu) })
    }

    fn wait(&mut self) -> io::Result<usize> {
        let ready = self.epoll.wait(Some(PATIENCE))?;
        if ready == 0 {
            let message =
                format!("the server was silent for {} s; look whether it runs", PATIENCE.as_secs());
            return Err(io::Error::new(ErrorKind::TimedOut, message));
        }
        Ok(ready)
    }

    fn send(&mut self, index: usize) -> io::Result<()> {
        let connection = &mut self.connections[index];
        let count = sys::write(connection.socket.as_fd(), &self.request)?;
        if count < self.request.len() {
            return Err(io::Error::other(
                "a socket with nothing in flight took a part of a request",
            ));
        }
        connection.state = State::Waiting(self.answer_bytes);
        Ok(())
    }

    /// Reads what came: how many bytes, and whether the answer is whole.
    fn receive(&mut self, index: usize) -> io::Result<(u64, bool)> {
        let connection = &mut self.connections[index];
        let mut bytes = 0;
        loop {
            let count = match sys::read(connection.socket.as_fd(), &mut self.buffer) {
                Ok(0) => return Err(io::Error::other("the server closed a connection")),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok((bytes, false)),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            bytes += u64::try_from(count).unwrap_or(u64::MAX);
            let State::Waiting(missing) = connection.state else {
                return Err(io::Error::other("the server sent what nobody asked for"));
            };
            connection.state = match missing.checked_sub(count) {
                Some(0) => State::Idle,
                Some(missing) => State::Waiting(missing),
                None => return Err(io::Error::other("an answer is longer than the first one was")),
            };
            // Less than was offered means that the socket is empty (epoll(7)): a second read would be wasted.
            if count < self.buffer.len() || connection.state == State::Idle {
                return Ok((bytes, connection.state == State::Idle));
            }
        }
    }
}

fn index_of(token: u64) -> usize {
    usize::try_from(token).expect("the token is an index")
}

fn cpu_time() -> io::Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?.into())
}

fn unopened(number: usize, connections: usize, error: &io::Error) -> io::Error {
    let remedy = match error.raw_os_error() {
        Some(libc::EMFILE) => "; raise the limit with ulimit -n",
        Some(libc::EADDRNOTAVAIL) => "; the ports of one source address are used up",
        _ => "",
    };
    let message = format!("failed to open connection {number} of {connections}: {error}{remedy}");
    io::Error::new(error.kind(), message)
}

/// Asks once, and measures the answer.
fn answer_bytes(address: SocketAddr, request: &[u8]) -> io::Result<usize> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request)?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == HEAD_BYTES_MAX {
            return Err(io::Error::other("the first answer's head does not end"));
        }
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let body = content_length(&head).ok_or_else(|| {
        io::Error::other(
            "the first answer has no content-length, which the floor cannot do without",
        )
    })?;
    stream.read_exact(&mut vec![0; body])?;
    Ok(head.len() + body)
}

fn content_length(head: &[u8]) -> Option<usize> {
    let head = std::str::from_utf8(head).ok()?;
    head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_length_is_found_whatever_its_case() {
        assert_eq!(content_length(b"HTTP/1.1 200 OK\r\nContent-LENGTH:  12\r\n\r\n"), Some(12));
        assert_eq!(content_length(b"HTTP/1.1 200 OK\r\nx: 1\r\n\r\n"), None);
    }

    #[test]
    fn a_server_that_is_not_there_is_an_error() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        assert!(Load::open(address, "/", 1).is_err());
    }
}
