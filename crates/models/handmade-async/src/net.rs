//! Sockets to await: each operation is tried when the socket may be ready, and leaves a waker when it is not.

use std::future::poll_fn;
use std::io::{self, ErrorKind, Write as _};
use std::mem::MaybeUninit;
use std::net::{self, Shutdown, SocketAddr};
use std::os::fd::AsFd;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use contract::READ_SIZE;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use crate::executor::{self, Executor};

const FLAGS: SocketFlags = SocketFlags::NONBLOCK.union(SocketFlags::CLOEXEC);

/// A socket of the executor that runs on this thread.
struct Socket<S> {
    inner: S,
    executor: Rc<Executor>,
}

impl<S: AsFd> Socket<S> {
    fn new(inner: S) -> io::Result<Self> {
        let executor = executor::current();
        executor.reactor.register(inner.as_fd())?;
        Ok(Self { inner, executor })
    }

    /// Performs what takes from the socket. It is not even tried while the socket is known to be empty.
    fn poll_take<T>(
        &self,
        context: &Context<'_>,
        operation: impl FnOnce(&S) -> Result<T, Errno>,
    ) -> Poll<io::Result<T>> {
        ready!(self.executor.reactor.spend(context));
        let mut source = self.executor.reactor.source(&self.inner);
        if source.readable || source.ended {
            match operation(&self.inner) {
                Err(Errno::AGAIN) => source.readable = false,
                result => return Poll::Ready(result.map_err(io::Error::from)),
            }
        }
        source.reader = Some(context.waker().clone());
        Poll::Pending
    }
}

pub(crate) struct TcpListener(Socket<net::TcpListener>);

impl TcpListener {
    /// Takes over a listener that does not block.
    pub(crate) fn new(listener: net::TcpListener) -> io::Result<Self> {
        Ok(Self(Socket::new(listener)?))
    }

    pub(crate) async fn accept(&self) -> io::Result<TcpStream> {
        let accept = |listener: &net::TcpListener| rustix::net::accept_with(listener, FLAGS);
        let stream = poll_fn(|context| self.0.poll_take(context, accept)).await?;
        TcpStream::new(stream.into())
    }
}

pub(crate) struct TcpStream(Socket<net::TcpStream>);

impl TcpStream {
    fn new(stream: net::TcpStream) -> io::Result<Self> {
        Ok(Self(Socket::new(stream)?))
    }

    /// Begins to connect; whether that succeeds is said by the first write, which waits for it.
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let stream = rustix::net::socket_with(family, SocketType::STREAM, FLAGS, None)?;
        match rustix::net::connect(&stream, &address) {
            Err(Errno::INPROGRESS) => {}
            result => result?,
        }
        Self::new(stream.into())
    }

    /// Reads, and hands over what it has read, which is nothing at the end of input.
    ///
    /// The buffer is on the executor's stack and lives for one poll, not in the task: a connection that waits for bytes
    /// holds no memory for them.
    pub(crate) fn read(
        &self,
        mut received: impl FnMut(&[u8]),
    ) -> impl Future<Output = io::Result<()>> {
        poll_fn(move |context| {
            let buffer = &mut [MaybeUninit::uninit(); READ_SIZE];
            let read = self.0.poll_take(context, |stream| rustix::io::read(stream, buffer));
            let (bytes, rest) = ready!(read)?;
            // A short read has emptied the socket, and more will be a new edge: no second read asks for it.
            self.0.executor.reactor.source(&self.0.inner).readable = rest.is_empty();
            received(bytes);
            Poll::Ready(Ok(()))
        })
    }

    pub(crate) fn write(&self, bytes: &[u8]) -> impl Future<Output = io::Result<usize>> {
        poll_fn(|context| {
            let reactor = &self.0.executor.reactor;
            ready!(reactor.spend(context));
            match (&self.0.inner).write(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    reactor.source(&self.0.inner).writer = Some(context.waker().clone());
                    Poll::Pending
                }
                result => Poll::Ready(result),
            }
        })
    }

    pub(crate) fn shutdown(&self) -> io::Result<()> {
        self.0.inner.shutdown(Shutdown::Write)
    }
}
