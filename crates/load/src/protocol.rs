//! What is asked and what is a right answer: the one thing in which echo and HTTP differ.

use crate::error::ErrorKind;
use crate::number::count;
use crate::pattern::Pattern;

/// Most bytes for one write: enough for a deep pipeline, and still in the first-level cache.
pub(crate) const WRITE_SIZE_MAX: usize = 16 * 1024;

/// A wire protocol: makes requests, takes answers. The engine is written once, over this.
pub(crate) trait Protocol: Sync {
    /// What a connection remembers of an incomplete answer.
    type State: Default + Send;

    /// Bytes of request `message` of `connection`.
    fn request_size(&self, connection: u64, message: u64) -> usize;

    /// Bytes to write for `requests` requests from number `message` on, beginning at `offset` of the first. Not always
    /// all of them; never none.
    fn requests<'a>(&'a self, scratch: &'a mut Vec<u8>, ask: Ask) -> &'a [u8];

    /// Takes bytes of answers off the front of `input`, up to the end of one answer.
    fn take(&self, state: &mut Self::State, asked: Asked, input: &mut &[u8]) -> Taken;

    /// The server has ended the connection.
    fn end(&self, state: &mut Self::State, asked: Asked) -> Taken;
}

/// Requests to write.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    pub(crate) connection: u64,
    pub(crate) message: u64,
    pub(crate) offset: usize,
    pub(crate) requests: u64,
}

/// Requests in flight, whose answers come in their order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) connection: u64,
    /// Number of the oldest.
    pub(crate) message: u64,
    pub(crate) requests: u64,
}

impl Asked {
    /// The requests of this connection whose answers may have come in place of this one's: those in flight, and as many
    /// before them.
    pub(crate) fn neighbours(self) -> impl Iterator<Item = u64> {
        let all = self.message.saturating_sub(self.requests)..self.message + self.requests;
        all.filter(move |other| *other != self.message)
    }
}

/// What the bytes were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// An answer that is not complete, or nothing.
    Part,
    /// A complete answer.
    Answer(Answer),
    /// No answer; the connection has lost its place.
    Broken(ErrorKind),
}

/// A complete answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// What is wrong with it.
    pub(crate) fault: Option<ErrorKind>,
    pub(crate) body_bytes: u64,
    /// Whether the connection may be asked again.
    pub(crate) keep_alive: bool,
}

/// An echo: each message comes back as it was sent.
#[derive(Debug)]
pub(crate) struct Echo(pub(crate) Pattern);

/// The part of a message that has come back.
#[derive(Debug, Default)]
pub(crate) struct EchoState {
    received: usize,
    fault: Option<ErrorKind>,
}

impl Protocol for Echo {
    type State = EchoState;

    fn request_size(&self, _: u64, _: u64) -> usize {
        self.0.size()
    }

    fn requests<'a>(&'a self, scratch: &'a mut Vec<u8>, ask: Ask) -> &'a [u8] {
        scratch.clear();
        let mut offset = ask.offset;
        for message in ask.message..ask.message + ask.requests {
            self.0.append(scratch, ask.connection, message, offset, WRITE_SIZE_MAX);
            offset = 0;
            if scratch.len() == WRITE_SIZE_MAX {
                break;
            }
        }
        scratch
    }

    fn take(&self, state: &mut EchoState, asked: Asked, input: &mut &[u8]) -> Taken {
        let (bytes, rest) = input.split_at(input.len().min(self.0.size() - state.received));
        *input = rest;
        if !self.0.matches(asked.connection, asked.message, state.received, bytes)
            && state.fault.is_none()
        {
            state.fault = Some(self.diagnose(asked, state.received, bytes));
        }
        state.received += bytes.len();
        if state.received < self.0.size() {
            return Taken::Part;
        }
        let state = std::mem::take(state);
        Taken::Answer(Answer {
            fault: state.fault,
            body_bytes: count(state.received),
            keep_alive: true,
        })
    }

    fn end(&self, state: &mut EchoState, _: Asked) -> Taken {
        Taken::Broken(if state.received == 0 { ErrorKind::Closed } else { ErrorKind::Short })
    }
}

impl Echo {
    /// Another answer that is due on this connection, or bytes that nobody sent.
    fn diagnose(&self, asked: Asked, offset: usize, bytes: &[u8]) -> ErrorKind {
        let is_neighbour = |other: u64| self.0.matches(asked.connection, other, offset, bytes);
        // Fewer bytes than a stamp fit another message by accident.
        let swapped = bytes.len() >= 8 && asked.neighbours().any(is_neighbour);
        if swapped { ErrorKind::Order } else { ErrorKind::Mismatch }
    }
}
