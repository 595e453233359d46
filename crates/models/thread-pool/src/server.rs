//! A fixed number of threads and a queue: a connection waits for a free thread, and has it until it closes.
//!
//! ```text
//! accept --> queue --> thread 1:   read > answer > write > read ... close, take the next
//!                  --> thread 128: read > answer > write > read ... close, take the next
//! ```
//!
//! The accepting thread waits in `accept`, a free worker for the queue, a busy one in `read`. A connection beyond the
//! workers is accepted and waits, unserved, for one of their clients to leave.

use std::collections::VecDeque;
use std::io::{self, BufRead as _, BufReader, ErrorKind, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use contract::{
    AfterAccept, READ_SIZE, ServeOptions, Service, Step, Workers, after_accept_error, drain,
};

/// Many for each CPU, since a worker mostly waits for its client; the size of every pool in the suite.
const WORKERS: Workers = Workers::Fixed(128);

/// Enough for `converse`; the default of 2 MiB would reserve 256 MiB for the pool.
const STACK_SIZE: usize = 64 * 1024;

/// Accepted connections that no worker has come to yet.
///
/// Each of them wakes one worker. A channel behind a lock would wake two: the one that receives, and the one that waits
/// for the lock to receive next.
#[derive(Default)]
struct Queue {
    streams: Mutex<VecDeque<TcpStream>>,
    filled: Condvar,
}

impl Queue {
    fn push(&self, stream: TcpStream) {
        self.lock().push_back(stream);
        self.filled.notify_one();
    }

    fn pop(&self) -> TcpStream {
        let filled = self.filled.wait_while(self.lock(), |streams| streams.is_empty());
        let mut streams = filled.unwrap_or_else(PoisonError::into_inner);
        streams.pop_front().expect("waited for while empty")
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<TcpStream>> {
        // Nothing panics while it is locked.
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn serve(listener: TcpListener, options: &ServeOptions) -> io::Result<()> {
    let queue = Arc::new(Queue::default());
    let workers = options.workers_or(WORKERS);
    for worker in 1..=workers {
        start(Arc::clone(&queue), *options).map_err(|error| {
            let what = format!("failed to start worker {worker} of {workers}: {error}");
            io::Error::new(error.kind(), format!("{what}; choose fewer with `--workers`"))
        })?;
    }
    contract::announce()?;
    loop {
        match listener.accept() {
            Ok((stream, _)) => queue.push(stream),
            Err(error) => match after_accept_error(&error) {
                AfterAccept::Stop => break,
                AfterAccept::Retry => {}
                AfterAccept::BackOff(pause) => thread::sleep(pause),
            },
        }
    }
    for nap in drain() {
        thread::sleep(nap);
    }
    Ok(())
}

/// A refused thread fails the start: a pool smaller than it says would be measured as what it is not.
fn start(queue: Arc<Queue>, options: ServeOptions) -> io::Result<()> {
    let work = move || work(&queue, &options);
    thread::Builder::new().stack_size(STACK_SIZE).spawn(work)?;
    Ok(())
}

fn work(queue: &Queue, options: &ServeOptions) {
    loop {
        let stream = queue.pop();
        // A panic costs its connection, not the worker, or the pool would shrink with every one.
        drop(catch_unwind(AssertUnwindSafe(|| converse(stream, options))));
    }
}

fn converse(stream: TcpStream, options: &ServeOptions) -> io::Result<()> {
    let mut service = Service::new(options);
    // A page of its buffer becomes memory when a read touches it; that of a vector is zeroed, and so touched, at once.
    let mut input = BufReader::with_capacity(READ_SIZE, &stream);
    loop {
        match service.step() {
            Step::Read { deadline } => match read(&mut input, &mut service, deadline) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => service.expired(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            },
            Step::Write => match (&stream).write(service.output()) {
                Ok(count) => service.wrote(count),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            },
            Step::Wait(duration) | Step::Block(duration) => {
                thread::sleep(duration);
                service.waited();
            }
            Step::Compute(work) => service.computed(work.run()),
            Step::Shutdown => stream.shutdown(Shutdown::Write)?,
            Step::Close => return Ok(()),
        }
    }
}

/// Reads into the service; past the deadline that is `WouldBlock`. The steady case, without one, costs one system call.
fn read(
    input: &mut BufReader<&TcpStream>,
    service: &mut Service,
    deadline: Option<Instant>,
) -> io::Result<()> {
    if let Some(deadline) = deadline {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::WouldBlock.into());
        }
        input.get_ref().set_read_timeout(Some(left))?;
    }
    let result = input.fill_buf().map(|bytes| {
        service.received(bytes);
        bytes.len()
    });
    if deadline.is_some() {
        input.get_ref().set_read_timeout(None)?;
    }
    input.consume(result?);
    Ok(())
}

#[cfg(test)]
mod tests;
