//! What is asked over HTTP: one request, made once and sent again and again.

use contract::response::Expect as BodyExpected;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::options::Expect;
use crate::several::REQUESTS_MAX;
use crate::target::{Target, check_path};

/// Fields that this crate writes itself, or that would change where a message ends.
const OWN_FIELDS: [&str; 4] = ["content-length", "transfer-encoding", "expect", "upgrade"];

/// An HTTP request: `GET` without fields of its own, unless it says otherwise. Without meaning for an echo.
///
/// ```
/// use load::Request;
///
/// let post = Request {
///     method: "POST".into(),
///     headers: vec![("Content-Type".into(), "application/json".into())],
///     body: b"{}".to_vec(),
/// };
/// assert_ne!(post, Request::default());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The method; `HEAD` is known to be answered without a body.
    pub method: String,
    /// Header fields, name and value, beside `Host` and `Content-Length`, which are written for you; a `Host` given
    /// here takes the place of the URL's.
    pub headers: Vec<(String, String)>,
    /// The body; not empty means that its length is said.
    pub body: Vec<u8>,
}

/// Another path that is asked for in turn with the target's, in the same way; see
/// [`Load::alternatives`](crate::Load::alternatives).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alternative {
    /// Path and query, beginning with `/`.
    pub path: String,
    /// What a right answer is; `None`: learnt, as [`Load::expect`](crate::Load::expect).
    pub expect: Option<Expect>,
}

impl Default for Request {
    fn default() -> Self {
        Self { method: "GET".to_owned(), headers: Vec::new(), body: Vec::new() }
    }
}

impl Request {
    /// Whether its answers have a body.
    pub(crate) fn answer_kind(&self) -> BodyExpected {
        if self.method == "HEAD" { BodyExpected::HeadOnly } else { BodyExpected::Body }
    }

    /// The bytes that ask `host` for `path`.
    pub(crate) fn bytes(&self, host: &str, path: &str) -> Vec<u8> {
        let mut head = format!("{} {path} HTTP/1.1\r\n", self.method);
        let mut field = |name: &str, value: &str| {
            for part in [name, ": ", value, "\r\n"] {
                head.push_str(part);
            }
        };
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            field("Host", host);
        }
        for (name, value) in &self.headers {
            field(name, value);
        }
        let has_body = !self.body.is_empty();
        if has_body || matches!(self.method.as_str(), "POST" | "PUT" | "PATCH") {
            field("Content-Length", &self.body.len().to_string());
        }
        head.push_str("\r\n");
        [head.as_bytes(), &self.body].concat()
    }

    /// Refuses what is no request.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let usage = |why: String| Err(Error::Usage(why));
        if !is_token(&self.method) || self.method == "CONNECT" {
            return usage(format!("`{}` is no method to measure; give GET or HEAD", self.method));
        }
        for (name, value) in &self.headers {
            check_field(name, value)?;
            if OWN_FIELDS.iter().any(|own| name.eq_ignore_ascii_case(own)) {
                return usage(format!("the field `{name}` is not yours to send; leave it out"));
            }
        }
        Ok(())
    }
}

/// Refuses paths that cannot be asked for in turn with the target's.
pub(crate) fn check_alternatives(target: &Target, others: &[Alternative]) -> Result<(), Error> {
    let usage = |why: String| Err(Error::Usage(why));
    if matches!(target, Target::Echo { .. }) && !others.is_empty() {
        return usage("paths for an echo, which has none; give an http:// target".to_owned());
    }
    if others.len() >= REQUESTS_MAX {
        return usage(format!("too many paths; give at most {}", REQUESTS_MAX - 1));
    }
    let wrong = |path: &str| match check_path(path) {
        Ok(()) if path.starts_with('/') => None,
        Ok(()) => Some(format!("the path `{path}` does not begin with `/`; give such as /x")),
        Err(why) => Some(format!("`{}` {why}", path.escape_debug())),
    };
    others.iter().find_map(|other| wrong(&other.path)).map_or(Ok(()), usage)
}

/// Refuses a field that would end early or be another one.
pub(crate) fn check_field(name: &str, value: &str) -> Result<(), Error> {
    let is_plain = |byte: u8| byte == b'\t' || (byte >= b' ' && byte != 0x7f);
    if is_token(name) && value.bytes().all(is_plain) {
        return Ok(());
    }
    let field = format!("{name}: {value}");
    let field = field.escape_debug();
    Err(Error::Usage(format!("`{field}` is no header field; give `Name: value` on one line")))
}

/// What a method and a field's name are made of.
fn is_token(text: &str) -> bool {
    let named = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(request: &Request) -> String {
        String::from_utf8(request.bytes("host:1", "/a")).unwrap()
    }

    #[test]
    fn the_usual_request_is_as_short_as_can_be() {
        assert_eq!(text(&Request::default()), "GET /a HTTP/1.1\r\nHost: host:1\r\n\r\n");
    }

    #[test]
    fn a_body_says_its_length_and_a_post_always() {
        let post = Request { method: "POST".into(), ..Request::default() };
        assert_eq!(text(&post), "POST /a HTTP/1.1\r\nHost: host:1\r\nContent-Length: 0\r\n\r\n");
        let get = Request { body: b"abc".to_vec(), ..Request::default() };
        assert!(text(&get).ends_with("Content-Length: 3\r\n\r\nabc"));
    }

    #[test]
    fn a_host_of_ones_own_is_the_only_one() {
        let headers = vec![("hOST".to_owned(), "other".to_owned())];
        let request = Request { headers, ..Request::default() };
        assert_eq!(text(&request), "GET /a HTTP/1.1\r\nhOST: other\r\n\r\n");
    }

    #[test]
    fn what_would_make_two_requests_of_one_is_refused() {
        let with = |name: &str, value: &str| Request {
            headers: vec![(name.to_owned(), value.to_owned())],
            ..Request::default()
        };
        let method = |method: &str| Request { method: method.into(), ..Request::default() };
        assert!(with("Accept", "a;q=0.5,\tb \u{e9}").check().is_ok());
        let wrong = [
            with("A", "b\r\nC: d"),
            with("A", "b\0"),
            with("A:", "b"),
            with("", "b"),
            with("A b", "c"),
            with("content-Length", "5"),
            with("Transfer-Encoding", "chunked"),
            method(""),
            method("GET /x HTTP/1.1\r\n"),
            method("CONNECT"),
        ];
        for request in wrong {
            assert!(matches!(request.check(), Err(Error::Usage(_))), "{request:?}");
        }
    }
}
