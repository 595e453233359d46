//! One loop for all fetches: begin what may run, ask the kernel who is ready, and let each of those go on.
//!
//! ```text
//! begin up to `concurrency` --> list them --> wait in poll --> whoever is ready: a write or a read --> done, in its place
//!             ^                                                                                         |
//!             +-----------------------------------------------------------------------------------------+
//! ```
//!
//! ```text
//! connect --> Write --writable--> Read --readable--> Done
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZero;
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use contract::{ClientStep, Exchange, Fetched, Idiom, IdiomOutcome, READ_SIZE, TIMER_PERIOD};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};

use crate::server::readiness::whole_milliseconds;

pub(crate) fn fetch(
    exchanges: Vec<Exchange>,
    concurrency: NonZero<usize>,
) -> io::Result<Vec<Fetched>> {
    let mut buffer = vec![0; READ_SIZE];
    let mut waiting = exchanges.into_iter().enumerate();
    let (mut running, mut fetched) = (Vec::new(), BTreeMap::new());
    loop {
        while running.len() < concurrency.get()
            && let Some((place, mut exchange)) = waiting.next()
        {
            match begin(exchange.connect_to()) {
                Ok(stream) => running.push(Download { place, stream, exchange }),
                Err(error) => drop(fetched.insert(place, exchange.finish(Err(error)))),
            }
        }
        if running.is_empty() {
            return Ok(fetched.into_values().collect());
        }
        // Backwards: whoever moves into the gap of one that is done has had its turn.
        for index in ready(&running)?.into_iter().rev() {
            if let Some(result) = running[index].converse(&mut buffer).transpose() {
                let Download { place, exchange, .. } = running.swap_remove(index);
                fetched.insert(place, exchange.finish(result));
            }
        }
    }
}

/// Begins to connect; whether that succeeds is said by the first write.
fn begin(address: SocketAddr) -> io::Result<TcpStream> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    match connect(&socket, &address) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS) => Ok(socket.into()),
        Err(error) => Err(error.into()),
    }
}

/// Waits, and says which of them are ready, in order.
fn ready(running: &[Download]) -> io::Result<Vec<usize>> {
    let mut list: Vec<PollFd<'_>> = running.iter().map(Download::waits).collect();
    wait(&mut list, None)?;
    let ready = list.iter().enumerate().filter(|(_, one)| one.any() != Some(false));
    Ok(ready.map(|(index, _)| index).collect())
}

struct Download {
    /// Among the exchanges.
    place: usize,
    stream: TcpStream,
    exchange: Exchange,
}

impl Download {
    /// Its place in the list.
    fn waits(&self) -> PollFd<'_> {
        let wanted = match self.exchange.step() {
            ClientStep::Write => PollFlags::POLLOUT,
            ClientStep::Read | ClientStep::Done => PollFlags::POLLIN,
        };
        PollFd::new(self.stream.as_fd(), wanted)
    }

    /// Performs the step that was waited for; `None` while there is more to come, which waits like the others.
    fn converse(&mut self, buffer: &mut [u8]) -> io::Result<Option<()>> {
        let result = match self.exchange.step() {
            ClientStep::Write => {
                self.stream.write(self.exchange.output()).map(|count| self.exchange.wrote(count))
            }
            ClientStep::Read => {
                self.stream.read(buffer).map(|count| self.exchange.received(&buffer[..count]))
            }
            ClientStep::Done => Ok(()),
        };
        match result {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok((self.exchange.step() == ClientStep::Done).then_some(())),
        }
    }
}

fn wait(list: &mut [PollFd<'_>], longest: Option<Duration>) -> io::Result<()> {
    match poll(list, longest.map(whole_milliseconds)) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
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
            // For nobody: only its time ends this wait.
            wait(&mut [], Some(due - now))?;
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
