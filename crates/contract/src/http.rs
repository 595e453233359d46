//! HTTP/1.1 of the service: requests by `httparse`, the routes, the answers.
//!
//! No `Date` header: a cached clock would be a second mechanism beside the one under test.

use std::fmt::Write as _;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::time::Duration;

use crate::work::Work;

/// Longest head of a request, request line included.
pub(crate) const HEAD_LIMIT: usize = 8 * 1024;
/// Longest body that a request may carry; it is read and ignored.
const BODY_LIMIT: usize = 8 * 1024;
const MAX_HEADERS: usize = 64;
/// Longest `/wait` and `/block`; longer ones are not found. A server must be able to stop.
const LONGEST_WAIT_MS: u64 = 60_000;
/// Longest body of `/bytes/N`.
const LONGEST_BODY: u64 = 1 << 30;
/// Most iterations of `/compute/N` and of `--burn`: seconds, not hours.
pub(crate) const MOST_ITERATIONS: u64 = 10_000_000_000;

const OK: &str = "200 OK";
const BAD_REQUEST: &str = "400 Bad Request";
const NOT_FOUND: &str = "404 Not Found";
const METHOD_NOT_ALLOWED: &str = "405 Method Not Allowed";
pub(crate) const REQUEST_TIMEOUT: &str = "408 Request Timeout";
const LENGTH_REQUIRED: &str = "411 Length Required";
const CONTENT_TOO_LARGE: &str = "413 Content Too Large";
const HEADER_FIELDS_TOO_LARGE: &str = "431 Request Header Fields Too Large";
const VERSION_NOT_SUPPORTED: &str = "505 HTTP Version Not Supported";

/// What the beginning of the input is.
pub(crate) enum Parsed {
    /// Not a whole request yet, and within the limits.
    Partial,
    /// A request, of that many bytes, body included.
    Request { length: usize, action: Action, reply: Reply },
    /// Not acceptable: answer with this status and end the connection.
    Refused(&'static str),
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Answer(&'static [u8]),
    Bytes(u64),
    Wait(Duration),
    Block(Duration),
    Compute(Work),
    Panic,
}

/// How an answer begins and what follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    status: &'static str,
    pub(crate) head_only: bool,
    pub(crate) persistence: Persistence,
}

/// Whether the connection outlives an answer, and whether the answer must say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Persistence {
    /// It does, as HTTP/1.1 has it by default.
    Default,
    /// It does, and HTTP/1.0 wants to be told.
    KeepAlive,
    /// It does not.
    Close,
    /// It does not, and the client may still be sending what was refused.
    Abort,
}

impl Reply {
    pub(crate) fn refusal(status: &'static str) -> Self {
        Self { status, head_only: false, persistence: Persistence::Abort }
    }
}

/// Looks for one request at the beginning of `input`.
pub(crate) fn parse(input: &[u8]) -> Parsed {
    let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(input, &mut headers) {
        Ok(httparse::Status::Complete(head)) if head <= HEAD_LIMIT => {
            with_body(&request, head, input.len())
        }
        Ok(httparse::Status::Partial) if input.len() <= HEAD_LIMIT => Parsed::Partial,
        Ok(_) | Err(httparse::Error::TooManyHeaders) => Parsed::Refused(HEADER_FIELDS_TOO_LARGE),
        Err(httparse::Error::Version) => Parsed::Refused(VERSION_NOT_SUPPORTED),
        Err(_) => Parsed::Refused(BAD_REQUEST),
    }
}

fn with_body(request: &httparse::Request<'_, '_>, head: usize, available: usize) -> Parsed {
    let fields = match Fields::read(request) {
        Ok(fields) => fields,
        Err(status) => return Parsed::Refused(status),
    };
    let body = fields.content_length.unwrap_or(0);
    if body > BODY_LIMIT {
        return Parsed::Refused(CONTENT_TOO_LARGE);
    }
    let length = head + body;
    if available < length {
        return Parsed::Partial;
    }
    let head_only = request.method == Some("HEAD");
    let (status, action) = if head_only || request.method == Some("GET") {
        match route(request.path.unwrap_or("")) {
            Some(action) => (OK, action),
            None => (NOT_FOUND, Action::Answer(b"no such path\n")),
        }
    } else {
        (METHOD_NOT_ALLOWED, Action::Answer(b"GET and HEAD only\n"))
    };
    Parsed::Request {
        length,
        action,
        reply: Reply { status, head_only, persistence: fields.persistence },
    }
}

/// The header fields that matter.
struct Fields {
    content_length: Option<usize>,
    persistence: Persistence,
}

impl Fields {
    /// Refuses whatever two readers could understand differently (RFC 9112, sections 3.2 and 6.3).
    fn read(request: &httparse::Request<'_, '_>) -> Result<Self, &'static str> {
        let modern = request.version == Some(1);
        let (mut content_length, mut hosts) = (None, 0);
        let (mut chunked, mut close, mut keep_alive) = (false, false, false);
        for header in request.headers.iter() {
            let name = header.name;
            if name.eq_ignore_ascii_case("content-length") {
                let length = parse_decimal(header.value).ok_or(BAD_REQUEST)?;
                if content_length.replace(usize::try_from(length).unwrap_or(usize::MAX)).is_some() {
                    return Err(BAD_REQUEST);
                }
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                chunked = true;
            } else if name.eq_ignore_ascii_case("host") {
                hosts += 1;
            } else if name.eq_ignore_ascii_case("connection") {
                for option in header.value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                    close |= option.eq_ignore_ascii_case(b"close");
                    keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
            }
        }
        if (chunked && content_length.is_some()) || hosts > 1 || (modern && hosts == 0) {
            return Err(BAD_REQUEST);
        }
        if chunked {
            return Err(LENGTH_REQUIRED);
        }
        let persistence = match (close, modern, keep_alive) {
            (true, _, _) | (false, false, false) => Persistence::Close,
            (false, true, _) => Persistence::Default,
            (false, false, true) => Persistence::KeepAlive,
        };
        Ok(Self { content_length, persistence })
    }
}

fn route(target: &str) -> Option<Action> {
    let path = path_of(target);
    if path == "/" {
        return Some(Action::Answer(b"hello, world\n"));
    }
    if path == "/panic" {
        return Some(Action::Panic);
    }
    let (name, number) = path.strip_prefix('/')?.split_once('/')?;
    let number = parse_decimal(number.as_bytes())?;
    let wait = || (number <= LONGEST_WAIT_MS).then(|| Duration::from_millis(number));
    match name {
        "bytes" if number <= LONGEST_BODY => Some(Action::Bytes(number)),
        "wait" => wait().map(Action::Wait),
        "block" => wait().map(Action::Block),
        "compute" if number <= MOST_ITERATIONS => Some(Action::Compute(Work::new(number))),
        _ => None,
    }
}

/// The path of a request target in origin form (`/a?q`) or absolute form (`http://host/a?q`).
fn path_of(target: &str) -> &str {
    let path = match target.split_once("://") {
        Some((_, rest)) if !target.starts_with('/') => {
            rest.find('/').map_or("/", |slash| &rest[slash..])
        }
        _ => target,
    };
    path.split(['?', '#']).next().unwrap_or(path)
}

/// Digits and nothing else: no sign, no list, no space within.
fn parse_decimal(digits: &[u8]) -> Option<u64> {
    let digits = digits.trim_ascii();
    let all_digits = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    all_digits.then(|| std::str::from_utf8(digits).ok()?.parse().ok()).flatten()
}

/// Writes the head of an answer whose body has `length` bytes.
pub(crate) fn write_head(output: &mut Vec<u8>, reply: &Reply, length: u64) {
    let mut head = Head(output);
    let allow = if reply.status == METHOD_NOT_ALLOWED { "Allow: GET, HEAD\r\n" } else { "" };
    let connection = match reply.persistence {
        Persistence::Default => "",
        Persistence::KeepAlive => "Connection: keep-alive\r\n",
        Persistence::Close | Persistence::Abort => "Connection: close\r\n",
    };
    write!(
        head,
        "HTTP/1.1 {}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n{allow}{connection}\r\n",
        reply.status
    )
    .expect("writing to a vector cannot fail");
}

/// A vector that text can be written to: `io::Write` would do, but carries an error path for every piece.
struct Head<'a>(&'a mut Vec<u8>);

impl std::fmt::Write for Head<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// Body of `/bytes/N`: these 64 bytes over and over, so that any byte can be told from its position.
pub(crate) const PATTERN: &[u8; 64] =
    b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-\n";

/// Moves the beginning of `body` to `output`, until that holds `limit` bytes or the body has ended.
pub(crate) fn write_pattern(output: &mut Vec<u8>, body: &mut Range<u64>, limit: usize) {
    while !body.is_empty() && output.len() < limit {
        let from = usize::try_from(body.start % 64).expect("below 64");
        let left = usize::try_from(body.end - body.start).unwrap_or(usize::MAX);
        let part = &PATTERN[from..][..left.min(64 - from)];
        output.extend_from_slice(part);
        body.start += u64::try_from(part.len()).expect("below 64");
    }
}
