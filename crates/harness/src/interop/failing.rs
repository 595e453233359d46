//! Two servers that fail: one refuses, one ends within its answer.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, Shutdown, SockFlag, SockType, SockaddrIn, bind, getsockname, shutdown, socket,
};

/// A client that connects and then asks nothing keeps the others waiting no longer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Both, until dropped.
#[derive(Debug)]
pub(super) struct Failing {
    refuses: SocketAddr,
    ends_early: SocketAddr,
    /// Bound, and never listening: the kernel refuses, and gives the port to nobody else.
    _bound: OwnedFd,
    listener: TcpListener,
    serving: Option<JoinHandle<()>>,
}

impl Failing {
    pub(super) fn open() -> io::Result<Self> {
        let bound = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        bind(bound.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0))?;
        let refuses: SockaddrIn = getsockname(bound.as_raw_fd())?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let accepting = listener.try_clone()?;
        let serve = move || accepting.incoming().map_while(Result::ok).for_each(end_early);
        Ok(Self {
            refuses: SocketAddrV4::from(refuses).into(),
            ends_early: listener.local_addr()?,
            _bound: bound,
            listener,
            serving: Some(thread::spawn(serve)),
        })
    }

    /// Where nobody listens.
    pub(super) fn refuses(&self) -> SocketAddr {
        self.refuses
    }

    /// Where an answer begins that never ends.
    pub(super) fn ends_early(&self) -> SocketAddr {
        self.ends_early
    }
}

impl Drop for Failing {
    fn drop(&mut self) {
        // Ends `accept`, and so the thread.
        shutdown(self.listener.as_raw_fd(), Shutdown::Both).ok();
        if let Some(serving) = self.serving.take() {
            drop(serving.join());
        }
    }
}

/// A client that is gone has its failure too.
fn end_early(stream: TcpStream) {
    drop(answer_in_part(stream));
}

/// Reads the request first, so that the connection ends and is not reset.
fn answer_in_part(mut stream: TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut request = [0; 4096];
    let length = stream.read(&mut request)?;
    match &request[..length] {
        [b'G', b'E', b'T', ..] => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nthe first part")
        }
        text => stream.write_all(&text[..length / 2]),
    }
}
