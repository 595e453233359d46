//! The system calls of the floor, by `libc` and nothing else.
//!
//! All of the package's unsafe code is on this page.
#![expect(unsafe_code, reason = "the floor is the bare system calls, with no library between")]

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::time::Duration;

/// Events taken from the kernel by one call; wrk and nginx take as many or fewer.
const EVENTS: usize = 512;

/// Readable, and told again as long as it is.
pub(super) const READ_LEVEL: i32 = libc::EPOLLIN;
/// Readable, told once for each arrival.
pub(super) const READ: i32 = libc::EPOLLIN | libc::EPOLLET;
/// Readable or writable, told once for each change.
pub(super) const READ_AND_WRITE: i32 = READ | libc::EPOLLOUT;

/// An epoll instance and the events that it reported last.
pub(super) struct Epoll {
    fd: OwnedFd,
    events: Vec<libc::epoll_event>,
    ready: usize,
}

impl Epoll {
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: no pointer is passed.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: the kernel just made this descriptor for us; nobody else owns it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Self { fd, events: vec![libc::epoll_event { events: 0, u64: 0 }; EVENTS], ready: 0 })
    }

    /// Reports `fd` as `token` from now on; closing the descriptor ends it.
    pub(super) fn add(&self, fd: BorrowedFd<'_>, interest: i32, token: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, interest, token)
    }

    /// Changes what is reported of `fd`, and reports at once what already holds.
    pub(super) fn change(&self, fd: BorrowedFd<'_>, interest: i32, token: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, interest, token)
    }

    fn control(
        &self,
        operation: i32,
        fd: BorrowedFd<'_>,
        interest: i32,
        token: u64,
    ) -> io::Result<()> {
        let mut event = libc::epoll_event { events: interest.cast_unsigned(), u64: token };
        // SAFETY: `event` is a live epoll_event for the length of the call, and both descriptors are open.
        check(unsafe {
            libc::epoll_ctl(self.fd.as_raw_fd(), operation, fd.as_raw_fd(), &raw mut event)
        })?;
        Ok(())
    }

    /// Waits until something is ready, and says how much; 0 when the time is over or a signal came.
    pub(super) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<usize> {
        let timeout =
            timeout.map_or(-1, |time| i32::try_from(time.as_millis()).unwrap_or(i32::MAX));
        let room = i32::try_from(self.events.len()).unwrap_or(i32::MAX);
        // SAFETY: the kernel writes at most `room` events, and the vector holds that many.
        let ready = unsafe {
            libc::epoll_wait(self.fd.as_raw_fd(), self.events.as_mut_ptr(), room, timeout)
        };
        self.ready = match check(ready) {
            Ok(ready) => usize::try_from(ready).unwrap_or(0),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(error),
        };
        Ok(self.ready)
    }

    /// The token of the event at `index` of those that were ready.
    pub(super) fn token(&self, index: usize) -> u64 {
        self.events[..self.ready][index].u64
    }
}

/// Takes a connection from the listener's queue; it does not block.
pub(super) fn accept(listener: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    // SAFETY: null pointers ask for no address.
    let fd = check(unsafe {
        libc::accept4(
            listener.as_raw_fd(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC,
        )
    })?;
    // SAFETY: the kernel just made this descriptor for us; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

pub(super) fn read(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the kernel writes at most `buffer.len()` bytes into a buffer that is ours for the call.
    let count = unsafe { libc::read(fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

pub(super) fn write(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: the kernel reads at most `bytes.len()` bytes from a slice that lives through the call. The signal of a
    // broken pipe is ignored by Rust's start-up code, so that it is an error here.
    let count = unsafe { libc::write(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

fn check(result: i32) -> io::Result<i32> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
