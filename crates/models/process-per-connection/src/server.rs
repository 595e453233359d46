//! One process per connection: the kernel schedules and isolates, the child's memory is the state.
//!
//! ```text
//! poll --> accept > fork --> child 1: read > answer > write > read ... exit --+
//!  ^                     --> child 2: read > answer > write > read ... exit --+
//!  +------------------------------ SIGCHLD: reap -----------------------------+
//! ```
//!
//! The parent waits in `poll`, for a connection or for the end of a child, every child in `read`.

use std::collections::HashSet;
use std::io::{self, BufRead as _, BufReader, ErrorKind, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::thread;
use std::time::{Duration, Instant};

use contract::{
    AfterAccept, READ_SIZE, ServeOptions, Service, Step, after_accept_error, fork, listener, stop,
};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;

/// What only the parent needs. A child closes its copies, or it would keep the port when the parent is gone.
struct Parent {
    listener: TcpListener,
    /// Readable when a child has ended.
    ends: SignalFd,
}

pub(crate) fn serve(listener: TcpListener, options: &ServeOptions) -> io::Result<()> {
    // A client may vanish between `poll` and `accept`, and `accept` must not wait for the next one then.
    listener.set_nonblocking(true)?;
    let mut parent = Some(Parent { listener, ends: ends_of_children()? });
    let mut children = HashSet::new();
    let mut pause = None;
    contract::announce()?;
    while let Some(Parent { listener, ends }) = &parent {
        let [has_ended, has_connected] = wait([ends.as_fd(), listener.as_fd()], pause.take())?;
        if has_ended {
            ends.read_signal()?;
            reap(&mut children);
        }
        if !has_connected {
            continue;
        }
        match listener.accept() {
            Ok((stream, _)) => match start(&mut parent, stream, options) {
                Ok(child) => drop(children.insert(child)),
                Err(error) => pause = Some(listener::back_off("failed to fork", &error)),
            },
            Err(error) => match after_accept_error(&error) {
                AfterAccept::Stop => break,
                AfterAccept::Retry => {}
                AfterAccept::BackOff(length) => pause = Some(length),
            },
        }
    }
    fork::end_all(children.into_iter().collect());
    Ok(())
}

/// Blocked, the signal stays pending until it is read: none is lost between looking for ends and waiting for them.
fn ends_of_children() -> io::Result<SignalFd> {
    let signals = SigSet::from(Signal::SIGCHLD);
    signals.thread_block()?;
    Ok(SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC)?)
}

/// Waits for the end of a child or for a connection. In a pause only an end counts: it makes room for another fork.
fn wait(files: [BorrowedFd<'_>; 2], pause: Option<Duration>) -> io::Result<[bool; 2]> {
    let accepting = if pause.is_some() { PollFlags::empty() } else { PollFlags::POLLIN };
    let timeout = pause.and_then(|pause| PollTimeout::try_from(pause).ok());
    let mut events = [PollFd::new(files[0], PollFlags::POLLIN), PollFd::new(files[1], accepting)];
    match poll(&mut events, timeout) {
        // Interrupted by SIGTERM, whose handler has shut the listener down: the next `poll` says so.
        Ok(_) | Err(Errno::EINTR) => Ok(events.map(|event| event.any() == Some(true))),
        Err(error) => Err(error.into()),
    }
}

/// One signal may stand for many ends.
fn reap(children: &mut HashSet<Pid>) {
    while let Some(child) = fork::reap() {
        children.remove(&child);
    }
}

/// The parent's copy of the connection is closed on return; a refused fork thus costs this client its connection.
fn start(
    parent: &mut Option<Parent>,
    stream: TcpStream,
    options: &ServeOptions,
) -> io::Result<Pid> {
    fork::spawn(move || {
        drop(parent.take());
        stop::on_sigterm_end_connection(&stream);
        i32::from(converse(stream, options).is_err())
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
