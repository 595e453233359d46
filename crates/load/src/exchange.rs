//! What happens on an open connection: asking, taking answers, and the ways in which it ends.

use std::time::Duration;

use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::sockopt::set_socket_linger;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use crate::clock::now_ns;
use crate::connection::Phase;
use crate::engine::{Engine, Free};
use crate::error::ErrorKind;
use crate::life::Churn;
use crate::number::{count, index};
use crate::protocol::{Answer, Ask, Asked, Protocol, Taken};
use crate::tally::Exchange;

/// Reads in a row for one connection: a server that sends without end must not keep the others waiting.
const READS_MAX: usize = 16;

impl<P: Protocol> Engine<'_, P> {
    /// A socket is ready; `data` is what it was registered with.
    pub(crate) fn on_event(&mut self, data: u64, flags: EventFlags, incoming: &mut [u8]) {
        let connection = index(data & u64::from(u32::MAX));
        let Some(slot) = self.connections.get(connection) else {
            // The slow ones are numbered after the others.
            let place = connection - self.connections.len();
            return self.on_slow_event(place, data >> 32, flags, incoming);
        };
        if u64::from(slot.generation) != data >> 32 {
            return;
        }
        match slot.phase {
            Phase::Connecting { .. } => self.on_connect(connection, flags),
            Phase::Open(_) | Phase::Closing { .. } => {}
            // It broke earlier in this turn.
            Phase::Waiting | Phase::Dead => return,
        }
        // A new connection may have been closed already, and this event was the only word of it.
        let ended = flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
        if ended || flags.contains(EventFlags::IN) {
            self.receive(connection, ended, incoming);
        }
        if self.connections[connection].is_writing() {
            self.write(connection);
        }
    }

    /// Reads until nothing is left. A read that does not fill the buffer has emptied the socket, and the next bytes
    /// will be an event; only the end of the connection, when it was announced with them, takes another read.
    pub(crate) fn receive(&mut self, connection: usize, ended: bool, incoming: &mut [u8]) {
        for _ in 0..READS_MAX {
            let (Phase::Open(socket) | Phase::Closing { socket, .. }) =
                &self.connections[connection].phase
            else {
                return;
            };
            match recv(socket, &mut *incoming, RecvFlags::empty()) {
                Ok((_, 0)) => return self.on_end(connection),
                Ok((_, read)) => {
                    self.on_bytes(connection, &incoming[..read], now_ns());
                    if read < incoming.len() && !ended {
                        return;
                    }
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(errno) => return self.on_broken(connection, ErrorKind::of(errno)),
            }
        }
        self.unread.push(connection);
    }

    /// Bytes arrived at `now`: takes the answers in them and asks again, once for all of them.
    fn on_bytes(&mut self, connection: usize, bytes: &[u8], now: u64) {
        if self.window.is_cut(now) {
            self.cut_or_close(now);
        }
        let plan = self.plan;
        let mut input = bytes;
        let mut answers = 0;
        loop {
            let slot = &mut self.connections[connection];
            let asked =
                Asked { connection: slot.id, message: slot.answered, requests: slot.in_flight() };
            if asked.requests == 0 {
                if input.is_empty() {
                    break;
                }
                return self.on_broken(connection, ErrorKind::Extra);
            }
            match plan.protocol.take(&mut slot.state, asked, &mut input) {
                Taken::Part => break,
                Taken::Answer(answer) => {
                    self.on_answer(connection, answer, now);
                    answers += 1;
                    if let Some(churn) = plan.churn {
                        return match input {
                            [] => self.on_only_answer(connection, churn, now),
                            _ => self.on_broken(connection, ErrorKind::Extra),
                        };
                    }
                    if !answer.keep_alive {
                        return self.on_last_answer(connection);
                    }
                }
                Taken::Broken(kind) => return self.on_broken(connection, kind),
            }
        }
        if answers > 0 {
            self.on_free(connection, answers, now);
        }
    }

    /// A complete answer, right or wrong, to the oldest request in flight.
    fn on_answer(&mut self, connection: usize, answer: Answer, now: u64) {
        let slot = &mut self.connections[connection];
        let (due_ns, sent_ns) = self.flights.started(connection, slot.answered);
        slot.answered += 1;
        self.flights.count -= 1;
        self.tally.answers += 1;
        self.last_answer_ns = now;
        self.slowest_ns = self.slowest_ns.max(now - sent_ns);
        match answer.fault {
            Some(kind) => self.tally.error(kind, 1, self.window.is_open()),
            None if !self.opened => self.on_greeted(now, now - sent_ns),
            None if self.window.is_open() => {
                slot.verified += 1;
                let exchange =
                    Exchange { due_ns, sent_ns, answered_ns: now, body_bytes: answer.body_bytes };
                self.tally.verified(exchange, self.window.start_ns);
            }
            None => {}
        }
    }

    /// A connection has room for `room` requests more; it may think before.
    pub(crate) fn on_free(&mut self, connection: usize, room: u64, now: u64) {
        if self.may_ask(connection) && !self.think(connection, room, now, false) {
            self.on_ready(connection, room, now);
        }
    }

    /// Whether a connection is one to ask on; with churn it need not be open.
    pub(crate) fn may_ask(&self, connection: usize) -> bool {
        let slot = &self.connections[connection];
        let is_there = match slot.phase {
            Phase::Open(_) => true,
            Phase::Waiting => self.plan.churn.is_some(),
            _ => false,
        };
        self.asking && slot.active && is_there
    }

    /// A connection is to ask `room` times: at once, or when the schedule says so.
    pub(crate) fn on_ready(&mut self, connection: usize, room: u64, now: u64) {
        // After a break a connection may be woken twice.
        let room = room.min(count(self.plan.depth) - self.connections[connection].in_flight());
        if room == 0 || !self.may_ask(connection) {
            return;
        }
        if self.is_open_loop() {
            self.free.extend((0..room).map(|_| Free { connection, since_ns: now }));
            self.send_due(now);
        } else {
            let claimed = self.claim(room);
            if claimed > 0 {
                self.ask(connection, claimed);
            }
        }
    }

    /// Open loops: sends what is due, oldest first, while a connection is free.
    pub(crate) fn send_due(&mut self, now: u64) {
        while self.schedule.next_ns <= now && self.schedule.next_ns < self.window.end_ns {
            let Some(free) = self.next_free() else { return };
            if self.claim(1) == 0 {
                return;
            }
            let due_ns = self.schedule.next_ns;
            self.schedule.advance();
            let sent_ns = now_ns();
            if self.window.is_open() {
                self.tally.sent_late(due_ns, free.since_ns, sent_ns);
            }
            self.ask_as_of(free.connection, 1, Some(due_ns), sent_ns);
        }
    }

    fn next_free(&mut self) -> Option<Free> {
        let depth = count(self.plan.depth);
        loop {
            let free = self.free.pop_front()?;
            let in_flight = self.connections[free.connection].in_flight();
            if self.may_ask(free.connection) && in_flight < depth {
                return Some(free);
            }
        }
    }

    /// Requests that may be sent, of `wanted`: all, unless their number is given.
    fn claim(&self, wanted: u64) -> u64 {
        if self.claiming { self.signals.claim(wanted) } else { wanted }
    }

    fn ask(&mut self, connection: usize, requests: u64) {
        self.ask_as_of(connection, requests, None, now_ns());
    }

    /// Asks, on a connection that is opened for it where it is not open.
    pub(crate) fn ask_as_of(
        &mut self,
        connection: usize,
        requests: u64,
        due_ns: Option<u64>,
        sent_ns: u64,
    ) {
        let slot = &mut self.connections[connection];
        for message in slot.asked..slot.asked + requests {
            self.flights.start(connection, message, due_ns.unwrap_or(sent_ns), sent_ns);
        }
        slot.asked += requests;
        self.tally.requests_sent += requests;
        match slot.phase {
            Phase::Waiting => self.dial(connection),
            _ => self.write(connection),
        }
    }

    /// Writes what is to be written, as far as the socket takes it; its next event goes on.
    pub(crate) fn write(&mut self, connection: usize) {
        let protocol = &self.plan.protocol;
        let slot = &mut self.connections[connection];
        let broken = loop {
            let Phase::Open(socket) = &slot.phase else { return };
            if !slot.is_writing() {
                return;
            }
            let requests = slot.asked - slot.writing;
            let ask =
                Ask { connection: slot.id, message: slot.writing, offset: slot.offset, requests };
            let bytes = protocol.requests(&mut self.outgoing, ask);
            match send(socket, bytes, SendFlags::NOSIGNAL) {
                Ok(sent) => {
                    let is_short = sent < bytes.len();
                    slot.wrote(sent, |message| protocol.request_size(ask.connection, message));
                    if is_short {
                        return;
                    }
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(errno) => break ErrorKind::of(errno),
            }
        };
        self.on_broken(connection, broken);
    }

    /// The server will send no more.
    fn on_end(&mut self, connection: usize) {
        let now = now_ns();
        let slot = &mut self.connections[connection];
        if matches!(slot.phase, Phase::Closing { .. }) {
            return self.hang_up(connection);
        }
        if slot.in_flight() == 0 {
            return self.on_broken(connection, ErrorKind::Closed);
        }
        let asked =
            Asked { connection: slot.id, message: slot.answered, requests: slot.in_flight() };
        match self.plan.protocol.end(&mut slot.state, asked) {
            Taken::Answer(answer) => {
                self.on_answer(connection, answer, now);
                self.on_last_answer(connection);
            }
            Taken::Broken(kind) => self.on_broken(connection, kind),
            Taken::Part => self.on_broken(connection, ErrorKind::Short),
        }
    }

    /// The server said that this answer is its last: no error, unless more was asked already.
    fn on_last_answer(&mut self, connection: usize) {
        let lost = self.close(connection);
        self.tally.error(ErrorKind::Closed, lost, self.window.is_open());
        self.on_free(connection, 1, now_ns());
    }

    /// Churn: the answer came that the connection was opened for.
    fn on_only_answer(&mut self, connection: usize, churn: Churn, now: u64) {
        let slot = &mut self.connections[connection];
        slot.failures = 0;
        if churn == Churn::Server {
            if let Phase::Open(socket) = std::mem::replace(&mut slot.phase, Phase::Waiting) {
                slot.phase = Phase::Closing { socket, since_ns: now };
                self.closing += 1;
            }
            return;
        }
        if let (Churn::Reset, Phase::Open(socket)) = (churn, &slot.phase) {
            // A socket that is already reset says no: then it is as it should be.
            let _reset = set_socket_linger(socket, Some(Duration::ZERO));
        }
        self.hang_up(connection);
    }

    /// Churn: the connection has served, and makes room for the next.
    pub(crate) fn hang_up(&mut self, connection: usize) {
        self.close(connection);
        self.on_free(connection, 1, now_ns());
    }

    /// The connection broke: each request in flight is lost, and where there was none the connection itself is.
    pub(crate) fn on_broken(&mut self, connection: usize, kind: ErrorKind) {
        let lost = self.close(connection).max(1);
        self.tally.error(kind, lost, self.window.is_open());
        if !self.opened {
            self.opening.first_failure.get_or_insert(kind);
        }
        self.on_free(connection, 1, now_ns());
    }

    /// Closes a connection, to be opened again; returns the requests that were in flight.
    fn close(&mut self, connection: usize) -> u64 {
        let slot = &mut self.connections[connection];
        self.closing -= usize::from(matches!(slot.phase, Phase::Closing { .. }));
        let lost = slot.reset(if self.opened { Phase::Waiting } else { Phase::Dead });
        self.flights.count -= lost;
        self.established -= 1;
        if self.opened {
            if self.plan.churn.is_none() {
                self.to_open.push_back(connection);
            }
        } else {
            // A server that hangs up on everyone would otherwise be called without end before anything is asked.
            self.living -= usize::from(slot.active);
        }
        lost
    }
}
