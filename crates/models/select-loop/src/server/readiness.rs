//! One wait: two sets of bits go to the kernel, and come back with the bits of whoever is ready.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::select::{FD_SETSIZE, FdSet, select};
use nix::sys::time::{TimeVal, TimeValLike as _};

/// The set that a descriptor is marked in.
#[derive(Clone, Copy)]
pub(super) enum Set {
    Read,
    Write,
}

/// Who was ready in the last wait, and what the next one needs.
pub(super) struct Readiness {
    /// Written to by other threads, to end a wait.
    wake: Arc<EventFd>,
    ready: Vec<RawFd>,
}

impl Readiness {
    pub(super) fn new() -> io::Result<Self> {
        let wake = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?;
        Ok(Self { wake: Arc::new(wake), ready: Vec::new() })
    }

    /// Ends the wait, or the next one if there is none.
    pub(super) fn waker(&self) -> impl Fn() + Send + Sync + 'static {
        let wake = Arc::clone(&self.wake);
        move || {
            // It fails only after 2^64 wake-ups that no wait has seen.
            let _ = wake.write(1);
        }
    }

    /// Waits until somebody of them is ready, or for the time. The kernel overwrites the sets, so they end with the wait,
    /// and the next are marked anew.
    pub(super) fn wait<'fd>(
        &mut self,
        them: impl Iterator<Item = (BorrowedFd<'fd>, Set)>,
        longest: Option<Duration>,
    ) -> io::Result<()> {
        let wake = self.wake.as_raw_fd();
        let (mut reading, mut writing, mut highest) = (FdSet::new(), FdSet::new(), wake);
        reading.insert(self.wake.as_fd());
        them.for_each(|(fd, set)| {
            highest = highest.max(fd.as_raw_fd());
            match set {
                Set::Read => reading.insert(fd),
                Set::Write => writing.insert(fd),
            }
        });
        let mut longest = longest.map(whole_microseconds);
        let count = match select(highest + 1, &mut reading, &mut writing, None, longest.as_mut()) {
            Err(Errno::EINTR) => 0,
            result => usize::try_from(result?).expect("a count is not negative"),
        };
        let marked = reading.fds(Some(highest)).chain(writing.fds(Some(highest)));
        let ready = marked.take(count).map(|fd| fd.as_raw_fd());
        self.ready.extend(ready.filter(|fd| *fd != wake));
        if count > 0 && reading.contains(self.wake.as_fd()) {
            // The counter goes back to zero, or every wait to come would end at once.
            self.wake.read()?;
        }
        Ok(())
    }

    /// Somebody who was ready, each once.
    pub(super) fn next(&mut self) -> Option<RawFd> {
        self.ready.pop()
    }
}

/// The kernel gives out no descriptor that a set has no bit for, whatever else is open.
pub(crate) fn limit_descriptors() -> io::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let most = u64::try_from(FD_SETSIZE).unwrap_or(hard).min(hard);
    Ok(setrlimit(Resource::RLIMIT_NOFILE, most, hard)?)
}

/// Rounded up: woken too early, a loop would spin until its time has come. After a day it looks again in any case.
pub(crate) fn whole_microseconds(time: Duration) -> TimeVal {
    let time = time.min(Duration::from_hours(24)) + Duration::from_nanos(999);
    TimeVal::microseconds(i64::try_from(time.as_micros()).expect("a day is short"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{Shutdown, shutdown};
    use std::net::{TcpListener, UdpSocket};

    fn socket() -> UdpSocket {
        UdpSocket::bind("127.0.0.1:0").unwrap()
    }

    #[test]
    fn whoever_is_ready_comes_out_once_and_the_others_do_not() {
        let (sender, receiver, idle) = (socket(), socket(), socket());
        sender.send_to(b"x", receiver.local_addr().unwrap()).unwrap();
        let mut readiness = Readiness::new().unwrap();
        for _ in 0..2 {
            let them = [(&idle, Set::Read), (&receiver, Set::Read), (&sender, Set::Write)];
            let them = them.map(|(one, set)| (one.as_fd(), set));
            readiness.wait(them.into_iter(), None).unwrap();
            let mut ready: Vec<RawFd> = std::iter::from_fn(|| readiness.next()).collect();
            ready.sort_unstable();
            assert_eq!(ready, [sender.as_raw_fd(), receiver.as_raw_fd()]);
        }
    }

    #[test]
    fn a_wake_up_ends_one_wait_and_is_nobody() {
        let mut readiness = Readiness::new().unwrap();
        let wake = readiness.waker();
        wake();
        wake();
        readiness.wait(std::iter::empty(), None).unwrap();
        assert_eq!(readiness.next(), None);
        let timer = std::time::Instant::now();
        let time = Duration::from_millis(2);
        readiness.wait(std::iter::empty(), Some(time)).unwrap();
        assert!(timer.elapsed() >= time, "the counter was not read");
    }

    #[test]
    fn a_listener_can_be_written_to_when_it_is_shut_down_and_not_before() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let waiting = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut readiness = Readiness::new().unwrap();
        for ready in [None, Some(listener.as_raw_fd())] {
            let one = (listener.as_fd(), Set::Write);
            readiness.wait(std::iter::once(one), Some(Duration::ZERO)).unwrap();
            assert_eq!(readiness.next(), ready);
            let _ = shutdown(&listener, Shutdown::Both);
        }
        drop(waiting);
    }

    #[test]
    fn a_time_is_rounded_up_to_whole_microseconds() {
        let microseconds =
            |nanos| whole_microseconds(Duration::from_nanos(nanos)).num_microseconds();
        assert_eq!([0, 1, 1_000, 1_001].map(microseconds), [0, 1, 1, 2]);
        // Longer than select accepts.
        assert_eq!(whole_microseconds(Duration::from_secs(u64::MAX / 2)).num_hours(), 24);
    }
}
