//! One process per fetch: fork them, read their pipes, reap them.
//!
//! ```text
//! main: poll <-- pipe -- child 1: connect > write > read ... exit
//!            <-- pipe -- child 2: connect > write > read ... exit
//! ```

use std::io::{self, ErrorKind, PipeReader, PipeWriter, Read as _, Write as _};
use std::net::TcpStream;
use std::num::NonZero;
use std::os::fd::AsFd as _;
use std::thread;
use std::time::{Duration, Instant};

use contract::{ClientStep, Exchange, Fetched, Idiom, IdiomOutcome, READ_SIZE, TIMER_PERIOD, fork};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Pid;

/// A process and the end of the pipe that its results come out of.
struct Child {
    pid: Pid,
    results: PipeReader,
}

impl Child {
    fn start(run: impl FnOnce(PipeWriter) -> io::Result<()>) -> io::Result<Self> {
        let (results, writer) = io::pipe()?;
        // The closure owns the writer, so that the parent's copy is closed and the pipe ends with the child.
        let pid = fork::spawn(move || i32::from(run(writer).is_err()))?;
        Ok(Self { pid, results })
    }

    /// Reads before it waits: a child whose pipe is full cannot end.
    fn finish(mut self) -> io::Result<String> {
        let mut text = String::new();
        let read = self.results.read_to_string(&mut text);
        wait_all([self.pid])?;
        read.map(|_| text)
    }
}

fn wait_all(children: impl IntoIterator<Item = Pid>) -> io::Result<()> {
    match fork::wait_all(children) {
        0 => Ok(()),
        _ => Err(io::Error::other("a process died before its end")),
    }
}

pub(crate) fn fetch(
    mut exchanges: Vec<Exchange>,
    concurrency: NonZero<usize>,
) -> io::Result<Vec<Fetched>> {
    let mut fetched = Vec::with_capacity(exchanges.len());
    let mut children = Vec::new();
    for index in 0..exchanges.len() {
        while children.len() == concurrency.get() {
            gather(&mut children, &mut fetched)?;
        }
        let child = Child::start(|mut results| {
            // Taken from the child's copy of the list: the parent's stays whole, to say what failed.
            let fetched = download(exchanges.swap_remove(index));
            results.write_all(fetched.to_line()?.as_bytes())
        });
        match child {
            Ok(child) => children.push((index, child)),
            Err(error) => fetched.push((index, Err(error))),
        }
    }
    while !children.is_empty() {
        gather(&mut children, &mut fetched)?;
    }
    fetched.sort_by_key(|(index, _)| *index);
    let in_order = exchanges.into_iter().zip(fetched);
    Ok(in_order
        .map(|(exchange, (_, fetched))| fetched.unwrap_or_else(|error| exchange.finish(Err(error))))
        .collect())
}

/// Waits until a child writes, which is the last that it does, or dies; finishes all that have.
fn gather(
    children: &mut Vec<(usize, Child)>,
    fetched: &mut Vec<(usize, io::Result<Fetched>)>,
) -> io::Result<()> {
    let results = children.iter().map(|(_, child)| child.results.as_fd());
    let mut events: Vec<PollFd> = results.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
    match poll(&mut events, PollTimeout::NONE) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(error) => return Err(error.into()),
    }
    let ready: Vec<bool> = events.iter().map(|event| event.any() == Some(true)).collect();
    let mut ready = ready.into_iter();
    for (index, child) in children.extract_if(.., |_| ready.next() == Some(true)) {
        fetched.push((index, child.finish().and_then(|line| Fetched::from_line(&line))));
    }
    Ok(())
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
    // All processes read one clock, and fork copies this instant: what goes through a pipe is the time since then.
    let start = Instant::now();
    let ticker = match idiom {
        Idiom::Timer => Some(Child::start(|ticks| tick(ticks, start))?),
        _ => None,
    };
    let (ends, finished) = io::pipe()?;
    let sleep = |index: usize| {
        thread::sleep(sleeps[index]);
        // One write, which the kernel keeps whole however many processes write.
        let line = format!("{index} {}\n", start.elapsed().as_micros());
        (&finished).write_all(line.as_bytes())
    };
    let children = match idiom {
        // In a process of its own, as the next but one: this one is to read what they write.
        Idiom::Sequential => vec![spawn(|| (0..sleeps.len()).try_for_each(&sleep))?],
        Idiom::Parallel | Idiom::Timer => parallel(sleeps.len(), &sleep)?,
        Idiom::Chained => vec![spawn(|| chained(sleeps.len(), &sleep))?],
    };
    drop(finished);
    let ends = io::read_to_string(ends)?;
    wait_all(children)?;
    let ticks = match ticker {
        Some(ticker) => stop(ticker)?,
        None => String::new(),
    };
    let at = |micros: &str| Some(start + Duration::from_micros(micros.parse().ok()?));
    let end = |line: &str| {
        let (index, micros) = line.split_once(' ')?;
        Some((index.parse().ok()?, at(micros)?))
    };
    let mut finished: Vec<_> = ends.lines().filter_map(end).collect();
    finished.sort_by_key(|(_, at)| *at);
    Ok(IdiomOutcome { finished, ticks: ticks.lines().filter_map(at).collect() })
}

fn spawn(run: impl FnOnce() -> io::Result<()>) -> io::Result<Pid> {
    fork::spawn(|| i32::from(run().is_err()))
}

fn parallel(count: usize, sleep: &impl Fn(usize) -> io::Result<()>) -> io::Result<Vec<Pid>> {
    (0..count).map(|index| spawn(|| sleep(index))).collect()
}

/// Each process is forked when the one before has ended.
fn chained(count: usize, sleep: &impl Fn(usize) -> io::Result<()>) -> io::Result<()> {
    (0..count).try_for_each(|index| wait_all([spawn(|| sleep(index))?]))
}

/// Ticks until it is killed. The next tick is due a period after the last was due, so that lateness shows as jitter
/// and never adds up to drift.
///
/// Nobody reads before the end: the longest sleep, 60 s, makes 6,000 ticks of 9 bytes, and a pipe holds 64 KiB.
fn tick(mut ticks: PipeWriter, start: Instant) -> io::Result<()> {
    let mut due = Instant::now();
    loop {
        due += TIMER_PERIOD;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        ticks.write_all(format!("{}\n", start.elapsed().as_micros()).as_bytes())?;
    }
}

/// A signal stops the ticker; what it wrote stays in the pipe.
fn stop(mut ticker: Child) -> io::Result<String> {
    fork::end_all(vec![ticker.pid]);
    let mut text = String::new();
    ticker.results.read_to_string(&mut text)?;
    Ok(text)
}
