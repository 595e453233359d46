//! One loop for all fetches: begin what may run, and let each go on whenever its socket is ready.
//!
//! ```text
//! begin up to `concurrency` --> wait in epoll --> whoever is ready: write > read ... --> done, in its place
//!             ^                                                                           |
//!             +---------------------------------------------------------------------------+
//! ```
//!
//! ```text
//! connect --> Write --writable--> Read --readable--> Done
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::num::NonZero;
use std::time::{Duration, Instant};

use contract::{ClientStep, Exchange, Fetched, Idiom, IdiomOutcome, READ_SIZE, TIMER_PERIOD};
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

/// As in the server.
const EVENTS: usize = 1024;
const STEPS: usize = 16;
const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

pub(crate) fn fetch(
    exchanges: Vec<Exchange>,
    concurrency: NonZero<usize>,
) -> io::Result<Vec<Fetched>> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(EVENTS);
    let mut buffer = vec![0; READ_SIZE];
    let mut waiting = exchanges.into_iter().enumerate();
    // By place among the exchanges, which is the token too, so that none is used twice.
    let (mut running, mut fetched) = (BTreeMap::new(), BTreeMap::new());
    loop {
        while running.len() < concurrency.get()
            && let Some((place, mut exchange)) = waiting.next()
        {
            match connect(&mut exchange, &poll, Token(place)) {
                Ok(stream) => drop(running.insert(place, Download::new(stream, exchange))),
                Err(error) => drop(fetched.insert(place, exchange.finish(Err(error)))),
            }
        }
        if running.is_empty() {
            return Ok(fetched.into_values().collect());
        }
        wait(&mut poll, &mut events, None)?;
        for event in &events {
            let Token(place) = event.token();
            let Some(download) = running.get_mut(&place) else { continue };
            let result = download.resume(event, &poll, &mut buffer);
            if let Some(result) = result.transpose()
                && let Some(download) = running.remove(&place)
            {
                fetched.insert(place, download.exchange.finish(result));
            }
        }
    }
}

/// Begins to connect; whether that succeeds is said by the first write.
fn connect(exchange: &mut Exchange, poll: &Poll, token: Token) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(exchange.connect_to())?;
    poll.registry().register(&mut stream, token, BOTH)?;
    Ok(stream)
}

struct Download {
    stream: TcpStream,
    exchange: Exchange,
    /// As in the server.
    readable: bool,
    writable: bool,
    input_ended: bool,
}

impl Download {
    fn new(stream: TcpStream, exchange: Exchange) -> Self {
        Self { stream, exchange, readable: false, writable: false, input_ended: false }
    }

    /// Goes on after an event; `None` while there is more to come.
    fn resume(&mut self, event: &Event, poll: &Poll, buffer: &mut [u8]) -> io::Result<Option<()>> {
        self.input_ended |= event.is_read_closed();
        self.readable |= event.is_readable() || event.is_read_closed();
        self.writable |= event.is_writable();
        match self.converse(buffer)? {
            ClientStep::Done => return Ok(Some(())),
            ClientStep::Read if !self.readable => {}
            ClientStep::Write if !self.writable => {}
            // It stopped for the others' sake. Who registers again is reported again, behind them.
            _ => poll.registry().reregister(&mut self.stream, event.token(), BOTH)?,
        }
        Ok(None)
    }

    /// As in the server: until a step has to wait, or its turn is over.
    fn converse(&mut self, buffer: &mut [u8]) -> io::Result<ClientStep> {
        for _ in 0..STEPS {
            let result = match self.exchange.step() {
                ClientStep::Write if self.writable => {
                    let size = self.exchange.output().len();
                    self.writable = false;
                    self.stream.write(self.exchange.output()).map(|count| {
                        self.writable = count == size;
                        self.exchange.wrote(count);
                    })
                }
                ClientStep::Read if self.readable => {
                    self.readable = false;
                    self.stream.read(buffer).map(|count| {
                        self.readable = count == buffer.len() || self.input_ended;
                        self.exchange.received(&buffer[..count]);
                    })
                }
                step => return Ok(step),
            };
            match result {
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
                _ => {}
            }
        }
        Ok(self.exchange.step())
    }
}

fn wait(poll: &mut Poll, events: &mut Events, longest: Option<Duration>) -> io::Result<()> {
    match poll.poll(events, longest) {
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
        result => result,
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Sleep(usize),
    Tick,
}

/// In a loop the unit of concurrency is an entry among the timers. Sequential and chained are one here: an entry's end
/// enters the next.
pub(crate) fn idiom(idiom: Idiom, sleeps: &[Duration]) -> io::Result<IdiomOutcome> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(EVENTS);
    let one_by_one = matches!(idiom, Idiom::Sequential | Idiom::Chained);
    let at_once = if one_by_one { sleeps.len().min(1) } else { sleeps.len() };
    let start = Instant::now();
    let mut timers: BTreeSet<(Instant, Timer)> =
        (0..at_once).map(|index| (start + sleeps[index], Timer::Sleep(index))).collect();
    if idiom == Idiom::Timer {
        timers.insert((start + TIMER_PERIOD, Timer::Tick));
    }
    let mut outcome = IdiomOutcome::default();
    while outcome.finished.len() < sleeps.len()
        && let Some(&(due, timer)) = timers.first()
    {
        let now = Instant::now();
        if now < due {
            wait(&mut poll, &mut events, Some(due - now))?;
            continue;
        }
        timers.pop_first();
        match timer {
            Timer::Sleep(index) => {
                outcome.finished.push((index, now));
                if one_by_one && index + 1 < sleeps.len() {
                    timers.insert((now + sleeps[index + 1], Timer::Sleep(index + 1)));
                }
            }
            // Due a period after the last was due, so that lateness shows as jitter and never adds up to drift.
            Timer::Tick => {
                outcome.ticks.push(now);
                timers.insert((due + TIMER_PERIOD, Timer::Tick));
            }
        }
    }
    Ok(outcome)
}
