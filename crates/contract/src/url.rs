//! The two kinds of URL that a client fetches.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::str::FromStr;

/// `http://HOST:PORT/PATH` or `echo://HOST:PORT/TEXT`, its host resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    text: String,
    address: SocketAddr,
    target: Target,
}

/// What is wanted from the address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// The body at this path; `authority` goes into the Host header.
    Http { authority: String, path: String },
    /// This text back.
    Echo { text: String },
}

impl Url {
    /// The URL as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Where to connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").ok_or_else(|| {
            format!(
                "`{text}` has no scheme; write `http://HOST:PORT/PATH` or `echo://HOST:PORT/TEXT`"
            )
        })?;
        let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        if let Some(odd) = text.chars().find(|c| c.is_control() || c.is_whitespace()) {
            return Err(format!(
                "`{}` holds {odd:?}; write it as %{:02X}",
                text.escape_debug(),
                u32::from(odd)
            ));
        }
        let (target, default_port) = match scheme {
            "http" => {
                let path = if path.is_empty() { "/" } else { path };
                let path = path.split('#').next().unwrap_or(path).to_owned();
                (Target::Http { authority: authority.to_owned(), path }, Some(80))
            }
            "echo" => {
                let message = path.trim_start_matches('/');
                let message = if message.is_empty() { "hello" } else { message };
                (Target::Echo { text: message.to_owned() }, None)
            }
            "https" => {
                return Err(format!("`{text}` needs TLS, which no model speaks; use http://"));
            }
            other => return Err(format!("unknown scheme `{other}`; use http or echo")),
        };
        Ok(Self { text: text.to_owned(), address: resolve(authority, default_port)?, target })
    }
}

fn resolve(authority: &str, default_port: Option<u16>) -> Result<SocketAddr, String> {
    // A colon behind the last `]` begins the port; the others belong to an IPv6 address.
    let has_port = authority.rsplit(']').next().is_some_and(|tail| tail.contains(':'));
    let with_port = match default_port {
        _ if has_port => authority.to_owned(),
        Some(port) => format!("{authority}:{port}"),
        None => return Err(format!("`{authority}` has no port; write HOST:PORT")),
    };
    with_port
        .to_socket_addrs()
        .map_err(|error| format!("failed to resolve `{with_port}`: {error}"))?
        .next()
        .ok_or_else(|| format!("`{with_port}` has no address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_and_echo_urls_are_taken_apart() {
        let url: Url = "http://127.0.0.1:80/a?b#c".parse().unwrap();
        assert_eq!(url.address(), "127.0.0.1:80".parse().unwrap());
        let http = Target::Http { authority: "127.0.0.1:80".into(), path: "/a?b".into() };
        assert_eq!(url.target(), &http);
        let url: Url = "echo://[::1]:7/hi".parse().unwrap();
        assert_eq!(url.address(), "[::1]:7".parse().unwrap());
        assert_eq!(url.target(), &Target::Echo { text: "hi".into() });
        let url: Url = "http://127.0.0.1".parse().unwrap();
        assert_eq!(url.address().port(), 80);
    }

    #[test]
    fn what_cannot_be_fetched_is_refused_with_the_remedy() {
        for (text, word) in [
            ("127.0.0.1:80", "no scheme"),
            ("https://127.0.0.1/", "TLS"),
            ("ftp://127.0.0.1/", "unknown scheme"),
            ("echo://127.0.0.1/", "no port"),
            ("http://127.0.0.1:80/a b", "%20"),
            ("http://127.0.0.1:80/a\r\nX: y", "%0D"),
            ("http://127.0.0.1:99999/", "failed to resolve"),
        ] {
            let error = text.parse::<Url>().unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
