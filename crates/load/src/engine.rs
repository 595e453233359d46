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

use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustix::fd::OwnedFd;
use rustix::io::Errno;

use crate::clock::{now_ns, timespec};
use crate::connection::{Connection, Flights};
use crate::error::Error;
use crate::number::{count, index};
use crate::open::Opened;
use crate::options::Pace;
use crate::pace::Schedule;
use crate::plan::{Gauge, Plan, Signals, share};
use crate::protocol::Protocol;
use crate::random::mix;
use crate::rest::Rests;
use crate::tally::Tally;
use crate::trickle::Trickle;
use crate::window::Window;
use crate::worker::Part;

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
    /// Its number among the threads of all processes.
    pub(crate) thread: usize,
    pub(crate) pace: Pace,
    /// What the steps before have answered and lost.
    told: (u64, u64),
    pub(crate) signals: &'a Signals<'a>,
    pub(crate) gauge: &'a Gauge,
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
    /// Churn: connections that wait for the server to close.
    pub(crate) closing: usize,
    /// Connections at rest.
    pub(crate) rests: Rests,
    /// Those that are slow.
    pub(crate) trickle: Trickle<P::State>,
    /// Active connections that are not dead.
    pub(crate) living: usize,
    /// Whether the first opening is over: from then on, what breaks is opened again.
    pub(crate) opened: bool,
    pub(crate) opening: Opened,
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
        let thread = plan.first_thread + thread;
        let connections: Vec<Connection<P::State>> =
            share(thread, plan.threads_total, plan.connections)
                .map(|id| Connection::new(id, plan.active[index(id)]))
                .collect();
        Ok(Self {
            plan,
            thread,
            pace: Pace::Closed,
            told: (0, 0),
            signals,
            gauge,
            poll,
            flights: Flights::new(connections.len(), plan.depth, plan.any_open),
            tally: Tally::new(false),
            window: Window::default(),
            schedule: Schedule::new(Pace::Closed, thread, plan.threads_total, plan.seed),
            free: VecDeque::new(),
            to_open: VecDeque::new(),
            connecting: 0,
            established: 0,
            closing: 0,
            rests: Rests::new(mix(plan.seed ^ 0x7417_0E4E ^ count(thread))),
            trickle: Trickle::new(plan, thread),
            living: connections.iter().filter(|connection| connection.active).count(),
            opened: false,
            opening: Opened::default(),
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
        let is_nothing_due = self.schedule.next_ns > now && self.trickle.next_ns() > now;
        if now >= self.next_sweep_ns {
            self.sweep(now);
        }
        self.open_some();
        if self.asking {
            self.wake_up(now);
            let starts_max = STARTS_MIN.max(buffers.events.len());
            self.start_some(starts_max);
            self.send_due(now);
            self.trickle_on(now, starts_max, &mut buffers.incoming);
        }
        buffers.events.clear();
        let patience_ns = self.patience_ns(now, wake_ns);
        let patience = timespec(patience_ns);
        match epoll::wait(&self.poll, spare_capacity(&mut buffers.events), Some(&patience)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(Error::io("failed to wait for sockets", "")(errno)),
        }
        let has_work = !buffers.events.is_empty() || !self.unread.is_empty();
        for connection in std::mem::take(&mut self.unread) {
            self.receive(connection, true, &mut buffers.incoming);
        }
        for place in 0..buffers.events.len() {
            let event = buffers.events[place];
            self.on_event(event.data.u64(), event.flags, &mut buffers.incoming);
        }
        self.publish();
        let end_ns = now_ns();
        if is_nothing_due && patience_ns == 0 && !has_work && self.is_open_loop() {
            self.window.polled(end_ns - now);
        }
        // Also when no answer comes.
        if self.window.is_cut(end_ns) {
            self.cut_or_close(end_ns);
        }
        Ok(end_ns)
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
        let until_rested = if self.asking {
            self.rests.next_ns().min(self.trickle.next_ns()).saturating_sub(now)
        } else {
            TICK_NS
        };
        wake_ns.saturating_sub(now).min(until_due).min(until_rested).min(TICK_NS)
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
        self.rests.clear();
        self.schedule.restart(now);
        self.trickle.resume(now);
        if self.is_open_loop() {
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
        let now = now_ns();
        if self.may_ask(connection) && !self.think(connection, room, now, true) {
            self.on_ready(connection, room, now);
        }
        self.connections[connection].active
    }

    fn publish(&self) {
        self.gauge.set(
            count(self.established),
            self.told.0 + self.tally.answers,
            self.told.1 + self.tally.errors_total(),
            self.flights.count,
        );
    }

    /// Whether requests are due by the clock and not by the answers.
    pub(crate) fn is_open_loop(&self) -> bool {
        self.pace != Pace::Closed
    }

    /// Takes up a new pace, paused.
    pub(crate) fn begin_step(&mut self, pace: Pace) {
        self.pace = pace;
        self.schedule = Schedule::new(pace, self.thread, self.plan.threads_total, self.plan.seed);
        self.tally.expect_pace(self.is_open_loop());
        self.window = Window::default();
        self.claiming = false;
    }

    /// What the step has to show, taken away.
    pub(crate) fn take_part(&mut self) -> Part {
        self.told.0 += self.tally.answers;
        self.told.1 += self.tally.errors_total();
        let verified = self.take_verified();
        let tally = std::mem::replace(&mut self.tally, Tally::new(false));
        let window = &self.window;
        Part {
            verified,
            duration_ns: window.duration_ns,
            cpu_ns: window.cpu_ns,
            polled_ns: window.polled_ns,
            preempted: window.preempted,
            edges_cpu_ns: window.edges_cpu_ns,
            edges_answers: window.edges_answers,
            interrupted: window.interrupted,
            all_dead: window.all_dead,
            slow: self.trickle.take_seen(),
            ..Part::of(tally)
        }
    }
}
