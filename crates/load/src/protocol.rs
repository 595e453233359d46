//! What is asked and what is a right answer: the one thing in which echo and HTTP differ.

use contract::response::{Expect as BodyExpected, ResponseEvent, ResponseHead, ResponseParser};

use serde::{Deserialize, Serialize};

use crate::error::ErrorKind;
use crate::number::{count, index};
use crate::options::{Body, Expect};
use crate::pattern::Pattern;

/// Most bytes for one write: enough for a deep pipeline, and still in the first-level cache.
const WRITE_SIZE_MAX: usize = 16 * 1024;
/// A body that is too long by more than this is not read to its end: it may have none.
const TOO_LONG: u64 = 1024 * 1024;

/// A wire protocol: makes requests, takes answers. The engine is written once, over this.
pub(crate) trait Protocol: Sync {
    /// What a connection remembers of an incomplete answer.
    type State: Default + Send;

    /// Bytes of one request; all are of one size.
    fn request_size(&self) -> usize;

    /// Bytes to write for `requests` requests from number `message` on, beginning at `offset` of the first. Not always
    /// all of them; never none.
    fn requests<'a>(&'a self, scratch: &'a mut Vec<u8>, ask: Ask) -> &'a [u8];

    /// Takes bytes of answers off the front of `input`, up to the end of one answer.
    fn take(&self, state: &mut Self::State, asked: Asked, input: &mut &[u8]) -> Taken;

    /// The server has ended the connection.
    fn end(&self, state: &mut Self::State) -> Taken;
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

    fn request_size(&self) -> usize {
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

    fn end(&self, state: &mut EchoState) -> Taken {
        Taken::Broken(if state.received == 0 { ErrorKind::Closed } else { ErrorKind::Short })
    }
}

impl Echo {
    /// Another answer that is due on this connection, or bytes that nobody sent.
    fn diagnose(&self, asked: Asked, offset: usize, bytes: &[u8]) -> ErrorKind {
        let neighbours =
            asked.message.saturating_sub(asked.requests)..asked.message + asked.requests;
        let is_neighbour = |other: u64| self.0.matches(asked.connection, other, offset, bytes);
        // Fewer bytes than a stamp fit another message by accident.
        let swapped = bytes.len() >= 8
            && neighbours.filter(|other| *other != asked.message).any(is_neighbour);
        if swapped { ErrorKind::Order } else { ErrorKind::Mismatch }
    }
}

/// What a right HTTP answer is.
#[derive(Clone, Debug)]
pub(crate) struct RightAnswer {
    pub(crate) kind: BodyExpected,
    pub(crate) expect: Expect,
    pub(crate) fields: Vec<Field>,
}

/// A header field that an answer must have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) value: Vec<u8>,
}

impl Field {
    pub(crate) fn new(name: &str, value: impl AsRef<[u8]>) -> Self {
        Self { name: name.to_owned(), value: value.as_ref().trim_ascii().to_vec() }
    }
}

/// HTTP/1.1: the same request each time, and the same answer. Answers that are all alike cannot show their order.
#[derive(Debug)]
pub(crate) struct Http {
    request_size: usize,
    /// The request, as often as it fits [`WRITE_SIZE_MAX`], at least once.
    requests: Vec<u8>,
    right: RightAnswer,
}

/// The part of an answer that has arrived.
#[derive(Debug, Default)]
pub(crate) struct HttpState {
    parser: ResponseParser,
    received: u64,
    fault: Option<ErrorKind>,
    keep_alive: bool,
}

impl Http {
    pub(crate) fn new(request: &[u8], right: RightAnswer) -> Self {
        let requests = request.repeat((WRITE_SIZE_MAX / request.len()).max(1));
        Self { request_size: request.len(), requests, right }
    }

    /// Of the fields that must be there, which this one is: a bit each.
    fn right_fields(&self, name: &str, value: &[u8]) -> u64 {
        let is_one = |field: &Field| {
            field.name.len() == name.len()
                && field.name.eq_ignore_ascii_case(name)
                && field.value == value.trim_ascii()
        };
        let fields = self.right.fields.iter().enumerate();
        fields.filter(|(_, field)| is_one(field)).fold(0, |bits, (place, _)| bits | 1 << place)
    }

    fn all_fields(&self) -> u64 {
        (1 << self.right.fields.len()) - 1
    }

    fn on_head(&self, state: &mut HttpState, head: ResponseHead, fields: u64) {
        let expect = &self.right.expect;
        let right =
            expect.status.map_or((200..300).contains(&head.status), |status| status == head.status);
        state.fault = match right {
            false => Some(ErrorKind::Status),
            true if fields != self.all_fields() => Some(ErrorKind::Header),
            true => None,
        };
        state.keep_alive = head.keep_alive;
        state.received = 0;
    }

    /// `false` when the rest is not worth reading.
    fn on_body(&self, state: &mut HttpState, part: &[u8]) -> bool {
        let from = state.received;
        state.received += count(part.len());
        if state.fault.is_some() {
            let length = self.right.expect.body.length();
            return length.is_none_or(|length| state.received <= length.saturating_add(TOO_LONG));
        }
        state.fault = match &self.right.expect.body {
            Body::Exact(body) => {
                let right =
                    &body[index(from).min(body.len())..index(state.received).min(body.len())];
                match part.strip_prefix(right) {
                    Some([]) => None,
                    Some(_) => Some(ErrorKind::Extra),
                    None => Some(ErrorKind::Mismatch),
                }
            }
            Body::Length(length) => (state.received > *length).then_some(ErrorKind::Extra),
            Body::Any => None,
        };
        true
    }

    fn on_end(&self, state: &HttpState) -> Taken {
        let length = self.right.expect.body.length().unwrap_or(0);
        let short = (state.received < length).then_some(ErrorKind::Short);
        Taken::Answer(Answer {
            fault: state.fault.or(short),
            body_bytes: state.received,
            keep_alive: state.keep_alive,
        })
    }
}

impl Protocol for Http {
    type State = HttpState;

    fn request_size(&self) -> usize {
        self.request_size
    }

    fn requests<'a>(&'a self, _: &'a mut Vec<u8>, ask: Ask) -> &'a [u8] {
        let end = index(ask.requests).saturating_mul(self.request_size).min(self.requests.len());
        &self.requests[ask.offset..end]
    }

    fn take(&self, state: &mut HttpState, _: Asked, input: &mut &[u8]) -> Taken {
        state.parser.set_expect(self.right.kind);
        loop {
            let mut fields = 0;
            let event = if self.right.fields.is_empty() {
                state.parser.next(input)
            } else {
                state
                    .parser
                    .next_with(input, &mut |name, value| fields |= self.right_fields(name, value))
            };
            match event {
                Ok(Some(ResponseEvent::Head(head))) => self.on_head(state, head, fields),
                Ok(Some(ResponseEvent::Body(part))) if self.on_body(state, part) => {}
                Ok(Some(ResponseEvent::Body(_))) => {
                    return Taken::Broken(state.fault.unwrap_or(ErrorKind::Extra));
                }
                Ok(Some(ResponseEvent::End)) => return self.on_end(state),
                Ok(None) => return Taken::Part,
                Err(_) => return Taken::Broken(ErrorKind::Malformed),
            }
        }
    }

    fn end(&self, state: &mut HttpState) -> Taken {
        match state.parser.end_of_input() {
            Ok(Some(_)) => self.on_end(state),
            Ok(None) => Taken::Broken(ErrorKind::Closed),
            Err(_) => Taken::Broken(ErrorKind::Short),
        }
    }
}

impl Body {
    /// Its length in bytes, where that is known.
    fn length(&self) -> Option<u64> {
        match self {
            Self::Exact(body) => Some(count(body.len())),
            Self::Length(length) => Some(*length),
            Self::Any => None,
        }
    }
}
