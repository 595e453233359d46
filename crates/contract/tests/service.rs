//! The service's behaviour, byte by byte, without a socket.

use std::time::Duration;

use contract::service::OUTPUT_LIMIT;
use contract::{Protocol, ServeOptions, Service, Step, Work};
use proptest::prelude::*;

fn http() -> Service {
    Service::new(&ServeOptions::new(Protocol::Http))
}

/// Performs steps at once, without waiting, until the service wants to read or is done.
fn perform(service: &mut Service, written: &mut Vec<u8>) -> Step {
    loop {
        match service.step() {
            Step::Write => {
                written.extend_from_slice(service.output());
                service.wrote(service.output().len());
            }
            Step::Wait(_) | Step::Block(_) => service.waited(),
            Step::Compute(work) => service.computed(work.run()),
            Step::Shutdown => {}
            step @ (Step::Read { .. } | Step::Close) => return step,
        }
    }
}

/// Feeds the chunks and the end of input; says what was answered.
fn answers(service: &mut Service, chunks: &[&[u8]]) -> Vec<u8> {
    let mut written = Vec::new();
    for chunk in chunks.iter().filter(|chunk| !chunk.is_empty()) {
        if perform(service, &mut written) == Step::Close {
            return written;
        }
        service.received(chunk);
    }
    if perform(service, &mut written) != Step::Close {
        service.end_of_input();
        assert_eq!(
            perform(service, &mut written),
            Step::Close,
            "the end of input ends the connection"
        );
    }
    written
}

fn answer(request: &str) -> String {
    String::from_utf8(answers(&mut http(), &[request.as_bytes()])).expect("answers are text")
}

/// A request with the Host header that HTTP/1.1 demands.
fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n")
}

fn statuses(answer: &str) -> Vec<&str> {
    answer.split("HTTP/1.1 ").skip(1).map(|rest| &rest[..3]).collect()
}

#[test]
fn each_route_answers() {
    for (path, body) in [
        ("/", "hello, world\n"),
        ("/?query", "hello, world\n"),
        ("http://test/", "hello, world\n"),
        ("http://test", "hello, world\n"),
        ("/bytes/0", ""),
        ("/bytes/70", "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-\n012345"),
        ("/wait/5", "waited\n"),
        ("/block/5", "blocked\n"),
    ] {
        let answer = answer(&get(path));
        let (head, found) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{path}: {head}");
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{path}: {head}");
        assert_eq!(found, body, "{path}");
    }
}

#[test]
fn compute_answers_with_the_digest_of_its_work() {
    let body = format!("{:016x}\n", Work::new(1_000).run().0);
    assert!(answer(&get("/compute/1000")).ends_with(&body));
}

#[test]
fn what_is_refused_is_refused_by_its_status() {
    let long = format!("GET / HTTP/1.1\r\nHost: test\r\nX: {}\r\n\r\n", "a".repeat(10_000));
    let many = format!("GET / HTTP/1.1\r\nHost: test\r\n{}\r\n", "X: y\r\n".repeat(100));
    for (request, status) in [
        (get("/nothing"), "404"),
        (get("/wait/60001"), "404"),
        (get("/wait/-1"), "404"),
        (get("/wait/+1"), "404"),
        (get("/bytes/99999999999"), "404"),
        (get("/compute/99999999999999999999999"), "404"),
        (get("*"), "404"),
        ("POST / HTTP/1.1\r\nHost: test\r\n\r\n".into(), "405"),
        ("\x01\x02\x03\r\n\r\n".into(), "400"),
        ("GET / HTTP/1.1\r\n\r\n".into(), "400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".into(), "400"),
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n".into(), "400"),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx".into(),
            "400",
        ),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\nx".into(), "400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\nx".into(), "400"),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
                .into(),
            "400",
        ),
        ("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".into(), "411"),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n".into(), "413"),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n".into(), "400"),
        (long, "431"),
        (many, "431"),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n".into(), "505"),
    ] {
        assert_eq!(statuses(&answer(&request)), [status], "{request}");
    }
}

#[test]
fn method_not_allowed_names_the_allowed_methods() {
    assert!(answer("PUT / HTTP/1.1\r\nHost: test\r\n\r\n").contains("\r\nAllow: GET, HEAD\r\n"));
}

#[test]
fn head_has_the_length_and_no_body() {
    let answer = answer("HEAD /bytes/1000 HTTP/1.1\r\nHost: test\r\n\r\n");
    assert!(answer.contains("Content-Length: 1000\r\n"));
    assert!(answer.ends_with("\r\n\r\n"));
}

#[test]
fn a_body_is_read_over_and_the_next_request_answered() {
    let both =
        format!("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello{}", get("/"));
    assert_eq!(statuses(&answer(&both)), ["405", "200"]);
}

#[test]
fn connection_close_and_http_1_0_end_the_connection_after_the_answer() {
    let close = "GET / HTTP/1.1\r\nHost: test\r\nConnection: x, Close\r\n\r\n";
    let old = "GET / HTTP/1.0\r\n\r\n";
    for request in [close, old] {
        let answer = answer(&(request.to_owned() + &get("/")));
        assert_eq!(statuses(&answer), ["200"], "what follows is not answered");
        assert!(answer.contains("\r\nConnection: close\r\n"));
    }
    let kept = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".to_owned() + &get("/");
    let answer = answer(&kept);
    assert_eq!(statuses(&answer), ["200", "200"]);
    assert!(answer.contains("\r\nConnection: keep-alive\r\n"));
}

#[test]
fn a_refused_client_is_shut_down_then_drained_then_closed() {
    let mut service = http();
    service.received(b"garbage\r\n\r\n");
    assert_eq!(service.step(), Step::Write);
    service.wrote(service.output().len());
    assert_eq!(service.step(), Step::Shutdown);
    assert!(
        matches!(service.step(), Step::Read { deadline: Some(_) }),
        "what it still sends is thrown away"
    );
    service.received(&[b'x'; 1000]);
    assert!(matches!(service.step(), Step::Read { .. }));
    service.received(b"");
    assert_eq!(service.step(), Step::Close);
}

#[test]
fn a_refused_client_that_never_ends_is_cut_off_by_bytes_and_by_time() {
    let refused = || {
        let mut service = http();
        service.received(b"garbage\r\n\r\n");
        service.wrote(service.output().len());
        assert_eq!(service.step(), Step::Shutdown);
        service
    };
    let mut service = refused();
    let reads = (1..10_000).find(|_| {
        service.received(&[b'x'; 16 * 1024]);
        service.step() == Step::Close
    });
    assert_eq!(reads, Some(64), "a mebibyte is enough");
    let mut service = refused();
    service.expired();
    assert_eq!(service.step(), Step::Close);
}

#[test]
fn only_an_incomplete_head_has_a_deadline_and_more_bytes_do_not_prolong_it() {
    let mut service = http();
    assert_eq!(service.step(), Step::Read { deadline: None }, "an idle connection arms no timer");
    service.received(b"GET / HT");
    let first = service.step();
    let Step::Read { deadline: Some(_) } = first else { panic!("{first:?}") };
    service.received(b"TP/1.1\r\nHo");
    assert_eq!(service.step(), first);
    service.received(b"st: test\r\n\r\n");
    perform(&mut service, &mut Vec::new());
    assert_eq!(service.step(), Step::Read { deadline: None });
    service.received(b"GET");
    let second = service.step();
    assert!(matches!(second, Step::Read { deadline: Some(_) }));
    assert_ne!(second, first, "a new head, a new deadline");
}

#[test]
fn an_expired_head_is_answered_with_408_and_an_expired_idle_connection_is_not() {
    let mut service = http();
    service.expired();
    assert_eq!(service.step(), Step::Read { deadline: None });
    service.received(b"GET / HT");
    assert!(matches!(service.step(), Step::Read { .. }));
    service.expired();
    assert_eq!(service.step(), Step::Write);
    assert!(service.output().starts_with(b"HTTP/1.1 408 "));
}

#[test]
fn answers_before_a_wait_are_written_first_and_requests_behind_it_wait() {
    let mut service = http();
    service.received((get("/bytes/1") + &get("/wait/40") + &get("/bytes/2")).as_bytes());
    assert_eq!(service.step(), Step::Write);
    assert_eq!(statuses(std::str::from_utf8(service.output()).unwrap()), ["200"]);
    service.wrote(service.output().len());
    assert_eq!(service.step(), Step::Wait(Duration::from_millis(40)));
    assert_eq!(
        service.step(),
        Step::Wait(Duration::from_millis(40)),
        "asking again changes nothing"
    );
    service.waited();
    assert_eq!(service.step(), Step::Write);
    let rest = std::str::from_utf8(service.output()).unwrap();
    assert_eq!(statuses(rest), ["200", "200"]);
    assert!(rest.contains("waited\n"));
}

#[test]
fn output_stays_bounded_under_pipelining_and_long_bodies() {
    let mut service = http();
    let mut written = 0;
    service.received(get("/bytes/100000").repeat(50).as_bytes());
    while service.step() == Step::Write {
        // A little room for the head that is written before its body.
        assert!(service.output().len() < OUTPUT_LIMIT + 1024, "{}", service.output().len());
        let some = service.output().len().min(5_000);
        written += some;
        service.wrote(some);
    }
    assert!(written > 50 * 100_000);
}

#[test]
fn an_idle_service_is_small() {
    assert!(size_of::<Service>() <= 256, "{}", size_of::<Service>());
}

#[test]
#[should_panic(expected = "/panic")]
fn the_panic_route_panics_when_it_is_its_turn() {
    let mut service = http();
    service.received((get("/") + &get("/panic")).as_bytes());
    assert_eq!(service.step(), Step::Write, "the answer before it is written first");
    service.wrote(service.output().len());
    let _ = service.step();
}

#[test]
fn the_output_may_be_lent_to_a_runtime_that_owns_what_it_writes() {
    let mut service = http();
    service.received(get("/").as_bytes());
    let whole = service.output().to_vec();
    service.wrote(10);
    let lent = service.lend_output();
    assert_eq!(lent, whole[10..]);
    service.return_output(lent, 5);
    assert_eq!(service.output(), &whole[15..]);
}

/// Requests that make sense, nearly, or not at all.
fn request() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => (0_u32..3000).prop_map(|n| get(&format!("/bytes/{n}")).into_bytes()),
        4 => Just(get("/").into_bytes()),
        2 => Just(get("/wait/1").into_bytes()),
        1 => Just(get("/block/1").into_bytes()),
        1 => Just(get("/compute/10").into_bytes()),
        1 => Just(b"HEAD /bytes/9 HTTP/1.1\r\nHost: h\r\n\r\n".to_vec()),
        1 => Just(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody".to_vec()),
        1 => Just(b"GET / HTTP/1.0\r\n\r\n".to_vec()),
        1 => Just(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..40),
    ]
}

proptest! {
    #[test]
    fn any_chunking_of_the_same_bytes_gives_the_same_answers(
        requests in proptest::collection::vec(request(), 0..8),
        cuts in proptest::collection::vec(1_usize..200, 0..60),
    ) {
        let bytes = requests.concat();
        let whole = answers(&mut http(), &[&bytes]);
        let mut chunks: Vec<&[u8]> = Vec::new();
        let mut rest = bytes.as_slice();
        for cut in cuts {
            let (chunk, tail) = rest.split_at(cut.min(rest.len()));
            chunks.push(chunk);
            rest = tail;
        }
        chunks.push(rest);
        prop_assert_eq!(&whole, &answers(&mut http(), &chunks));
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(&whole, &answers(&mut http(), &single));
    }

    #[test]
    fn any_sizes_of_partial_writes_give_the_same_bytes(
        requests in proptest::collection::vec(request(), 1..6),
        takes in proptest::collection::vec(1_usize..500, 1..20),
    ) {
        let bytes = requests.concat();
        let whole = answers(&mut http(), &[&bytes]);
        let mut service = http();
        service.received(&bytes);
        service.end_of_input();
        let mut written = Vec::new();
        let mut takes = takes.iter().cycle();
        loop {
            match service.step() {
                Step::Write => {
                    let count = service.output().len().min(*takes.next().unwrap());
                    written.extend_from_slice(&service.output()[..count]);
                    service.wrote(count);
                }
                Step::Wait(_) | Step::Block(_) => service.waited(),
                Step::Compute(work) => service.computed(work.run()),
                Step::Read { .. } => service.end_of_input(),
                Step::Shutdown => {}
                Step::Close => break,
            }
        }
        prop_assert_eq!(whole, written);
    }

    #[test]
    fn echo_returns_every_byte_whatever_the_chunks(
        chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..300), 0..20),
    ) {
        let mut service = Service::new(&ServeOptions::new(Protocol::Echo));
        let pieces: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
        prop_assert_eq!(answers(&mut service, &pieces), chunks.concat());
    }
}
