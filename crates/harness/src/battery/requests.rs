//! Cases of HTTP: one connection, one shape of request.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use contract::Work;
use nix::sys::socket::{setsockopt, sockopt};

use super::Verdict;
use super::subject::{Subject, stop};
use super::wire::{Wire, get};

/// Starts a contestant, runs the case against it, stops it, and hears its complaints.
fn with(
    subject: &Subject,
    case: impl FnOnce(SocketAddr) -> anyhow::Result<()>,
) -> anyhow::Result<Verdict> {
    let contestant = subject.start("http", &[])?;
    case(contestant.address())?;
    stop(contestant)?;
    Ok(Verdict::Pass)
}

pub(super) fn routes(subject: &Subject) -> anyhow::Result<Verdict> {
    with(subject, |address| {
        let mut wire = Wire::open(address)?;
        let digest = format!("{:016x}\n", Work::new(1000).run().0);
        let long: Vec<u8> = pattern().take(1_000_000).collect();
        for (path, body) in [
            ("/", b"hello, world\n".as_slice()),
            ("/bytes/0", b""),
            ("/bytes/1000000", &long),
            ("/wait/1", b"waited\n"),
            ("/block/1", b"blocked\n"),
            ("/compute/1000", digest.as_bytes()),
        ] {
            wire.send(get(path))?;
            let answer = wire.answer().with_context(|| format!("on `{path}`"))?;
            ensure!(
                answer.status == 200 && answer.body == body,
                "`{path}` was not answered with its body"
            );
        }
        Ok(())
    })
}

/// The body of `/bytes/N`, as the contract has it.
fn pattern() -> impl Iterator<Item = u8> {
    b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-\n".iter().copied().cycle()
}

pub(super) fn split_head(subject: &Subject) -> anyhow::Result<Verdict> {
    with(subject, |address| {
        let mut wire = Wire::open(address)?;
        wire.send_byte_by_byte(get("/"))?;
        ensure!(wire.answer()?.status == 200);
        // A second answer to the same request would stand before this one.
        wire.send(get("/bytes/3"))?;
        ensure!(wire.answer()?.body == b"012", "the split head was answered more than once");
        Ok(())
    })
}

pub(super) fn pipelined(subject: &Subject) -> anyhow::Result<Verdict> {
    with(subject, |address| {
        let mut wire = Wire::open(address)?;
        // Slow and quick by turns, in one write: an answer that overtakes shows.
        let paths: Vec<String> = (0..16)
            .map(|index| match index % 4 {
                1 => "/wait/5".into(),
                2 => "/block/5".into(),
                3 => "/compute/9".into(),
                _ => format!("/bytes/{index}"),
            })
            .collect();
        wire.send(paths.iter().map(|path| get(path)).collect::<String>())?;
        for (index, path) in paths.iter().enumerate() {
            let answer = wire.answer().with_context(|| format!("on pipelined request {index}"))?;
            let right = match index % 4 {
                1 => answer.body == b"waited\n",
                2 => answer.body == b"blocked\n",
                3 => answer.body.len() == 17,
                _ => answer.body.len() == index,
            };
            ensure!(
                answer.status == 200 && right,
                "request {index}, `{path}`, was answered with {answer:?}"
            );
        }
        Ok(())
    })
}

pub(super) fn half_close(subject: &Subject) -> anyhow::Result<Verdict> {
    with(subject, |address| {
        for path in ["/", "/wait/100", "/bytes/300000"] {
            let mut wire = Wire::open(address)?;
            wire.send(get(path))?;
            wire.end_sending()?;
            ensure!(wire.answer().with_context(|| format!("on `{path}`"))?.status == 200);
            wire.expect_end()?;
        }
        Ok(())
    })
}

pub(super) fn reset(subject: &Subject) -> anyhow::Result<Verdict> {
    with(subject, |address| {
        for path in ["/bytes/50000000", "/wait/200"] {
            let mut wire = Wire::open(address)?;
            wire.send(get(path))?;
            if path.starts_with("/bytes") {
                wire.bytes(1000)?;
            }
            // Closing without lingering sends a reset.
            let now = nix::libc::linger { l_onoff: 1, l_linger: 0 };
            setsockopt(&wire.stream, sockopt::Linger, &now)?;
            drop(wire);
            // What the reset does to the server it may do a moment later.
            for _ in 0..10 {
                Wire::open(address)?.expect_service().context("after another client's reset")?;
                thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    })
}

/// A request that must be refused with this status, and the connection ended.
fn refused(address: SocketAddr, request: &[u8], status: u16) -> anyhow::Result<()> {
    let mut wire = Wire::open(address)?;
    wire.send(request)?;
    let answer = wire.answer().with_context(|| format!("where {status} was due"))?;
    ensure!(answer.status == status, "answered with {} where {status} was due", answer.status);
    wire.end_sending()?;
    wire.expect_end()
}

pub(super) fn large_head(subject: &Subject) -> anyhow::Result<Verdict> {
    with(subject, |address| {
        let long = format!("GET / HTTP/1.1\r\nHost: battery\r\nX: {}\r\n\r\n", "x".repeat(100_000));
        refused(address, long.as_bytes(), 431)
    })
}

pub(super) fn garbage(subject: &Subject) -> anyhow::Result<Verdict> {
    with(subject, |address| refused(address, b"\x16\x03\x01\x02\x00 no HTTP\r\n\r\n", 400))
}

pub(super) fn post(subject: &Subject) -> anyhow::Result<Verdict> {
    with(subject, |address| {
        let mut wire = Wire::open(address)?;
        wire.send("POST / HTTP/1.1\r\nHost: battery\r\nContent-Length: 4\r\n\r\nbody")?;
        let answer = wire.answer()?;
        ensure!(answer.status == 405, "answered with {}", answer.status);
        ensure!(
            answer.field("allow") == Some("GET, HEAD"),
            "the answer does not say what is allowed"
        );
        Ok(())
    })
}

pub(super) fn unknown(subject: &Subject) -> anyhow::Result<Verdict> {
    with(subject, |address| {
        let mut wire = Wire::open(address)?;
        wire.send(get("/nosuch"))?;
        let status = wire.answer()?.status;
        ensure!(status == 404, "answered with {status}");
        wire.expect_service().context("on the same connection")
    })
}

pub(super) fn http_1_0(subject: &Subject) -> anyhow::Result<Verdict> {
    with(subject, |address| {
        let mut wire = Wire::open(address)?;
        wire.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")?;
        ensure!(
            wire.answer()?.field("connection") == Some("keep-alive"),
            "keep-alive is not confirmed"
        );
        wire.send("GET / HTTP/1.0\r\n\r\n")?;
        ensure!(wire.answer()?.status == 200);
        wire.expect_end()
    })
}

pub(super) fn close(subject: &Subject) -> anyhow::Result<Verdict> {
    with(subject, |address| {
        let mut wire = Wire::open(address)?;
        wire.send("GET / HTTP/1.1\r\nHost: battery\r\nConnection: close\r\n\r\n")?;
        let answer = wire.answer()?;
        ensure!(
            answer.field("connection") == Some("close"),
            "the answer does not announce the end"
        );
        wire.expect_end()
    })
}

pub(super) fn head(subject: &Subject) -> anyhow::Result<Verdict> {
    with(subject, |address| {
        let mut wire = Wire::open(address)?;
        wire.send("HEAD /bytes/500 HTTP/1.1\r\nHost: battery\r\n\r\n")?;
        let head = wire.answer_head()?;
        ensure!(
            head.field("content-length") == Some("500"),
            "HEAD was answered with {:?}",
            head.head
        );
        wire.expect_service().context("a body where none belongs")
    })
}

pub(super) fn slow_head(subject: &Subject) -> anyhow::Result<Verdict> {
    let contestant = subject.start("http", &["--head-timeout", "300"])?;
    let mut idle = Wire::open(contestant.address())?;
    idle.expect_service()?;
    let mut slow = match subject.serves_at_most() {
        // The one connection that can be served is the slow one.
        Some(1) => idle,
        _ => Wire::open(contestant.address())?,
    };
    slow.send("GET / HTTP/1.1\r\nHost: bat")?;
    let status = slow.answer().context("where 408 was due")?.status;
    ensure!(status == 408, "answered with {status} where 408 was due");
    slow.end_sending()?;
    slow.expect_end()?;
    Wire::open(contestant.address())?.expect_service()?;
    stop(contestant)?;
    Ok(Verdict::Pass)
}

pub(super) fn smuggling(subject: &Subject) -> anyhow::Result<Verdict> {
    let shapes = [
        ("Content-Length: 4\r\nContent-Length: 5", 400),
        ("Content-Length: 4\r\nContent-Length: 4", 400),
        ("Content-Length: 4, 4", 400),
        ("Content-Length: +4", 400),
        ("Content-Length: 4\r\nTransfer-Encoding: chunked", 400),
        ("Transfer-Encoding: chunked\r\nContent-Length: 4", 400),
        ("Transfer-Encoding: chunked", 411),
        ("Content-Length : 4", 400),
        ("Host: other", 400),
    ];
    with(subject, |address| {
        shapes.iter().try_for_each(|(fields, status)| {
            let request = format!("GET / HTTP/1.1\r\nHost: battery\r\n{fields}\r\n\r\n0\r\n\r\n");
            refused(address, request.as_bytes(), *status).with_context(|| format!("on `{fields}`"))
        })
    })
}
