//! The client's counterpart of the service, sans-IO: one exchange, steps out, bytes in.
//!
//! ```text
//! connect to address(), then
//!   step() -> Write -> output() to the socket, wrote(n)
//!          -> Read  -> received(bytes), no bytes at the end of input
//!          -> Done  -> finish(Ok(()))
//! an error anywhere -> finish(Err(error))
//! ```

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::args::Choice;
use crate::response::{Expect, ResponseEvent, ResponseParser};
use crate::url::{Target, Url};

/// What a model is to do next for a fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientStep {
    /// Write [`Exchange::output`], or as much as the socket takes, and call [`Exchange::wrote`].
    Write,
    /// Read, and call [`Exchange::received`].
    Read,
    /// The answer is whole, or cannot become so.
    Done,
}

/// One request and its answer, over one connection.
#[derive(Debug)]
pub struct Exchange {
    url: Url,
    begun: Option<Instant>,
    output: Vec<u8>,
    written: usize,
    answer: Answer,
    done: bool,
    fetched: Fetched,
}

#[derive(Debug)]
enum Answer {
    Http(Box<ResponseParser>),
    Echo {
        /// How many bytes of the text have come back.
        back: usize,
    },
}

/// What became of a fetch: one JSON line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetched {
    /// The URL as it was given.
    pub url: String,
    /// Status of the HTTP answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Bytes of the body, or of the echo.
    pub body_bytes: u64,
    /// From the first step to the last byte, microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elapsed_us: Option<u64>,
    /// Why there is no whole answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Fetched {
    /// One JSON line without its end, also for a model whose results must pass from one process to another.
    pub fn to_line(&self) -> io::Result<String> {
        serde_json::to_string(self).map_err(io::Error::from)
    }

    /// Reads what [`Self::to_line`] wrote.
    ///
    /// # Errors
    /// The line is of another kind, or cut short: its writer died.
    pub fn from_line(line: &str) -> io::Result<Self> {
        serde_json::from_str(line).map_err(io::Error::from)
    }
}

impl Exchange {
    /// An exchange that has not begun.
    #[must_use]
    pub fn new(url: Url) -> Self {
        let (output, answer) = match url.target() {
            Target::Http { authority, path } => (
                format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n")
                    .into_bytes(),
                Answer::Http(Box::new(ResponseParser::new(Expect::Body))),
            ),
            Target::Echo { text } => (text.clone().into_bytes(), Answer::Echo { back: 0 }),
        };
        let fetched = Fetched { url: url.as_str().to_owned(), ..Fetched::default() };
        Self { url, begun: None, output, written: 0, answer, done: false, fetched }
    }

    /// The URL as it was given, for a model that must say what became of an exchange that it has lost.
    #[must_use]
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Where to connect; the clock of the exchange starts here.
    pub fn connect_to(&mut self) -> SocketAddr {
        self.begun.get_or_insert_with(Instant::now);
        self.url.address()
    }

    /// What to do next. Asking twice gives the same answer.
    #[must_use]
    pub fn step(&self) -> ClientStep {
        if self.done {
            ClientStep::Done
        } else if self.written < self.output.len() {
            ClientStep::Write
        } else {
            ClientStep::Read
        }
    }

    /// Bytes to be written, from where the last write ended.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        &self.output[self.written..]
    }

    /// The request whole, for a runtime that must own what it writes; report it by [`Self::wrote`].
    #[must_use]
    pub fn take_output(&mut self) -> Vec<u8> {
        self.output[self.written..].to_vec()
    }

    /// The socket took `count` bytes.
    pub fn wrote(&mut self, count: usize) {
        self.written += count;
    }

    /// Takes bytes that were read; none means that the server has ended its sending.
    pub fn received(&mut self, bytes: &[u8]) {
        let result = match &mut self.answer {
            Answer::Echo { back } => echoed(&self.output, back, bytes, &mut self.fetched),
            Answer::Http(parser) => answered(parser, bytes, &mut self.fetched),
        };
        match result {
            Ok(done) => self.done = done,
            Err(error) => self.fail(&error),
        }
    }

    /// The exchange is over: with the answer, or with what prevented it.
    #[must_use]
    pub fn finish(mut self, result: io::Result<()>) -> Fetched {
        if let Err(error) = result {
            self.fail(&error.to_string());
        }
        self.fetched.elapsed_us =
            self.begun.map(|begun| u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX));
        self.fetched
    }

    fn fail(&mut self, error: &str) {
        self.fetched.error.get_or_insert_with(|| error.to_owned());
        self.done = true;
    }
}

/// Compares what came back with what was sent; true when all of it has.
fn echoed(
    sent: &[u8],
    back: &mut usize,
    bytes: &[u8],
    fetched: &mut Fetched,
) -> Result<bool, String> {
    if bytes.is_empty() {
        return Err("short: the connection ended within the echo".into());
    }
    if !sent[*back..].starts_with(bytes) {
        return Err("mismatch: the echo differs from what was sent".into());
    }
    *back += bytes.len();
    fetched.body_bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    Ok(*back == sent.len())
}

/// Takes the answer in; true when it is whole.
fn answered(
    parser: &mut ResponseParser,
    mut bytes: &[u8],
    fetched: &mut Fetched,
) -> Result<bool, String> {
    if bytes.is_empty() {
        return match parser.end_of_input() {
            Ok(Some(ResponseEvent::End)) => Ok(true),
            Ok(_) => Err("short: the connection ended before the answer".into()),
            Err(error) => Err(error.to_string()),
        };
    }
    while let Some(event) = parser.next(&mut bytes).map_err(|error| error.to_string())? {
        match event {
            ResponseEvent::Head(head) => fetched.status = Some(head.status),
            ResponseEvent::Body(body) => {
                fetched.body_bytes += u64::try_from(body.len()).unwrap_or(u64::MAX);
            }
            ResponseEvent::End if bytes.is_empty() => return Ok(true),
            ResponseEvent::End => return Err("extra: more bytes than the answer has".into()),
        }
    }
    Ok(false)
}

/// A named set of fetches against one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// Three different pages, gathered.
    ThreeUrls,
    /// Ten answers that take 100 ms each.
    TenSlowServers,
    /// A thousand of them.
    ThousandSlowServers,
}

impl Choice for Scenario {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Self::ThreeUrls, "three-urls"),
        (Self::TenSlowServers, "ten-slow-servers"),
        (Self::ThousandSlowServers, "thousand-slow-servers"),
    ];
}

impl Scenario {
    pub(crate) fn urls(self, server: SocketAddr) -> Vec<Url> {
        let paths: Vec<&str> = match self {
            Self::ThreeUrls => vec!["/", "/bytes/1024", "/wait/10"],
            Self::TenSlowServers => vec!["/wait/100"; 10],
            Self::ThousandSlowServers => vec!["/wait/100"; 1_000],
        };
        let url = |path| {
            format!("http://{server}{path}").parse().expect("an address and a path make a URL")
        };
        paths.into_iter().map(url).collect()
    }
}
