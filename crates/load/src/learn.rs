//! What a right answer is, when nobody says: one request before the run, over a connection of its own.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use contract::response::{Expect as BodyExpected, ResponseEvent, ResponseParser};

use crate::number::count;
use crate::options::{Body, Expect};

/// Longest body that is kept to be compared; of a longer one only the length is verified.
const BODY_SIZE_MAX: u64 = 4 * 1024 * 1024;

/// What was learnt, and what is to be said about it.
#[derive(Debug)]
pub(crate) struct Learnt {
    pub(crate) expect: Expect,
    pub(crate) description: String,
    pub(crate) warning: Option<String>,
}

/// Asks once. Whatever goes wrong is a warning: the run itself will say it with numbers.
pub(crate) fn learn(addr: SocketAddr, request: &[u8], timeout: Duration) -> Learnt {
    let unknown = |why: String| Learnt {
        expect: Expect { status: None, body: Body::Any },
        description: "a status of 200 to 299, any body".to_owned(),
        warning: Some(format!("the body is not verified: {why}")),
    };
    match ask(addr, request, timeout) {
        Ok((status, _, _)) if !(200..300).contains(&status) => {
            unknown(format!("the first answer had status {status}"))
        }
        Ok((status, length, Some(body))) => Learnt {
            expect: Expect { status: Some(status), body: Body::Exact(body) },
            description: format!("status {status} and the {length} bytes of the first answer"),
            warning: None,
        },
        Ok((status, length, None)) => Learnt {
            expect: Expect { status: Some(status), body: Body::Length(length) },
            description: format!("status {status} and {length} bytes"),
            warning: Some(format!(
                "only the length of the body is verified: it is longer than {BODY_SIZE_MAX} bytes"
            )),
        },
        Err(error) => unknown(format!("the first request failed: {error}")),
    }
}

/// Status, length and body of one answer; no body when it is too long to keep.
fn ask(
    addr: SocketAddr,
    request: &[u8],
    timeout: Duration,
) -> io::Result<(u16, u64, Option<Vec<u8>>)> {
    let deadline = Instant::now() + timeout;
    let mut stream = TcpStream::connect_timeout(&addr, timeout)?;
    stream.write_all(request)?;
    let mut parser = ResponseParser::new(BodyExpected::Body);
    let mut buffer = vec![0; 64 * 1024];
    let (mut status, mut length, mut body) = (0, 0, Some(Vec::new()));
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
                Some(_) => Ok((status, length, body)),
                None => Err(io::Error::other("the server closed the connection without an answer")),
            };
        }
        let mut input = &buffer[..read];
        while let Some(event) = parser.next(&mut input).map_err(io::Error::other)? {
            match event {
                ResponseEvent::Head(head) => status = head.status,
                ResponseEvent::Body(part) => {
                    length += count(part.len());
                    body = body.filter(|_| length <= BODY_SIZE_MAX);
                    if let Some(body) = &mut body {
                        body.extend_from_slice(part);
                    }
                }
                ResponseEvent::End => return Ok((status, length, body)),
            }
        }
    }
}
