//! Opening connections: at the pace that was asked for, each failure with its name.

use std::collections::VecDeque;

use rustix::event::epoll;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::sockopt::{set_socket_recv_buffer_size, set_tcp_nodelay, socket_error};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, ipproto, socket_with};
use serde::{Deserialize, Serialize};

use crate::clock::now_ns;
use crate::connection::Phase;
use crate::engine::{Buffers, Engine};
use crate::error::{Error, ErrorKind};
use crate::gate::{CONNECTS_MAX, Gate};
use crate::life::Opening;
use crate::number::count;
use crate::plan::Plan;
use crate::protocol::Protocol;

/// Bounds of the time between two looks for what takes too long.
const SWEEP_NS: (u64, u64) = (5_000_000, 100_000_000);
/// Churn: how long a connection that could not be opened rests, the first time; doubled each time after.
const RETRY_NS: u64 = 10_000_000;
/// Churn: failures in a row that make a connection dead. Together they last longer than a port that the kernel keeps
/// back for a second.
const FAILURES_MAX: u8 = 8;

/// Receive buffer of a slow reader, bytes; the kernel doubles it, and has a least of its own near that.
const RECEIVE_SIZE_SMALL: usize = 2048;

/// Names the connection and which of its sockets.
pub(crate) fn event_data(connection: usize, generation: u32) -> epoll::EventData {
    epoll::EventData::new_u64(u64::from(generation) << 32 | count(connection))
}

/// Makes a socket that connects, and registers it, once and for all; `is_small` gives it a receive buffer as small as can
/// be.
pub(crate) fn open_socket<P>(
    plan: &Plan<P>,
    poll: &OwnedFd,
    id: u64,
    (data, interest): (epoll::EventData, epoll::EventFlags),
    is_small: bool,
) -> Result<OwnedFd, Errno> {
    let family = if plan.addr.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
    set_tcp_nodelay(&socket, true)?;
    if is_small {
        // The window is agreed upon in the handshake.
        set_socket_recv_buffer_size(&socket, RECEIVE_SIZE_SMALL)?;
    }
    if let Some(source) = plan.source(id) {
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
    epoll::add(poll, &socket, data, interest)?;
    Ok(socket)
}

/// What the opening came to in one thread.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Opened {
    pub(crate) established: usize,
    pub(crate) first_failure: Option<ErrorKind>,
    /// The server stopped accepting.
    pub(crate) queue_stuck: bool,
    /// When it began, and when the last connection was established and greeted.
    pub(crate) begun_ns: u64,
    pub(crate) established_ns: u64,
    pub(crate) greeted_ns: u64,
    /// Connections that got their first answer.
    pub(crate) greeted: usize,
}

/// When one thread closed its connections.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Closed {
    pub(crate) begun_ns: u64,
    pub(crate) ended_ns: u64,
}

impl<P: Protocol> Engine<'_, P> {
    /// Closes all connections of this thread, at the end.
    pub(crate) fn close_all(&mut self) -> Closed {
        let begun_ns = now_ns();
        for slot in &mut self.connections {
            slot.phase = Phase::Dead;
        }
        self.trickle.close_all();
        Closed { begun_ns, ended_ns: now_ns() }
    }

    /// Opens all connections of this thread.
    pub(crate) fn open(&mut self, buffers: &mut Buffers) -> Result<(), Error> {
        let begun_ns = now_ns();
        self.opening.begun_ns = begun_ns;
        self.opening.established_ns = begun_ns;
        self.opening.greeted_ns = begun_ns;
        let mut progress = (0, begun_ns);
        let mut gate = Gate::new(self.plan, self.thread, begun_ns);
        let mut held_back: VecDeque<usize> = (0..self.connections.len()).collect();
        while !held_back.is_empty() || self.is_opening() {
            if self.signals.stopped() {
                return Err(Error::Interrupted);
            }
            if !held_back.is_empty() {
                let admitted = gate.admits(self.to_open.len(), now_ns());
                self.to_open.extend(held_back.drain(..held_back.len().min(admitted)));
            }
            let under_way = self.to_open.len() + self.connecting;
            let wake_ns = if held_back.is_empty() { u64::MAX } else { gate.wake_ns(under_way) };
            let now = self.turn(buffers, wake_ns)?;
            if let Some(kind) = self.opening.first_failure.filter(|kind| kind.is_own_limit()) {
                return Err(crate::limit::reached(kind, self.established, self.plan));
            }
            let done = self.established + self.opening.greeted;
            let waits_for_the_clock = matches!(gate, Gate::Rate(_)) && under_way == 0;
            if done > progress.0 || waits_for_the_clock {
                progress = (done, now);
            } else if now - progress.1 > self.plan.timeout_ns {
                // The rest would take as long, a handful at a time.
                let rest: Vec<usize> = held_back.drain(..).chain(self.to_open.drain(..)).collect();
                for connection in rest {
                    self.on_connect_failed(connection, ErrorKind::Timeout);
                }
            }
        }
        self.open_slow(buffers)?;
        self.opened = true;
        self.opening.established = self.established;
        self.opening.queue_stuck = gate.is_stuck();
        Ok(())
    }

    /// Whether handshakes or first answers are under way.
    fn is_opening(&self) -> bool {
        !self.to_open.is_empty() || self.connecting > 0 || self.flights.count > 0
    }

    /// Whether there are connections to open and room for their handshakes.
    pub(crate) fn may_connect(&self) -> bool {
        // What breaks later is opened again without haste, however the opening was.
        let is_gated = self.opened || self.plan.opening == Opening::Gated;
        !self.to_open.is_empty() && (self.connecting < CONNECTS_MAX || !is_gated)
    }

    pub(crate) fn open_some(&mut self) {
        while self.may_connect() {
            let Some(connection) = self.to_open.pop_front() else { return };
            self.dial(connection);
        }
    }

    /// Begins a handshake.
    pub(crate) fn dial(&mut self, connection: usize) {
        let since_ns = now_ns();
        match self.connect(connection) {
            Ok(socket) => {
                self.connections[connection].phase = Phase::Connecting { socket, since_ns };
                self.connecting += 1;
                self.tally.connects += 1;
            }
            Err(errno) => self.on_connect_failed(connection, ErrorKind::of(errno)),
        }
    }

    fn connect(&mut self, connection: usize) -> Result<OwnedFd, Errno> {
        let interest = epoll::EventFlags::IN
            | epoll::EventFlags::OUT
            | epoll::EventFlags::RDHUP
            | epoll::EventFlags::ET;
        let slot = &mut self.connections[connection];
        slot.generation = slot.generation.wrapping_add(1);
        let data = event_data(connection, slot.generation);
        open_socket(self.plan, &self.poll, slot.id, (data, interest), false)
    }

    /// The handshake is over, one way or the other.
    pub(crate) fn on_connect(&mut self, connection: usize, flags: epoll::EventFlags) {
        let slot = &mut self.connections[connection];
        let Phase::Connecting { socket, since_ns } = &slot.phase else { return };
        if flags.intersects(epoll::EventFlags::ERR | epoll::EventFlags::HUP) {
            let kind = match socket_error(socket) {
                Ok(Err(errno)) | Err(errno) => ErrorKind::of(errno),
                Ok(Ok(())) => ErrorKind::Reset,
            };
            return self.on_connect_failed(connection, kind);
        }
        let (since_ns, now) = (*since_ns, now_ns());
        if let Phase::Connecting { socket, .. } = std::mem::replace(&mut slot.phase, Phase::Waiting)
        {
            slot.phase = Phase::Open(socket);
        }
        self.connecting -= 1;
        self.established += 1;
        self.tally.connect_time.saturating_record(now - since_ns);
        if !self.opened {
            self.opening.established_ns = now;
            if self.plan.greet {
                return self.ask_as_of(connection, 1, None, since_ns);
            }
        } else if self.plan.churn.is_some() {
            if self.connections[connection].in_flight() > 0 {
                return self.write(connection);
            }
        } else {
            self.tally.reopened += 1;
        }
        self.on_free(connection, count(self.plan.depth), now);
    }

    /// The first answer of a connection, `took_ns` after its handshake began.
    pub(crate) fn on_greeted(&mut self, now: u64, took_ns: u64) {
        self.opening.greeted += 1;
        self.opening.greeted_ns = now;
        self.tally.greeting.saturating_record(took_ns);
    }

    /// A connection could not be opened, or not again: it is dead, or with churn, rests for a while.
    pub(crate) fn on_connect_failed(&mut self, connection: usize, kind: ErrorKind) {
        let slot = &mut self.connections[connection];
        if matches!(slot.phase, Phase::Connecting { .. }) {
            self.connecting -= 1;
        }
        slot.failures = slot.failures.saturating_add(1);
        let tries_again = self.opened && self.plan.churn.is_some() && slot.failures < FAILURES_MAX;
        let (failures, active) = (slot.failures, slot.active);
        // With churn it was a request's own.
        let lost = slot.reset(if tries_again { Phase::Waiting } else { Phase::Dead });
        self.flights.count -= lost;
        self.tally.requests_sent -= lost;
        self.tally.error(kind, 1, self.window.is_open());
        if tries_again {
            self.wake_later(connection, now_ns() + (RETRY_NS << (failures - 1)));
            return;
        }
        self.living -= usize::from(active);
        if self.opened {
            self.tally.dead += 1;
        } else if self.opening.first_failure.is_none() || kind.is_own_limit() {
            self.opening.first_failure = Some(kind);
        }
    }

    /// Ends what takes too long: handshakes, ends, and connections whose oldest request has waited for the timeout.
    pub(crate) fn sweep(&mut self, now: u64) {
        let timeout_ns = self.plan.timeout_ns;
        self.next_sweep_ns = now + (timeout_ns / 8).clamp(SWEEP_NS.0, SWEEP_NS.1);
        for connection in 0..self.connections.len() {
            let slot = &self.connections[connection];
            let is_late = |since_ns: u64| now.saturating_sub(since_ns) > timeout_ns;
            match slot.phase {
                Phase::Connecting { since_ns, .. } if is_late(since_ns) => {
                    self.on_connect_failed(connection, ErrorKind::Timeout);
                }
                Phase::Closing { since_ns, .. } if is_late(since_ns) => {
                    self.tally.error(ErrorKind::Timeout, 1, self.window.is_open());
                    self.hang_up(connection);
                }
                Phase::Open(_) if slot.in_flight() > 0 => {
                    let (_, sent_ns) = self.flights.started(connection, slot.answered);
                    if is_late(sent_ns) {
                        self.on_broken(connection, ErrorKind::Timeout);
                    }
                }
                _ => {}
            }
        }
    }
}
