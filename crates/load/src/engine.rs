//! The loop of one thread: wait for sockets, take answers, ask again. The same loop opens, warms up, measures, drains.
//!
//! ```text
//!           +--> epoll_pwait2 --> connected: ask -----------------.
//!           |                 `-> readable:  take answers, ask ----+--> one send for all that is due
//!   sweep,  |                 `-> writable:  rest of a short send -'          |
//!   open, --+-----------------------------------------------------------------+
//!   send what is due
//! ```
//!
//! Sockets are registered once, edge-triggered, for both directions: no `epoll_ctl` after that.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;

use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustix::fd::OwnedFd;
use rustix::io::Errno;

use crate::clock::{now_ns, timespec};
use crate::connection::{Connection, Flights};
use crate::error::{Error, ErrorKind};
use crate::number::{count, index};
use crate::pace::Schedule;
use crate::plan::{Gauge, Plan, Signals, share};
use crate::protocol::Protocol;
use crate::tally::Tally;
use crate::window::Window;

/// Longest sleep: how late a signal from another thread may be noticed.
const TICK_NS: u64 = 10_000_000;
/// Events taken at once: 12 bytes each.
const EVENTS_MAX: usize = 1024;
/// Bytes read at once: one read empties any socket buffer with an ordinary answer in it.
const READ_SIZE: usize = 64 * 1024;
/// Connections started between two looks at the sockets, so that the first answers do not wait for the last request;
/// or as many as were ready at the last look, so that starting the rest takes no longer than serving those.
const STARTS_MIN: usize = 64;

/// One thread's connections and what it knows of them.
pub(crate) struct Engine<'a, P: Protocol> {
    pub(crate) plan: &'a Plan<P>,
    pub(crate) signals: &'a Signals<'a>,
    gauge: &'a Gauge,
    pub(crate) poll: OwnedFd,
    pub(crate) connections: Vec<Connection<P::State>>,
    pub(crate) flights: Flights,
    pub(crate) tally: Tally,
    pub(crate) window: Window,
    pub(crate) schedule: Schedule,
    /// Open loops: room for a request, the longest free first. May name a connection that has broken since.
    pub(crate) free: VecDeque<Free>,
    /// Connections to open, or to open again.
    pub(crate) to_open: VecDeque<usize>,
    pub(crate) connecting: usize,
    pub(crate) established: usize,
    /// Active connections that are not dead.
    pub(crate) living: usize,
    /// Whether the first opening is over: from then on, what breaks is opened again.
    pub(crate) opened: bool,
    pub(crate) first_failure: Option<ErrorKind>,
    /// Whether requests may be sent now.
    pub(crate) asking: bool,
    /// Whether there is a given number of them, of which each has to be claimed.
    pub(crate) claiming: bool,
    /// The next connection to start after a pause.
    next_start: usize,
    /// Connections that had more to read than their turn allowed.
    pub(crate) unread: Vec<usize>,
    /// What is being written.
    pub(crate) outgoing: Vec<u8>,
    pub(crate) last_answer_ns: u64,
    /// The longest time from send to answer since the last pause.
    pub(crate) slowest_ns: u64,
    pub(crate) next_sweep_ns: u64,
}

/// Room for one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Free {
    pub(crate) connection: usize,
    pub(crate) since_ns: u64,
}

/// The buffers of a thread, shared by all its connections. They are apart from the engine, so that bytes can be read
/// from one while the other changes.
pub(crate) struct Buffers {
    pub(crate) incoming: Vec<u8>,
    events: Vec<epoll::Event>,
}

impl Buffers {
    pub(crate) fn new() -> Self {
        Self { incoming: vec![0; READ_SIZE], events: Vec::with_capacity(EVENTS_MAX) }
    }
}

impl<'a, P: Protocol> Engine<'a, P> {
    /// Thread `thread` of `plan`, nothing opened yet.
    pub(crate) fn new(
        plan: &'a Plan<P>,
        signals: &'a Signals<'a>,
        gauge: &'a Gauge,
        thread: usize,
    ) -> Result<Self, Error> {
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)
            .map_err(Error::io("failed to create an epoll", "raise ulimit -n"))?;
        let connections: Vec<Connection<P::State>> =
            share(thread, plan.threads(), plan.connections)
                .map(|id| Connection::new(id, plan.active[index(id)]))
                .collect();
        let open_loop = plan.open_loop();
        Ok(Self {
            plan,
            signals,
            gauge,
            poll,
            flights: Flights::new(connections.len(), plan.depth, open_loop),
            tally: Tally::new(open_loop),
            window: Window::default(),
            schedule: Schedule::new(plan.pace, thread, plan.threads(), plan.seed),
            free: VecDeque::new(),
            to_open: VecDeque::new(),
            connecting: 0,
            established: 0,
            living: connections.iter().filter(|connection| connection.active).count(),
            opened: false,
            first_failure: None,
            asking: false,
            claiming: false,
            next_start: 0,
            unread: Vec::new(),
            outgoing: Vec::new(),
            last_answer_ns: 0,
            slowest_ns: 0,
            next_sweep_ns: 0,
            connections,
        })
    }

    /// One turn of the loop: does what is due, waits for sockets until `wake_ns` at most, serves those that are ready.
    /// Returns the time.
    pub(crate) fn turn(&mut self, buffers: &mut Buffers, wake_ns: u64) -> Result<u64, Error> {
        let now = now_ns();
        if now >= self.next_sweep_ns {
            self.sweep(now);
        }
        self.open_some(now);
        if self.asking {
            self.start_some(STARTS_MIN.max(buffers.events.len()));
            self.send_due(now);
        }
        buffers.events.clear();
        let patience = timespec(self.patience_ns(now, wake_ns));
        match epoll::wait(&self.poll, spare_capacity(&mut buffers.events), Some(&patience)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(Error::io("failed to wait for sockets", "")(errno)),
        }
        for connection in std::mem::take(&mut self.unread) {
            self.receive(connection, true, &mut buffers.incoming);
        }
        for place in 0..buffers.events.len() {
            let event = buffers.events[place];
            self.on_event(index(event.data.u64()), event.flags, &mut buffers.incoming);
        }
        self.publish();
        Ok(now_ns())
    }

    /// How long the sockets may be waited for.
    fn patience_ns(&self, now: u64, wake_ns: u64) -> u64 {
        let more_to_do = !self.unread.is_empty() || self.may_connect() || self.is_starting();
        if more_to_do {
            return 0;
        }
        let until_due = match self.free.front() {
            Some(_) if self.asking => {
                self.schedule.next_ns.saturating_sub(now).saturating_sub(self.plan.spin_ns)
            }
            _ => TICK_NS,
        };
        wake_ns.saturating_sub(now).min(until_due).min(TICK_NS)
    }

    /// Whether connections remain to be started after a pause.
    pub(crate) fn is_starting(&self) -> bool {
        self.asking && self.next_start < self.connections.len()
    }

    /// Lets requests flow. In a closed loop the connections start one after the other, in an open one by the clock.
    pub(crate) fn begin_asking(&mut self, now: u64) {
        self.asking = true;
        self.slowest_ns = 0;
        self.next_start = 0;
        self.free.clear();
        self.schedule.restart(now);
        if self.plan.open_loop() {
            while self.next_start < self.connections.len() {
                self.start_next();
            }
        }
    }

    fn start_some(&mut self, starts_max: usize) {
        let mut started = 0;
        while started < starts_max && self.next_start < self.connections.len() {
            started += usize::from(self.start_next());
        }
    }

    /// Starts the next connection, as deep as its pipeline has room; `false` when it is one that does not send.
    fn start_next(&mut self) -> bool {
        let connection = self.next_start;
        self.next_start += 1;
        let room = count(self.plan.depth) - self.connections[connection].in_flight();
        self.on_free(connection, room, now_ns());
        self.connections[connection].active
    }

    fn publish(&self) {
        self.gauge.established.store(count(self.established), Ordering::Relaxed);
        self.gauge.answers.store(self.tally.answers, Ordering::Relaxed);
        self.gauge.errors.store(self.tally.errors_total(), Ordering::Relaxed);
        self.gauge.in_flight.store(self.flights.count, Ordering::Relaxed);
    }
}
