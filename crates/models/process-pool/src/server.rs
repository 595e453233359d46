//! A fixed number of processes, forked beforehand, that all accept on one listener: the kernel deals the connections.
//!
//! ```text
//!             +--> worker 1:   accept > read > answer > write > read ... close, accept the next
//! listener ---+--> worker 128: accept > read > answer > write > read ... close, accept the next
//!
//! parent: fork the workers, poll --> SIGCHLD: reap, fork another
//! ```
//!
//! A free worker waits in `accept`, a busy one in `read`, the parent for the end of a worker or of the listener. A
//! connection beyond the workers waits, unaccepted, in the kernel's queue for one of their clients to leave.

use std::collections::HashSet;
use std::io::{self, BufRead as _, BufReader, ErrorKind, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::thread;
use std::time::{Duration, Instant};

use contract::{
    AfterAccept, READ_SIZE, ServeOptions, Service, Step, Workers, after_accept_error, fork,
    listener, stop,
};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;

/// Many for each CPU, since a worker mostly waits for its client; the size of every pool in the suite.
const WORKERS: Workers = Workers::Fixed(128);

pub(crate) fn serve(listener: TcpListener, options: &ServeOptions) -> io::Result<()> {
    let size = options.workers_or(WORKERS);
    let mut workers = HashSet::with_capacity(size);
    let ends = ends_of_workers()?;
    let mut pause = None;
    if let Err(error) = fill(&mut workers, size, &listener, options) {
        let what = format!("failed to fork worker {} of {size}: {error}", workers.len() + 1);
        fork::end_all(workers.into_iter().collect());
        return Err(io::Error::new(error.kind(), format!("{what}; choose fewer with `--workers`")));
    }
    contract::announce()?;
    loop {
        let [has_ended, is_shut_down] = wait([ends.as_fd(), listener.as_fd()], pause.take())?;
        if is_shut_down {
            break;
        }
        if has_ended {
            ends.read_signal()?;
            reap(&mut workers);
        }
        if let Err(error) = fill(&mut workers, size, &listener, options) {
            pause = Some(listener::back_off("failed to replace a worker", &error));
        }
    }
    fork::end_all(workers.into_iter().collect());
    Ok(())
}

/// Blocked, the signal stays pending until it is read: none is lost between looking for ends and waiting for them.
fn ends_of_workers() -> io::Result<SignalFd> {
    let signals = SigSet::from(Signal::SIGCHLD);
    signals.thread_block()?;
    Ok(SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC)?)
}

/// Waits for the end of a worker or for the listener to be shut down. `poll` reports that unasked; connections, which
/// are the workers' affair, it would report if it were asked to.
fn wait(files: [BorrowedFd<'_>; 2], pause: Option<Duration>) -> io::Result<[bool; 2]> {
    let timeout = pause.and_then(|pause| PollTimeout::try_from(pause).ok());
    let nothing = PollFlags::empty();
    let mut events = [PollFd::new(files[0], PollFlags::POLLIN), PollFd::new(files[1], nothing)];
    match poll(&mut events, timeout) {
        // Interrupted by SIGTERM, whose handler has shut the listener down: the next `poll` says so.
        Ok(_) | Err(Errno::EINTR) => Ok(events.map(|event| event.any() == Some(true))),
        Err(error) => Err(error.into()),
    }
}

/// One signal may stand for many ends.
fn reap(workers: &mut HashSet<Pid>) {
    while let Some(worker) = fork::reap() {
        workers.remove(&worker);
    }
}

/// Forks the workers that the pool lacks.
fn fill(
    workers: &mut HashSet<Pid>,
    size: usize,
    listener: &TcpListener,
    options: &ServeOptions,
) -> io::Result<()> {
    while workers.len() < size {
        workers.insert(fork::spawn(|| work(listener, options))?);
    }
    Ok(())
}

/// A panic ends the process; the parent puts another in its place.
fn work(listener: &TcpListener, options: &ServeOptions) -> i32 {
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                // While this process is in `read`, the end of `accept` stops nothing.
                stop::on_sigterm_end_current_connection(&stream);
                drop(converse(stream, options));
            }
            Err(error) => match after_accept_error(&error) {
                AfterAccept::Stop => return 0,
                AfterAccept::Retry => {}
                AfterAccept::BackOff(pause) => thread::sleep(pause),
            },
        }
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
