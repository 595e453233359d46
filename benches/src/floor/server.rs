//! The server of the floor.

use std::io::{self, ErrorKind};
use std::net::TcpListener;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};

use contract::{AfterAccept, Protocol, ServeOptions, Service, after_accept_error};

use super::READ_SIZE;
use super::sys::{self, Epoll};

/// Requests that one write answers, should they come pipelined.
const ANSWERS_PER_WRITE: usize = 64;

const END_OF_HEAD: &[u8; 4] = b"\r\n\r\n";

/// Tokens of what is no connection; a connection's token is its descriptor.
const LISTENER: u64 = u64::MAX;
const STOP: u64 = u64::MAX - 1;

/// Answers every request with the service's answer to `GET /`, until `stop` is readable; returns how many there were.
///
/// # Errors
/// What epoll and the listener say; one connection's error ends that connection.
pub fn serve(listener: TcpListener, stop: BorrowedFd<'_>) -> io::Result<u64> {
    listener.set_nonblocking(true)?;
    let answer = answer();
    let mut server = Server {
        epoll: Epoll::new()?,
        listener,
        answers: answer.repeat(ANSWERS_PER_WRITE),
        answer_bytes: answer.len(),
        connections: Vec::new(),
        buffer: vec![0; READ_SIZE],
        requests: 0,
    };
    server.epoll.add(server.listener.as_fd(), sys::READ_LEVEL, LISTENER)?;
    server.epoll.add(stop, sys::READ_LEVEL, STOP)?;
    loop {
        let ready = server.epoll.wait(None)?;
        for index in 0..ready {
            match server.epoll.token(index) {
                STOP => return Ok(server.requests),
                LISTENER => server.accept()?,
                token => server.converse(token),
            }
        }
    }
}

/// What the service answers to `GET /`.
fn answer() -> Vec<u8> {
    let mut service = Service::new(&ServeOptions::new(Protocol::Http));
    service.received(b"GET / HTTP/1.1\r\nhost: floor\r\n\r\n");
    let answer = service.output().to_vec();
    assert!(answer.ends_with(b"\n"), "the service answers a whole request at once");
    answer
}

struct Server {
    epoll: Epoll,
    listener: TcpListener,
    /// One answer after the other.
    answers: Vec<u8>,
    answer_bytes: usize,
    /// By descriptor.
    connections: Vec<Option<Connection>>,
    buffer: Vec<u8>,
    /// Requests read.
    requests: u64,
}

struct Connection {
    socket: OwnedFd,
    /// Bytes of `END_OF_HEAD` that ended the last read.
    matched: usize,
    /// Bytes of answers that the socket has not taken.
    owed: usize,
}

impl Server {
    fn accept(&mut self) -> io::Result<()> {
        loop {
            match sys::accept(self.listener.as_fd()) {
                Ok(socket) => self.enter(socket)?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => match after_accept_error(&error) {
                    AfterAccept::Retry => {}
                    // Everyone waits with it, which a model would not do: a floor out of descriptors measures nothing.
                    AfterAccept::BackOff(pause) => {
                        std::thread::sleep(pause);
                        return Ok(());
                    }
                    AfterAccept::Stop => return Err(error),
                },
            }
        }
    }

    fn enter(&mut self, socket: OwnedFd) -> io::Result<()> {
        let index =
            usize::try_from(socket.as_raw_fd()).expect("an open descriptor is not negative");
        let token = u64::try_from(index).expect("a descriptor fits 64 bits");
        self.epoll.add(socket.as_fd(), sys::READ, token)?;
        if self.connections.len() <= index {
            self.connections.resize_with(index + 1, || None);
        }
        self.connections[index] = Some(Connection { socket, matched: 0, owed: 0 });
        Ok(())
    }

    fn converse(&mut self, token: u64) {
        if self.answer_what_came(token).is_err() {
            // Dropping the connection closes it, which also ends its events.
            self.connections[index_of(token)] = None;
        }
    }

    fn answer_what_came(&mut self, token: u64) -> io::Result<()> {
        // Closed by an earlier event of the same batch.
        let Some(connection) = &mut self.connections[index_of(token)] else { return Ok(()) };
        let mut drained = false;
        loop {
            if !connection.write(&self.answers, self.answer_bytes)? {
                // Rare, so that asking for it costs the steady case nothing; it is never taken back.
                return self.epoll.change(connection.socket.as_fd(), sys::READ_AND_WRITE, token);
            }
            if drained {
                return Ok(());
            }
            let count = match sys::read(connection.socket.as_fd(), &mut self.buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            // Less than was offered means that the socket is empty (epoll(7)): a second read would be wasted.
            drained = count < self.buffer.len();
            let requests = connection.ends_of_heads(&self.buffer[..count]);
            connection.owed += requests * self.answer_bytes;
            self.requests += u64::try_from(requests).unwrap_or(u64::MAX);
        }
    }
}

fn index_of(token: u64) -> usize {
    usize::try_from(token).expect("the token is a descriptor")
}

impl Connection {
    /// Writes what is owed; false when the socket takes no more.
    fn write(&mut self, answers: &[u8], answer_bytes: usize) -> io::Result<bool> {
        while self.owed > 0 {
            let start = (answer_bytes - self.owed % answer_bytes) % answer_bytes;
            let end = answers.len().min(start + self.owed);
            match sys::write(self.socket.as_fd(), &answers[start..end]) {
                Ok(count) => self.owed -= count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// How many heads end in `bytes`, an end that began in the last read included.
    fn ends_of_heads(&mut self, bytes: &[u8]) -> usize {
        let mut ends = 0;
        for &byte in bytes {
            self.matched = if byte == END_OF_HEAD[self.matched] {
                self.matched + 1
            } else {
                // The byte that did not go on with an end may begin one.
                usize::from(byte == b'\r')
            };
            if self.matched == END_OF_HEAD.len() {
                self.matched = 0;
                ends += 1;
            }
        }
        ends
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{Ipv4Addr, Shutdown, TcpStream};
    use std::os::unix::net::UnixStream;
    use std::thread;

    use super::*;

    /// Runs the server beside `client`, which gets a connection to it; returns the server's count.
    fn with_server(client: impl FnOnce(TcpStream)) -> u64 {
        let listener = contract::listener::bind((Ipv4Addr::LOCALHOST, 0).into(), 16).unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stop, stopped) = UnixStream::pair().unwrap();
        thread::scope(move |scope| {
            let server = scope.spawn(move || serve(listener, stopped.as_fd()).unwrap());
            client(stream);
            // The other end becomes readable; so it does when the client panics.
            drop(stop);
            server.join().unwrap()
        })
    }

    #[test]
    fn a_head_split_anywhere_is_answered_once() {
        let request = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
        let requests = with_server(|mut stream| {
            stream.set_nodelay(true).unwrap();
            let mut answer = answer();
            for split in 1..request.len() {
                stream.write_all(&request[..split]).unwrap();
                stream.write_all(&request[split..]).unwrap();
                stream.read_exact(&mut answer).unwrap();
                assert_eq!(answer, super::answer());
            }
            stream.shutdown(Shutdown::Write).unwrap();
            assert_eq!(stream.read(&mut answer).unwrap(), 0, "nothing but the answers came");
        });
        assert_eq!(requests, u64::try_from(request.len() - 1).unwrap());
    }

    #[test]
    fn answers_that_the_socket_does_not_take_at_once_all_come() {
        // Far more than a socket holds, and read only when the server can write no more.
        const REQUESTS: usize = 200_000;
        let requests = with_server(|mut stream| {
            let mut reading = stream.try_clone().unwrap();
            thread::scope(|scope| {
                scope.spawn(move || {
                    stream.write_all(&b"GET / HTTP/1.1\r\n\r\n".repeat(REQUESTS)).unwrap();
                });
                let mut answers = vec![0; answer().len() * REQUESTS];
                reading.read_exact(&mut answers).unwrap();
                assert!(answers.chunks(answer().len()).all(|one| one == answer()));
            });
        });
        assert_eq!(requests, u64::try_from(REQUESTS).unwrap());
    }

    #[test]
    fn ends_of_heads_are_found_whatever_precedes_them() {
        let ends = |bytes: &[u8]| {
            let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let mut connection = Connection { socket: listener.into(), matched: 0, owed: 0 };
            bytes.iter().map(|byte| connection.ends_of_heads(&[*byte])).sum::<usize>()
        };
        assert_eq!(ends(b"a\r\n\r\n"), 1);
        assert_eq!(ends(b"a\r\r\n\r\nb\r\n\r\n"), 2);
        assert_eq!(ends(b"a\r\n\r\r\n"), 0);
        assert_eq!(ends(b"\n\r\n\r\n\r\n\r\n"), 2);
    }
}
