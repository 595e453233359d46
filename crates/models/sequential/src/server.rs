//! One client at a time: accept it, converse until it leaves, accept the next.
//!
//! ```text
//! +--> accept --> read > answer > write > read ... close --+
//! +--------------------------------------------------------+
//! ```
//!
//! The only thread waits in `accept`, or in `read` for its one client. Everybody else waits in the kernel's queue.

use std::io::{self, BufRead as _, BufReader, ErrorKind, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Instant;

use contract::{AfterAccept, READ_SIZE, ServeOptions, Service, Step, after_accept_error, stop};

pub(crate) fn serve(listener: TcpListener, options: &ServeOptions) -> io::Result<()> {
    contract::announce()?;
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                // While this thread is in `read`, the end of `accept` stops nothing.
                stop::on_sigterm_end_current_connection(&stream);
                // A panic costs its connection, not the server.
                drop(catch_unwind(AssertUnwindSafe(|| converse(stream, options))));
            }
            Err(error) => match after_accept_error(&error) {
                AfterAccept::Stop => return Ok(()),
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
