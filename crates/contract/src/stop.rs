//! Stopping on SIGTERM without a helper thread.
//!
//! The handler calls `shutdown(2)` on the listening socket, which ends `accept` with an error in every model, whether
//! it blocks, polls or submits. No thread waits for the signal, so a single-threaded model stays single-threaded, and
//! a model may still fork.
//!
//! Where one thread accepts and converses by turns, nobody may be in `accept`, and nobody is left to watch the clock:
//! there the handler ends the connection's reading too, and an alarm ends the process at [`DRAIN_LIMIT`].

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::socket::{Shutdown, shutdown};
use nix::unistd::alarm;

use crate::{fork, in_flight};

/// Longest time that requests in flight are given to finish.
pub const DRAIN_LIMIT: Duration = Duration::from_secs(4);

/// The same for alarm(2), which takes whole seconds.
const DRAIN_LIMIT_S: u32 = 4;
const _: () = assert!(DRAIN_LIMIT.as_millis() == 4_000);

const NONE: RawFd = -1;

static STOPPING: AtomicBool = AtomicBool::new(false);
static LISTENER: AtomicI32 = AtomicI32::new(NONE);
static CONNECTION: AtomicI32 = AtomicI32::new(NONE);

/// Owns the descriptor in [`LISTENER`]: the model may close its own, and then another file could get that number.
static HELD: Mutex<Option<TcpListener>> = Mutex::new(None);

/// True once SIGTERM has arrived.
#[must_use]
pub fn stopping() -> bool {
    STOPPING.load(Ordering::SeqCst)
}

/// From now on SIGTERM shuts `listener` down.
pub(crate) fn on_sigterm_shut_down(listener: &TcpListener) -> io::Result<()> {
    hold(Some(listener.try_clone()?));
    handle(Signal::SIGALRM, SigHandler::Handler(on_sigalrm))?;
    handle(Signal::SIGTERM, SigHandler::Handler(on_sigterm))?;
    if stopping() {
        shutdown(listener.as_raw_fd(), Shutdown::Both)?;
    }
    Ok(())
}

fn hold(listener: Option<TcpListener>) {
    LISTENER.store(listener.as_ref().map_or(NONE, AsRawFd::as_raw_fd), Ordering::SeqCst);
    *HELD.lock().unwrap_or_else(PoisonError::into_inner) = listener;
}

/// In a child that serves one connection: SIGTERM ends its reading, or lets the request in flight end first.
///
/// The listener that is held here is closed, since a child must not keep the port; the model closes its own copy.
pub fn on_sigterm_end_connection(connection: &impl AsRawFd) {
    hold(None);
    on_sigterm_end_current_connection(connection);
}

/// In a process that accepts and converses by turns: SIGTERM also ends the reading of this connection, or lets its
/// request in flight end first, for at most [`DRAIN_LIMIT`].
///
/// Called for each connection before it is read. Between two of them the number that is kept here belongs to no file,
/// or to the next connection already, which is to end as well.
pub fn on_sigterm_end_current_connection(connection: &impl AsRawFd) {
    CONNECTION.store(connection.as_raw_fd(), Ordering::SeqCst);
    if stopping() {
        end_idle_connection(connection.as_raw_fd());
    }
}

/// In a parent that only waits for its children: SIGTERM goes to `forward`, since the children hold the listeners.
pub(crate) fn on_sigterm_call(forward: extern "C" fn(libc_int)) -> io::Result<()> {
    handle(Signal::SIGTERM, SigHandler::Handler(forward))
}

#[expect(non_camel_case_types, reason = "the signal number's type in C")]
pub(crate) type libc_int = i32;

#[expect(
    unsafe_code,
    reason = "there is no safe way to install a signal handler that shuts a socket down"
)]
fn handle(signal: Signal, handler: SigHandler) -> io::Result<()> {
    let action = SigAction::new(handler, SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: the handlers passed here only load and store atomics and call shutdown(2), kill(2), alarm(2) or _exit(2),
    // which are all async-signal-safe (signal-safety(7)).
    unsafe { sigaction(signal, &action) }?;
    Ok(())
}

/// `errno` belongs to the code that was interrupted, so it is put back.
extern "C" fn on_sigterm(_signal: libc_int) {
    let interrupted = nix::errno::Errno::last_raw();
    STOPPING.store(true, Ordering::SeqCst);
    let listener = LISTENER.load(Ordering::SeqCst);
    if listener != NONE {
        let _ = shutdown(listener, Shutdown::Both);
    }
    let connection = CONNECTION.load(Ordering::SeqCst);
    if connection != NONE {
        end_idle_connection(connection);
    }
    nix::errno::Errno::set_raw(interrupted);
}

/// The time for what was in flight is over, as it is when [`drain`] ends.
extern "C" fn on_sigalrm(_signal: libc_int) {
    fork::leave(0)
}

/// With a request in flight the service closes after its answer; otherwise the blocked read is ended here.
fn end_idle_connection(connection: RawFd) {
    // Once: another SIGTERM does not prolong it.
    static LIMITED: AtomicBool = AtomicBool::new(false);
    if !LIMITED.swap(true, Ordering::SeqCst) {
        alarm::set(DRAIN_LIMIT_S);
    }
    if in_flight::count() == 0 {
        let _ = shutdown(connection, Shutdown::Read);
    }
}

/// Marks this process as stopping; for handlers that do more than [`on_sigterm`].
pub(crate) fn set_stopping() {
    STOPPING.store(true, Ordering::SeqCst);
}

/// The naps a stopping server takes until nothing is in flight, or [`DRAIN_LIMIT`] is over.
///
/// An iterator, since napping is a model's own affair:
///
/// ```no_run
/// for nap in contract::drain() {
///     std::thread::sleep(nap);
/// }
/// ```
pub fn drain() -> impl Iterator<Item = Duration> {
    let deadline = Instant::now() + DRAIN_LIMIT;
    // A millisecond: short beside any request worth waiting for, long beside the count that it pays for.
    std::iter::from_fn(move || {
        (in_flight::count() > 0 && Instant::now() < deadline).then_some(Duration::from_millis(1))
    })
}
