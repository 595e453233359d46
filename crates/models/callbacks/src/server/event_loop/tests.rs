//! What the loop promises to those who leave callbacks.

use std::io::Write as _;
use std::net;
use std::num::NonZero;
use std::rc::Rc;

use mio::net::TcpStream;

use super::*;

const MS: Duration = Duration::from_millis(1);

fn event_loop(block: Block) -> Loop {
    EventLoop::prepare(block, Pool::new(NonZero::<usize>::MIN)).unwrap()()
}

/// Words in the order in which callbacks left them.
#[derive(Clone, Default)]
struct Said(Rc<RefCell<Vec<String>>>);

impl Said {
    fn when(&self, word: &'static str) -> impl FnOnce(io::Result<()>) + use<> {
        let said = self.clone();
        move |result| {
            let result = result.map_err(|error| error.kind());
            said.0.borrow_mut().push(format!("{word} {result:?}"));
        }
    }

    /// Turns the loop until so many words were said.
    fn wait_for(&self, event_loop: &EventLoop, words: usize) -> Vec<String> {
        while self.0.borrow().len() < words {
            event_loop.turn(None).unwrap();
        }
        self.0.take()
    }
}

/// A socket of the loop, and its peer.
fn pair(event_loop: &EventLoop) -> (TcpStream, Token, net::TcpStream) {
    let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, _) = listener.accept().unwrap();
    stream.set_nonblocking(true).unwrap();
    let mut stream = TcpStream::from_std(stream);
    let token = event_loop.register(&mut stream).unwrap();
    (stream, token, peer)
}

#[test]
fn nobody_is_called_back_before_the_call_has_returned() {
    let (event_loop, said) = (event_loop(Block::Inline), Said::default());
    event_loop.soon(said.when("soon"));
    event_loop.after(Duration::ZERO, said.when("after"));
    let job = said.when("job");
    event_loop.offload(|| (), job);
    assert!(said.0.borrow().is_empty());
    assert_eq!(said.wait_for(event_loop, 3), ["soon Ok(())", "job Ok(())", "after Ok(())"]);
}

#[test]
fn times_come_in_the_order_in_which_they_are_due() {
    let (event_loop, said) = (event_loop(Block::Inline), Said::default());
    event_loop.after(3 * MS, said.when("third"));
    event_loop.after(MS, said.when("first"));
    event_loop.after(2 * MS, said.when("second"));
    assert_eq!(said.wait_for(event_loop, 3), ["first Ok(())", "second Ok(())", "third Ok(())"]);
}

#[test]
fn a_reader_is_called_once_by_its_deadline_or_by_what_came_before() {
    let (event_loop, said) = (event_loop(Block::Inline), Said::default());
    let (mut stream, token, mut peer) = pair(event_loop);
    event_loop.when_readable(token, Some(Instant::now()), said.when("read"));
    assert_eq!(said.wait_for(event_loop, 1), ["read Err(TimedOut)"]);

    peer.write_all(b"late").unwrap();
    let due = Instant::now() + Duration::from_hours(1);
    event_loop.when_readable(token, Some(due), said.when("read"));
    assert_eq!(said.wait_for(event_loop, 1), ["read Ok(())"]);
    assert!(event_loop.timers.borrow().is_empty(), "the deadline went with its reader");
    event_loop.read(token, &mut stream, |bytes| assert_eq!(bytes, b"late")).unwrap();
}

#[test]
fn an_edge_that_nobody_waited_for_is_not_lost() {
    let (event_loop, said) = (event_loop(Block::Inline), Said::default());
    let (mut stream, token, mut peer) = pair(event_loop);
    peer.write_all(b"early").unwrap();
    drop(peer);
    while !event_loop.sockets.borrow()[token.0].input_ended {
        event_loop.turn(None).unwrap();
    }
    event_loop.when_readable(token, None, said.when("bytes"));
    assert_eq!(said.wait_for(event_loop, 1), ["bytes Ok(())"]);
    event_loop.read(token, &mut stream, |bytes| assert_eq!(bytes, b"early")).unwrap();
    // No edge will tell of the end, which came with that of the bytes.
    event_loop.when_readable(token, None, said.when("end"));
    assert_eq!(said.wait_for(event_loop, 1), ["end Ok(())"]);
    event_loop.read(token, &mut stream, |bytes| assert_eq!(bytes, b"")).unwrap();
}

#[test]
fn a_job_of_the_pool_wakes_the_loop_and_its_panic_is_an_error() {
    let (event_loop, said) = (event_loop(Block::Offload), Said::default());
    let good = said.when("good");
    event_loop.offload(|| 42, move |result| good(result.map(|value| assert_eq!(value, 42))));
    assert_eq!(said.wait_for(event_loop, 1), ["good Ok(())"]);
    event_loop.offload(|| panic!("on purpose"), said.when("bad"));
    assert_eq!(said.wait_for(event_loop, 1), ["bad Err(Other)"]);
}
