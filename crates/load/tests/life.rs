//! How connections live: opened in ways of their own, kept for one request, resting between two.

#![expect(clippy::unwrap_used, reason = "this is all test")]

mod support;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use load::{
    Body, Churn, ErrorKind, Expect, Load, Opening, Outcome, Pace, Slow, SlowKind, Think, Until,
    Warmup,
};
use support::{Server, ok, requests, run, serve_http, short};

/// Answers one request and closes, as it is asked to; counts the connections that the client ended without an error.
fn closing_server() -> (Server, Arc<Mutex<Vec<String>>>) {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen_heads = Arc::clone(&heads);
    let server = Server::start(move |mut stream, seen| {
        let mut buffer = [0; 4096];
        if let Ok(read @ 1..) = stream.read(&mut buffer) {
            seen.request();
            seen_heads.lock().unwrap().push(String::from_utf8_lossy(&buffer[..read]).into_owned());
            let answer = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    (server, heads)
}

fn is_clean(outcome: &Outcome, answers: u64) {
    assert_eq!(
        (outcome.requests, outcome.errors_total(), outcome.dead, outcome.reopened),
        (answers, 0, 0, 0),
        "{outcome:?}"
    );
}

#[test]
fn churn_opens_a_connection_for_each_request_and_the_server_closes_it() {
    let (server, heads) = closing_server();
    let load = Load { churn: Some(Churn::Server), ..requests(server.url("/"), 10, 500) };
    let outcome = run(&load);
    is_clean(&outcome, 500);
    assert_eq!((outcome.requests_sent, outcome.connects), (501, 500), "one was to learn");
    assert_eq!(outcome.connect_time.len(), 500);
    assert_eq!((server.seen.connections(501), server.seen.requests()), (501, 501));
    assert!(heads.lock().unwrap().iter().all(|head| head.contains("Connection: close\r\n")));
    assert_eq!((outcome.served, outcome.little()), (10, None));
}

/// Echoes once and waits for the client's end; counts clean ends and resets.
fn waiting_server() -> (Server, Arc<[AtomicU64; 2]>) {
    let ends = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
    let seen_ends = Arc::clone(&ends);
    let server = Server::start(move |mut stream, seen| {
        let mut message = [0; 64];
        if stream.read_exact(&mut message).is_ok() {
            seen.request();
            stream.write_all(&message).unwrap();
            let end = stream.read(&mut message);
            seen_ends[usize::from(end.is_err())].fetch_add(1, Ordering::SeqCst);
        }
    });
    (server, ends)
}

#[test]
fn churn_closes_or_resets_where_the_client_is_to() {
    for (churn, place) in [(Churn::Client, 0), (Churn::Reset, 1)] {
        let (server, ends) = waiting_server();
        let load = Load { churn: Some(churn), ..requests(server.echo_target(), 8, 300) };
        let outcome = run(&load);
        is_clean(&outcome, 300);
        assert_eq!(server.seen.connections(300), 300, "{churn:?}");
        let seen = || ends[place].load(Ordering::SeqCst);
        support::wait_until(|| seen() == 300);
        assert_eq!((seen(), ends[1 - place].load(Ordering::SeqCst)), (300, 0), "{churn:?}");
    }
}

#[test]
fn churn_works_in_an_open_loop_over_several_threads() {
    let (server, _) = waiting_server();
    let load = Load {
        churn: Some(Churn::Reset),
        pace: Pace::Poisson(2_000.0),
        threads: 2,
        ..requests(server.echo_target(), 20, 400)
    };
    let outcome = run(&load);
    is_clean(&outcome, 400);
    assert_eq!(outcome.send_lateness.unwrap().len(), 400);
    assert_eq!(outcome.connects, server.seen.connections(outcome.connects));
}

#[test]
fn churn_names_a_server_that_keeps_the_connection() {
    // Answers, and neither closes nor says that it will.
    let server = Server::start(|stream, seen| serve_http(stream, seen, &|_| Some(ok("kept"))));
    let load = Load {
        churn: Some(Churn::Server),
        timeout: Duration::from_millis(100),
        ..requests(server.url("/"), 2, 2)
    };
    let outcome = run(&Load { until: Until::Requests(6), ..load });
    assert_eq!(outcome.requests, 6, "the answers were right: {outcome:?}");
    assert!(outcome.errors[&ErrorKind::Timeout] >= 2, "{outcome:?}");
}

#[test]
fn churn_against_a_server_that_goes_away_ends_by_itself() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = load::Target::Echo { addr: listener.local_addr().unwrap() };
    // The first connections are in the queue; then nobody listens, and what was queued is reset.
    let mut listener = Some(listener);
    let mut observer = |event: load::Event| {
        if let load::Event::Open { established, .. } = event {
            assert_eq!(established, 3);
            listener.take();
        }
    };
    let load = Load { churn: Some(Churn::Client), ..requests(target, 3, 1_000_000) };
    let outcome = load::run(&load, &mut observer, &load::Stop::new()).unwrap();
    assert_eq!((outcome.requests, outcome.dead), (0, 3), "{outcome:?}");
    // Eight failures each, the first of them perhaps by the reset.
    assert!(outcome.errors[&ErrorKind::Refused] >= 24, "{outcome:?}");
    assert!(outcome.warnings.iter().any(|warning| warning.contains("dead")));
}

#[test]
fn every_connection_is_greeted_the_idle_ones_too() {
    for opening in [Opening::Gated, Opening::Rate(5_000.0), Opening::Burst] {
        let server = Server::echo(64);
        let load = Load {
            opening,
            greet: true,
            active: Some(20),
            ..requests(server.echo_target(), 200, 50)
        };
        let outcome = run(&load);
        is_clean(&outcome, 50);
        assert_eq!((outcome.established, outcome.greeted), (200, 200), "{opening:?}");
        assert_eq!((outcome.greeting.len(), outcome.connect_time.len()), (200, 200));
        assert!(outcome.greeted_time.unwrap() >= outcome.open_time);
        assert!(outcome.greeting.max() >= outcome.connect_time.min());
        assert_eq!((outcome.requests_sent, server.seen.requests()), (250, 250));
    }
}

#[test]
fn a_burst_begins_every_handshake_before_it_looks_at_one() {
    // A backlog of 128 is overrun by 300 at once, and by no more than 64 under way it is not.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = load::Target::Echo { addr: listener.local_addr().unwrap() };
    let load = Load {
        opening: Opening::Burst,
        timeout: Duration::from_millis(300),
        ..requests(target, 300, 1)
    };
    let outcome = run(&Load { until: Until::Duration(Duration::from_millis(10)), ..load });
    assert_eq!(outcome.connects, 300);
    assert!((128..200).contains(&outcome.established), "{outcome:?}");
    assert_eq!(outcome.errors[&ErrorKind::Timeout], 300 - outcome.connect_time.len());
}

#[test]
fn first_answers_that_never_come_are_errors_and_not_greetings() {
    // A pool of five: the others are accepted, and wait for ever.
    let taken = AtomicU64::new(0);
    let server = Server::start(move |mut stream, _| {
        let is_served = taken.fetch_add(1, Ordering::SeqCst) < 5;
        let mut message = [0; 64];
        while stream.read_exact(&mut message).is_ok() {
            if is_served && stream.write_all(&message).is_err() {
                return;
            }
        }
    });
    let load = Load {
        opening: Opening::Burst,
        greet: true,
        timeout: Duration::from_millis(200),
        ..requests(server.echo_target(), 20, 10)
    };
    let outcome = run(&load);
    assert_eq!((outcome.established, outcome.greeted), (5, 5), "{outcome:?}");
    assert_eq!(outcome.errors[&ErrorKind::Timeout], 15);
    assert_eq!(outcome.requests, 10);
}

#[test]
fn a_wrong_first_answer_is_no_greeting() {
    let server = Server::start(|mut stream, _| {
        let mut message = [0; 64];
        while stream.read_exact(&mut message).is_ok() {
            message[9] ^= 1;
            stream.write_all(&message).unwrap();
        }
    });
    let load = Load {
        greet: true,
        active: Some(0),
        until: Until::Duration(Duration::from_millis(20)),
        ..short(server.echo_target(), 7)
    };
    let outcome = run(&load);
    assert_eq!((outcome.established, outcome.greeted, outcome.greeted_time), (7, 0, None));
    assert_eq!(outcome.errors[&ErrorKind::Mismatch], 7, "{outcome:?}");
}

#[test]
fn connections_may_all_be_idle() {
    let server = Server::echo(64);
    let load = Load {
        active: Some(0),
        greet: true,
        until: Until::Duration(Duration::from_millis(20)),
        ..short(server.echo_target(), 100)
    };
    let outcome = run(&load);
    is_clean(&outcome, 0);
    assert_eq!((outcome.established, outcome.greeted, outcome.active), (100, 100, 0));
    assert_eq!(outcome.warnings, Vec::<String>::new());
    assert_eq!(server.seen.requests(), 100);
}

#[test]
fn connections_that_think_ask_no_oftener_than_they_may() {
    let server = Server::echo(64);
    for think in
        [Think::Constant(Duration::from_millis(40)), Think::Exponential(Duration::from_millis(40))]
    {
        let load = Load {
            think: Some(think),
            warmup: Warmup { max: Duration::ZERO, ..Warmup::default() },
            until: Until::Duration(Duration::from_millis(400)),
            ..short(server.echo_target(), 50)
        };
        let outcome = run(&load);
        assert_eq!((outcome.errors_total(), outcome.served), (0, 50), "{outcome:?}");
        assert_eq!(outcome.little(), None);
        if matches!(think, Think::Constant(_)) {
            // Ten rests of 40 ms fit in, the first of them shorter.
            assert!(outcome.connection_requests.max <= 11, "{outcome:?}");
        }
    }
}

#[test]
fn a_thinking_pipeline_stays_within_its_depth() {
    let server = Server::echo(64);
    let load = Load {
        think: Some(Think::Exponential(Duration::from_millis(1))),
        pipeline: 4,
        ..requests(server.echo_target(), 10, 2_000)
    };
    let outcome = run(&load);
    is_clean(&outcome, 2_000);
    assert_eq!(server.seen.requests(), 2_000);
}

#[test]
fn the_lateness_of_every_send_is_kept() {
    let server = Server::echo(64);
    let load = Load { pace: Pace::Rate(1_000.0), ..requests(server.echo_target(), 20, 300) };
    let outcome = run(&load);
    let lateness = outcome.send_lateness.as_ref().unwrap();
    let while_free = outcome.send_lateness_while_free.as_ref().unwrap();
    assert_eq!((lateness.len(), while_free.len()), (300, 300));
    assert!(while_free.max() <= lateness.max());
    let json = serde_json::to_value(&outcome).unwrap();
    assert_eq!(json["send_lateness_ns"]["max"], lateness.max());
    assert_eq!(json["send_lateness_while_free_ns"]["p99"], while_free.value_at_quantile(0.99));
    assert!(outcome.generator_polled_share + outcome.generator_cpu_share <= 1.01);
    let closed = run(&requests(server.echo_target(), 20, 300));
    assert!(closed.send_lateness.is_none() && closed.generator_polled_share < f64::EPSILON);
    assert!(serde_json::to_value(&closed).unwrap()["send_lateness_ns"].is_null());
}

fn slow(kind: SlowKind, bytes: usize) -> Option<Slow> {
    Some(Slow { connections: 6, kind, bytes, every: Duration::from_millis(2) })
}

#[test]
fn slow_clients_are_served_beside_the_others_and_counted_apart() {
    let body = "x".repeat(20_000);
    for kind in [SlowKind::Write, SlowKind::Read, SlowKind::Both] {
        let body = body.clone();
        let server = Server::http(move |_| Some(ok(&body)));
        let load = Load { slow: slow(kind, 1_500), threads: 2, ..short(server.url("/"), 4) };
        let outcome = run(&load);
        assert_eq!((outcome.established, outcome.served, outcome.errors_total()), (4, 4, 0));
        assert_eq!(outcome.latency.len(), outcome.requests);
        let seen = outcome.slow.unwrap();
        assert_eq!((seen.connections, seen.opened, seen.cut_off, seen.trickling), (6, 6, 0, 6));
        assert_eq!(seen.errors, BTreeMap::new());
        assert!(seen.answered > 0, "{kind:?}: {seen:?}");
        assert_eq!(server.seen.connections(11), 11, "one of them to learn");
        let theirs = server.seen.requests() - outcome.requests_sent - seen.answered;
        assert!(theirs <= 6, "{theirs} under way at the end");
    }
}

#[test]
fn a_slow_client_takes_its_time() {
    let server = Server::echo(64);
    let every = Duration::from_millis(40);
    let load = Load {
        slow: Some(Slow { connections: 1, kind: SlowKind::Both, bytes: 32, every }),
        active: Some(0),
        until: Until::Duration(Duration::from_millis(600)),
        ..short(server.echo_target(), 1)
    };
    let seen = run(&load).slow.unwrap();
    // Two times to write and two to read make 160 ms.
    assert!((1..=4).contains(&seen.answered), "{seen:?}");
    assert!(server.seen.requests() - seen.answered <= 1);
}

#[test]
fn slow_clients_that_are_cut_off_are_counted_and_come_again() {
    // Patience for the first bytes of a request, and no more.
    let server = Server::start(|mut stream, _| {
        let _first = stream.read(&mut [0; 4096]);
    });
    let load = Load {
        active: Some(0),
        expect: Some(Expect { status: Some(200), body: Body::Any }),
        slow: slow(SlowKind::Write, 5),
        ..short(server.url("/"), 3)
    };
    let outcome = run(&load);
    assert_eq!(outcome.errors_total(), 0, "{outcome:?}");
    let seen = outcome.slow.unwrap();
    assert!(seen.cut_off > 6, "again and again: {seen:?}");
    assert!(seen.opened >= seen.cut_off && seen.opened - seen.cut_off <= 6, "{seen:?}");
    assert_eq!(seen.errors.values().sum::<u64>(), seen.cut_off);
    let names = [ErrorKind::Closed, ErrorKind::Reset];
    assert!(seen.errors.keys().all(|kind| names.contains(kind)), "{seen:?}");
    assert_eq!(seen.answered, 0);
}

#[test]
fn a_408_cuts_a_slow_client_off() {
    let server = Server::start(|mut stream, _| {
        let _first = stream.read(&mut [0; 4096]);
        let _gone = stream
            .write_all(b"HTTP/1.1 408 Late\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    });
    let load = Load {
        active: Some(0),
        expect: Some(Expect { status: Some(200), body: Body::Any }),
        slow: slow(SlowKind::Write, 5),
        ..short(server.url("/"), 1)
    };
    let seen = run(&load).slow.unwrap();
    assert!(seen.cut_off > 6 && seen.errors[&ErrorKind::Status] > 0, "{seen:?}");
    assert_eq!((seen.errors.values().sum::<u64>(), seen.answered), (seen.cut_off, 0));
}

#[test]
fn wrong_answers_to_slow_clients_are_named_and_taint_nobody_else() {
    let server = Server::http(|_| Some(ok("the truth!")));
    let load = |body: &str| Load {
        active: Some(0),
        expect: Some(Expect { status: Some(200), body: Body::Exact(body.into()) }),
        slow: slow(SlowKind::Both, 30),
        ..short(server.url("/"), 1)
    };
    for (body, kind) in [("the truth.", ErrorKind::Mismatch), ("the truth", ErrorKind::Extra)] {
        let outcome = run(&load(body));
        let seen = outcome.slow.as_ref().unwrap();
        assert_eq!((outcome.errors_total(), seen.answered, seen.cut_off), (0, 0, 0));
        assert_eq!(seen.errors.keys().collect::<Vec<_>>(), [&kind], "{seen:?}");
    }
}
