//! The service, sans-IO: bytes in, steps out. It never blocks, sleeps, spawns or touches a socket.
//!
//! A model is nothing but a way to perform the steps:
//!
//! ```text
//!             +-----------------------------------------------------------+
//!             v                                                           |
//!   step() -> Read     -> received(bytes) | end_of_input() | expired() ---+
//!          -> Write    -> output() to the socket, wrote(n) ---------------+
//!          -> Wait     -> a non-blocking wait, then waited() -------------+
//!          -> Block    -> a blocking call, then waited() -----------------+
//!          -> Compute  -> computed(work.run()) ---------------------------+
//!          -> Shutdown -> shut the writing side down ---------------------+
//!          -> Close    -> done
//! ```
//!
//! Order is fixed: output produced before a wait, a blocking call or computing is written first, and requests
//! pipelined behind one are not looked at until it is finished. Buffers are bounded: `received` is called only when
//! the step is `Read`, which is never the step while much output waits.

use std::time::{Duration, Instant};

use crate::args::{Protocol, ServeOptions};
use crate::http::{self, Action, Parsed, Persistence, Reply};
use crate::in_flight::InFlight;
use crate::stop;
use crate::work::{Digest, Work};

/// Output beyond which the service asks for writing before it answers more: what one write to a socket may take.
pub const OUTPUT_LIMIT: usize = 64 * 1024;

/// Bytes thrown away from a client that was refused, before it is cut off: it may still be sending what was refused.
const LINGER_BYTES: usize = 1024 * 1024;
/// Time for the same.
const LINGER: Duration = Duration::from_secs(1);

/// What a model is to do next for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Read, and call [`Service::received`] or [`Service::end_of_input`].
    Read {
        /// When to call [`Service::expired`] instead. Set only while a request's head is incomplete, so that an idle
        /// connection arms no timer, and for the whole head, so that a byte now and then does not prolong it.
        deadline: Option<Instant>,
    },
    /// Write [`Service::output`], or as much as the socket takes, and call [`Service::wrote`].
    Write,
    /// Let this time pass without holding a thread (a slow upstream), then call [`Service::waited`].
    Wait(Duration),
    /// Block a thread for this time (a driver with no asynchronous version), then call [`Service::waited`].
    Block(Duration),
    /// Compute, and hand the digest to [`Service::computed`].
    Compute(Work),
    /// Shut the writing side down and go on: the client reads its refusal before it sees a reset. Said once.
    Shutdown,
    /// Close the connection.
    Close,
}

/// One connection's protocol state; small while the connection is idle.
#[derive(Debug)]
pub struct Service {
    protocol: Protocol,
    /// Iterations of extra work a request.
    burn: u64,
    head_timeout: Duration,
    in_flight: InFlight,
    /// Bytes read and not yet understood: a part of a head, or requests behind one that is not finished.
    input: Vec<u8>,
    /// Bytes to be written.
    output: Vec<u8>,
    /// How many of `output` the socket has taken.
    written: usize,
    /// Body of `/bytes/N` still to be produced: from, to.
    body: std::ops::Range<u64>,
    /// A request that is answered when its wait is over.
    pending: Option<(Action, Reply)>,
    /// When the head that began to arrive must be complete.
    deadline: Option<Instant>,
    ending: Ending,
}

/// How far the end of a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// Not in sight.
    None,
    /// The client sends no more: close when what it asked for is answered.
    InputEnded,
    /// No request will be read any more: close when all is written.
    WhenWritten,
    /// The same, but the client may still be sending: shut down, then throw away what comes.
    ShutdownWhenWritten,
    /// Shut down, throwing away.
    Lingering { left: usize },
    /// Nothing left to do.
    Now,
}

impl Service {
    /// A service for one new connection.
    #[must_use]
    pub fn new(options: &ServeOptions) -> Self {
        Self {
            protocol: options.service,
            burn: options.burn,
            head_timeout: options.head_timeout(),
            in_flight: InFlight::new(),
            input: Vec::new(),
            output: Vec::new(),
            written: 0,
            body: 0..0,
            pending: None,
            deadline: None,
            ending: Ending::None,
        }
    }

    /// What to do next. Asking twice gives the same answer, `Shutdown` apart.
    ///
    /// # Panics
    /// When the client asked for `/panic`: how a model survives a broken handler is part of the model.
    pub fn step(&mut self) -> Step {
        self.answer_stored_input();
        let step = self.next_step();
        match step {
            Step::Read { .. } if self.input.is_empty() => self.in_flight.set(false),
            Step::Close | Step::Shutdown => self.in_flight.set(false),
            _ => {}
        }
        step
    }

    fn next_step(&mut self) -> Step {
        if !self.output().is_empty() {
            return Step::Write;
        }
        match self.pending {
            Some((Action::Wait(duration), _)) => return Step::Wait(duration),
            Some((Action::Block(duration), _)) => return Step::Block(duration),
            Some((Action::Compute(work), _)) => return Step::Compute(work),
            Some((Action::Panic, _)) => {
                panic!("the handler of /panic panicked, as it was asked to")
            }
            _ => {}
        }
        match self.ending {
            Ending::ShutdownWhenWritten => {
                self.ending = Ending::Lingering { left: LINGER_BYTES };
                self.deadline = Some(Instant::now() + LINGER);
                self.release(true);
                Step::Shutdown
            }
            Ending::InputEnded | Ending::WhenWritten | Ending::Now => Step::Close,
            Ending::Lingering { .. } => Step::Read { deadline: self.deadline },
            Ending::None if self.input.is_empty() => {
                self.deadline = None;
                self.release(false);
                // Before the look at `stopping`: a SIGTERM after it then finds the connection idle, and ends its read.
                self.in_flight.set(false);
                if stop::stopping() { Step::Close } else { Step::Read { deadline: None } }
            }
            Ending::None => {
                let limit = self.head_timeout;
                Step::Read {
                    deadline: Some(*self.deadline.get_or_insert_with(|| Instant::now() + limit)),
                }
            }
        }
    }

    /// Gives the buffers' memory back: ten thousand idle connections should weigh what they are.
    fn release(&mut self, input_too: bool) {
        self.output = Vec::new();
        self.written = 0;
        if input_too || self.input.is_empty() {
            self.input = Vec::new();
        }
    }

    /// Takes bytes that were read; call it only when the step is [`Step::Read`]. No bytes means the end of input.
    pub fn received(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return self.end_of_input();
        }
        match &mut self.ending {
            Ending::None => {}
            Ending::Lingering { left } => {
                *left = left.saturating_sub(bytes.len());
                if *left == 0 {
                    self.ending = Ending::Now;
                }
                return;
            }
            _ => return,
        }
        self.in_flight.set(true);
        match self.protocol {
            Protocol::Echo => {
                self.burn();
                self.output.extend_from_slice(bytes);
            }
            // The steady case, a whole request in one read, is answered from the model's buffer without a copy.
            Protocol::Http if self.input.is_empty() => {
                let used = self.answer(bytes);
                self.input.extend_from_slice(&bytes[used..]);
            }
            Protocol::Http => self.input.extend_from_slice(bytes),
        }
    }

    /// The client has ended its sending; what it asked for is still answered.
    pub fn end_of_input(&mut self) {
        self.ending = match self.ending {
            Ending::None => Ending::InputEnded,
            Ending::Lingering { .. } => Ending::Now,
            ending => ending,
        };
    }

    /// The deadline of [`Step::Read`] has passed.
    pub fn expired(&mut self) {
        match self.ending {
            Ending::None if self.deadline.is_some() => self.refuse(http::REQUEST_TIMEOUT),
            Ending::Lingering { .. } => self.ending = Ending::Now,
            _ => {}
        }
    }

    /// Bytes to be written, from where the last write ended.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        &self.output[self.written..]
    }

    /// The socket took `count` bytes of [`Self::output`].
    ///
    /// # Panics
    /// When that is more than there were.
    pub fn wrote(&mut self, count: usize) {
        self.written += count;
        assert!(self.written <= self.output.len(), "more bytes written than there were");
        if self.written == self.output.len() {
            self.output.clear();
            self.written = 0;
        }
    }

    /// Lends the output to a runtime that must own what it writes; it comes back by [`Self::return_output`].
    #[must_use = "the output must come back by `return_output`"]
    pub fn lend_output(&mut self) -> Vec<u8> {
        self.output.drain(..self.written);
        self.written = 0;
        std::mem::take(&mut self.output)
    }

    /// The buffer is back, and the socket took its first `written` bytes.
    ///
    /// # Panics
    /// When that is more than there were.
    pub fn return_output(&mut self, buffer: Vec<u8>, written: usize) {
        self.output = buffer;
        self.wrote(written);
    }

    /// The wait or the blocking call of the last step is over.
    pub fn waited(&mut self) {
        match self.pending.take() {
            Some((Action::Wait(_), reply)) => self.reply(&reply, b"waited\n"),
            Some((Action::Block(_), reply)) => self.reply(&reply, b"blocked\n"),
            other => self.pending = other,
        }
    }

    /// The work of the last step is done.
    pub fn computed(&mut self, Digest(digest): Digest) {
        match self.pending.take() {
            Some((Action::Compute(_), reply)) => {
                self.reply(&reply, format!("{digest:016x}\n").as_bytes());
            }
            other => self.pending = other,
        }
    }

    /// Answers requests that came behind one that took its time, or whose head is now complete.
    fn answer_stored_input(&mut self) {
        self.fill_body();
        if self.input.is_empty() {
            return;
        }
        let mut input = std::mem::take(&mut self.input);
        let used = self.answer(&input);
        input.drain(..used);
        self.input = input;
    }

    /// Answers requests from `bytes` as far as it may, and says how many bytes they took.
    fn answer(&mut self, bytes: &[u8]) -> usize {
        let mut used = 0;
        while used < bytes.len() && self.is_ready_for_a_request() {
            match http::parse(&bytes[used..]) {
                Parsed::Partial => break,
                Parsed::Refused(status) => {
                    self.refuse(status);
                    used = bytes.len();
                }
                Parsed::Request { length, action, mut reply } => {
                    used += length;
                    self.deadline = None;
                    self.burn();
                    if stop::stopping() && used == bytes.len() {
                        reply.persistence = Persistence::Close;
                    }
                    self.perform(action, reply);
                }
            }
        }
        used
    }

    fn is_ready_for_a_request(&self) -> bool {
        self.pending.is_none()
            && self.body.is_empty()
            && self.output.len() - self.written < OUTPUT_LIMIT
            && matches!(self.ending, Ending::None | Ending::InputEnded)
    }

    fn perform(&mut self, action: Action, reply: Reply) {
        match action {
            Action::Answer(body) => self.reply(&reply, body),
            Action::Bytes(count) => {
                http::write_head(&mut self.output, &reply, count);
                if !reply.head_only {
                    self.body = 0..count;
                }
                self.fill_body();
                self.end_after(&reply);
            }
            Action::Wait(_) | Action::Block(_) | Action::Compute(_) | Action::Panic => {
                self.pending = Some((action, reply));
            }
        }
    }

    fn reply(&mut self, reply: &Reply, body: &[u8]) {
        http::write_head(&mut self.output, reply, body.len().try_into().unwrap_or(u64::MAX));
        if !reply.head_only {
            self.output.extend_from_slice(body);
        }
        self.end_after(reply);
    }

    /// After an answer that says so, no further request is read.
    fn end_after(&mut self, reply: &Reply) {
        match (reply.persistence, self.ending) {
            (Persistence::Close, Ending::None | Ending::InputEnded) => {
                self.ending = Ending::WhenWritten;
            }
            (Persistence::Abort, _) => self.ending = Ending::ShutdownWhenWritten,
            _ => return,
        }
        self.input.clear();
    }

    fn refuse(&mut self, status: &'static str) {
        self.reply(&Reply::refusal(status), b"");
        self.input.clear();
    }

    /// Produces as much of a long body as the output may hold.
    fn fill_body(&mut self) {
        if self.body.is_empty() {
            return;
        }
        if self.written > 0 {
            self.output.drain(..self.written);
            self.written = 0;
        }
        http::write_pattern(&mut self.output, &mut self.body, OUTPUT_LIMIT);
    }

    fn burn(&self) {
        if self.burn > 0 {
            let _ = Work::new(self.burn).run();
        }
    }
}
