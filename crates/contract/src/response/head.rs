//! The head of a response: what it says of the body that follows.

use std::mem::MaybeUninit;

use httparse::{Header, ParserConfig, Response, Status};

use super::{Expect, Framing, ResponseError, ResponseHead};

/// Most header fields in one head.
const HEADERS_MAX: usize = 100;

/// The head and its length in bytes, or `None` when its end has not arrived.
pub(super) fn parse_head(
    bytes: &[u8],
    expect: Expect,
    show: &mut impl FnMut(&str, &[u8]),
) -> Result<Option<(ResponseHead, usize)>, ResponseError> {
    // Uninitialised, since clearing a hundred fields would cost as much as parsing the usual five.
    let mut fields = [const { MaybeUninit::<Header<'_>>::uninit() }; HEADERS_MAX];
    let mut response = Response::new(&mut []);
    match ParserConfig::default().parse_response_with_uninit_headers(
        &mut response,
        bytes,
        &mut fields,
    ) {
        Ok(Status::Complete(length)) => Ok(Some((read_head(&response, expect, show)?, length))),
        Ok(Status::Partial) => Ok(None),
        Err(httparse::Error::TooManyHeaders) => Err(ResponseError::TooManyHeaders),
        Err(httparse::Error::HeaderName | httparse::Error::HeaderValue) => {
            Err(ResponseError::BadHeader)
        }
        Err(_) => Err(ResponseError::NotHttp),
    }
}

fn read_head(
    response: &Response<'_, '_>,
    expect: Expect,
    show: &mut impl FnMut(&str, &[u8]),
) -> Result<ResponseHead, ResponseError> {
    let status = response.code.filter(|status| *status >= 100).ok_or(ResponseError::NotHttp)?;
    let http_1_0 = response.version == Some(0);
    let mut length = None;
    let mut coding = None;
    let mut keep_alive = !http_1_0;
    for field in &*response.headers {
        // By length first: most fields are none of the three.
        match field.name.len() {
            10 if field.name.eq_ignore_ascii_case("connection") => {
                keep_alive = keeps_alive(field.value, keep_alive);
            }
            14 if field.name.eq_ignore_ascii_case("content-length") => {
                length = Some(content_length(field.value, length)?);
            }
            17 if field.name.eq_ignore_ascii_case("transfer-encoding") => {
                coding = Some(field.value);
            }
            _ => {}
        }
        if status >= 200 {
            show(field.name, field.value);
        }
    }
    let framing = match (coding, length) {
        (Some(_), Some(_)) => return Err(ResponseError::AmbiguousLength),
        (Some(_), _) if http_1_0 => return Err(ResponseError::AmbiguousLength),
        _ if expect == Expect::HeadOnly || status < 200 || status == 204 || status == 304 => {
            Framing::None
        }
        (Some(coding), None)
            if tokens(coding).last().is_some_and(|last| last.eq_ignore_ascii_case(b"chunked")) =>
        {
            Framing::Chunked
        }
        (None, Some(length)) => Framing::Length(length),
        _ => Framing::UntilClose,
    };
    Ok(ResponseHead { status, framing, keep_alive: keep_alive && framing != Framing::UntilClose })
}

/// The members of a comma-separated field, white space removed.
fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

fn keeps_alive(value: &[u8], before: bool) -> bool {
    tokens(value).fold(before, |keep, token| {
        if token.eq_ignore_ascii_case(b"close") {
            false
        } else {
            keep || token.eq_ignore_ascii_case(b"keep-alive")
        }
    })
}

/// Digits only, and the same number as `before`: signs, blanks and disagreement are how responses are smuggled.
fn content_length(value: &[u8], before: Option<u64>) -> Result<u64, ResponseError> {
    let digits = value.trim_ascii();
    let mut length = 0_u64;
    for byte in digits {
        let digit = char::from(*byte).to_digit(10).ok_or(ResponseError::BadLength)?;
        length = length
            .checked_mul(10)
            .and_then(|l| l.checked_add(u64::from(digit)))
            .ok_or(ResponseError::BadLength)?;
    }
    if digits.is_empty() || before.is_some_and(|before| before != length) {
        return Err(ResponseError::BadLength);
    }
    Ok(length)
}
