//! A fetch is a protocol object; when its connection is lost it reports to the object that began it, which begins the
//! next.
//!
//! ```text
//! Fetches --up to `concurrency`--> Download: connection_made > data_received ... > connection_lost --+
//!    ^                                                                                               |
//!    +---------------------------------------- ended, in its place ----------------------------------+
//! ```

use std::cell::{Cell, RefCell};
use std::io;
use std::iter::Enumerate;
use std::num::NonZero;
use std::rc::Rc;
use std::time::{Duration, Instant};
use std::vec;

use contract::{Block, ClientStep, Exchange, Fetched, Idiom, IdiomOutcome, Pool, TIMER_PERIOD};

use crate::server::reactor::Reactor;
use crate::server::transport::{Protocol, Transport};

pub(crate) fn fetch(
    exchanges: Vec<Exchange>,
    concurrency: NonZero<usize>,
) -> io::Result<Vec<Fetched>> {
    let reactor = reactor()?;
    let count = exchanges.len();
    let all = Rc::new(Fetches {
        reactor,
        waiting: RefCell::new(exchanges.into_iter().enumerate()),
        fetched: RefCell::new(vec![None; count]),
        left: Cell::new(count),
    });
    for _ in 0..concurrency.get().min(count) {
        Rc::clone(&all).begin();
    }
    while all.left.get() > 0 {
        reactor.turn(None)?;
    }
    Ok(all.fetched.take().into_iter().flatten().collect())
}

fn reactor() -> io::Result<&'static Reactor> {
    let new = Reactor::prepare(Block::Inline, Pool::new(NonZero::<usize>::MIN))?;
    Ok(new())
}

/// Begins the downloads and hears of their ends.
struct Fetches {
    reactor: &'static Reactor,
    waiting: RefCell<Enumerate<vec::IntoIter<Exchange>>>,
    /// Each fetch in its place.
    fetched: RefCell<Vec<Option<Fetched>>>,
    left: Cell<usize>,
}

impl Fetches {
    fn begin(self: Rc<Self>) {
        let next = self.waiting.borrow_mut().next();
        let Some((place, mut exchange)) = next else { return };
        let (reactor, address) = (self.reactor, exchange.connect_to());
        let exchange = RefCell::new(Some(exchange));
        Transport::connect(reactor, address, Download { all: self, place, exchange });
    }

    fn ended(self: Rc<Self>, place: usize, fetched: Fetched) {
        self.fetched.borrow_mut()[place] = Some(fetched);
        self.left.set(self.left.get() - 1);
        self.begin();
    }
}

/// The protocol of one fetch.
struct Download {
    all: Rc<Fetches>,
    place: usize,
    /// Taken when it ends.
    exchange: RefCell<Option<Exchange>>,
}

impl Protocol for Download {
    fn connection_made(&self, transport: &Rc<Transport<Self>>) {
        if let Some(exchange) = &mut *self.exchange.borrow_mut() {
            transport.write(exchange.output());
            exchange.wrote(exchange.output().len());
        }
    }

    fn data_received(&self, transport: &Rc<Transport<Self>>, bytes: &[u8]) {
        if let Some(exchange) = &mut *self.exchange.borrow_mut() {
            exchange.received(bytes);
            if exchange.step() == ClientStep::Done {
                transport.close();
            }
        }
    }

    /// No bytes: the exchange knows whether any were missing.
    fn eof_received(&self, transport: &Rc<Transport<Self>>) {
        self.data_received(transport, b"");
    }

    /// One method for every end, so that no error is lost on the way to it.
    fn connection_lost(&self, _: &Rc<Transport<Self>>, reason: io::Result<()>) {
        if let Some(exchange) = self.exchange.take() {
            Rc::clone(&self.all).ended(self.place, exchange.finish(reason));
        }
    }
}

/// The object whose methods the sleeps' ends call.
struct Run {
    reactor: &'static Reactor,
    sleeps: Box<[Duration]>,
    one_by_one: bool,
    left: Cell<usize>,
    outcome: RefCell<IdiomOutcome>,
}

/// The unit of concurrency is a call that is due later. Sequential and chained are one here: a method that is called at
/// the end of a sleep begins the next.
pub(crate) fn idiom(idiom: Idiom, sleeps: &[Duration]) -> io::Result<IdiomOutcome> {
    let reactor = reactor()?;
    let one_by_one = matches!(idiom, Idiom::Sequential | Idiom::Chained);
    let all = Rc::new(Run {
        reactor,
        sleeps: sleeps.into(),
        one_by_one,
        left: Cell::new(sleeps.len()),
        outcome: RefCell::default(),
    });
    if idiom == Idiom::Timer {
        Rc::clone(&all).tick(Instant::now() + TIMER_PERIOD);
    }
    let at_once = if one_by_one { sleeps.len().min(1) } else { sleeps.len() };
    (0..at_once).for_each(|index| Rc::clone(&all).sleep(index));
    while all.left.get() > 0 {
        reactor.turn(None)?;
    }
    Ok(all.outcome.take())
}

impl Run {
    fn sleep(self: Rc<Self>, index: usize) {
        self.reactor.call_later(self.sleeps[index], move || self.woke(index));
    }

    fn woke(self: Rc<Self>, index: usize) {
        self.outcome.borrow_mut().finished.push((index, Instant::now()));
        self.left.set(self.left.get() - 1);
        if self.one_by_one && self.left.get() > 0 {
            self.sleep(index + 1);
        }
    }

    /// The next tick is due a period after the last was due, so that lateness shows as jitter and never adds up to
    /// drift.
    fn tick(self: Rc<Self>, due: Instant) {
        self.reactor.call_at(due, move || {
            self.outcome.borrow_mut().ticks.push(Instant::now());
            self.tick(due + TIMER_PERIOD);
        });
    }
}
