//! HTTP/1.1: a request made once, and the answers to it.

use contract::response::{Expect as BodyExpected, ResponseEvent, ResponseHead, ResponseParser};
use serde::{Deserialize, Serialize};

use crate::error::ErrorKind;
use crate::number::{count, index};
use crate::options::{Body, Expect, Load};
use crate::protocol::{Answer, Ask, Asked, Protocol, Taken, WRITE_SIZE_MAX};

/// A body that is too long by more than this is not read to its end: it may have none.
const TOO_LONG: u64 = 1024 * 1024;

/// What a right HTTP answer is.
#[derive(Clone, Debug)]
pub(crate) struct RightAnswer {
    pub(crate) kind: BodyExpected,
    pub(crate) known: Known,
}

/// What is known of it, given or learnt.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Known {
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

impl RightAnswer {
    pub(crate) fn new(load: &Load, known: Known) -> Self {
        Self { kind: load.request.answer_kind(), known }
    }

    /// Whether fields beside those that frame the body are looked at.
    fn has_fields(&self) -> bool {
        !self.known.fields.is_empty()
    }

    /// Of the fields that must be there, which this one is: a bit each.
    pub(crate) fn field(&self, name: &str, value: &[u8]) -> u64 {
        let is_one = |field: &Field| {
            field.name.len() == name.len()
                && field.name.eq_ignore_ascii_case(name)
                && field.value == value.trim_ascii()
        };
        let fields = self.known.fields.iter().enumerate();
        fields.filter(|(_, field)| is_one(field)).fold(0, |bits, (place, _)| bits | 1 << place)
    }

    /// What is wrong with a head that has these `fields` of those that must be there.
    pub(crate) fn head(&self, head: ResponseHead, fields: u64) -> Option<ErrorKind> {
        let status = self.known.expect.status;
        let right =
            status.map_or((200..300).contains(&head.status), |status| status == head.status);
        match right {
            false => Some(ErrorKind::Status),
            true if fields != (1 << self.known.fields.len()) - 1 => Some(ErrorKind::Header),
            true => None,
        }
    }

    /// What is wrong with `part` of the body, which begins at `from`.
    pub(crate) fn part(&self, from: u64, part: &[u8]) -> Option<ErrorKind> {
        let end = from + count(part.len());
        match &self.known.expect.body {
            Body::Exact(body) => {
                let right = &body[index(from).min(body.len())..index(end).min(body.len())];
                match part.strip_prefix(right) {
                    Some([]) => None,
                    Some(_) => Some(ErrorKind::Extra),
                    None => Some(ErrorKind::Mismatch),
                }
            }
            Body::Length(length) => (end > *length).then_some(ErrorKind::Extra),
            Body::Any => None,
        }
    }

    /// What is wrong with a body that ends here.
    pub(crate) fn end(&self, received: u64) -> Option<ErrorKind> {
        (received < self.length().unwrap_or(0)).then_some(ErrorKind::Short)
    }

    /// Whether a wrong body is so much too long that the rest is not worth reading.
    fn is_endless(&self, received: u64) -> bool {
        self.length().is_some_and(|length| received > length.saturating_add(TOO_LONG))
    }

    /// Length of the body in bytes, where that is known.
    fn length(&self) -> Option<u64> {
        match &self.known.expect.body {
            Body::Exact(body) => Some(count(body.len())),
            Body::Length(length) => Some(*length),
            Body::Any => None,
        }
    }
}

/// The same request each time, and the same answer. Answers that are all alike cannot show their order.
#[derive(Debug)]
pub(crate) struct Http {
    request_size: usize,
    /// The request, as often as it fits [`WRITE_SIZE_MAX`], at least once.
    requests: Vec<u8>,
    pub(crate) right: RightAnswer,
}

/// The part of an answer that has arrived.
#[derive(Debug, Default)]
pub(crate) struct HttpState {
    pub(crate) parser: ResponseParser,
    pub(crate) received: u64,
    pub(crate) fault: Option<ErrorKind>,
    keep_alive: bool,
}

impl Http {
    pub(crate) fn new(request: &[u8], right: RightAnswer) -> Self {
        let requests = request.repeat((WRITE_SIZE_MAX / request.len()).max(1));
        Self { request_size: request.len(), requests, right }
    }

    /// The request, once.
    pub(crate) fn request(&self) -> &[u8] {
        &self.requests[..self.request_size]
    }

    pub(crate) fn on_head(&self, state: &mut HttpState, head: ResponseHead, fields: u64) {
        state.fault = self.right.head(head, fields);
        state.keep_alive = head.keep_alive;
        state.received = 0;
    }

    /// `false` when the rest is not worth reading.
    pub(crate) fn on_body(&self, state: &mut HttpState, part: &[u8]) -> bool {
        let from = state.received;
        state.received += count(part.len());
        if state.fault.is_some() {
            return !self.right.is_endless(state.received);
        }
        state.fault = self.right.part(from, part);
        true
    }

    pub(crate) fn on_end(&self, state: &HttpState) -> Answer {
        Answer {
            fault: state.fault.or(self.right.end(state.received)),
            body_bytes: state.received,
            keep_alive: state.keep_alive,
        }
    }
}

impl Protocol for Http {
    type State = HttpState;

    fn request_size(&self, _: u64, _: u64) -> usize {
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
            let event = if self.right.has_fields() {
                state
                    .parser
                    .next_with(input, &mut |name, value| fields |= self.right.field(name, value))
            } else {
                state.parser.next(input)
            };
            match event {
                Ok(Some(ResponseEvent::Head(head))) => self.on_head(state, head, fields),
                Ok(Some(ResponseEvent::Body(part))) if self.on_body(state, part) => {}
                Ok(Some(ResponseEvent::Body(_))) => {
                    return Taken::Broken(state.fault.unwrap_or(ErrorKind::Extra));
                }
                Ok(Some(ResponseEvent::End)) => return Taken::Answer(self.on_end(state)),
                Ok(None) => return Taken::Part,
                Err(_) => return Taken::Broken(ErrorKind::Malformed),
            }
        }
    }

    fn end(&self, state: &mut HttpState, _: Asked) -> Taken {
        match state.parser.end_of_input() {
            Ok(Some(_)) => Taken::Answer(self.on_end(state)),
            Ok(None) => Taken::Broken(ErrorKind::Closed),
            Err(_) => Taken::Broken(ErrorKind::Short),
        }
    }
}
