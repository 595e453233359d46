//! HTTP/1.1 responses, sans-IO: bytes in, events out, nothing copied but a head that arrives in pieces.
//!
//! ```text
//!        +------------------------------------------------------+
//!        v                                                      |
//!      head --> length -----------------------------------> end-+
//!        |  `-> until close --------------------(end of input)--^
//!        |  `-> chunk size -> chunk data -> chunk end -+        |
//!        |          ^    `-> trailers -----------------|--------+
//!        |          +----------------------------------+
//!        +-- 1xx: skipped, the head of the answer follows
//! ```
//!
//! A server may be broken or hostile: whatever it sends ends in an answer or in a [`ResponseError`], in bounded memory.
//! The same bytes give the same events however they were cut.

use std::mem;

mod error;
mod head;

use self::head::parse_head;

pub use error::ResponseError;

/// Longest head, and longest trailer section, in bytes: what common servers allow a request is allowed an answer.
pub const HEAD_SIZE_MAX: usize = 16 * 1024;
/// Longest chunk-size line, extensions included, in bytes.
const CHUNK_LINE_MAX: u16 = 1024;
/// Most 1xx heads before an answer: an endless series of them would otherwise look like progress.
const INTERIM_MAX: u8 = 32;

/// What follows the head of an answer to the request that was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expect {
    /// The answer to a GET or any other request that is not HEAD.
    #[default]
    Body,
    /// The answer to a HEAD: whatever its head says, no body.
    HeadOnly,
}

/// Turns bytes into [`ResponseEvent`]s, one response after the other on the same connection.
#[derive(Debug, Default)]
pub struct ResponseParser {
    expect: Expect,
    state: State,
    /// The beginning of a head whose end has not arrived; empty, and without allocation, in the usual case.
    held: Vec<u8>,
    /// 1xx heads since the last answer.
    interim: u8,
}

/// What the parser saw next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseEvent<'a> {
    /// The head of the answer; 1xx heads are skipped.
    Head(ResponseHead),
    /// A part of the body, never empty, framing removed.
    Body(&'a [u8]),
    /// The answer is complete.
    End,
}

/// What a head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// Status, 200 to 999.
    pub status: u16,
    /// Where the body ends.
    pub framing: Framing,
    /// Whether the connection may be asked again after this answer.
    pub keep_alive: bool,
}

/// Where the body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none: HEAD, 204, 304.
    None,
    /// After this many bytes.
    Length(u64),
    /// At the chunk of size zero and its trailers.
    Chunked,
    /// Where the connection ends.
    UntilClose,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Head,
    Length(u64),
    UntilClose,
    ChunkSize {
        size: u64,
        digits: u8,
        line: u16,
        part: ChunkLine,
    },
    ChunkData(u64),
    ChunkEnd {
        carriage_return: bool,
    },
    Trailers {
        total: usize,
        line: usize,
    },
    End,
    Failed(ResponseError),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ChunkLine {
    Digits,
    Extension,
    LineFeed,
}

const CHUNK_SIZE: State = State::ChunkSize { size: 0, digits: 0, line: 0, part: ChunkLine::Digits };

impl ResponseParser {
    /// A parser for the answers to one kind of request.
    #[must_use]
    pub fn new(expect: Expect) -> Self {
        Self { expect, ..Self::default() }
    }

    /// Takes bytes off the front of `input` and returns what they mean; `None` when more are needed, `input` is empty
    /// then. Call it until `None`: the end of an answer may be known without another byte.
    ///
    /// # Errors
    ///
    /// When the bytes are no response; every later call returns the same error.
    pub fn next<'a>(
        &mut self,
        input: &mut &'a [u8],
    ) -> Result<Option<ResponseEvent<'a>>, ResponseError> {
        self.next_with(input, &mut |_, _| {})
    }

    /// As [`next`](Self::next), and shows each header field of an answer's head, name and value, before it returns that
    /// head; those of 1xx heads are not shown.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next); fields of a head that is refused may have been shown.
    pub fn next_with<'a>(
        &mut self,
        input: &mut &'a [u8],
        field: &mut impl FnMut(&str, &[u8]),
    ) -> Result<Option<ResponseEvent<'a>>, ResponseError> {
        let event = self.advance(input, field);
        if let Err(error) = event {
            self.state = State::Failed(error);
            self.held = Vec::new();
        }
        event
    }

    /// The heads that are still to come answer requests of this kind.
    pub fn set_expect(&mut self, expect: Expect) {
        self.expect = expect;
    }

    /// The connection has ended: `Some(End)` if this completes the answer, `None` if none had begun.
    ///
    /// # Errors
    ///
    /// [`ResponseError::Short`] when the answer is incomplete, or the error that the parser was in.
    pub fn end_of_input(&mut self) -> Result<Option<ResponseEvent<'static>>, ResponseError> {
        match self.state {
            State::Head if self.held.is_empty() && self.interim == 0 => Ok(None),
            State::UntilClose | State::End => {
                self.state = State::Head;
                Ok(Some(ResponseEvent::End))
            }
            State::Failed(error) => Err(error),
            _ => Err(ResponseError::Short),
        }
    }

    /// Whether part of an answer has arrived and its end has not.
    #[must_use]
    pub fn within_answer(&self) -> bool {
        self.state != State::Head || !self.held.is_empty() || self.interim != 0
    }

    fn advance<'a>(
        &mut self,
        input: &mut &'a [u8],
        field: &mut impl FnMut(&str, &[u8]),
    ) -> Result<Option<ResponseEvent<'a>>, ResponseError> {
        loop {
            match self.state {
                State::Failed(error) => return Err(error),
                State::End => {
                    self.state = State::Head;
                    return Ok(Some(ResponseEvent::End));
                }
                _ if input.is_empty() => return Ok(None),
                State::Head => match self.head(input, field)? {
                    Some(head) if head.status < 200 => self.skip_interim(head.status)?,
                    Some(head) => {
                        self.interim = 0;
                        self.state = first_state(head.framing);
                        return Ok(Some(ResponseEvent::Head(head)));
                    }
                    None => return Ok(None),
                },
                State::Length(left) => {
                    let (body, left) = take_body(input, left);
                    self.state = if left == 0 { State::End } else { State::Length(left) };
                    return Ok(Some(ResponseEvent::Body(body)));
                }
                State::ChunkData(left) => {
                    let (body, left) = take_body(input, left);
                    self.state = if left == 0 {
                        State::ChunkEnd { carriage_return: false }
                    } else {
                        State::ChunkData(left)
                    };
                    return Ok(Some(ResponseEvent::Body(body)));
                }
                State::UntilClose => return Ok(Some(ResponseEvent::Body(mem::take(input)))),
                State::ChunkSize { size, digits, line, part } => {
                    self.state = chunk_size(take_byte(input), size, digits, line, part)?;
                }
                State::ChunkEnd { carriage_return } => {
                    self.state = match (take_byte(input), carriage_return) {
                        (b'\r', false) => State::ChunkEnd { carriage_return: true },
                        (b'\n', true) => CHUNK_SIZE,
                        _ => return Err(ResponseError::BadChunk),
                    };
                }
                State::Trailers { total, line } => {
                    self.state = trailer(take_byte(input), total, line)?;
                }
            }
        }
    }

    /// The head at the front of `held` and `input` together; parsed in place when all of it is in `input`.
    fn head(
        &mut self,
        input: &mut &[u8],
        field: &mut impl FnMut(&str, &[u8]),
    ) -> Result<Option<ResponseHead>, ResponseError> {
        let before = self.held.len();
        let room = input.len().min(HEAD_SIZE_MAX - before);
        let parsed = if before == 0 {
            parse_head(&input[..room], self.expect, field)?
        } else {
            self.held.extend_from_slice(&input[..room]);
            parse_head(&self.held, self.expect, field)?
        };
        match parsed {
            Some((head, length)) => {
                *input = &input[length - before..];
                self.held = Vec::new();
                Ok(Some(head))
            }
            None if before + room == HEAD_SIZE_MAX => Err(ResponseError::HeadTooLong),
            None => {
                if before == 0 {
                    self.held.extend_from_slice(input);
                }
                *input = &[];
                Ok(None)
            }
        }
    }

    fn skip_interim(&mut self, status: u16) -> Result<(), ResponseError> {
        if status == 101 {
            return Err(ResponseError::Upgrade);
        }
        self.interim += 1;
        if self.interim > INTERIM_MAX { Err(ResponseError::TooManyInterim) } else { Ok(()) }
    }
}

fn first_state(framing: Framing) -> State {
    match framing {
        Framing::None | Framing::Length(0) => State::End,
        Framing::Length(length) => State::Length(length),
        Framing::Chunked => CHUNK_SIZE,
        Framing::UntilClose => State::UntilClose,
    }
}

/// Up to `left` bytes of `input`, and how many are still to come.
fn take_body<'a>(input: &mut &'a [u8], left: u64) -> (&'a [u8], u64) {
    let count = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
    let (body, rest) = input.split_at(count);
    *input = rest;
    (body, left - u64::try_from(count).expect("a length fits 64 bits"))
}

/// The first byte of an input that is not empty.
fn take_byte(input: &mut &[u8]) -> u8 {
    let byte = input[0];
    *input = &input[1..];
    byte
}

fn chunk_size(
    byte: u8,
    size: u64,
    digits: u8,
    line: u16,
    part: ChunkLine,
) -> Result<State, ResponseError> {
    if line == CHUNK_LINE_MAX {
        return Err(ResponseError::BadChunk);
    }
    let digit = char::from(byte).to_digit(16).map(u64::from);
    let (size, digits, part) = match (part, byte, digit) {
        (ChunkLine::Digits, _, Some(digit)) if digits < 16 => (size << 4 | digit, digits + 1, part),
        (ChunkLine::Digits, b';' | b' ' | b'\t', _) if digits > 0 => {
            (size, digits, ChunkLine::Extension)
        }
        (ChunkLine::Digits, b'\r', _) if digits > 0 => (size, digits, ChunkLine::LineFeed),
        (ChunkLine::Extension, b'\r', _) => (size, digits, ChunkLine::LineFeed),
        (ChunkLine::Extension, 1..=8 | 10..=31 | 0 | 127, _) => {
            return Err(ResponseError::BadChunk);
        }
        (ChunkLine::Extension, _, _) => (size, digits, part),
        (ChunkLine::LineFeed, b'\n', _) if size == 0 => {
            return Ok(State::Trailers { total: 0, line: 0 });
        }
        (ChunkLine::LineFeed, b'\n', _) => return Ok(State::ChunkData(size)),
        _ => return Err(ResponseError::BadChunk),
    };
    Ok(State::ChunkSize { size, digits, line: line + 1, part })
}

/// Trailers are bounded and skipped: an empty line ends them. `line` counts the bytes of the line but for the carriage
/// return.
fn trailer(byte: u8, total: usize, line: usize) -> Result<State, ResponseError> {
    if total == HEAD_SIZE_MAX {
        return Err(ResponseError::TrailersTooLong);
    }
    match byte {
        b'\n' if line == 0 => Ok(State::End),
        b'\n' => Ok(State::Trailers { total: total + 1, line: 0 }),
        b'\r' => Ok(State::Trailers { total: total + 1, line }),
        _ => Ok(State::Trailers { total: total + 1, line: line + 1 }),
    }
}
