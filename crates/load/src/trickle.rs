//! The slow connections of one thread: each takes its turn, so that one timer serves them all.
//!
//! ```text
//! turn of a connection:  not open: dial --> request not written: send a few bytes --> answer awaited: read a few bytes
//! ```
//!
//! What is in flight on them is not in the engine's accounts: a pause does not wait for them, they wait with it.

use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::sockopt::socket_error;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use crate::clock::now_ns;
use crate::connection::{Connection, Phase};
use crate::engine::{Buffers, Engine};
use crate::error::{Error, ErrorKind};
use crate::gate::Gate;
use crate::number::{count, ns};
use crate::open::{event_data, open_socket};
use crate::options::Pace;
use crate::pace::Schedule;
use crate::plan::{Plan, share};
use crate::protocol::{Ask, Asked, Protocol, Taken};
use crate::slow::{Slow, SlowSeen};

/// Reads in a row of a connection that is slow at writing alone.
const READS_MAX: usize = 16;

/// The slow connections of one thread.
#[derive(Debug)]
pub(crate) struct Trickle<S> {
    slow: Option<Slow>,
    connections: Vec<Connection<S>>,
    connecting: usize,
    /// When the next one has its turn; never, when there is none.
    schedule: Schedule,
    next: usize,
    seen: SlowSeen,
}

impl<S: Default> Trickle<S> {
    /// Those of `thread` among all; nothing opened yet. Their numbers follow those of the other connections.
    pub(crate) fn new<P>(plan: &Plan<P>, thread: usize) -> Self {
        let total = plan.slow.map_or(0, |slow| slow.connections);
        let number = |place| Connection::new(count(plan.connections) + place, false);
        let connections: Vec<_> = share(thread, plan.threads_total, total).map(number).collect();
        let seconds = plan.slow.map_or(1.0, |slow| slow.every.as_secs_f64());
        let pace = match connections.len() {
            0 => Pace::Closed,
            number => Pace::Rate(crate::number::float(count(number)) / seconds),
        };
        Self {
            slow: plan.slow,
            connections,
            connecting: 0,
            schedule: Schedule::new(pace, 0, 1, plan.seed),
            next: 0,
            seen: SlowSeen::default(),
        }
    }

    /// When there is something to do.
    pub(crate) fn next_ns(&self) -> u64 {
        self.schedule.next_ns
    }

    /// Goes on after a pause: nobody makes up for it.
    pub(crate) fn resume(&mut self, now: u64) {
        self.schedule.restart(now);
    }

    /// The window closes.
    pub(crate) fn note_open(&mut self) {
        let is_open = |slot: &&Connection<S>| matches!(slot.phase, Phase::Open(_));
        self.seen.trickling = count(self.connections.iter().filter(is_open).count());
    }

    pub(crate) fn take_seen(&mut self) -> SlowSeen {
        std::mem::take(&mut self.seen)
    }

    pub(crate) fn close_all(&mut self) {
        for slot in &mut self.connections {
            slot.phase = Phase::Dead;
        }
    }

    /// Whose turn it is, if it has come.
    fn take_turn(&mut self, now: u64) -> Option<usize> {
        if self.schedule.next_ns > now {
            return None;
        }
        self.schedule.advance();
        let place = self.next;
        self.next = (place + 1) % self.connections.len();
        Some(place)
    }

    /// After a delay of more than a whole round they go on from here, or they would all come at once.
    fn forgive(&mut self, now: u64) {
        let round_ns = self.slow.map_or(0, |slow| ns(slow.every));
        if self.schedule.next_ns.saturating_add(round_ns) < now {
            self.schedule.restart(now);
            self.seen.fell_behind += 1;
        }
    }
}

impl<P: Protocol> Engine<'_, P> {
    /// Opens the slow connections, after the others and in the same way; one that does not open is counted, and tried
    /// again when its turn comes.
    pub(crate) fn open_slow(&mut self, buffers: &mut Buffers) -> Result<(), Error> {
        let mut progress = (0, now_ns());
        let mut gate = Gate::new(self.plan, self.thread, progress.1);
        let total = self.trickle.connections.len();
        let mut next = 0;
        while next < total || self.trickle.connecting > 0 {
            if self.signals.stopped() {
                return Err(Error::Interrupted);
            }
            let mut wake_ns = u64::MAX;
            if next < total {
                let admitted = gate.admits(self.trickle.connecting, now_ns());
                let last = total.min(next.saturating_add(admitted));
                (next..last).for_each(|place| self.dial_slow(place));
                next = last;
                wake_ns = gate.wake_ns(self.trickle.connecting);
            }
            let now = self.turn(buffers, wake_ns)?;
            let own = self.trickle.seen.errors.keys().find(|kind| kind.is_own_limit());
            if let Some(kind) = own.copied() {
                let opened = self.established + crate::number::index(self.trickle.seen.opened);
                return Err(crate::limit::reached(kind, opened, self.plan));
            }
            let done = next - self.trickle.connecting;
            let waits_for_the_clock = matches!(gate, Gate::Rate(_)) && self.trickle.connecting == 0;
            if done > progress.0 || waits_for_the_clock {
                progress = (done, now);
            } else if now - progress.1 > self.plan.timeout_ns {
                break;
            }
        }
        Ok(())
    }

    fn dial_slow(&mut self, place: usize) {
        let Some(Slow { kind, .. }) = self.trickle.slow else { return };
        let slot = &mut self.trickle.connections[place];
        slot.generation = slot.generation.wrapping_add(1);
        // Readers take the bytes when they want: no word of them is needed.
        let arrival = if kind.reads() { EventFlags::empty() } else { EventFlags::IN };
        let data = event_data(self.connections.len() + place, slot.generation);
        let interest = arrival | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        let opened = open_socket(self.plan, &self.poll, slot.id, (data, interest), kind.reads());
        match opened {
            Ok(socket) => {
                slot.phase = Phase::Connecting { socket, since_ns: now_ns() };
                self.trickle.connecting += 1;
            }
            Err(errno) => self.trickle.seen.error(ErrorKind::of(errno)),
        }
    }

    /// A slow connection's socket is ready.
    pub(crate) fn on_slow_event(
        &mut self,
        place: usize,
        generation: u64,
        flags: EventFlags,
        incoming: &mut [u8],
    ) {
        let Some(slot) = self.trickle.connections.get_mut(place) else { return };
        if u64::from(slot.generation) != generation {
            return;
        }
        let failed = flags.intersects(EventFlags::ERR | EventFlags::HUP);
        let may_read = self.trickle.slow.is_some_and(|slow| !slow.kind.reads());
        match &slot.phase {
            // What came before a failure is read first.
            Phase::Open(_) if may_read => self.read_slow(place, incoming, READS_MAX),
            Phase::Connecting { socket, .. } | Phase::Open(socket) if failed => {
                let kind = match socket_error(socket) {
                    Ok(Err(errno)) | Err(errno) => ErrorKind::of(errno),
                    Ok(Ok(())) => ErrorKind::Reset,
                };
                self.on_slow_broken(place, kind);
            }
            Phase::Connecting { .. } => {
                self.trickle.connecting -= 1;
                self.trickle.seen.opened += 1;
                if let Phase::Connecting { socket, .. } =
                    std::mem::replace(&mut slot.phase, Phase::Waiting)
                {
                    slot.phase = Phase::Open(socket);
                }
            }
            _ => {}
        }
    }

    /// Gives those their turn whose time has come, `turns_max` at most: the other connections must not wait.
    pub(crate) fn trickle_on(&mut self, now: u64, turns_max: usize, incoming: &mut [u8]) {
        for _ in 0..turns_max {
            let Some(place) = self.trickle.take_turn(now) else { return };
            self.on_turn(place, now, incoming);
        }
        self.trickle.forgive(now);
    }

    fn on_turn(&mut self, place: usize, now: u64, incoming: &mut [u8]) {
        let Some(Slow { kind, bytes: few, .. }) = self.trickle.slow else { return };
        let timeout_ns = self.plan.timeout_ns;
        let slot = &mut self.trickle.connections[place];
        match slot.phase {
            Phase::Open(_) => {}
            Phase::Connecting { since_ns, .. } => {
                if now.saturating_sub(since_ns) > timeout_ns {
                    self.on_slow_broken(place, ErrorKind::Timeout);
                }
                return;
            }
            _ => return self.dial_slow(place),
        }
        if slot.in_flight() == 0 {
            slot.asked += 1;
        }
        if slot.is_writing() {
            self.write_slow(place, if kind.writes() { few } else { usize::MAX });
        } else if kind.reads() {
            let room = few.min(incoming.len());
            self.read_slow(place, &mut incoming[..room], 1);
        } else {
            self.read_slow(place, incoming, READS_MAX);
        }
    }

    fn write_slow(&mut self, place: usize, bytes_max: usize) {
        let protocol = &self.plan.protocol;
        let slot = &mut self.trickle.connections[place];
        let Phase::Open(socket) = &slot.phase else { return };
        let (message, offset) = (slot.writing, slot.offset);
        let ask = Ask { connection: slot.id, message, offset, requests: 1 };
        let bytes = protocol.requests(&mut self.outgoing, ask);
        match send(socket, &bytes[..bytes.len().min(bytes_max)], SendFlags::NOSIGNAL) {
            Ok(sent) => {
                slot.wrote(sent, |message| protocol.request_size(ask.connection, message));
            }
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(errno) => self.on_slow_broken(place, ErrorKind::of(errno)),
        }
    }

    fn read_slow(&mut self, place: usize, buffer: &mut [u8], reads: usize) {
        for _ in 0..reads {
            let Phase::Open(socket) = &self.trickle.connections[place].phase else { return };
            match recv(socket, &mut *buffer, RecvFlags::empty()) {
                Ok((_, 0)) => return self.on_slow_end(place),
                Ok((_, read)) => self.on_slow_bytes(place, &buffer[..read]),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(errno) => return self.on_slow_broken(place, ErrorKind::of(errno)),
            }
        }
    }

    fn on_slow_bytes(&mut self, place: usize, bytes: &[u8]) {
        let slot = &mut self.trickle.connections[place];
        let (id, message, requests) = (slot.id, slot.answered, slot.in_flight());
        let mut input = bytes;
        let taken = if requests == 0 {
            Taken::Broken(ErrorKind::Extra)
        } else {
            let asked = Asked { connection: id, message, requests };
            self.plan.protocol.take(&mut slot.state, asked, &mut input)
        };
        let seen = &mut self.trickle.seen;
        let goes_on = match taken {
            Taken::Part => true,
            Taken::Broken(kind) => {
                seen.error(kind);
                false
            }
            Taken::Answer(answer) => {
                // Before the request was complete, or with something behind it, it is more than was asked for.
                let is_extra = slot.is_writing() || !input.is_empty();
                slot.answered += 1;
                let fault = answer.fault.or(is_extra.then_some(ErrorKind::Extra));
                seen.answer(fault, answer.keep_alive);
                answer.keep_alive && !is_extra
            }
        };
        if !goes_on {
            slot.reset(Phase::Waiting);
        }
    }

    /// The server will send no more.
    fn on_slow_end(&mut self, place: usize) {
        let slot = &mut self.trickle.connections[place];
        let (id, message, requests) = (slot.id, slot.answered, slot.in_flight());
        let asked = Asked { connection: id, message, requests };
        let is_whole = requests > 0 && !slot.is_writing();
        match is_whole.then(|| self.plan.protocol.end(&mut slot.state, asked)) {
            Some(Taken::Answer(answer)) => {
                self.trickle.seen.answer(answer.fault, false);
                slot.reset(Phase::Waiting);
            }
            Some(Taken::Broken(kind)) => self.on_slow_broken(place, kind),
            Some(Taken::Part) => self.on_slow_broken(place, ErrorKind::Short),
            None => self.on_slow_broken(place, ErrorKind::Closed),
        }
    }

    /// A slow connection is lost, or did not come about.
    fn on_slow_broken(&mut self, place: usize, kind: ErrorKind) {
        let trickle = &mut self.trickle;
        let slot = &mut trickle.connections[place];
        match slot.phase {
            Phase::Connecting { .. } => trickle.connecting -= 1,
            _ => trickle.seen.cut_off += 1,
        }
        trickle.seen.error(kind);
        slot.reset(Phase::Waiting);
    }
}
