//! One fetch at a time: the sum of all waits.
//!
//! ```text
//! main: connect > write > read ... > connect > write > read ... > results
//! ```

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::num::NonZero;
use std::thread;
use std::time::{Duration, Instant};

use contract::{ClientStep, Exchange, Fetched, Idiom, IdiomOutcome, READ_SIZE, TIMER_PERIOD};

/// One is as many as may be at once, whatever is asked for.
pub(crate) fn fetch(
    exchanges: Vec<Exchange>,
    _concurrency: NonZero<usize>,
) -> io::Result<Vec<Fetched>> {
    Ok(exchanges.into_iter().map(download).collect())
}

fn download(mut exchange: Exchange) -> Fetched {
    let result = TcpStream::connect(exchange.connect_to())
        .and_then(|stream| converse(stream, &mut exchange));
    exchange.finish(result)
}

fn converse(mut stream: TcpStream, exchange: &mut Exchange) -> io::Result<()> {
    let mut buffer = vec![0; READ_SIZE];
    loop {
        let result = match exchange.step() {
            ClientStep::Write => stream.write(exchange.output()).map(|count| exchange.wrote(count)),
            ClientStep::Read => {
                stream.read(&mut buffer).map(|count| exchange.received(&buffer[..count]))
            }
            ClientStep::Done => return Ok(()),
        };
        match result {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
    }
}

pub(crate) fn idiom(idiom: Idiom, sleeps: &[Duration]) -> io::Result<IdiomOutcome> {
    let mut outcome = IdiomOutcome::default();
    let mut due = Instant::now() + TIMER_PERIOD;
    for (index, length) in sleeps.iter().enumerate() {
        // There is no other way, whichever idiom it is: parallel is sequential here, and the end of one sleep is what
        // starts the next anyway.
        thread::sleep(*length);
        outcome.finished.push((index, Instant::now()));
        if idiom == Idiom::Timer {
            tick(&mut outcome.ticks, &mut due);
        }
    }
    Ok(outcome)
}

/// Catches up with the ticks that fell due during a sleep: they all come at its end.
///
/// The next tick is due a period after the last was due, so that lateness shows as jitter and never adds up to drift.
fn tick(ticks: &mut Vec<Instant>, due: &mut Instant) {
    let now = Instant::now();
    while *due <= now {
        ticks.push(now);
        *due += TIMER_PERIOD;
    }
}
