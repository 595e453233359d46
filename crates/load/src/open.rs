//! Opening connections: never more under way than the server's queue can hold, each failure with its name.

use std::time::Duration;

use rustix::event::epoll;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::sockopt::{set_tcp_nodelay, socket_error};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, ipproto, socket_with};

use crate::accept_queue::AcceptQueue;
use crate::clock::now_ns;
use crate::connection::Phase;
use crate::engine::{Buffers, Engine};
use crate::error::{Error, ErrorKind};
use crate::number::count;
use crate::protocol::Protocol;

/// Handshakes under way at once, and connections that may wait in the server's accept queue before more are opened:
/// half of the shortest backlog in common use, 128.
const CONNECTS_MAX: usize = 64;
/// How long to let the server accept before its queue is looked at again.
const QUEUE_WAIT: Duration = Duration::from_micros(200);
/// How long a queue may stand still before it is no longer waited for: the server may never accept.
const QUEUE_STUCK_NS: u64 = 1_000_000_000;
/// Bounds of the time between two looks for what takes too long.
const SWEEP_NS: (u64, u64) = (5_000_000, 100_000_000);

/// Holds connects back while the server is behind with accepting.
#[derive(Debug)]
struct Gate {
    /// `None` when the listener is not in sight, or when it has stood still for too long.
    queue: Option<AcceptQueue>,
    /// The shortest length since the queue was last short enough, and since when.
    shortest: (u64, u64),
    is_stuck: bool,
}

impl Gate {
    /// Whether more connections may be opened now; waits a little when not.
    fn admits(&mut self) -> bool {
        let Some(length) = self.queue.as_mut().and_then(AcceptQueue::length) else { return true };
        let now = now_ns();
        if length <= count(CONNECTS_MAX) || length < self.shortest.0 {
            self.shortest = (length, now);
        }
        if length <= count(CONNECTS_MAX) {
            self.shortest.0 = u64::MAX;
            return true;
        }
        if now - self.shortest.1 > QUEUE_STUCK_NS {
            self.queue = None;
            self.is_stuck = true;
        }
        std::thread::sleep(QUEUE_WAIT);
        false
    }
}

/// What the opening came to in one thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opened {
    pub(crate) established: usize,
    pub(crate) first_failure: Option<ErrorKind>,
    /// The server stopped accepting.
    pub(crate) queue_stuck: bool,
}

impl<P: Protocol> Engine<'_, P> {
    /// Opens all connections of this thread.
    pub(crate) fn open(&mut self, buffers: &mut Buffers) -> Result<Opened, Error> {
        let begun_ns = now_ns();
        let mut progress = (0, begun_ns);
        let mut gate = Gate {
            queue: AcceptQueue::of(self.plan.addr),
            shortest: (u64::MAX, begun_ns),
            is_stuck: false,
        };
        let mut held_back: std::collections::VecDeque<usize> =
            (0..self.connections.len()).collect();
        while !held_back.is_empty() || !self.to_open.is_empty() || self.connecting > 0 {
            if self.signals.stopped() {
                return Err(Error::Interrupted);
            }
            if self.to_open.is_empty() && !held_back.is_empty() && gate.admits() {
                self.to_open.extend(held_back.drain(..held_back.len().min(CONNECTS_MAX)));
            }
            // With nothing under way the gate has done the waiting.
            let nothing_under_way = self.to_open.is_empty() && self.connecting == 0;
            let now = self.turn(buffers, if nothing_under_way { 0 } else { u64::MAX })?;
            if let Some(kind) = self.first_failure.filter(|kind| kind.is_own_limit()) {
                return Err(crate::limit::reached(kind, self.established, self.plan));
            }
            if self.established > progress.0 {
                progress = (self.established, now);
            } else if now - progress.1 > self.plan.timeout_ns {
                // The rest would take as long, a handful at a time.
                let rest: Vec<usize> = held_back.drain(..).chain(self.to_open.drain(..)).collect();
                for connection in rest {
                    self.on_connect_failed(connection, ErrorKind::Timeout);
                }
            }
        }
        self.opened = true;
        Ok(Opened {
            established: self.established,
            first_failure: self.first_failure,
            queue_stuck: gate.is_stuck,
        })
    }

    /// Whether there are connections to open and room for their handshakes.
    pub(crate) fn may_connect(&self) -> bool {
        self.connecting < CONNECTS_MAX && !self.to_open.is_empty()
    }

    pub(crate) fn open_some(&mut self, now: u64) {
        while self.may_connect() {
            let Some(connection) = self.to_open.pop_front() else { return };
            match self.connect(connection) {
                Ok(socket) => {
                    self.connections[connection].phase =
                        Phase::Connecting { socket, since_ns: now };
                    self.connecting += 1;
                }
                Err(errno) => self.on_connect_failed(connection, ErrorKind::of(errno)),
            }
        }
    }

    /// Begins a handshake and registers the socket, once and for all.
    fn connect(&self, connection: usize) -> Result<OwnedFd, Errno> {
        let plan = self.plan;
        let family = if plan.addr.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
        set_tcp_nodelay(&socket, true)?;
        if let Some(source) = plan.source(self.connections[connection].id) {
            // The port is chosen at connect, when the destination is known; otherwise a port serves one destination.
            nix::sys::socket::setsockopt(
                &socket,
                nix::sys::socket::sockopt::IpBindAddressNoPort,
                &true,
            )
            .map_err(|errno| Errno::from_io_error(&errno.into()).unwrap_or(Errno::INVAL))?;
            bind(&socket, &source)?;
        }
        match connect(&socket, &plan.addr) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(errno) => return Err(errno),
        }
        let interest = epoll::EventFlags::IN
            | epoll::EventFlags::OUT
            | epoll::EventFlags::RDHUP
            | epoll::EventFlags::ET;
        epoll::add(&self.poll, &socket, epoll::EventData::new_u64(count(connection)), interest)?;
        Ok(socket)
    }

    /// The handshake is over, one way or the other.
    pub(crate) fn on_connect(&mut self, connection: usize, flags: epoll::EventFlags) {
        let slot = &mut self.connections[connection];
        let Phase::Connecting { socket, .. } = &slot.phase else { return };
        if flags.intersects(epoll::EventFlags::ERR | epoll::EventFlags::HUP) {
            let kind = match socket_error(socket) {
                Ok(Err(errno)) | Err(errno) => ErrorKind::of(errno),
                Ok(Ok(())) => ErrorKind::Reset,
            };
            return self.on_connect_failed(connection, kind);
        }
        if let Phase::Connecting { socket, .. } = std::mem::replace(&mut slot.phase, Phase::Waiting)
        {
            slot.phase = Phase::Open(socket);
        }
        self.connecting -= 1;
        self.established += 1;
        self.tally.reopened += u64::from(self.opened);
        self.on_free(connection, count(self.plan.depth), now_ns());
    }

    /// A connection could not be opened, or not again: it is dead.
    fn on_connect_failed(&mut self, connection: usize, kind: ErrorKind) {
        let slot = &mut self.connections[connection];
        if matches!(slot.phase, Phase::Connecting { .. }) {
            self.connecting -= 1;
        }
        slot.phase = Phase::Dead;
        self.living -= usize::from(slot.active);
        self.tally.error(kind, 1, self.window.is_open());
        if self.opened {
            self.tally.dead += 1;
        } else if self.first_failure.is_none() || kind.is_own_limit() {
            self.first_failure = Some(kind);
        }
    }

    /// Ends what takes too long: handshakes, and connections whose oldest request has waited for the timeout.
    pub(crate) fn sweep(&mut self, now: u64) {
        let timeout_ns = self.plan.timeout_ns;
        self.next_sweep_ns = now + (timeout_ns / 8).clamp(SWEEP_NS.0, SWEEP_NS.1);
        for connection in 0..self.connections.len() {
            let slot = &self.connections[connection];
            match slot.phase {
                Phase::Connecting { since_ns, .. } if now.saturating_sub(since_ns) > timeout_ns => {
                    self.on_connect_failed(connection, ErrorKind::Timeout);
                }
                Phase::Open(_) if slot.in_flight() > 0 => {
                    let (_, sent_ns) = self.flights.started(connection, slot.answered);
                    if now.saturating_sub(sent_ns) > timeout_ns {
                        self.on_broken(connection, ErrorKind::Timeout);
                    }
                }
                _ => {}
            }
        }
    }
}
