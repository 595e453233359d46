//! What a protocol may count on.

use std::net;
use std::num::NonZero;

use contract::{Block, Pool};

use super::*;

/// Writes down its calls, and writes or panics when it is told to.
#[derive(Default)]
struct Witness(Rc<RefCell<Vec<String>>>);

impl Witness {
    fn saw(&self, call: impl Into<String>) {
        self.0.borrow_mut().push(call.into());
    }
}

/// More than a socket takes.
const FLOOD: usize = 16 * 1024 * 1024;

impl Protocol for Witness {
    fn connection_made(&self, _: &Rc<Transport<Self>>) {
        self.saw("made");
    }

    fn data_received(&self, transport: &Rc<Transport<Self>>, bytes: &[u8]) {
        self.saw(String::from_utf8_lossy(bytes));
        match bytes {
            b"flood" => {
                transport.write(&vec![b'x'; FLOOD]);
                transport.write(b"!");
            }
            b"panic" => panic!("on purpose"),
            _ => transport.close(),
        }
    }

    fn eof_received(&self, _: &Rc<Transport<Self>>) {
        self.saw("eof");
    }

    fn pause_writing(&self) {
        self.saw("pause");
    }

    fn resume_writing(&self, _: &Rc<Transport<Self>>) {
        self.saw("resume");
    }

    fn connection_lost(&self, _: &Rc<Transport<Self>>, reason: io::Result<()>) {
        self.saw(if reason.is_ok() { "closed" } else { "lost" });
    }
}

struct Pair {
    reactor: &'static Reactor,
    calls: Rc<RefCell<Vec<String>>>,
    peer: net::TcpStream,
}

impl Pair {
    fn new() -> Self {
        let reactor = Reactor::prepare(Block::Inline, Pool::new(NonZero::<usize>::MIN));
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        let this = Self { reactor: reactor.unwrap()(), calls: Rc::default(), peer };
        let witness = Witness(Rc::clone(&this.calls));
        Transport::accepted(this.reactor, TcpStream::from_std(stream), witness).unwrap();
        this
    }

    /// Turns until so many calls were made.
    fn calls(&self, count: usize) -> Vec<String> {
        while self.calls.borrow().len() < count {
            self.reactor.turn(None).unwrap();
        }
        self.calls.borrow().clone()
    }
}

#[test]
fn closing_is_the_last_call_and_comes_once() {
    let mut pair = Pair::new();
    pair.peer.write_all(b"bye").unwrap();
    assert_eq!(pair.calls(3), ["made", "bye", "closed"]);
    assert_eq!(pair.peer.read(&mut [0]).unwrap(), 0);
    pair.reactor.turn(Some(Duration::ZERO)).unwrap();
    assert_eq!(pair.calls(3).len(), 3);
}

#[test]
fn a_full_socket_pauses_the_protocol_once_and_resumes_it_when_all_is_sent() {
    let mut pair = Pair::new();
    pair.peer.write_all(b"flood").unwrap();
    assert_eq!(pair.calls(3), ["made", "flood", "pause"]);
    let mut peer = pair.peer.try_clone().unwrap();
    std::thread::scope(|scope| {
        let flooded = scope.spawn(move || {
            let mut bytes = vec![0; FLOOD + 1];
            peer.read_exact(&mut bytes).unwrap();
            bytes.iter().position(|byte| *byte == b'!')
        });
        assert_eq!(pair.calls(4)[2..], ["pause", "resume"]);
        assert_eq!(flooded.join().unwrap(), Some(FLOOD), "in order");
    });
}

#[test]
fn a_panic_in_a_method_loses_its_connection_and_the_reactor_goes_on() {
    let mut pair = Pair::new();
    pair.peer.write_all(b"panic").unwrap();
    assert_eq!(pair.calls(3), ["made", "panic", "lost"]);
    assert_eq!(pair.peer.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_connection_that_cannot_be_made_is_lost_before_it_was_made() {
    let reactor = Reactor::prepare(Block::Inline, Pool::new(NonZero::<usize>::MIN)).unwrap()();
    // Its listener is gone, so nobody listens on this port.
    let refused = net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let calls = Rc::default();
    Transport::connect(reactor, refused, Witness(Rc::clone(&calls)));
    while calls.borrow().is_empty() {
        reactor.turn(None).unwrap();
    }
    assert_eq!(*calls.borrow(), ["lost"]);
}
