//! The names of what is no response.

use std::fmt;

/// Why the bytes are no response. The parser stays in error: the connection has lost its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResponseError {
    /// The status line is not HTTP/1.0 or HTTP/1.1.
    NotHttp,
    /// A header field has a character or a line end that it must not have.
    BadHeader,
    /// More than [`HEAD_SIZE_MAX`](super::HEAD_SIZE_MAX) bytes without the end of the head.
    HeadTooLong,
    /// More than a hundred header fields.
    TooManyHeaders,
    /// `Content-Length` is no number, or differs from another one.
    BadLength,
    /// Both `Content-Length` and `Transfer-Encoding`, or a transfer coding over HTTP/1.0: two readers could disagree.
    AmbiguousLength,
    /// A chunk's size or end is not as it must be.
    BadChunk,
    /// More than [`HEAD_SIZE_MAX`](super::HEAD_SIZE_MAX) bytes of trailers.
    TrailersTooLong,
    /// More than 32 heads of status 1xx.
    TooManyInterim,
    /// 101: the server goes on in another protocol, which nobody asked for.
    Upgrade,
    /// The connection ended within the answer.
    Short,
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotHttp => "the answer is not HTTP/1.1",
            Self::BadHeader => "a header field of the answer is malformed",
            Self::HeadTooLong => "the head of the answer is longer than 16 KiB",
            Self::TooManyHeaders => "the answer has more than 100 header fields",
            Self::BadLength => {
                "the content-length of the answer is no number, or two of them differ"
            }
            Self::AmbiguousLength => "the answer states its length in two ways",
            Self::BadChunk => "a chunk of the answer is malformed",
            Self::TrailersTooLong => "the trailers of the answer are longer than 16 KiB",
            Self::TooManyInterim => "the server sends 1xx without end",
            Self::Upgrade => "the server changed the protocol",
            Self::Short => "the connection ended within the answer",
        })
    }
}

impl std::error::Error for ResponseError {}
