//! Several HTTP requests in turn: answers that differ show their order.
//!
//! ```text
//! connection 0 asks:  /a /b /c /a ...      connection 1 asks:  /b /c /a /b ...
//! ```

use contract::response::ResponseEvent;

use crate::error::ErrorKind;
use crate::http::{Http, HttpState};
use crate::number::{count, index};
use crate::protocol::{Answer, Ask, Asked, Protocol, Taken, WRITE_SIZE_MAX};

/// Requests that are asked in turn, at most.
pub(crate) const REQUESTS_MAX: usize = 16;

/// Requests in turn, each with its own right answer.
#[derive(Debug)]
pub(crate) struct Several(Vec<Http>);

/// The part of an answer that has arrived, and whose it may be.
#[derive(Debug, Default)]
pub(crate) struct SeveralState {
    http: HttpState,
    /// Requests to which it would be the right answer so far: a bit each.
    fits: u16,
}

impl Several {
    /// Of 2 to [`REQUESTS_MAX`] requests.
    pub(crate) fn new(requests: Vec<Http>) -> Self {
        debug_assert!(requests.len() <= REQUESTS_MAX, "there is a bit for each");
        Self(requests)
    }

    /// Which request a message is; another for neighbouring connections.
    fn place(&self, connection: u64, message: u64) -> usize {
        index(connection.wrapping_add(message) % count(self.0.len()))
    }

    fn one(&self, connection: u64, message: u64) -> &Http {
        &self.0[self.place(connection, message)]
    }

    /// Those of `among` for which it is so.
    fn bits(&self, among: u16, is_so: impl Fn(usize, &Http) -> bool) -> u16 {
        let ones = self.0.iter().enumerate();
        ones.filter(|(place, one)| among & 1 << place != 0 && is_so(*place, one))
            .fold(0, |bits, (place, _)| bits | 1 << place)
    }

    /// Whether this would be, so far, the right answer to a neighbouring request.
    fn is_a_neighbours(&self, state: &SeveralState, asked: Asked) -> bool {
        let place = |message| self.place(asked.connection, message);
        asked.neighbours().any(|message| state.fits & 1 << place(message) != 0)
    }

    fn on_end(&self, state: &mut SeveralState, asked: Asked) -> Taken {
        let own = self.one(asked.connection, asked.message);
        let received = state.http.received;
        state.fits = self.bits(state.fits, |_, one| one.right.end(received).is_none());
        let Answer { fault, .. } = own.on_end(&state.http);
        let swapped = fault.is_some() && self.is_a_neighbours(state, asked);
        let fault = if swapped { Some(ErrorKind::Order) } else { fault };
        Taken::Answer(Answer { fault, ..own.on_end(&state.http) })
    }
}

impl Protocol for Several {
    type State = SeveralState;

    fn request_size(&self, connection: u64, message: u64) -> usize {
        self.one(connection, message).request().len()
    }

    fn requests<'a>(&'a self, scratch: &'a mut Vec<u8>, ask: Ask) -> &'a [u8] {
        scratch.clear();
        let mut offset = ask.offset;
        for message in ask.message..ask.message + ask.requests {
            scratch.extend_from_slice(&self.one(ask.connection, message).request()[offset..]);
            offset = 0;
            if scratch.len() >= WRITE_SIZE_MAX {
                break;
            }
        }
        scratch
    }

    fn take(&self, state: &mut SeveralState, asked: Asked, input: &mut &[u8]) -> Taken {
        let place = self.place(asked.connection, asked.message);
        let own = &self.0[place];
        state.http.parser.set_expect(own.right.kind);
        loop {
            let mut fields = [0; REQUESTS_MAX];
            let event = state.http.parser.next_with(input, &mut |name, value| {
                for (one, fields) in self.0.iter().zip(&mut fields) {
                    *fields |= one.right.field(name, value);
                }
            });
            match event {
                Ok(Some(ResponseEvent::Head(head))) => {
                    let is_right =
                        |place: usize, one: &Http| one.right.head(head, fields[place]).is_none();
                    state.fits = self.bits(u16::MAX, is_right);
                    own.on_head(&mut state.http, head, fields[place]);
                }
                Ok(Some(ResponseEvent::Body(part))) => {
                    let from = state.http.received;
                    let is_right = |_, one: &Http| one.right.part(from, part).is_none();
                    state.fits = self.bits(state.fits, is_right);
                    if !own.on_body(&mut state.http, part) && !self.is_a_neighbours(state, asked) {
                        return Taken::Broken(state.http.fault.unwrap_or(ErrorKind::Extra));
                    }
                }
                Ok(Some(ResponseEvent::End)) => return self.on_end(state, asked),
                Ok(None) => return Taken::Part,
                Err(_) => return Taken::Broken(ErrorKind::Malformed),
            }
        }
    }

    fn end(&self, state: &mut SeveralState, asked: Asked) -> Taken {
        match state.http.parser.end_of_input() {
            Ok(Some(_)) => self.on_end(state, asked),
            Ok(None) => Taken::Broken(ErrorKind::Closed),
            Err(_) => Taken::Broken(ErrorKind::Short),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Known, RightAnswer};
    use crate::options::{Body, Expect, Load};
    use crate::target::Target;
    use proptest::prelude::*;

    const BODIES: [&str; 3] = ["one", "two", "three and more"];

    fn several() -> Several {
        let load = Load::new(Target::parse("http://127.0.0.1:9/").unwrap(), 1);
        let http = |body: &&str| {
            let body = Body::Exact(body.as_bytes().to_vec());
            let known = Known { expect: Expect { status: Some(200), body }, fields: Vec::new() };
            Http::new(
                format!("GET /{}\r\n\r\n", known_length(&known)).as_bytes(),
                RightAnswer::new(&load, known),
            )
        };
        Several::new(BODIES.iter().map(http).collect())
    }

    /// Requests of different lengths.
    fn known_length(known: &Known) -> String {
        match &known.expect.body {
            Body::Exact(body) => "x".repeat(body.len()),
            _ => String::new(),
        }
    }

    fn answer(place: usize) -> Vec<u8> {
        let body = BODIES[place];
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
    }

    /// What is wrong with each of the answers to a pipeline of `depth` on connection 0, however the bytes are cut.
    fn faults(bytes: &[u8], depth: u64, cuts: &[usize]) -> Vec<Option<ErrorKind>> {
        let (several, mut state, mut faults) = (several(), SeveralState::default(), Vec::new());
        let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % bytes.len()).collect();
        ends.extend([0, bytes.len()]);
        ends.sort_unstable();
        for piece in ends.windows(2) {
            let mut input = &bytes[piece[0]..piece[1]];
            while !input.is_empty() {
                let message = count(faults.len());
                let asked = Asked { connection: 0, message, requests: depth - message };
                match several.take(&mut state, asked, &mut input) {
                    Taken::Answer(answer) => faults.push(answer.fault),
                    other => assert_eq!((other, input.is_empty()), (Taken::Part, true)),
                }
            }
        }
        faults
    }

    proptest! {
        #[test]
        fn two_answers_that_changed_places_are_named_and_no_others(
            depth in 2_usize..12, first in 0_usize..11, cuts in proptest::collection::vec(any::<usize>(), 0..20),
        ) {
            let mut order: Vec<usize> = (0..depth).map(|message| message % 3).collect();
            let first = first % (depth - 1);
            order.swap(first, first + 1);
            let bytes = order.iter().flat_map(|place| answer(*place)).collect::<Vec<u8>>();
            let swapped = |place| (place == first || place == first + 1).then_some(ErrorKind::Order);
            let right: Vec<_> = (0..depth).map(swapped).collect();
            prop_assert_eq!(faults(&bytes, count(depth), &cuts), right);
        }

        #[test]
        fn what_is_written_is_each_request_from_where_it_was_left(
            message in 0_u64..100, requests in 1_u64..50, offset in 0_usize..10,
        ) {
            let several = several();
            let mut scratch = Vec::new();
            let ask = Ask { connection: 1, message, offset, requests };
            let whole: Vec<u8> = (message..message + requests)
                .flat_map(|message| several.one(1, message).request().to_vec())
                .collect();
            prop_assert_eq!(several.requests(&mut scratch, ask), &whole[offset..]);
        }
    }

    #[test]
    fn a_large_answer_in_another_place_is_read_to_its_end() {
        // So much longer than what is due that it would not be read, were it not another's.
        let long = "x".repeat(3 << 20);
        let load = Load::new(Target::parse("http://127.0.0.1:9/").unwrap(), 1);
        let http = |body: Body| {
            let known = Known { expect: Expect { status: None, body }, fields: Vec::new() };
            Http::new(b"GET", RightAnswer::new(&load, known))
        };
        let several = Several::new(vec![
            http(Body::Exact(b"x".to_vec())),
            http(Body::Exact(long.clone().into_bytes())),
        ]);
        let bytes = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{long}", long.len());
        let mut state = SeveralState::default();
        let asked = Asked { connection: 0, message: 0, requests: 2 };
        let mut last = Taken::Part;
        for piece in bytes.as_bytes().chunks(64 * 1024) {
            last = several.take(&mut state, asked, &mut &*piece);
        }
        let Taken::Answer(answer) = last else { panic!("{last:?}") };
        assert_eq!(answer.fault, Some(ErrorKind::Order));
    }
}
