//! A pool of processes: a job goes to one that is free, over a socket of its own, and the result comes back by it.
//!
//! ```text
//! main: poll <== job, result ==> worker 1: connect > write > read ... answer, wait for a job
//!            <== job, result ==> worker 2: connect > write > read ... answer, wait for a job
//! ```

use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::num::NonZero;
use std::ops::Range;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use contract::{ClientStep, Exchange, Fetched, Idiom, IdiomOutcome, READ_SIZE, TIMER_PERIOD, fork};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll, ppoll};
use nix::unistd::Pid;

/// As in the server.
const WORKERS: usize = 128;

/// A process and this end of the socket to it: a job is a line with its number, and its result is a line.
struct Worker {
    pid: Pid,
    channel: UnixStream,
}

/// Forks a worker when a job finds none idle, up to a size; with so many, a job waits for one.
struct Pool<Work> {
    size: usize,
    /// What a worker does for a job. Its copy of this closure holds all that it needs beside the job's number.
    work: Work,
    idle: Vec<Worker>,
    busy: Vec<(usize, Worker)>,
}

impl<Work: FnMut(usize, &UnixStream) -> io::Result<String>> Pool<Work> {
    fn new(size: usize, work: Work) -> Self {
        Self { size, work, idle: Vec::new(), busy: Vec::new() }
    }

    /// Runs the jobs and says what each came to, in the order of their ends.
    fn run(&mut self, jobs: Range<usize>) -> io::Result<Vec<(usize, io::Result<String>)>> {
        let mut results = Vec::with_capacity(jobs.len());
        for job in jobs.clone() {
            if self.busy.len() == self.size {
                results.push(self.wait()?);
            }
            if let Err(error) = self.submit(job) {
                results.push((job, Err(error)));
            }
        }
        while results.len() < jobs.len() {
            results.push(self.wait()?);
        }
        Ok(results)
    }

    fn submit(&mut self, job: usize) -> io::Result<()> {
        let mut worker = match self.idle.pop() {
            Some(worker) => worker,
            None => self.start()?,
        };
        // One that has died in the meantime takes no job; waiting for its result says so.
        drop(writeln!(worker.channel, "{job}"));
        self.busy.push((job, worker));
        Ok(())
    }

    /// Copies of this side's ends go along, and keep nobody waiting: the end of the jobs is a shutdown, not a close.
    fn start(&mut self) -> io::Result<Worker> {
        let (ours, theirs) = UnixStream::pair()?;
        let pid = fork::spawn(|| i32::from(self.serve(theirs).is_err()))?;
        Ok(Worker { pid, channel: ours })
    }

    /// The whole life of a worker.
    fn serve(&mut self, mut channel: UnixStream) -> io::Result<()> {
        while let Some(job) = receive(&channel)? {
            let result = (self.work)(job.parse().map_err(io::Error::other)?, &channel)?;
            writeln!(channel, "{result}")?;
        }
        Ok(())
    }

    /// Waits for a result, or for the death of a worker, which costs the job that it had.
    fn wait(&mut self) -> io::Result<(usize, io::Result<String>)> {
        let (job, worker) = self.busy.swap_remove(self.ready()?);
        let Ok(Some(result)) = receive(&worker.channel) else {
            fork::wait_all([worker.pid]);
            return Ok((job, Err(io::Error::other("a worker died before it was done"))));
        };
        self.idle.push(worker);
        Ok((job, Ok(result)))
    }

    /// Index of a busy worker that has written or is gone.
    fn ready(&self) -> io::Result<usize> {
        let channels = self.busy.iter().map(|(_, worker)| worker.channel.as_fd());
        let mut events: Vec<PollFd> =
            channels.map(|channel| PollFd::new(channel, PollFlags::POLLIN)).collect();
        loop {
            match poll(&mut events, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
            if let Some(ready) = events.iter().position(|event| event.any() == Some(true)) {
                return Ok(ready);
            }
        }
    }

    /// Tells every worker, idle or busy, that there are no more jobs.
    fn close(&self) -> io::Result<()> {
        let mut workers = self.idle.iter().chain(self.busy.iter().map(|(_, worker)| worker));
        workers.try_for_each(|worker| worker.channel.shutdown(Shutdown::Write))
    }

    fn end(self) -> io::Result<()> {
        self.close()?;
        fork::wait_all(self.idle.iter().map(|worker| worker.pid));
        Ok(())
    }
}

/// The next line; nothing when there is none to come, or only a part of it: its writer died.
fn receive(channel: &UnixStream) -> io::Result<Option<String>> {
    let mut line = String::new();
    // Nothing is left in its buffer when it is dropped: nobody sends a second line before the answer to the first.
    BufReader::new(channel).read_line(&mut line)?;
    Ok(line.strip_suffix('\n').map(str::to_owned))
}

pub(crate) fn fetch(
    exchanges: Vec<Exchange>,
    concurrency: NonZero<usize>,
) -> io::Result<Vec<Fetched>> {
    let mut exchanges: Vec<_> = exchanges.into_iter().map(Some).collect();
    let count = exchanges.len();
    // Taken from the worker's copy of the list: that of the main process stays whole, to say what failed.
    let mut pool = Pool::new(concurrency.get(), |job, _| {
        download(exchanges[job].take().expect("a job is given out once")).to_line()
    });
    let mut results = pool.run(0..count)?;
    pool.end()?;
    results.sort_by_key(|(job, _)| *job);
    let lines = results.into_iter().map(|(_, line)| line);
    let fetched = exchanges.into_iter().flatten().zip(lines).map(|(exchange, line)| {
        line.and_then(|line| Fetched::from_line(&line))
            .unwrap_or_else(|error| exchange.finish(Err(error)))
    });
    Ok(fetched.collect())
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
    let count = sleeps.len();
    // All processes read one clock, and fork copies this instant: what comes back is the time since then.
    let start = Instant::now();
    let size = if idiom == Idiom::Sequential { 1 } else { WORKERS };
    let mut pool = Pool::new(size, |job, channel| {
        let Some(length) = sleeps.get(job) else { return tick(channel, start) };
        thread::sleep(*length);
        Ok(start.elapsed().as_micros().to_string())
    });
    let mut ticks = String::new();
    let results = match idiom {
        Idiom::Sequential | Idiom::Parallel => pool.run(0..count)?,
        // Workers cannot reach the pool that they are in: the main process hands in each job when it has the result
        // of the one before.
        Idiom::Chained => {
            let each = (0..count).map(|job| pool.run(job..job + 1));
            each.collect::<io::Result<Vec<_>>>()?.into_iter().flatten().collect()
        }
        Idiom::Timer => {
            pool.submit(count)?;
            let results = pool.run(0..count)?;
            pool.close()?;
            ticks = pool.wait()?.1?;
            results
        }
    };
    pool.end()?;
    let at = |micros: &str| {
        let micros = micros.parse().map_err(io::Error::other)?;
        Ok(start + Duration::from_micros(micros))
    };
    let ends = results.into_iter().map(|(job, line)| Ok((job, at(&line?)?)));
    let mut finished = ends.collect::<io::Result<Vec<_>>>()?;
    finished.sort_by_key(|(_, at)| *at);
    let ticks = ticks.split_whitespace().map(at).collect::<io::Result<_>>()?;
    Ok(IdiomOutcome { finished, ticks })
}

/// Ticks until there are no more jobs. The next tick is due a period after the last was due, so that lateness shows as
/// jitter and never adds up to drift.
fn tick(channel: &UnixStream, start: Instant) -> io::Result<String> {
    let mut ticks = Vec::new();
    let mut due = Instant::now() + TIMER_PERIOD;
    loop {
        let mut closed = [PollFd::new(channel.as_fd(), PollFlags::POLLIN)];
        match ppoll(&mut closed, Some(due.saturating_duration_since(Instant::now()).into()), None) {
            Ok(0) => {
                ticks.push(start.elapsed().as_micros().to_string());
                due += TIMER_PERIOD;
            }
            Ok(_) => return Ok(ticks.join(" ")),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
