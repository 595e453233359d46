//! One OS thread per connection: the kernel schedules, the stack is the state.
//!
//! ```text
//! accept --> thread 1: read > answer > write > read ...
//!        --> thread 2: read > answer > write > read ...
//! ```
//!
//! The accepting thread waits in `accept`, every other one in `read`; nobody waits for anybody else.

use std::io::{self, ErrorKind, Read as _, Write as _};
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

fn converse(mut stream: TcpStream, options: &ServeOptions) -> io::Result<()> {
    let mut service = Service::new(options);
    // On the heap: a page of it becomes memory when a read touches it, where an array would be zeroed whole.
    let mut buffer = vec![0; READ_SIZE];
    loop {
        match service.step() {
            Step::Read { deadline } => match read(&mut stream, &mut buffer, deadline) {
                Ok(count) => service.received(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => service.expired(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            },
            Step::Write => match stream.write(service.output()) {
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

/// Reads; past the deadline that is `WouldBlock`. The steady case, without a deadline, costs one system call.
fn read(stream: &mut TcpStream, buffer: &mut [u8], deadline: Option<Instant>) -> io::Result<usize> {
    let Some(deadline) = deadline else { return stream.read(buffer) };
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(ErrorKind::WouldBlock.into());
    }
    stream.set_read_timeout(Some(left))?;
    let result = stream.read(buffer);
    stream.set_read_timeout(None)?;
    result
}
