//! One client at a time: accept it, converse until it leaves, accept the next.
//!
//! ```text
//! +--> accept --> read > answer > write > read ... close --+
//! +--------------------------------------------------------+
//! ```
//!
//! The only thread waits in `accept`, or in `read` for its one client. Everybody else waits in the kernel's queue.

use std::io::{self, ErrorKind, Read as _, Write as _};
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
