//! Rayon's pool: a connection is a job, and a thread that is free finds itself one, though it must block for it.
//!
//! ```text
//! accept --> jobs --> thread 1:   read > answer > write > read ... close, look for a job
//!                 --> thread 128: read > answer > write > read ... close, look for a job
//! ```
//!
//! The accepting thread waits in `accept`, a free worker sleeps until a job comes, a busy one waits in `read`. A
//! connection beyond the workers is accepted and waits, unserved, for one of their clients to leave.

use std::io::{self, BufRead as _, BufReader, ErrorKind, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Instant;

use contract::{
    AfterAccept, READ_SIZE, ServeOptions, Service, Step, Workers, after_accept_error, drain,
};
use rayon::{ThreadPool, ThreadPoolBuilder};

/// As in every pool of the suite. Rayon's own number is that of the CPUs, for jobs that compute: two clients that say
/// nothing would stop a server on two CPUs.
const WORKERS: Workers = Workers::Fixed(128);

/// Enough for `converse`; the default of 2 MiB would reserve 256 MiB for the pool.
const STACK_SIZE: usize = 64 * 1024;

pub(crate) fn serve(listener: TcpListener, options: &ServeOptions) -> io::Result<()> {
    let options = *options;
    let pool = start(options.workers_or(WORKERS))?;
    contract::announce()?;
    loop {
        match listener.accept() {
            Ok((stream, _)) => pool.spawn(move || drop(converse(stream, &options))),
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

/// All threads or none: a pool smaller than it says would be measured as what it is not.
fn start(workers: usize) -> io::Result<ThreadPool> {
    ThreadPoolBuilder::new()
        .num_threads(workers)
        .stack_size(STACK_SIZE)
        // A panic costs its connection. Without a handler it would end the process.
        .panic_handler(|_| ())
        .build()
        .map_err(|error| {
            let what = format!("failed to start {workers} workers: {error}");
            io::Error::other(format!("{what}; choose fewer with `--workers`"))
        })
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
