//! The reactor: it sleeps in epoll for all sockets of an executor, and wakes the tasks whose sockets are ready.
//!
//! ```text
//! read or write --refused--> leave a waker here, Pending --edge--> wake --> the task is polled, and tries again
//! ```
//!
//! A socket is registered once, for both directions, and reported when something changes: an edge.

use std::cell::{RefCell, RefMut};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use rustix::event::epoll::EventFlags;
use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
use rustix::io::Errno;

/// Events taken from one wait: a tenth of ten thousand that are all active.
const EVENTS: usize = 1024;
/// No descriptor's number.
const BELL: u64 = u64::MAX;

pub(crate) struct Reactor {
    epoll: OwnedFd,
    /// Written to by other threads, and never read: each write is an edge.
    bell: Arc<OwnedFd>,
    /// By descriptor.
    sources: RefCell<Vec<Source>>,
}

/// What is known of a socket, and who waits for it.
#[derive(Default)]
pub(crate) struct Source {
    /// An edge is reported once, so it is remembered until a read has emptied the socket.
    pub(crate) readable: bool,
    /// The end of input came with an edge, and will be found behind the last bytes: from now on reading never waits.
    pub(crate) ended: bool,
    pub(crate) reader: Option<Waker>,
    /// Writing needs no memory: it is tried first, and the edge follows a refusal.
    pub(crate) writer: Option<Waker>,
}

impl Reactor {
    pub(crate) fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let bell = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let edges = EventFlags::IN | EventFlags::ET;
        epoll::add(&epoll, &bell, epoll::EventData::new_u64(BELL), edges)?;
        Ok(Self { epoll, bell, sources: RefCell::default() })
    }

    /// What ends a sleep of this reactor, from any thread.
    pub(crate) fn bell(&self) -> impl Fn() + Send + Sync + 'static {
        let bell = Arc::clone(&self.bell);
        move || {
            let written = rustix::io::write(&bell, &1_u64.to_ne_bytes());
            written.expect("the counter takes more rings than there will be");
        }
    }

    /// Registers a socket, for good: what is closed is no longer reported.
    pub(crate) fn register(&self, socket: BorrowedFd<'_>) -> io::Result<()> {
        let slot = slot_of(socket);
        let mut sources = self.sources.borrow_mut();
        let length = sources.len().max(slot + 1);
        sources.resize_with(length, Source::default);
        sources[slot] = Source::default();
        let token = epoll::EventData::new_u64(u64::try_from(slot).expect("a descriptor is an int"));
        let edges = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        Ok(epoll::add(&self.epoll, socket, token, edges)?)
    }

    /// What is known of a registered socket.
    pub(crate) fn source(&self, socket: BorrowedFd<'_>) -> RefMut<'_, Source> {
        RefMut::map(self.sources.borrow_mut(), |sources| &mut sources[slot_of(socket)])
    }

    /// Sleeps until a socket is ready, somebody rings, or that time is over; then calls `get_up`, and wakes the tasks
    /// that wait for what happened. No socket is closed meanwhile, so no event meets another one of the same number.
    pub(crate) fn sleep(&self, longest: Option<Duration>, get_up: impl FnOnce()) -> io::Result<()> {
        let longest = longest.and_then(|longest| Timespec::try_from(longest).ok());
        let mut events = [const { MaybeUninit::uninit() }; EVENTS];
        let woken = epoll::wait(&self.epoll, &mut events, longest.as_ref());
        get_up();
        let events = match woken {
            Err(Errno::INTR) => return Ok(()),
            result => result?.0,
        };
        let mut sources = self.sources.borrow_mut();
        for &mut epoll::Event { flags, data, .. } in events {
            let slot = usize::try_from(data.u64()).ok();
            let Some(source) = slot.and_then(|slot| sources.get_mut(slot)) else { continue };
            let broken = flags.intersects(EventFlags::HUP | EventFlags::ERR);
            source.ended |= broken || flags.contains(EventFlags::RDHUP);
            source.readable |= flags.contains(EventFlags::IN);
            let reader = source.reader.take_if(|_| source.readable || source.ended);
            let writer = source.writer.take_if(|_| broken || flags.contains(EventFlags::OUT));
            reader.into_iter().chain(writer).for_each(Waker::wake);
        }
        Ok(())
    }
}

/// The kernel hands out the lowest descriptor that is free, so they make a dense table.
fn slot_of(socket: BorrowedFd<'_>) -> usize {
    usize::try_from(socket.as_raw_fd()).expect("descriptors count from zero")
}
