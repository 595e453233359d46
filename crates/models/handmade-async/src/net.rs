//! Sockets to await: each operation is tried when the socket may be ready, and leaves a waker when it is not.

use std::cell::RefMut;
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
use crate::reactor::Source;

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

    fn source(&self) -> RefMut<'_, Source> {
        self.executor.reactor.source(self.inner.as_fd())
    }

    /// Performs what takes from the socket. It is not even tried while the socket is known to be empty.
    fn poll_take<T>(
        &self,
        context: &Context<'_>,
        operation: impl FnOnce(&S) -> Result<T, Errno>,
    ) -> Poll<io::Result<T>> {
        ready!(self.executor.spend(context));
        let mut source = self.source();
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
            self.0.source().readable = rest.is_empty();
            received(bytes);
            Poll::Ready(Ok(()))
        })
    }

    pub(crate) fn write(&self, bytes: &[u8]) -> impl Future<Output = io::Result<usize>> {
        poll_fn(|context| {
            ready!(self.0.executor.spend(context));
            match (&self.0.inner).write(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.0.source().writer = Some(context.waker().clone());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::{block_on, spawn, yield_now};
    use crate::reactor::Reactor;
    use crate::timer::timeout_at;
    use std::time::{Duration, Instant};

    const MS: Duration = Duration::from_millis(1);
    const HOUR: Duration = Duration::from_hours(1);

    fn run<T: 'static>(main: impl Future<Output = T> + 'static) -> T {
        block_on(Reactor::new().unwrap(), main).unwrap()
    }

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let listener = TcpListener::new(listener).unwrap();
        let stream = TcpStream::connect(address).unwrap();
        (stream, listener.accept().await.unwrap())
    }

    async fn read(stream: &TcpStream) -> String {
        let mut text = String::new();
        stream.read(|bytes| text.push_str(&String::from_utf8_lossy(bytes))).await.unwrap();
        text
    }

    #[test]
    fn an_edge_that_came_while_nobody_waited_for_it_is_remembered() {
        run(async {
            let (near, far) = pair().await;
            near.write(b"early").await.unwrap();
            yield_now().await;
            assert_eq!(read(&far).await, "early");
            // A short read has used it up. What comes after a read that was given up ends the next.
            assert_eq!(timeout_at(Instant::now() + MS, read(&far)).await, None);
            near.write(b"late").await.unwrap();
            yield_now().await;
            assert_eq!(timeout_at(Instant::now() + HOUR, read(&far)).await.unwrap(), "late");
        });
    }

    #[test]
    fn the_end_of_input_is_found_behind_the_last_bytes() {
        run(async {
            let (near, far) = pair().await;
            near.write(b"last").await.unwrap();
            near.shutdown().unwrap();
            yield_now().await;
            assert_eq!(read(&far).await, "last");
            assert_eq!(read(&far).await, "");
        });
    }

    #[test]
    fn what_the_socket_refuses_is_written_when_the_other_side_has_read() {
        const SIZE: usize = 32 * 1024 * 1024;
        let received = run(async {
            let (near, far) = pair().await;
            let writer = spawn(async move {
                let mut left = SIZE;
                while left > 0 {
                    left -= near.write(&vec![0; left.min(1024 * 1024)]).await.unwrap();
                }
            });
            // The writer is refused before the first read.
            for _ in 0..100 {
                yield_now().await;
            }
            let mut received = 0;
            while received < SIZE {
                far.read(|bytes| received += bytes.len()).await.unwrap();
            }
            writer.await.unwrap();
            received
        });
        assert_eq!(received, SIZE);
    }

    #[test]
    fn a_refused_connection_is_an_error_of_the_first_write() {
        run(async {
            let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
            let result = match TcpStream::connect(nobody) {
                Ok(stream) => stream.write(b"hello").await.map(drop),
                Err(error) => Err(error),
            };
            assert_eq!(result.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        });
    }
}
