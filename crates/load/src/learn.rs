//! What a right answer is: as given, or learnt from one request before the run, over a connection of its own.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use contract::response::{Expect as BodyExpected, ResponseEvent, ResponseParser};

use crate::http::{Field, Known};
use crate::number::count;
use crate::options::{Body, Expect, Load};
use crate::summing::Before;

/// Longest body that is kept to be compared; of a longer one only the length is verified.
const BODY_SIZE_MAX: u64 = 4 * 1024 * 1024;
/// Header fields that are held against later answers.
const LEARNT_FIELDS: [&str; 2] = ["content-type", "content-encoding"];

/// What was learnt, and what is to be said about it.
#[derive(Debug)]
struct Learnt {
    expect: Expect,
    description: String,
    /// Header fields that name what the body is: they do not change from answer to answer.
    fields: Vec<Field>,
    warning: Option<String>,
}

/// What the right answers are to each of `requests`, a path and its bytes: as given, or learnt.
pub(crate) fn right_answers(
    load: &Load,
    addr: SocketAddr,
    requests: &[(String, Vec<u8>)],
) -> (Vec<Known>, Before) {
    let mut before = Before::default();
    let mut expected = Vec::new();
    let mut right = Vec::new();
    let others = load.alternatives.iter().map(|other| &other.expect);
    for ((path, request), expect) in requests.iter().zip([&load.expect].into_iter().chain(others)) {
        let (known, one) = right_answer(load, expect.as_ref(), addr, request);
        let name = if requests.len() > 1 { format!("{path}: ") } else { String::new() };
        expected.push(format!("{name}{}", one.expected));
        before.requests_sent += one.requests_sent;
        before.warnings.extend(one.warnings.iter().map(|warning| format!("{name}{warning}")));
        right.push(known);
    }
    before.expected = expected.join("; ");
    (right, before)
}

fn right_answer(
    load: &Load,
    expect: Option<&Expect>,
    addr: SocketAddr,
    request: &[u8],
) -> (Known, Before) {
    let kind = load.request.answer_kind();
    let given = load.expect_headers.iter();
    let mut fields: Vec<Field> = given.map(|(name, value)| Field::new(name, value)).collect();
    if let Some(expect) = expect {
        let before = Before { expected: describe(expect, &fields), ..Before::default() };
        return (Known { expect: expect.clone(), fields }, before);
    }
    let learnt = learn(addr, request, kind, load.timeout);
    for field in learnt.fields {
        if !fields.iter().any(|given| given.name.eq_ignore_ascii_case(&field.name)) {
            fields.push(field);
        }
    }
    let before = Before {
        expected: with_fields(learnt.description, &fields),
        requests_sent: 1,
        warnings: learnt.warning.into_iter().collect(),
        ..Before::default()
    };
    (Known { expect: learnt.expect, fields }, before)
}

/// The expectation in words.
fn describe(expect: &Expect, fields: &[Field]) -> String {
    let status = expect
        .status
        .map_or("a status of 200 to 299".to_owned(), |status| format!("status {status}"));
    let text = match &expect.body {
        Body::Exact(body) => format!("{status} and the {} bytes given", body.len()),
        Body::Length(length) => format!("{status} and {length} bytes"),
        Body::Any => format!("{status}, any body"),
    };
    with_fields(text, fields)
}

fn with_fields(text: String, fields: &[Field]) -> String {
    fields.iter().fold(text, |text, field| format!("{text}, {}", field.name.to_ascii_lowercase()))
}

/// Asks once. Whatever goes wrong is a warning: the run itself will say it with numbers.
fn learn(addr: SocketAddr, request: &[u8], kind: BodyExpected, timeout: Duration) -> Learnt {
    let unknown = |why: String| Learnt {
        expect: Expect { status: None, body: Body::Any },
        description: "a status of 200 to 299, any body".to_owned(),
        fields: Vec::new(),
        warning: Some(format!("the body is not verified: {why}")),
    };
    let First { status, length, body, fields } = match ask(addr, request, kind, timeout) {
        Ok(first) => first,
        Err(error) => return unknown(format!("the first request failed: {error}")),
    };
    match body {
        _ if !(200..300).contains(&status) => {
            unknown(format!("the first answer had status {status}"))
        }
        Some(_) if kind == BodyExpected::HeadOnly => Learnt {
            expect: Expect { status: Some(status), body: Body::Length(0) },
            description: format!("status {status} and no body"),
            fields,
            warning: None,
        },
        Some(body) => Learnt {
            expect: Expect { status: Some(status), body: Body::Exact(body) },
            description: format!("status {status} and the {length} bytes of the first answer"),
            fields,
            warning: None,
        },
        None => Learnt {
            expect: Expect { status: Some(status), body: Body::Length(length) },
            description: format!("status {status} and {length} bytes"),
            fields,
            warning: Some(format!(
                "only the length of the body is verified: it is longer than {BODY_SIZE_MAX} bytes"
            )),
        },
    }
}

/// The first answer.
#[derive(Debug)]
struct First {
    status: u16,
    length: u64,
    /// Nothing, when it is too long to keep.
    body: Option<Vec<u8>>,
    fields: Vec<Field>,
}

fn ask(
    addr: SocketAddr,
    request: &[u8],
    kind: BodyExpected,
    timeout: Duration,
) -> io::Result<First> {
    let deadline = Instant::now() + timeout;
    let mut stream = TcpStream::connect_timeout(&addr, timeout)?;
    stream.write_all(request)?;
    let mut parser = ResponseParser::new(kind);
    let mut buffer = vec![0; 64 * 1024];
    let mut first = First { status: 0, length: 0, body: Some(Vec::new()), fields: Vec::new() };
    loop {
        let late = || io::Error::new(io::ErrorKind::TimedOut, "no whole answer within the timeout");
        let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero());
        stream.set_read_timeout(Some(left.ok_or_else(late)?))?;
        let read = stream.read(&mut buffer).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => late(),
            _ => error,
        })?;
        if read == 0 {
            return match parser.end_of_input().map_err(io::Error::other)? {
                Some(_) => Ok(first),
                None => Err(io::Error::other("the server closed the connection without an answer")),
            };
        }
        let mut input = &buffer[..read];
        loop {
            let mut note = |name: &str, value: &[u8]| first.note(name, value);
            match parser.next_with(&mut input, &mut note).map_err(io::Error::other)? {
                Some(ResponseEvent::Head(head)) => first.status = head.status,
                Some(ResponseEvent::Body(part)) => first.add(part),
                Some(ResponseEvent::End) => return Ok(first),
                None => break,
            }
        }
    }
}

impl First {
    fn note(&mut self, name: &str, value: &[u8]) {
        if LEARNT_FIELDS.iter().any(|learnt| name.eq_ignore_ascii_case(learnt)) {
            self.fields.push(Field::new(name, value));
        }
    }

    fn add(&mut self, part: &[u8]) {
        self.length += count(part.len());
        if self.length > BODY_SIZE_MAX {
            self.body = None;
        }
        if let Some(body) = &mut self.body {
            body.extend_from_slice(part);
        }
    }
}
