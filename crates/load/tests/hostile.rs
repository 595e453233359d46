//! Servers that lie in every way at once, and servers that never come to an end: counted exactly, by name.

#![expect(clippy::unwrap_used, reason = "this is all test")]

mod support;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use load::{Alternative, Body, ErrorKind, Expect, Load, Outcome, Request};
use support::{Server, ok, requests, reset, run, serve_http};

const BODY: &str = "the very truth";

/// What a lie sends, the name that it must get, and whether the server hangs up after it.
struct Lie {
    kind: ErrorKind,
    bytes: Vec<u8>,
    then: Then,
}

#[derive(Clone, Copy)]
enum Then {
    GoOn,
    HangUp,
    Reset,
}

fn answer(fields: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n{body}").into_bytes()
}

fn lies() -> Vec<Lie> {
    use ErrorKind::{Closed, Extra, Malformed, Mismatch, Reset, Short, Status};

    let lie = |kind, bytes: Vec<u8>, then| Lie { kind, bytes, then };
    let truth = ok(BODY);
    let chunked = |body: &str| answer("Transfer-Encoding: chunked", body);
    let cut = |left: usize| truth[..truth.len() - left].to_vec();
    vec![
        lie(Mismatch, ok("the very trutn"), Then::GoOn),
        lie(Mismatch, ok("The very truth"), Then::GoOn),
        lie(Mismatch, chunked("4\r\nthe \r\na\r\nvery_truth\r\n0\r\n\r\n"), Then::GoOn),
        lie(Short, ok("the very trut"), Then::GoOn),
        lie(Short, ok(""), Then::GoOn),
        lie(Short, chunked("4\r\nthe \r\n0\r\n\r\n"), Then::GoOn),
        lie(Short, b"HTTP/1.1 200 OK\r\n\r\nthe very".to_vec(), Then::HangUp),
        lie(Short, cut(1), Then::HangUp),
        lie(Short, cut(BODY.len()), Then::HangUp),
        lie(Short, b"HTTP/1.1 200 OK\r\nContent-Le".to_vec(), Then::HangUp),
        lie(Short, b"H".to_vec(), Then::HangUp),
        lie(Short, chunked("4\r\nthe \r\n"), Then::HangUp),
        lie(Short, b"HTTP/1.1 100 Continue\r\n\r\n".to_vec(), Then::HangUp),
        lie(Extra, ok("the very truth!"), Then::GoOn),
        lie(Extra, chunked("f\r\nthe very truth!\r\n0\r\n\r\n"), Then::GoOn),
        lie(Status, [b"HTTP/1.1 500 No\r\n", &truth[17..]].concat(), Then::GoOn),
        lie(Status, b"HTTP/1.1 204 Nothing\r\n\r\n".to_vec(), Then::GoOn),
        lie(Status, b"HTTP/1.1 304 As before\r\nContent-Length: 14\r\n\r\n".to_vec(), Then::GoOn),
        lie(Malformed, b"\0\0\x12\x04\0\0\0\0\0".to_vec(), Then::GoOn),
        lie(Malformed, b"HTTP/2 200\r\n\r\n".to_vec(), Then::GoOn),
        lie(Malformed, answer("Content-Length: 14\r\nContent-Length: 15", BODY), Then::GoOn),
        lie(Malformed, answer("Content-Length: -14", BODY), Then::GoOn),
        lie(Malformed, answer("Content-Length: 99999999999999999999", BODY), Then::GoOn),
        lie(
            Malformed,
            answer("Content-Length: 14\r\nTransfer-Encoding: chunked", BODY),
            Then::GoOn,
        ),
        lie(Malformed, chunked("g\r\n"), Then::GoOn),
        lie(Malformed, chunked("fffffffffffffffff\r\n"), Then::GoOn),
        lie(Malformed, chunked("4\r\nthe very truth\r\n0\r\n\r\n"), Then::GoOn),
        lie(Malformed, b"HTTP/1.1 101 Other\r\nUpgrade: x\r\n\r\n".to_vec(), Then::GoOn),
        lie(Malformed, b"HTTP/1.1 102 Wait\r\n\r\n".repeat(40), Then::GoOn),
        lie(Malformed, answer(&"A: b\r\n".repeat(200), ""), Then::GoOn),
        lie(Malformed, answer(&format!("A: {}", "b".repeat(20_000)), ""), Then::GoOn),
        lie(Closed, Vec::new(), Then::HangUp),
        lie(Reset, Vec::new(), Then::Reset),
    ]
}

/// A series that looks like none, and is the same each time.
fn scattered(number: u64) -> usize {
    usize::try_from(number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33).unwrap()
}

/// Answers one connection; every third request gets a lie, which is noted by its name.
fn lie_now_and_then(
    mut stream: TcpStream,
    seen: &support::Seen,
    told: &Mutex<BTreeMap<ErrorKind, u64>>,
) {
    let lies = lies();
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer).is_ok_and(|read| read > 0) {
        let number = seen.request();
        if !number.is_multiple_of(3) {
            let _gone = stream.write_all(&ok(BODY));
            continue;
        }
        let lie = &lies[scattered(number) % lies.len()];
        *told.lock().unwrap().entry(lie.kind).or_default() += 1;
        let _gone = stream.write_all(&lie.bytes);
        match lie.then {
            Then::GoOn => {}
            Then::HangUp => return,
            Then::Reset => return reset(&stream),
        }
    }
}

#[test]
fn a_server_that_lies_in_every_way_is_caught_each_time_by_the_right_name() {
    let told = Arc::new(Mutex::new(BTreeMap::new()));
    let telling = Arc::clone(&told);
    let server = Server::start(move |stream, seen| lie_now_and_then(stream, seen, &telling));
    let expect = Some(Expect { status: Some(200), body: Body::Exact(BODY.into()) });
    let outcome = run(&Load { expect, threads: 2, ..requests(server.url("/"), 30, 6_000) });
    let told = told.lock().unwrap().clone();
    assert_eq!(outcome.errors, told);
    assert_eq!(told.values().sum::<u64>(), 2_000);
    assert_eq!(told.len(), 7, "every kind of lie was told: {told:?}");
    assert_eq!((outcome.requests, outcome.requests_sent, outcome.censored), (4_000, 6_000, 0));
    assert_eq!(outcome.body_bytes, 4_000 * 14);
    assert_eq!((outcome.latency.len(), outcome.dead), (4_000, 0));
}

/// A server that answers one request with `start`, and then sends `more` for as long as it may.
fn endless(start: &'static [u8], more: &'static [u8]) -> Server {
    Server::start(move |mut stream, seen| {
        let mut buffer = [0; 4096];
        if stream.read(&mut buffer).is_ok_and(|read| read > 0) {
            seen.request();
            let block = more.repeat(65_536 / more.len());
            let mut sent = stream.write_all(start);
            while sent.is_ok() {
                sent = stream.write_all(&block);
            }
        }
    })
}

/// A timeout beyond all patience: it is not what ends this.
const NEVER: Duration = Duration::from_mins(10);

fn ask_the_endless(server: &Server, body: Body, timeout: Duration) -> Outcome {
    let expect = Some(Expect { status: None, body });
    run(&Load { expect, timeout, ..requests(server.url("/"), 3, 9) })
}

#[test]
fn a_body_without_end_is_extra_and_not_read_to_the_timeout() {
    let chunk = b"8\r\n and on \r\n";
    for (start, more) in [
        (&b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"[..], &chunk[..]),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"and on "),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n", b"and on "),
    ] {
        let server = endless(start, more);
        let outcome = ask_the_endless(&server, Body::Length(8), NEVER);
        assert_eq!(outcome.errors, BTreeMap::from([(ErrorKind::Extra, 9)]));
        let outcome = ask_the_endless(&server, Body::Exact(b"another body".to_vec()), NEVER);
        assert_eq!(outcome.errors, BTreeMap::from([(ErrorKind::Mismatch, 9)]));
    }
}

#[test]
fn a_body_without_end_is_a_timeout_where_any_body_is_right() {
    let server = endless(b"HTTP/1.1 200 OK\r\n\r\n", b"and on ");
    let outcome = ask_the_endless(&server, Body::Any, Duration::from_millis(300));
    assert_eq!(outcome.errors, BTreeMap::from([(ErrorKind::Timeout, 9)]));
}

#[test]
fn heads_and_trailers_without_end_are_malformed() {
    for (start, more) in [
        (&b"HTTP/1.1 200 OK\r\nA: "[..], &b"b"[..]),
        (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"),
        (b"", b"HTTP/1.1 100 Go on\r\n\r\n"),
        (b"", b"\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"A: b\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"a=b;"),
    ] {
        let outcome = ask_the_endless(&endless(start, more), Body::Any, NEVER);
        assert_eq!(
            outcome.errors,
            BTreeMap::from([(ErrorKind::Malformed, 9)]),
            "{}",
            String::from_utf8_lossy(more)
        );
    }
}

#[test]
fn a_field_that_is_missing_or_has_changed_is_a_header_error() {
    let typed = |kind: &str| answer(&format!("Content-Type: {kind}\r\nContent-Length: 1"), "x");
    let server = Server::http(move |request| {
        Some(match request % 4 {
            0 => typed("text/html"),
            1 => typed(" text/plain "),
            2 => answer("content-TYPE: text/plain\r\nServer: a\r\nContent-Length: 1", "x"),
            _ => ok("x"),
        })
    });
    // The first answer is the one learnt from.
    let outcome = run(&requests(server.url("/"), 1, 400));
    assert_eq!(outcome.errors, BTreeMap::from([(ErrorKind::Header, 200)]), "{outcome:?}");
    assert!(outcome.expected.ends_with("first answer, content-type"), "{}", outcome.expected);

    let expect_headers = vec![("SERVER".into(), "a".into())];
    let expect = Some(Expect { status: None, body: Body::Any });
    let outcome = run(&Load { expect, expect_headers, ..requests(server.url("/"), 4, 400) });
    assert_eq!(outcome.errors, BTreeMap::from([(ErrorKind::Header, 300)]), "{outcome:?}");
}

#[test]
fn heads_alone_are_asked_for_and_verified() {
    let head = answer("Content-Length: 5000\r\nContent-Type: a/b", "");
    let server = Server::http(move |_| Some(head.clone()));
    let request = Request { method: "HEAD".into(), ..Request::default() };
    let load = Load { request, pipeline: 2, ..requests(server.url("/"), 5, 200) };
    let outcome = run(&load);
    assert_eq!((outcome.requests, outcome.errors_total(), outcome.body_bytes), (200, 0, 0));
    assert_eq!(outcome.expected, "status 200 and no body, content-type");

    // With a body, it is more than was asked for.
    let server = Server::http(|_| Some(ok("x")));
    let outcome = run(&Load { pipeline: 1, target: server.url("/"), ..load });
    assert_eq!((outcome.errors.len(), outcome.errors[&ErrorKind::Extra]), (1, 200));
}

#[test]
fn a_request_of_ones_own_arrives_as_it_was_given() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hearing = Arc::clone(&heard);
    let server = Server::start(move |mut stream, seen| {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = stream.read(&mut buffer) {
            seen.request();
            hearing.lock().unwrap().push(String::from_utf8_lossy(&buffer[..read]).into_owned());
            let _gone = stream.write_all(&ok("done"));
        }
    });
    let request = Request {
        method: "POST".into(),
        headers: vec![("X-Mine".into(), "1".into())],
        body: b"\r\n\r\nbody".to_vec(),
    };
    let outcome = run(&Load { request, ..requests(server.url("/x?y"), 1, 20) });
    assert_eq!((outcome.requests, outcome.errors_total()), (20, 0));
    let right = format!(
        "POST /x?y HTTP/1.1\r\nHost: {}\r\nX-Mine: 1\r\nContent-Length: 8\r\n\r\n\r\n\r\nbody",
        server.addr
    );
    assert!(heard.lock().unwrap().iter().all(|heard| *heard == right));
}

#[test]
fn answers_cut_into_single_bytes_are_right_answers() {
    let server = Server::start(|stream, seen| {
        let dripping = stream.try_clone().unwrap();
        let told = std::cell::RefCell::new(dripping);
        serve_http(stream, seen, &|_| {
            let whole = answer(
                "Transfer-Encoding: chunked",
                "4\r\nthe \r\nA;x\r\nvery truth\r\n0\r\nT: u\r\n\r\n",
            );
            let (last, first) = whole.split_last().unwrap();
            for byte in first {
                told.borrow_mut().write_all(&[*byte]).ok()?;
            }
            Some(vec![*last])
        });
    });
    let expect = Some(Expect { status: Some(200), body: Body::Exact(BODY.into()) });
    let outcome = run(&Load { expect, pipeline: 3, ..requests(server.url("/"), 10, 300) });
    assert_eq!((outcome.requests, outcome.errors_total()), (300, 0), "{outcome:?}");
}

/// Bodies that differ in length, and two that differ in a byte.
const BODIES: [(&str, &str); 3] = [("/a", "alpha"), ("/b", "alpho"), ("/c?d", "charlie")];

/// Answers each path with its body; two by two in the wrong order, if it `swaps`.
fn answer_paths(mut stream: TcpStream, seen: &support::Seen, swaps: bool) {
    let (mut pending, mut waiting, mut buffer) = (Vec::new(), Vec::new(), [0; 4096]);
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        pending.extend_from_slice(&buffer[..read]);
        while let Some(end) = pending.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(pending.drain(..end + 4).collect()).unwrap();
            let path = head.split(' ').nth(1).unwrap();
            let body = BODIES.iter().find(|(known, _)| *known == path).unwrap().1;
            waiting.push(ok(body));
            seen.request();
        }
        let ready = if swaps { waiting.len() / 2 * 2 } else { waiting.len() };
        let mut answers: Vec<Vec<u8>> = waiting.drain(..ready).collect();
        if swaps {
            answers.chunks_mut(2).for_each(<[Vec<u8>]>::reverse);
        }
        if stream.write_all(&answers.concat()).is_err() {
            return;
        }
    }
}

fn in_turn(server: &Server, pipeline: usize, requests_sent: u64) -> Load {
    let exactly = |body: &str| Some(Expect { status: Some(200), body: Body::Exact(body.into()) });
    let other =
        |&(path, body): &(&str, &str)| Alternative { path: path.to_owned(), expect: exactly(body) };
    Load {
        pipeline,
        expect: exactly(BODIES[0].1),
        alternatives: BODIES[1..].iter().map(other).collect(),
        ..requests(server.url(BODIES[0].0), 10, requests_sent)
    }
}

#[test]
fn http_answers_in_another_order_are_named_so() {
    let server = Server::start(|stream, seen| answer_paths(stream, seen, true));
    for pipeline in [2, 4] {
        let outcome = run(&in_turn(&server, pipeline, 600));
        assert_eq!(outcome.errors, BTreeMap::from([(ErrorKind::Order, 600)]), "{outcome:?}");
        assert_eq!((outcome.requests, outcome.reopened), (0, 0));
    }
}

#[test]
fn several_paths_are_asked_in_turn_and_each_has_its_own_right_answer() {
    let server = Server::start(|stream, seen| answer_paths(stream, seen, false));
    for pipeline in [1, 4, 400] {
        let outcome = run(&in_turn(&server, pipeline, 6_000));
        assert_eq!((outcome.requests, outcome.errors_total()), (6_000, 0), "{outcome:?}");
    }
    // Each connection asks as often for one as for another.
    let load = Load { pipeline: 3, ..in_turn(&server, 3, 6) };
    let outcome = run(&Load { connections: 1, ..load });
    assert_eq!(outcome.body_bytes, 2 * (5 + 5 + 7));
}

#[test]
fn several_paths_are_learnt_and_what_is_no_neighbours_answer_keeps_its_name() {
    // Right until each path is learnt, then wrong in ways of its own.
    let server = Server::start(|mut stream, seen| {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = stream.read(&mut buffer) {
            let is_a = buffer[..read].starts_with(b"GET /a ");
            let is_true = seen.request() <= 2;
            let body = match (is_a, is_true) {
                (true, true) => "alpha",
                (true, false) => "alphx",
                (false, true) => "charlie",
                (false, false) => "charlie and more",
            };
            let _gone = stream.write_all(&ok(body));
        }
    });
    let alternatives = vec![Alternative { path: "/c".into(), expect: None }];
    let outcome = run(&Load { alternatives, ..requests(server.url("/a"), 2, 400) });
    assert_eq!(outcome.requests_sent, 402);
    let right = BTreeMap::from([(ErrorKind::Mismatch, 200), (ErrorKind::Extra, 200)]);
    assert_eq!(outcome.errors, right);
    assert!(outcome.expected.contains("/a: status 200 and the 5 bytes"), "{}", outcome.expected);
    assert!(outcome.expected.contains("; /c: status 200 and the 7"), "{}", outcome.expected);
}
