//! The one line on standard output: the server is set up, and takes connections at this address.
//!
//! ```text
//! one process:   set-up --> announce() --> "listening 127.0.0.1:40001"
//! --processes N: set-up --> announce() --> a byte to the parent, which prints the line when it has one from each child
//! ```
//!
//! What fails before it is a failed start, and what is weighed behind it is the whole server, idle. So it is the model
//! that says when, in front of its loop.

use std::io::{self, PipeReader, PipeWriter, Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

/// Where the news goes.
#[derive(Debug)]
pub(crate) enum Announcement {
    /// To whoever started this process.
    Line(SocketAddr),
    /// To the parent, which waits for all its children.
    Parent(PipeWriter),
}

/// What [`announce`] has yet to do in this process.
static DUE: Mutex<Option<Announcement>> = Mutex::new(None);

/// From now on [`announce`] makes this announcement, once.
pub(crate) fn on_announce(announcement: Announcement) {
    *DUE.lock().unwrap_or_else(PoisonError::into_inner) = Some(announcement);
}

/// Says that the server is set up: every `serve` calls it when all its threads, processes and descriptors are there, in
/// front of its loop.
///
/// The first call announces, the others do nothing: workers that wait for each other at a barrier may each call it there.
///
/// # Errors
/// Nobody reads it any more.
pub fn announce() -> io::Result<()> {
    match DUE.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(Announcement::Line(address)) => print(address),
        Some(Announcement::Parent(mut parent)) => parent.write_all(b"."),
        // Said already; or a page's own test calls `serve`, without an audience.
        None => Ok(()),
    }
}

pub(crate) fn print(address: SocketAddr) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "listening {address}")?;
    stdout.flush()
}

/// Waits until each process that can write to the pipe has announced itself or ended; says how many have announced.
pub(crate) fn heard(mut children: PipeReader) -> io::Result<usize> {
    let mut heard = Vec::new();
    children.read_to_end(&mut heard)?;
    Ok(heard.len())
}
