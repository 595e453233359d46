//! One wait: the list goes to the kernel whole, and whoever is ready is looked up in it.

use std::io;
use std::mem;
use std::os::fd::{AsFd as _, AsRawFd as _, RawFd};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};

/// Who was ready in the last wait, and what the next one needs.
pub(super) struct Readiness {
    /// Written to by other threads, to end a wait.
    wake: Arc<EventFd>,
    /// Empty between two waits: the memory is what is kept.
    list: Vec<PollFd<'static>>,
    ready: Vec<RawFd>,
}

impl Readiness {
    pub(super) fn new() -> io::Result<Self> {
        let wake = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?;
        Ok(Self { wake: Arc::new(wake), list: Vec::new(), ready: Vec::new() })
    }

    /// Ends the wait, or the next one if there is none.
    pub(super) fn waker(&self) -> impl Fn() + Send + Sync + 'static {
        let wake = Arc::clone(&self.wake);
        move || {
            // It fails only after 2^64 wake-ups that no wait has seen.
            let _ = wake.write(1);
        }
    }

    /// Waits until somebody of them is ready, or for the time. A list borrows the sockets that it names, so it ends with
    /// the wait, and the next is written anew.
    pub(super) fn wait<'fd>(
        &mut self,
        them: impl Iterator<Item = PollFd<'fd>>,
        longest: Option<Duration>,
    ) -> io::Result<()> {
        let wake = self.wake.as_raw_fd();
        let mut list = emptied(mem::take(&mut self.list));
        list.push(PollFd::new(self.wake.as_fd(), PollFlags::POLLIN));
        them.for_each(|one| list.push(one));
        let count = match poll(&mut list, longest.map(whole_milliseconds)) {
            Err(Errno::EINTR) => 0,
            result => usize::try_from(result?).expect("a count is not negative"),
        };
        let is_ready = |one: &&PollFd<'_>| one.any() != Some(false);
        let ready = list.iter().filter(is_ready).take(count).map(|one| one.as_fd().as_raw_fd());
        self.ready.extend(ready.filter(|fd| *fd != wake));
        if is_ready(&&list[0]) {
            // The counter goes back to zero, or every wait to come would end at once.
            self.wake.read()?;
        }
        self.list = emptied(list);
        Ok(())
    }

    /// Somebody who was ready, each once.
    pub(super) fn next(&mut self) -> Option<RawFd> {
        self.ready.pop()
    }
}

/// Rounded up: woken too early, a loop would spin until its time has come.
pub(crate) fn whole_milliseconds(time: Duration) -> PollTimeout {
    PollTimeout::try_from(time + Duration::from_nanos(999_999)).unwrap_or(PollTimeout::MAX)
}

/// The memory of one list for the next, which borrows for a time of its own.
fn emptied<'fd>(mut list: Vec<PollFd<'_>>) -> Vec<PollFd<'fd>> {
    list.clear();
    list.into_iter().map(|_| -> PollFd<'fd> { unreachable!("it is empty") }).collect()
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
            let them = [&idle, &receiver].map(|one| PollFd::new(one.as_fd(), PollFlags::POLLIN));
            readiness.wait(them.into_iter(), None).unwrap();
            assert_eq!(readiness.next(), Some(receiver.as_raw_fd()));
            assert_eq!(readiness.next(), None);
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
    fn a_listener_asked_for_nothing_is_ready_when_it_is_shut_down_and_not_before() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let waiting = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut readiness = Readiness::new().unwrap();
        for ready in [None, Some(listener.as_raw_fd())] {
            let one = PollFd::new(listener.as_fd(), PollFlags::empty());
            readiness.wait(std::iter::once(one), Some(Duration::ZERO)).unwrap();
            assert_eq!(readiness.next(), ready);
            let _ = shutdown(&listener, Shutdown::Both);
        }
        drop(waiting);
    }

    #[test]
    fn a_list_leaves_its_memory_to_the_next() {
        let socket = socket();
        let mut list = Vec::with_capacity(100);
        list.push(PollFd::new(socket.as_fd(), PollFlags::POLLIN));
        let memory = (list.as_ptr().cast::<u8>(), list.capacity());
        let next: Vec<PollFd<'static>> = emptied(list);
        assert_eq!((next.len(), (next.as_ptr().cast(), next.capacity())), (0, memory));
    }

    #[test]
    fn a_time_is_rounded_up_to_whole_milliseconds() {
        let milliseconds = |nanos| whole_milliseconds(Duration::from_nanos(nanos)).as_millis();
        assert_eq!([0, 1, 1_000_000, 1_000_001].map(milliseconds), [0, 1, 1, 2].map(Some));
        assert_eq!(whole_milliseconds(Duration::from_hours(1_000_000)), PollTimeout::MAX);
    }
}
