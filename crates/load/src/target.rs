//! Whom to ask: a URL, taken apart and resolved.

use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long to try each address of a host that has several.
const TRY_TIMEOUT: Duration = Duration::from_secs(1);
/// Longest path and query, in bytes: what common servers take.
const PATH_SIZE_MAX: usize = 8 * 1024;

/// Whom to ask, and for what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// `http://HOST[:PORT][/PATH]`: `GET` over HTTP/1.1.
    Http {
        /// The `Host` header: as in the URL, port included unless it is 80.
        host: String,
        /// Where to connect.
        addr: SocketAddr,
        /// Path and query, beginning with `/`.
        path: String,
    },
    /// `echo://HOST:PORT`: the server sends back what it gets.
    Echo {
        /// Where to connect.
        addr: SocketAddr,
    },
}

/// Why a URL is no target; the message ends with what would be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TargetError(String);

/// A URL taken apart, its host not yet looked up.
#[derive(Debug, PartialEq, Eq)]
struct Parts<'a> {
    echo: bool,
    /// Without the brackets of an IPv6 address.
    host: &'a str,
    port: u16,
    path: &'a str,
}

impl Target {
    /// Takes a URL apart and looks its host up. Of several addresses, the first that accepts a connection is taken;
    /// a numeric address is taken as it is, and nothing is sent.
    ///
    /// # Errors
    ///
    /// When it is no URL of a kind known here, or its host is unknown.
    pub fn parse(url: &str) -> Result<Self, TargetError> {
        let parts = split(url)?;
        Ok(Self::of(&parts, resolve(parts.host, parts.port)?))
    }

    /// As [`parse`](Self::parse), but connects to `addr` whatever the host of the URL is, and looks nothing up.
    ///
    /// ```
    /// use load::Target;
    ///
    /// let addr = "127.0.0.1:8080".parse().unwrap();
    /// match Target::at("http://www.example.org/", addr).unwrap() {
    ///     Target::Http { host, addr: to, .. } => assert_eq!((host.as_str(), to), ("www.example.org", addr)),
    ///     Target::Echo { .. } => unreachable!(),
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// When it is no URL of a kind known here.
    pub fn at(url: &str, addr: SocketAddr) -> Result<Self, TargetError> {
        Ok(Self::of(&split(url)?, addr))
    }

    fn of(parts: &Parts<'_>, addr: SocketAddr) -> Self {
        if parts.echo { Self::Echo { addr } } else { Self::http(addr, parts) }
    }

    fn http(addr: SocketAddr, parts: &Parts<'_>) -> Self {
        let name = if parts.host.contains(':') {
            format!("[{}]", parts.host)
        } else {
            parts.host.to_owned()
        };
        let host = if parts.port == 80 { name } else { format!("{name}:{}", parts.port) };
        let path = if parts.path.starts_with('/') {
            parts.path.to_owned()
        } else {
            format!("/{}", parts.path)
        };
        Self::Http { host, addr, path }
    }

    /// Where to connect.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        match self {
            Self::Http { addr, .. } | Self::Echo { addr } => *addr,
        }
    }
}

fn split(url: &str) -> Result<Parts<'_>, TargetError> {
    let fail = |why: &str| {
        TargetError(format!("`{url}` {why}; give http://HOST:PORT/PATH or echo://HOST:PORT"))
    };
    let (scheme, rest) = url.split_once("://").ok_or_else(|| fail("has no scheme"))?;
    let echo = match scheme.to_ascii_lowercase().as_str() {
        "http" => false,
        "echo" => true,
        "https" => return Err(fail("asks for TLS, which is not measured here")),
        "h2" | "h2c" | "http2" | "h3" => {
            return Err(fail("asks for another HTTP than 1.1, which is not measured here"));
        }
        _ => return Err(fail("has an unknown scheme")),
    };
    let rest = rest.split('#').next().unwrap_or(rest);
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if path.len() > PATH_SIZE_MAX {
        return Err(TargetError("the path is longer than 8,192 bytes; give a shorter one".into()));
    }
    check_path(path).map_err(fail)?;
    if echo && !path.trim_matches('/').is_empty() {
        return Err(fail("has a path, and an echo has none"));
    }
    if authority.contains('@') {
        return Err(fail("has a user name, which is not sent"));
    }
    let (host, port) = split_port(authority).ok_or_else(|| fail("has no valid host and port"))?;
    let port = match port {
        Some(port) => {
            port.parse().ok().filter(|port| *port != 0).ok_or_else(|| fail("has no valid port"))?
        }
        None if echo => return Err(fail("has no port")),
        None => 80,
    };
    Ok(Parts { echo, host, port, path })
}

/// Says what is wrong with a path and query.
pub(crate) fn check_path(path: &str) -> Result<(), &'static str> {
    if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("has a blank or another character in its path that must be percent-encoded");
    }
    if path.len() > PATH_SIZE_MAX {
        return Err("has a path of more than 8,192 bytes");
    }
    Ok(())
}

/// `host`, `host:port`, `[v6]` or `[v6]:port`.
fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, if after.is_empty() { None } else { Some(after.strip_prefix(':')?) })
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let named = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
    (!host.is_empty() && host.bytes().all(named)).then_some((host, port))
}

fn resolve(host: &str, port: u16) -> Result<SocketAddr, TargetError> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(SocketAddr::new(address, port));
    }
    let fail = |why: &dyn std::fmt::Display| {
        TargetError(format!(
            "failed to look up host `{host}`: {why}; check the name, or give an IP address"
        ))
    };
    let found: Vec<SocketAddr> =
        (host, port).to_socket_addrs().map_err(|error| fail(&error))?.collect();
    let answers = |address: &SocketAddr| TcpStream::connect_timeout(address, TRY_TIMEOUT).is_ok();
    match found.as_slice() {
        [] => Err(fail(&"it has no address")),
        [only] => Ok(*only),
        [first, ..] => Ok(found.iter().copied().find(answers).unwrap_or(*first)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn http(host: &str, addr: &str, path: &str) -> Target {
        Target::Http { host: host.into(), addr: addr.parse().unwrap(), path: path.into() }
    }

    #[test]
    fn urls_of_the_known_kinds_are_targets() {
        let cases = [
            ("http://127.0.0.1:8080/", http("127.0.0.1:8080", "127.0.0.1:8080", "/")),
            ("HTTP://127.0.0.1", http("127.0.0.1", "127.0.0.1:80", "/")),
            ("http://127.0.0.1?q=1", http("127.0.0.1", "127.0.0.1:80", "/?q=1")),
            (
                "http://127.0.0.1:81/a/b?c=d&e#part",
                http("127.0.0.1:81", "127.0.0.1:81", "/a/b?c=d&e"),
            ),
            ("http://[::1]:8080/x", http("[::1]:8080", "[::1]:8080", "/x")),
            ("http://[::1]", http("[::1]", "[::1]:80", "/")),
            ("echo://127.0.0.1:7", Target::Echo { addr: "127.0.0.1:7".parse().unwrap() }),
            ("echo://[::1]:7/", Target::Echo { addr: "[::1]:7".parse().unwrap() }),
        ];
        for (url, target) in cases {
            assert_eq!(Target::parse(url), Ok(target), "{url}");
        }
    }

    #[test]
    fn a_host_name_is_looked_up_and_kept_in_the_host_header() {
        match Target::parse("http://localhost:9/").unwrap() {
            Target::Http { host, addr, .. } => {
                assert_eq!(host, "localhost:9");
                assert!(addr.ip().is_loopback());
            }
            Target::Echo { .. } => panic!("not an echo"),
        }
    }

    #[test]
    fn anything_else_is_refused_with_its_reason() {
        let cases = [
            ("127.0.0.1:80", "no scheme"),
            ("https://127.0.0.1/", "TLS"),
            ("h2c://127.0.0.1/", "another HTTP"),
            ("ftp://127.0.0.1/", "unknown scheme"),
            ("http://", "host"),
            ("http://:80/", "host"),
            ("http://127.0.0.1:0/", "port"),
            ("http://127.0.0.1:65536/", "port"),
            ("http://127.0.0.1:http/", "port"),
            ("http://me@127.0.0.1/", "user name"),
            ("http://127.0.0.1/a b", "percent-encoded"),
            ("http://127.0.0.1/a\r\nHost: b", "percent-encoded"),
            ("http://127.0.0.1/\u{e9}", "percent-encoded"),
            ("http://[::1/", "host"),
            ("http://[::1]x/", "host"),
            ("http://[nothing]/", "host"),
            ("http://::1/", "host"),
            ("echo://127.0.0.1", "no port"),
            ("echo://127.0.0.1:7/path", "path"),
        ];
        for (url, reason) in cases {
            let error = Target::parse(url).unwrap_err().to_string();
            assert!(error.contains(reason), "{url}: {error}");
        }
        assert!(Target::parse(&format!("http://127.0.0.1/{}", "a".repeat(9_000))).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_taken_apart_or_refused(text in ".{0,60}", path in "[ -~]{0,20}") {
            // `split`, so that no name is looked up.
            let _parts = split(&text);
            if let Ok(parts) = split(&format!("http://127.0.0.1:80/{path}")) {
                prop_assert!(!parts.path.contains(' '));
            }
        }
    }
}
