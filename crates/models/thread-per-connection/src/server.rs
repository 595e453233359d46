//! One OS thread per connection: the kernel schedules, the stack is the state.
//!
//! ```text
//! accept --> thread 1: read > answer > write > read ...
//!        --> thread 2: read > answer > write > read ...
//! ```
//!
//! The accepting thread waits in `accept`, every other one in `read`; nobody waits for anybody else.

use std::io::{self, BufRead as _, BufReader, ErrorKind, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Instant;

use contract::{
    AfterAccept, READ_SIZE, ServeOptions, Service, Step, after_accept_error, drain, listener,
};

/// Enough for `converse`; the default of 2 MiB would reserve 20 GiB at ten thousand connections.
const STACK_SIZE: usize = 64 * 1024;

pub(crate) fn serve(listener: TcpListener, options: &ServeOptions) -> io::Result<()> {
    contract::announce()?;
    loop {
        match listener.accept() {
            Ok((stream, _)) => start(stream, *options),
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

/// A refused thread costs this client its connection, and the others a pause.
fn start(stream: TcpStream, options: ServeOptions) {
    let converse = move || drop(converse(stream, &options));
    if let Err(error) = thread::Builder::new().stack_size(STACK_SIZE).spawn(converse) {
        thread::sleep(listener::back_off("failed to start a thread", &error));
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
