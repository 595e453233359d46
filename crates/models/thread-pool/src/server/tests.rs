use std::io::Read as _;

use super::*;

use contract::Protocol;

/// One worker and what feeds it.
struct PoolOfOne {
    listener: TcpListener,
    queue: Arc<Queue>,
}

impl PoolOfOne {
    fn start() -> Self {
        let queue = Arc::new(Queue::default());
        start(Arc::clone(&queue), ServeOptions::new(Protocol::Http)).unwrap();
        Self { listener: TcpListener::bind("127.0.0.1:0").unwrap(), queue }
    }

    fn connect(&self) -> TcpStream {
        let client = TcpStream::connect(self.listener.local_addr().unwrap()).unwrap();
        self.queue.push(self.listener.accept().unwrap().0);
        client
    }
}

fn ask(client: &mut TcpStream, path: &str) {
    write!(client, "GET {path} HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
}

/// The status line, or nothing when the connection was closed.
fn answer(client: &mut TcpStream) -> String {
    let mut head = [0; 1024];
    // The answer to `/` comes in one write, so it is read whole or not at all.
    let count = client.read(&mut head).unwrap();
    String::from_utf8_lossy(&head[..count]).lines().next().unwrap_or_default().to_owned()
}

#[test]
fn a_panic_costs_its_connection_and_not_the_worker() {
    let pool = PoolOfOne::start();
    let mut first = pool.connect();
    ask(&mut first, "/panic");
    assert_eq!(answer(&mut first), "", "the connection was closed");
    let mut second = pool.connect();
    ask(&mut second, "/");
    assert_eq!(answer(&mut second), "HTTP/1.1 200 OK");
}

#[test]
fn a_connection_beyond_the_workers_waits_until_one_leaves() {
    let pool = PoolOfOne::start();
    let (mut first, mut second) = (pool.connect(), pool.connect());
    ask(&mut second, "/");
    for _ in 0..2 {
        ask(&mut first, "/");
        assert_eq!(answer(&mut first), "HTTP/1.1 200 OK");
    }
    second.set_nonblocking(true).unwrap();
    let unserved = second.read(&mut [0]).unwrap_err();
    assert_eq!(unserved.kind(), ErrorKind::WouldBlock);
    second.set_nonblocking(false).unwrap();
    drop(first);
    assert_eq!(answer(&mut second), "HTTP/1.1 200 OK");
}
