//! The poller: it sleeps in epoll for all descriptors of a scheduler, and says whose coroutine may go on.
//!
//! A descriptor is registered once, for both directions, and reported when something changes: an edge.

use std::cell::RefCell;
use std::io;
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::epoll::{self, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::io::Errno;

/// Events taken from one wait: a tenth of ten thousand that are all active.
const EVENTS: usize = 1024;
/// No descriptor's number.
const BELL: u64 = u64::MAX;

pub(crate) struct Poller {
    epoll: OwnedFd,
    /// Written to by other threads, and never read: each write is an edge.
    bell: Arc<OwnedFd>,
    /// By descriptor.
    sources: RefCell<Vec<Source>>,
}

/// What is known of a descriptor, and which coroutine waits for it.
#[derive(Clone, Default)]
struct Source {
    /// An edge is reported once, so it is remembered until a coroutine waits for it.
    readable: bool,
    /// The end of input came with an edge, and will be found behind the last bytes: from now on reading never waits.
    ended: bool,
    waiting: Option<(u64, Interest)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Interest {
    Read,
    /// Needs no memory: writing is tried first, and the edge follows a refusal.
    Write,
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let bell = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let edges = EventFlags::IN | EventFlags::ET;
        epoll::add(&epoll, &bell, epoll::EventData::new_u64(BELL), edges)?;
        Ok(Self { epoll, bell, sources: RefCell::default() })
    }

    /// What ends a sleep of this poller, from any thread.
    pub(crate) fn bell(&self) -> impl Fn() + Send + Sync + 'static {
        let bell = Arc::clone(&self.bell);
        move || {
            let written = rustix::io::write(&bell, &1_u64.to_ne_bytes());
            written.expect("the counter takes more rings than there will be");
        }
    }

    /// Registers a descriptor, for good: what is closed is no longer reported.
    pub(crate) fn register(&self, descriptor: &impl AsFd) -> io::Result<()> {
        let slot = slot_of(descriptor.as_fd().as_raw_fd());
        let mut sources = self.sources.borrow_mut();
        let length = sources.len().max(slot + 1);
        sources.resize(length, Source::default());
        sources[slot] = Source::default();
        let token = epoll::EventData::new_u64(u64::try_from(slot).expect("a descriptor is an int"));
        let edges = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        Ok(epoll::add(&self.epoll, descriptor, token, edges)?)
    }

    /// The coroutine of this number waits until the descriptor is readable; false if an edge has come already.
    pub(crate) fn wait_readable(&self, descriptor: RawFd, number: u64) -> bool {
        let source = &mut self.sources.borrow_mut()[slot_of(descriptor)];
        let waits = !source.ended && !mem::take(&mut source.readable);
        source.waiting = waits.then_some((number, Interest::Read));
        waits
    }

    /// The coroutine of this number waits until the descriptor, which has refused, is writable.
    pub(crate) fn wait_writable(&self, descriptor: RawFd, number: u64) {
        let source = &mut self.sources.borrow_mut()[slot_of(descriptor)];
        source.waiting = Some((number, Interest::Write));
    }

    /// Nobody waits for the descriptor any more.
    pub(crate) fn forget(&self, descriptor: RawFd) {
        self.sources.borrow_mut()[slot_of(descriptor)].waiting = None;
    }

    /// Sleeps until a descriptor is ready, somebody rings, or that time is over. Calls `ready` with whoever waits no longer.
    pub(crate) fn sleep(
        &self,
        longest: Option<Duration>,
        mut ready: impl FnMut(u64),
    ) -> io::Result<()> {
        let longest = longest.and_then(|longest| Timespec::try_from(longest).ok());
        let mut events = [const { MaybeUninit::uninit() }; EVENTS];
        let events = match epoll::wait(&self.epoll, &mut events, longest.as_ref()) {
            Err(Errno::INTR) => return Ok(()),
            result => result?.0,
        };
        // Nobody closes a descriptor meanwhile, so no event meets another one of the same number.
        let mut sources = self.sources.borrow_mut();
        for &mut epoll::Event { flags, data, .. } in events {
            let slot = usize::try_from(data.u64()).ok();
            let Some(source) = slot.and_then(|slot| sources.get_mut(slot)) else { continue };
            let broken = flags.intersects(EventFlags::HUP | EventFlags::ERR);
            source.ended |= broken || flags.contains(EventFlags::RDHUP);
            source.readable |= flags.contains(EventFlags::IN);
            let over = source.waiting.take_if(|(_, interest)| match interest {
                Interest::Read => source.ended || mem::take(&mut source.readable),
                Interest::Write => broken || flags.contains(EventFlags::OUT),
            });
            if let Some((number, _)) = over {
                ready(number);
            }
        }
        Ok(())
    }
}

/// The kernel hands out the lowest descriptor that is free, so they make a dense table.
fn slot_of(descriptor: RawFd) -> usize {
    usize::try_from(descriptor).expect("descriptors count from zero")
}
