//! What holds of any bytes: shared by the fuzz targets and by the test that replays their corpus.

use std::net::SocketAddr;

use contract::response::{Expect, ResponseError, ResponseEvent, ResponseHead, ResponseParser};
use load::{Outcome, Target, Threshold};

/// What a connection gave: heads, bodies and ends in their order, then how it ended.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    heads: Vec<ResponseHead>,
    fields: usize,
    bodies: Vec<Vec<u8>>,
    ends: usize,
    error: Option<ResponseError>,
}

impl Seen {
    fn event(&mut self, event: ResponseEvent<'_>) {
        match event {
            ResponseEvent::Head(head) => {
                assert_eq!(self.heads.len(), self.ends, "a head comes after the end of the last");
                assert!((200..1000).contains(&head.status));
                self.heads.push(head);
                self.bodies.push(Vec::new());
            }
            ResponseEvent::Body(part) => {
                assert!(!part.is_empty());
                self.bodies.last_mut().expect("a head comes first").extend_from_slice(part);
            }
            ResponseEvent::End => {
                self.ends += 1;
                assert_eq!(self.heads.len(), self.ends, "each head has one end");
            }
        }
    }
}

fn parse<'a>(expect: Expect, pieces: impl Iterator<Item = &'a [u8]>) -> Seen {
    let mut parser = ResponseParser::new(expect);
    let mut seen = Seen::default();
    for piece in pieces {
        let mut input = piece;
        loop {
            let mut fields = 0;
            match parser.next_with(&mut input, &mut |_, _| fields += 1) {
                Ok(Some(event)) => {
                    seen.fields += fields;
                    seen.event(event);
                }
                Ok(None) => {
                    assert!(input.is_empty(), "bytes were left without a reason");
                    break;
                }
                Err(error) => {
                    assert_eq!(parser.next(&mut input), Err(error), "an error stays");
                    seen.error = Some(error);
                    return seen;
                }
            }
        }
    }
    match parser.end_of_input() {
        Ok(event) => event.into_iter().for_each(|event| seen.event(event)),
        Err(error) => seen.error = Some(error),
    }
    seen
}

/// The same bytes give the same answers however they were cut. The first two say for what and how they are cut.
pub fn response(data: &[u8]) {
    let [kind, size, bytes @ ..] = data else { return };
    let expect = if kind % 2 == 0 { Expect::Body } else { Expect::HeadOnly };
    let whole = parse(expect, std::iter::once(bytes));
    let body_bytes: usize = whole.bodies.iter().map(Vec::len).sum();
    assert!(body_bytes <= bytes.len(), "a body is made of what was received");
    assert_eq!(parse(expect, bytes.chunks(1)), whole);
    assert_eq!(parse(expect, bytes.chunks(usize::from(*size).max(1))), whole);
}

/// A URL is refused, or is a request of one line and one `Host`, and means the same when it is written again.
pub fn url(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let addr = SocketAddr::from(([127, 0, 0, 1], 9));
    match Target::at(text, addr) {
        Ok(Target::Http { host, addr: to, path }) => {
            assert_eq!(to, addr);
            assert!(path.starts_with('/'), "{path}");
            let is_plain = |byte: u8| byte.is_ascii_graphic();
            assert!(!host.is_empty() && host.bytes().all(is_plain), "{host:?}");
            assert!(path.bytes().all(|byte| is_plain(byte) && byte != b'#'), "{path:?}");
            let again = Target::at(&format!("http://{host}{path}"), addr);
            assert_eq!(again, Ok(Target::Http { host, addr, path }));
        }
        Ok(Target::Echo { addr: to }) => assert_eq!(to, addr),
        Err(error) => assert!(error.to_string().contains("; give "), "{error}"),
    }
}

/// A threshold is refused, or can be written again and held against any outcome.
pub fn threshold(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match text.parse::<Threshold>() {
        Ok(threshold) => {
            let again: Threshold = threshold.to_string().parse().expect("it was just written");
            let mut some = Outcome::default();
            (some.requests, some.requests_sent, some.served, some.active) = (7, 10, 3, 4);
            some.duration = std::time::Duration::from_secs(2);
            some.latency.saturating_record(10_000_000);
            for outcome in [Outcome::default(), some] {
                let missed = threshold.missed(&outcome);
                assert!(missed.is_none_or(|by| !by.is_empty()));
                let _either = again.missed(&outcome);
            }
        }
        Err(error) => assert!(error.to_string().contains("; give such as "), "{error}"),
    }
}
