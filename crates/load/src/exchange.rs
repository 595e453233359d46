//! What happens on an open connection: asking, taking answers, and the ways in which it ends.

use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use crate::clock::now_ns;
use crate::connection::Phase;
use crate::engine::{Engine, Free};
use crate::error::ErrorKind;
use crate::number::count;
use crate::protocol::{Answer, Ask, Asked, Protocol, Taken};
use crate::tally::Exchange;

/// Reads in a row for one connection: a server that sends without end must not keep the others waiting.
const READS_MAX: usize = 16;

impl<P: Protocol> Engine<'_, P> {
    /// A socket is ready.
    pub(crate) fn on_event(&mut self, connection: usize, flags: EventFlags, incoming: &mut [u8]) {
        match self.connections[connection].phase {
            Phase::Connecting { .. } => self.on_connect(connection, flags),
            Phase::Open(_) => {}
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
            let Phase::Open(socket) = &self.connections[connection].phase else { return };
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
        if now >= self.window.end_ns {
            self.close_window(self.window.end_ns);
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
            None if self.window.is_open() => {
                slot.verified += 1;
                let exchange =
                    Exchange { due_ns, sent_ns, answered_ns: now, body_bytes: answer.body_bytes };
                self.tally.verified(exchange, self.window.start_ns);
            }
            None => {}
        }
    }

    /// A connection has room for `room` requests: they go out at once, or when the schedule says so.
    pub(crate) fn on_free(&mut self, connection: usize, room: u64, now: u64) {
        let slot = &self.connections[connection];
        if !self.asking || !slot.active || !matches!(slot.phase, Phase::Open(_)) {
            return;
        }
        if self.plan.open_loop() {
            self.free.extend((0..room).map(|_| Free { connection, since_ns: now }));
            self.send_due(now);
        } else {
            let claimed = self.claim(room);
            if claimed > 0 {
                self.ask(connection, claimed, None);
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
            if let (Some(late), true) = (&mut self.tally.late_while_free, self.window.is_open()) {
                late.saturating_record(now_ns().saturating_sub(due_ns.max(free.since_ns)));
            }
            self.ask(free.connection, 1, Some(due_ns));
        }
    }

    fn next_free(&mut self) -> Option<Free> {
        let depth = count(self.plan.depth);
        loop {
            let free = self.free.pop_front()?;
            let slot = &self.connections[free.connection];
            if matches!(slot.phase, Phase::Open(_)) && slot.in_flight() < depth {
                return Some(free);
            }
        }
    }

    /// Requests that may be sent, of `wanted`: all, unless their number is given.
    fn claim(&self, wanted: u64) -> u64 {
        if self.claiming { self.signals.claim(wanted) } else { wanted }
    }

    fn ask(&mut self, connection: usize, requests: u64, due_ns: Option<u64>) {
        let slot = &mut self.connections[connection];
        let sent_ns = now_ns();
        for message in slot.asked..slot.asked + requests {
            self.flights.start(connection, message, due_ns.unwrap_or(sent_ns), sent_ns);
        }
        slot.asked += requests;
        self.tally.requests_sent += requests;
        self.write(connection);
    }

    /// Writes what is to be written, as far as the socket takes it; its next event goes on.
    fn write(&mut self, connection: usize) {
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
                    slot.wrote(sent, protocol.request_size());
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
        if slot.in_flight() == 0 {
            return self.on_broken(connection, ErrorKind::Closed);
        }
        match self.plan.protocol.end(&mut slot.state) {
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
    }

    /// The connection broke: each request in flight is lost, and where there was none the connection itself is.
    pub(crate) fn on_broken(&mut self, connection: usize, kind: ErrorKind) {
        let lost = self.close(connection).max(1);
        self.tally.error(kind, lost, self.window.is_open());
        if !self.opened {
            self.first_failure.get_or_insert(kind);
        }
    }

    /// Closes a connection, to be opened again; returns the requests that were in flight.
    fn close(&mut self, connection: usize) -> u64 {
        let slot = &mut self.connections[connection];
        let lost = slot.reset(if self.opened { Phase::Waiting } else { Phase::Dead });
        self.flights.count -= lost;
        self.established -= 1;
        if self.opened {
            self.to_open.push_back(connection);
        } else {
            // A server that hangs up on everyone would otherwise be called without end before anything is asked.
            self.living -= usize::from(slot.active);
        }
        lost
    }
}
