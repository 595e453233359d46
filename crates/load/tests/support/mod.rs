//! Servers for tests: a thread each for listener and connections, and a closure that decides how honest they are.

#![allow(dead_code, reason = "each test file uses its part of this module")]
#![expect(clippy::unwrap_used, reason = "this is all test")]
#![allow(unreachable_pub, reason = "a module of a test has no outside")]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use load::{Load, Outcome, Stop, Target, Until, Warmup};

/// What a server has seen.
#[derive(Debug, Default)]
pub struct Seen {
    pub connections: AtomicU64,
    pub requests: AtomicU64,
}

impl Seen {
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }
    /// Connections accepted, once there are as many as expected: the last may wait in the accept queue for a moment.
    pub fn connections(&self, expected: u64) -> u64 {
        for _ in 0..500 {
            if self.connections.load(Ordering::SeqCst) >= expected {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.connections.load(Ordering::SeqCst)
    }

    /// Counts one request; returns its number over all connections, from 1.
    pub fn request(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::SeqCst) + 1
    }
}

/// A listener that serves each connection in a thread of its own until it is dropped.
pub struct Server {
    pub addr: SocketAddr,
    pub seen: Arc<Seen>,
    listener: TcpListener,
    acceptor: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start(serve: impl Fn(TcpStream, &Seen) + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0", serve)
    }

    pub fn start_at(
        address: &str,
        serve: impl Fn(TcpStream, &Seen) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let seen = Arc::new(Seen::default());
        let (accepting, shared, serve) =
            (listener.try_clone().unwrap(), Arc::clone(&seen), Arc::new(serve));
        let acceptor = std::thread::spawn(move || {
            while let Ok((stream, _)) = accepting.accept() {
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let (seen, serve) = (Arc::clone(&shared), Arc::clone(&serve));
                stream.set_nodelay(true).unwrap();
                let small = std::thread::Builder::new().stack_size(128 * 1024);
                small.spawn(move || serve(stream, &seen)).unwrap();
            }
        });
        Self { addr: listener.local_addr().unwrap(), seen, listener, acceptor: Some(acceptor) }
    }

    /// Echoes honestly, and counts messages of `size` bytes.
    pub fn echo(size: usize) -> Self {
        Self::start(move |mut stream, seen| {
            let mut message = vec![0; size];
            while stream.read_exact(&mut message).is_ok() {
                seen.request();
                if stream.write_all(&message).is_err() {
                    return;
                }
            }
        })
    }

    /// Answers each request with what `answer` says for its number; nothing means hanging up.
    pub fn http(answer: impl Fn(u64) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        Self::start(move |stream, seen| serve_http(stream, seen, &answer))
    }

    /// `http://` and this path.
    pub fn url(&self, path: &str) -> Target {
        Target::parse(&format!("http://{}{path}", self.addr)).unwrap()
    }

    pub fn echo_target(&self) -> Target {
        Target::Echo { addr: self.addr }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Ends `accept` with an error.
        rustix::net::shutdown(self.listener.as_fd(), rustix::net::Shutdown::Both).unwrap();
        self.acceptor.take().unwrap().join().unwrap();
    }
}

/// Answers requests as they come, pipelined or not.
pub fn serve_http(mut stream: TcpStream, seen: &Seen, answer: &impl Fn(u64) -> Option<Vec<u8>>) {
    let mut pending = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        while let Some(end) = pending.windows(4).position(|four| four == b"\r\n\r\n") {
            pending.drain(..end + 4);
            let Some(bytes) = answer(seen.request()) else {
                let _gone = stream.shutdown(Shutdown::Both);
                return;
            };
            if stream.write_all(&bytes).is_err() {
                return;
            }
        }
        match stream.read(&mut buffer) {
            Ok(read) if read > 0 => pending.extend_from_slice(&buffer[..read]),
            _ => return,
        }
    }
}

/// An answer with a content-length.
pub fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Closes with a reset: unread or not, the peer sees RST.
pub fn reset(stream: &TcpStream) {
    rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO)).unwrap();
}

/// A load of `requests` requests, no warm-up, short patience.
pub fn requests(target: Target, connections: usize, requests: u64) -> Load {
    Load {
        until: Until::Requests(requests),
        warmup: Warmup { max: Duration::ZERO, ..Warmup::default() },
        timeout: Duration::from_secs(5),
        ..Load::new(target, connections)
    }
}

/// A load of 300 ms with a warm-up of at most 200 ms.
pub fn short(target: Target, connections: usize) -> Load {
    Load {
        until: Until::Duration(Duration::from_millis(300)),
        warmup: Warmup { max: Duration::from_millis(200), window: Duration::from_millis(50) },
        timeout: Duration::from_secs(5),
        ..Load::new(target, connections)
    }
}

pub fn run(load: &Load) -> Outcome {
    load::run(load, &mut |_| {}, &Stop::new()).unwrap()
}

/// Waits for what another thread is about to do, for some seconds at most.
pub fn wait_until(is_so: impl Fn() -> bool) {
    for _ in 0..500 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A histogram out of the JSON.
pub fn histogram(text: &str) -> hdrhistogram::Histogram<u64> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
    hdrhistogram::serialization::Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap()
}
