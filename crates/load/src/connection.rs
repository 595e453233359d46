//! One connection, as small as can be: ten thousand of them are touched in random order.

use rustix::fd::OwnedFd;

/// A connection's slot; the slot stays when the connection breaks.
#[derive(Debug)]
pub(crate) struct Connection<S> {
    pub(crate) phase: Phase,
    /// Whether it sends; otherwise it is held open and idle.
    pub(crate) active: bool,
    /// Its sockets so far: an event of an earlier one is none of this one's.
    pub(crate) generation: u32,
    /// Churn: failures to open it in a row.
    pub(crate) failures: u8,
    /// Its number over all threads: names its payloads.
    pub(crate) id: u64,
    /// Requests since the run began; also the number of the next one, so that no two are alike.
    pub(crate) asked: u64,
    /// Requests of which the answer came, or was lost.
    pub(crate) answered: u64,
    /// The first request that is not wholly written, and how much of it is.
    pub(crate) writing: u64,
    pub(crate) offset: usize,
    /// Verified answers in the window.
    pub(crate) verified: u64,
    /// What the protocol remembers of an incomplete answer.
    pub(crate) state: S,
}

/// Where a connection is in its life.
#[derive(Debug)]
pub(crate) enum Phase {
    /// To be opened, for the first time or again; with churn, when its next request is due.
    Waiting,
    /// The handshake is under way since `since_ns`.
    Connecting { socket: OwnedFd, since_ns: u64 },
    /// Open.
    Open(OwnedFd),
    /// Churn: answered, and waiting since `since_ns` for the server to close.
    Closing { socket: OwnedFd, since_ns: u64 },
    /// It could not be opened; the reason was counted.
    Dead,
}

impl<S: Default> Connection<S> {
    pub(crate) fn new(id: u64, active: bool) -> Self {
        Self {
            phase: Phase::Waiting,
            active,
            generation: 0,
            failures: 0,
            id,
            asked: 0,
            answered: 0,
            writing: 0,
            offset: 0,
            verified: 0,
            state: S::default(),
        }
    }

    pub(crate) fn in_flight(&self) -> u64 {
        self.asked - self.answered
    }

    /// Whether part of a request still has to be written.
    pub(crate) fn is_writing(&self) -> bool {
        self.writing < self.asked
    }

    /// The socket took `bytes` of requests, of which each has its `size`.
    pub(crate) fn wrote(&mut self, bytes: usize, size: impl Fn(u64) -> usize) {
        self.offset += bytes;
        // Nearly always one whole request: no division.
        while self.offset >= size(self.writing) {
            self.offset -= size(self.writing);
            self.writing += 1;
        }
    }

    /// Gives up what is in flight and begins a new life; returns how many requests were lost.
    pub(crate) fn reset(&mut self, phase: Phase) -> u64 {
        let lost = self.in_flight();
        self.answered = self.asked;
        self.writing = self.asked;
        self.offset = 0;
        self.state = S::default();
        self.phase = phase;
        lost
    }
}

/// When each request in flight was due and sent: a ring for each connection, as long as the pipeline is deep.
#[derive(Debug)]
pub(crate) struct Flights {
    depth: usize,
    /// All requests in flight.
    pub(crate) count: u64,
    sent_ns: Vec<u64>,
    /// Empty in a closed loop, where a request is due when it is sent.
    due_ns: Vec<u64>,
}

impl Flights {
    pub(crate) fn new(connections: usize, depth: usize, open_loop: bool) -> Self {
        let places = connections * depth;
        Self {
            depth,
            count: 0,
            sent_ns: vec![0; places],
            due_ns: vec![0; if open_loop { places } else { 0 }],
        }
    }

    pub(crate) fn start(&mut self, connection: usize, message: u64, due_ns: u64, sent_ns: u64) {
        let place = self.place(connection, message);
        self.sent_ns[place] = sent_ns;
        if let Some(due) = self.due_ns.get_mut(place) {
            *due = due_ns;
        }
        self.count += 1;
    }

    /// When a request in flight was due and sent.
    pub(crate) fn started(&self, connection: usize, message: u64) -> (u64, u64) {
        let place = self.place(connection, message);
        let sent_ns = self.sent_ns[place];
        (self.due_ns.get(place).copied().unwrap_or(sent_ns), sent_ns)
    }

    fn place(&self, connection: usize, message: u64) -> usize {
        // The usual depth needs no division.
        if self.depth == 1 {
            return connection;
        }
        connection * self.depth + crate::number::index(message % crate::number::count(self.depth))
    }
}
