//! The one listening socket of every model.
//!
//! Runtimes disagree about their defaults (backlogs of 128 and 1,024, `SO_REUSEPORT` on or off), and a difference in
//! backlog shows as a difference in latency. So the listener is made here, and every runtime adopts it.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use socket2::{Domain, Protocol, Socket, Type};

use crate::stop;

/// How long an accept loop pauses when the process is out of descriptors, threads or memory.
///
/// Long beside the cost of a wake-up, so that the loop does not spin; short beside the second after which a client's
/// dropped SYN is sent again.
const BACK_OFF: Duration = Duration::from_millis(50);

/// One line of complaint in this time: a loop that logs every refusal fills a disk.
const LOG_EVERY: Duration = Duration::from_secs(5);

/// Binds and listens: this backlog, `SO_REUSEADDR`, no `SO_REUSEPORT`, `TCP_NODELAY`.
///
/// Linux copies `TCP_NODELAY` from the listener to the sockets it accepts, so no model spends a system call on it.
///
/// # Errors
/// The port is in use, also by a stale listener; the address is not of this machine.
pub fn bind(address: SocketAddr, backlog: i32) -> io::Result<TcpListener> {
    let socket = unbound(address)?;
    socket.bind(&address.into()).map_err(|error| in_use(&error, address))?;
    socket.listen(backlog)?;
    Ok(socket.into())
}

/// Binds `count` listeners to one port, each with its own accept queue, and listens on all of them.
///
/// `SO_REUSEPORT` would join a stale listener's group in silence and lose half the connections to it, so the port is
/// first bound without it.
pub fn bind_shared(
    address: SocketAddr,
    backlog: i32,
    count: usize,
) -> io::Result<Vec<TcpListener>> {
    let exclusive = unbound(address)?;
    exclusive.bind(&address.into()).map_err(|error| in_use(&error, address))?;
    exclusive.listen(1).map_err(|error| in_use(&error, address))?;
    let address = exclusive.local_addr()?.as_socket().unwrap_or(address);
    drop(exclusive);
    let mut listeners = Vec::with_capacity(count);
    for _ in 0..count {
        let socket = unbound(address)?;
        socket.set_reuse_port(true)?;
        socket.bind(&address.into()).map_err(|error| in_use(&error, address))?;
        listeners.push(socket);
    }
    // Listening begins only when all are bound, or early connections would all hash to the first.
    for socket in &listeners {
        socket.listen(backlog)?;
    }
    Ok(listeners.into_iter().map(TcpListener::from).collect())
}

fn unbound(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_tcp_nodelay(true)?;
    Ok(socket)
}

fn in_use(error: &io::Error, address: SocketAddr) -> io::Error {
    let remedy = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; end the process that listens there or choose another port (`ss -ltnp` shows it)"
        }
        io::ErrorKind::AddrNotAvailable => "; choose an address of this machine, such as 127.0.0.1",
        io::ErrorKind::PermissionDenied => "; choose a port above 1023",
        _ => "",
    };
    io::Error::new(error.kind(), format!("failed to bind `{address}`: {error}{remedy}"))
}

/// What an accept loop does after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterAccept {
    /// SIGTERM shut the listener down: stop accepting and drain.
    Stop,
    /// That one connection is gone: accept the next.
    Retry,
    /// Out of descriptors or memory: let everything else run for this long, then try again.
    ///
    /// The pending connections stay in the kernel's queue. A loop must yield here: without that, a level-triggered one
    /// spins, and an edge-triggered one forgets the queue until the next SYN.
    BackOff(Duration),
}

/// Classifies an error of `accept`; readiness loops deal with `WouldBlock` first.
#[must_use]
pub fn after_accept_error(error: &io::Error) -> AfterAccept {
    // accept(2): EINVAL says that the socket does not listen. Then another process that shares it, and whose SIGTERM
    // came first, has shut it down.
    if stop::stopping() || error.raw_os_error().map(Errno::from_raw) == Some(Errno::EINVAL) {
        return AfterAccept::Stop;
    }
    // accept(2): Linux passes on errors of the new socket; they mean one connection less, and nothing for the next.
    let only_this_connection = matches!(
        error.raw_os_error().map(Errno::from_raw),
        Some(
            Errno::EINTR
                | Errno::EAGAIN
                | Errno::ECONNABORTED
                | Errno::ECONNRESET
                | Errno::EPROTO
                | Errno::ENETDOWN
                | Errno::ENETUNREACH
                | Errno::EHOSTDOWN
                | Errno::EHOSTUNREACH
                | Errno::ENOPROTOOPT
                | Errno::EPERM
        )
    );
    if only_this_connection {
        return AfterAccept::Retry;
    }
    AfterAccept::BackOff(back_off("failed to accept", error))
}

/// The pause after a refused `fork` or thread, of the same length and as quiet as that after a refused `accept`.
#[must_use]
pub fn back_off(what: &str, error: &io::Error) -> Duration {
    complain(&format!("{what}: {error}; pausing for {} ms", BACK_OFF.as_millis()));
    BACK_OFF
}

/// Says so on standard error, at most once in [`LOG_EVERY`].
fn complain(message: &str) {
    static LAST: Mutex<Option<Instant>> = Mutex::new(None);
    let mut last = LAST.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if last.is_none_or(|at| at.elapsed() >= LOG_EVERY) {
        *last = Some(Instant::now());
        eprintln!("{message}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

    #[test]
    fn accepted_sockets_inherit_nodelay() {
        let listener = bind(ANY, 16).unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        assert!(accepted.nodelay().unwrap());
        drop(client);
    }

    #[test]
    fn a_stale_listener_fails_the_start_alone_and_shared() {
        let stale = bind(ANY, 16).unwrap();
        let address = stale.local_addr().unwrap();
        assert_eq!(bind(address, 16).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert_eq!(bind_shared(address, 16, 2).unwrap_err().kind(), io::ErrorKind::AddrInUse);

        let stale = bind_shared(ANY, 16, 2).unwrap();
        let address = stale[0].local_addr().unwrap();
        assert_eq!(bind_shared(address, 16, 2).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn shared_listeners_have_one_port() {
        let listeners = bind_shared(ANY, 16, 3).unwrap();
        let ports: Vec<u16> = listeners.iter().map(|l| l.local_addr().unwrap().port()).collect();
        assert_eq!(ports, [ports[0]; 3]);
    }

    #[test]
    fn a_listener_that_another_process_shut_down_stops_the_loop() {
        let listener = bind(ANY, 16).unwrap();
        let shared = Socket::from(listener.try_clone().unwrap());
        shared.shutdown(std::net::Shutdown::Both).unwrap();
        assert_eq!(after_accept_error(&listener.accept().unwrap_err()), AfterAccept::Stop);
    }

    #[test]
    fn out_of_descriptors_backs_off_and_a_gone_connection_does_not() {
        let error = io::Error::from(Errno::EMFILE);
        assert_eq!(after_accept_error(&error), AfterAccept::BackOff(BACK_OFF));
        let error = io::Error::from(Errno::ECONNABORTED);
        assert_eq!(after_accept_error(&error), AfterAccept::Retry);
    }
}
