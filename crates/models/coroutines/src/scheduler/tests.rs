//! The scheduler, from the coroutines' side.

use super::*;
use std::cell::Cell;
use std::io::{Read as _, Write as _};
use std::num::NonZero;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::thread;

const MS: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_hours(1);

fn scheduler() -> Scheduler {
    Scheduler::new(Poller::new().unwrap(), Pool::new(NonZero::<usize>::MIN))
}

/// What coroutines note, in order.
#[derive(Clone, Default)]
struct Notes(Rc<RefCell<Vec<String>>>);

impl Notes {
    fn add(&self, note: impl ToString) {
        self.0.borrow_mut().push(note.to_string());
    }
}

type Body = Box<dyn FnOnce(&Yielder, &Notes)>;

/// Runs them until all have returned.
fn notes_of(scheduler: &Scheduler, bodies: Vec<Body>) -> Vec<String> {
    let notes = Notes::default();
    for body in bodies {
        let notes = notes.clone();
        scheduler.spawn(move |yielder| body(yielder, &notes)).unwrap();
    }
    scheduler.run_until(|| false).unwrap();
    notes.0.take()
}

#[test]
fn who_gives_way_lets_each_of_the_others_have_one_turn() {
    let body = |name: &'static str| -> Body {
        Box::new(move |yielder, notes| {
            for _ in 0..2 {
                notes.add(name);
                yielder.suspend(Wait::Turn);
            }
        })
    };
    assert_eq!(notes_of(&scheduler(), vec![body("a"), body("b")]), ["a", "b", "a", "b"]);
}

#[test]
fn times_come_in_order_and_none_before_it_is_due() {
    let start = Instant::now();
    let bodies = [3, 1, 2].map(|time| -> Body {
        Box::new(move |yielder, notes| {
            yielder.suspend(Wait::Time(start + time * MS));
            assert!(start.elapsed() >= time * MS);
            notes.add(time);
        })
    });
    assert_eq!(notes_of(&scheduler(), bodies.into()), ["1", "2", "3"]);
}

#[test]
fn a_panic_ends_its_coroutine_alone_and_its_stack_is_used_again() {
    let scheduler = scheduler();
    let bodies: Vec<Body> = vec![
        Box::new(|yielder, _| {
            yielder.suspend(Wait::Turn);
            panic!("on purpose");
        }),
        Box::new(|yielder, notes| {
            yielder.suspend(Wait::Turn);
            yielder.suspend(Wait::Turn);
            notes.add("still here");
        }),
    ];
    assert_eq!(notes_of(&scheduler, bodies), ["still here"]);
    assert_eq!(scheduler.stacks.spare(), 2);
    assert_eq!(notes_of(&scheduler, vec![Box::new(|_, notes| notes.add("after"))]), ["after"]);
    assert_eq!(scheduler.stacks.spare(), 2);
}

#[test]
fn an_edge_that_came_while_nobody_waited_for_it_is_remembered() {
    let scheduler = scheduler();
    let (mut peer, mut stream) = UnixStream::pair().unwrap();
    stream.set_nonblocking(true).unwrap();
    scheduler.poller.register(&stream).unwrap();
    peer.write_all(b"early").unwrap();
    let bodies: Vec<Body> = vec![Box::new(move |yielder, notes| {
        let descriptor = stream.as_raw_fd();
        yielder.suspend(Wait::Time(Instant::now() + MS));
        let until = Some(Instant::now() + HOUR);
        assert_eq!(yielder.suspend(Wait::Readable { descriptor, until }), Woken::Ready);
        let mut bytes = [0; 16];
        let count = stream.read(&mut bytes).unwrap();
        notes.add(String::from_utf8_lossy(&bytes[..count]));
        // Used up, and no other is on its way.
        let until = Some(Instant::now() + MS);
        assert_eq!(yielder.suspend(Wait::Readable { descriptor, until }), Woken::TimeOver);
        // That wait is over: what comes now ends the next one, and not a sleep.
        peer.write_all(b"late").unwrap();
        let time = Wait::Time(Instant::now() + MS);
        assert_eq!(yielder.suspend(time), Woken::TimeOver);
        let until = Some(Instant::now() + HOUR);
        assert_eq!(yielder.suspend(Wait::Readable { descriptor, until }), Woken::Ready);
        let count = stream.read(&mut bytes).unwrap();
        notes.add(String::from_utf8_lossy(&bytes[..count]));
    })];
    assert_eq!(notes_of(&scheduler, bodies), ["early", "late"]);
}

#[test]
fn the_end_of_input_is_found_behind_the_last_bytes() {
    let scheduler = scheduler();
    let (mut peer, mut stream) = UnixStream::pair().unwrap();
    stream.set_nonblocking(true).unwrap();
    scheduler.poller.register(&stream).unwrap();
    peer.write_all(b"last").unwrap();
    drop(peer);
    let bodies: Vec<Body> = vec![Box::new(move |yielder, notes| {
        let descriptor = stream.as_raw_fd();
        for _ in 0..2 {
            yielder.suspend(Wait::Readable { descriptor, until: None });
            notes.add(stream.read(&mut [0; 16]).unwrap());
        }
    })];
    assert_eq!(notes_of(&scheduler, bodies), ["4", "0"]);
}

#[test]
fn a_call_runs_on_another_thread_and_its_end_ends_the_sleep() {
    let here = thread::current().id();
    let body: Body = Box::new(move |yielder, notes| {
        let (send, result) = mpsc::channel();
        let call = Box::new(move || send.send(thread::current().id()).unwrap());
        assert_eq!(yielder.suspend(Wait::Call(call)), Woken::Ready);
        notes.add(result.recv().unwrap() == here);
        assert_eq!(yielder.suspend(Wait::Call(Box::new(|| panic!("on purpose")))), Woken::Ready);
        notes.add("still here");
    });
    assert_eq!(notes_of(&scheduler(), vec![body]), ["false", "still here"]);
}

#[test]
fn coroutines_that_have_not_ended_are_unwound() {
    struct Dropped(Rc<Cell<u32>>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let (scheduler, dropped, started) =
        (scheduler(), Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
    let (first, second) = (Dropped(Rc::clone(&dropped)), Dropped(Rc::clone(&dropped)));
    let now = Rc::clone(&started);
    let spawned = scheduler.spawn(move |yielder| {
        let _guard = (first, second);
        now.set(true);
        yielder.suspend(Wait::Time(Instant::now() + HOUR));
    });
    spawned.unwrap();
    scheduler.run_until(|| started.get()).unwrap();
    assert_eq!(dropped.get(), 2);
}
