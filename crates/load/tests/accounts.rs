//! The accounts: what the generator counts is what the server counts, and what it says of time adds up.

mod support;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use load::{Body, Error, Event, Expect, Load, Pace, Stop, Until};
use support::{Server, ok, requests, run, serve_http, short};

#[test]
fn the_server_counts_the_same_requests() {
    let server = Server::echo(64);
    let outcome = run(&short(server.echo_target(), 50));
    assert_eq!(outcome.errors_total(), 0, "{outcome:?}");
    assert_eq!(outcome.requests_sent, server.seen.requests());
    assert!(outcome.requests <= outcome.requests_between_edges);
    assert!(outcome.requests_between_edges <= outcome.requests_sent);
    assert_eq!(outcome.body_bytes, outcome.requests * 64);
    assert_eq!(outcome.latency.len(), outcome.requests);
    assert_eq!(outcome.service_time, outcome.latency, "a closed loop has one origin");
    assert_eq!(outcome.censored, outcome.in_flight_end.count);
}

#[test]
fn littles_law_holds_whatever_the_load() {
    let server = Server::echo(64);
    for (connections, pipeline, threads) in [(500, 1, 1), (40, 8, 1), (60, 2, 3)] {
        let load = Load { pipeline, threads, ..short(server.echo_target(), connections) };
        let outcome = run(&load);
        assert_eq!((outcome.errors_total(), outcome.served), (0, connections), "{outcome:?}");
        let little = outcome.little().unwrap();
        assert!(
            (0.9..=1.1).contains(&little),
            "{little} with {connections} connections: {outcome:?}"
        );
    }
}

#[test]
fn a_number_of_requests_is_sent_exactly() {
    let server = Server::http(|_| Some(ok("hello")));
    for (connections, pipeline, threads) in [(7, 1, 1), (7, 3, 2), (40, 1, 1)] {
        let before = server.seen.requests();
        let expect = Some(Expect { status: Some(200), body: Body::Exact(b"hello".to_vec()) });
        let load = Load { pipeline, threads, expect, ..requests(server.url("/"), connections, 33) };
        let outcome = run(&load);
        assert_eq!((outcome.requests, outcome.requests_sent), (33, 33), "{outcome:?}");
        assert_eq!(server.seen.requests() - before, 33);
        assert_eq!(outcome.errors_total() + outcome.censored, 0);
    }
}

#[test]
fn only_the_active_connections_ask() {
    let server = Server::echo(64);
    let outcome = run(&Load { active: Some(10), ..short(server.echo_target(), 300) });
    assert_eq!(server.seen.connections(300), 300);
    assert_eq!((outcome.established, outcome.active, outcome.served), (300, 10, 10));
    assert_eq!(outcome.errors_total(), 0);
    assert!(outcome.connection_requests.min > 0);
    assert!(outcome.in_flight_end.count <= 10);
}

#[test]
fn connections_that_are_never_served_show() {
    // A pool of five: the others are accepted, and wait for ever.
    let taken = Arc::new(Mutex::new(0));
    let server = Server::start(move |mut stream, seen| {
        let is_served = {
            let mut taken = taken.lock().unwrap();
            *taken += 1;
            *taken <= 5
        };
        let mut message = [0; 64];
        while stream.read_exact(&mut message).is_ok() {
            seen.request();
            if is_served && stream.write_all(&message).is_err() {
                return;
            }
        }
    });
    let outcome = run(&short(server.echo_target(), 20));
    assert_eq!((outcome.established, outcome.active, outcome.served), (20, 20, 5), "{outcome:?}");
    assert_eq!(outcome.errors_total(), 0);
    assert_eq!(outcome.connection_requests.min, 0);
    assert!(outcome.jain_index.unwrap() <= 0.25);
    assert_eq!(outcome.in_flight_end.count, 20);
    assert_eq!(outcome.in_flight_end.served_count, 5);
    let little = outcome.little().unwrap();
    assert!((0.9..=1.1).contains(&little), "the five are accounted for: {little}");
    assert!(outcome.warnings.iter().any(|warning| warning.starts_with("15 of 20")));
}

#[test]
fn a_server_that_never_answers_leaves_everything_in_flight() {
    let server = Server::start(|mut stream, _| {
        let mut buffer = [0; 4096];
        while stream.read(&mut buffer).is_ok_and(|read| read > 0) {}
    });
    let outcome = run(&short(server.echo_target(), 20));
    assert_eq!((outcome.requests, outcome.served, outcome.errors_total()), (0, 0, 0));
    assert_eq!((outcome.in_flight_end.count, outcome.censored), (20, 20));
    assert_eq!(outcome.jain_index, None);
    assert!(!outcome.warmup_converged, "silence is no steady rate");
}

#[test]
fn the_observer_hears_each_phase_in_order_and_nothing_flows_while_it_looks() {
    let server = Server::echo(64);
    let mut heard = Vec::new();
    let mut at_edges = Vec::new();
    let outcome = load::run(
        &short(server.echo_target(), 30),
        &mut |event: Event| match event {
            Event::Open { established, .. } => heard.push(format!("open {established}")),
            Event::WarmingUp => heard.push("warming up".to_owned()),
            Event::WindowOpens | Event::WindowCloses => {
                let before = server.seen.requests();
                std::thread::sleep(Duration::from_millis(20));
                assert_eq!(server.seen.requests(), before, "the load is paused");
                at_edges.push(before);
                heard.push("edge".to_owned());
            }
            _ => {}
        },
        &Stop::new(),
    );
    assert_eq!(heard, ["open 30", "warming up", "edge", "edge"]);
    assert_eq!(at_edges[1] - at_edges[0], outcome.unwrap().requests_between_edges);
}

type Answer = fn() -> Vec<u8>;

#[test]
fn answers_are_verified_however_they_are_framed() {
    let framings: [(&str, Answer); 6] = [
        ("length", || ok("the body")),
        ("chunked", || {
            let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
            [&head[..], b"3\r\nthe\r\n5;x=y\r\n body\r\n0\r\nT: r\r\n\r\n"].concat()
        }),
        ("interim", || [b"HTTP/1.1 103 Early\r\nA: b\r\n\r\n".to_vec(), ok("the body")].concat()),
        ("empty lines", || [b"\r\n".to_vec(), ok("the body")].concat()),
        ("none", || b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()),
        ("no body", || ok("")),
    ];
    for (name, answer) in framings {
        let server = Server::http(move |_| Some(answer()));
        let outcome = run(&Load { pipeline: 2, ..requests(server.url("/"), 5, 100) });
        assert_eq!(
            (outcome.requests, outcome.errors_total(), outcome.reopened),
            (100, 0, 0),
            "{name}"
        );
        assert_eq!(server.seen.requests(), outcome.requests_sent, "{name}");
    }
}

#[test]
fn a_connection_that_ends_with_its_answer_is_opened_again_and_no_error() {
    for head in ["HTTP/1.1 200 OK\r\n", "HTTP/1.0 200 OK\r\nContent-Length: 8\r\n"] {
        let server = Server::start(move |mut stream, seen| {
            let mut buffer = [0; 4096];
            if stream.read(&mut buffer).is_ok_and(|read| read > 0) {
                seen.request();
                stream.write_all(format!("{head}\r\nthe body").as_bytes()).unwrap();
            }
        });
        let outcome = run(&requests(server.url("/"), 5, 100));
        assert_eq!(
            (outcome.requests, outcome.errors_total(), outcome.dead),
            (100, 0, 0),
            "{outcome:?}"
        );
        assert!(outcome.reopened >= 95, "{outcome:?}");
    }
}

#[test]
fn what_is_learnt_is_announced_and_held_against_later_answers() {
    let server = Server::http(|request| Some(ok(if request <= 50 { "before" } else { "after!" })));
    let outcome = run(&requests(server.url("/"), 1, 100));
    assert_eq!(outcome.expected, "status 200 and the 6 bytes of the first answer");
    // The first of the fifty was the one learnt from.
    assert_eq!(outcome.requests, 49);
    assert_eq!(outcome.errors_total(), 51);
}

#[test]
fn what_cannot_be_learnt_is_said() {
    let server = Server::http(|_| Some(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n".to_vec()));
    let outcome = run(&requests(server.url("/"), 1, 10));
    assert_eq!(outcome.errors_total(), 10);
    assert!(
        outcome.warnings.iter().any(|warning| warning.contains("503")),
        "{:?}",
        outcome.warnings
    );
}

#[test]
fn large_messages_survive_short_writes_and_reads() {
    let size = 3_000_001;
    let server = Server::echo(size);
    let outcome = run(&Load { size, pipeline: 2, ..requests(server.echo_target(), 3, 12) });
    assert_eq!((outcome.requests, outcome.errors_total()), (12, 0), "{outcome:?}");
    assert_eq!(outcome.body_bytes, 12 * 3_000_001);

    let body = "x".repeat(1_000_003);
    let server = Server::http(move |_| Some(ok(&body)));
    let outcome = run(&requests(server.url("/"), 3, 12));
    assert_eq!((outcome.requests, outcome.errors_total()), (12, 0), "{outcome:?}");
}

#[test]
fn small_messages_are_verified_too() {
    for size in [1, 7, 8, 9] {
        let server = Server::echo(size);
        let outcome = run(&Load { size, ..requests(server.echo_target(), 3, 300) });
        assert_eq!((outcome.requests, outcome.errors_total()), (300, 0), "{outcome:?}");
    }
}

#[test]
fn a_stop_inside_the_window_keeps_what_was_measured() {
    let server = Server::echo(64);
    let load =
        Load { until: Until::Duration(Duration::from_mins(10)), ..short(server.echo_target(), 10) };
    let stop = Stop::new();
    let mut is_open = false;
    let mut observer = |event: Event| match event {
        Event::WindowOpens => is_open = true,
        Event::Progress { answers, .. } if is_open && answers > 0 => stop.request(),
        _ => {}
    };
    let outcome = load::run(&load, &mut observer, &stop).unwrap();
    assert!(outcome.interrupted && outcome.requests > 0, "{outcome:?}");
    assert!(outcome.duration < Duration::from_mins(10));
    assert_eq!(outcome.requests_sent, server.seen.requests());
}

#[test]
fn an_observer_that_panics_ends_the_run() {
    let server = Server::echo(64);
    let target = server.echo_target();
    let run = std::thread::spawn(move || {
        let mut observer = |event: Event| assert_ne!(event, Event::WarmingUp, "on purpose");
        load::run(&short(target, 10), &mut observer, &Stop::new())
    });
    assert!(run.join().is_err(), "and leaves no thread behind that would keep it from ending");
}

#[test]
fn a_stop_before_the_window_measures_nothing() {
    let server = Server::echo(64);
    for phase in ["open", "warming up"] {
        let stop = Stop::new();
        let mut observer = |event: Event| match event {
            Event::Open { .. } if phase == "open" => stop.request(),
            Event::WarmingUp if phase == "warming up" => stop.request(),
            _ => {}
        };
        let error = load::run(&short(server.echo_target(), 10), &mut observer, &stop).unwrap_err();
        assert!(matches!(error, Error::Interrupted), "{error}");
    }
}

#[test]
fn a_source_address_is_used_in_turn() {
    let peers = Arc::new(Mutex::new(Vec::new()));
    let seen_peers = Arc::clone(&peers);
    let server = Server::start(move |mut stream, _| {
        seen_peers.lock().unwrap().push(stream.peer_addr().unwrap().ip());
        let mut message = [0; 64];
        while stream.read_exact(&mut message).is_ok() && stream.write_all(&message).is_ok() {}
    });
    let sources: Vec<IpAddr> = vec!["127.0.0.2".parse().unwrap(), "127.0.0.3".parse().unwrap()];
    let outcome =
        run(&Load { sources: sources.clone(), ..requests(server.echo_target(), 10, 100) });
    assert_eq!((outcome.requests, outcome.errors_total()), (100, 0));
    let peers = peers.lock().unwrap();
    assert_eq!(peers.iter().filter(|peer| **peer == sources[0]).count(), 5);
    assert_eq!(peers.iter().copied().collect::<BTreeSet<_>>(), sources.into_iter().collect());
}

#[test]
fn a_source_that_is_not_of_this_machine_is_named() {
    let server = Server::echo(64);
    let load = Load {
        sources: vec!["192.0.2.1".parse().unwrap()],
        ..requests(server.echo_target(), 10, 10)
    };
    let error = load::run(&load, &mut |_| {}, &Stop::new()).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Limit { kind: load::ErrorKind::NoPort, connection: 1, total: 10, .. }
        ),
        "{error}"
    );
}

#[test]
fn ipv6_works_as_ipv4_does() {
    let server =
        Server::start_at("[::1]:0", |stream, seen| serve_http(stream, seen, &|_| Some(ok("six"))));
    let outcome =
        run(&Load { sources: vec!["::1".parse().unwrap()], ..requests(server.url("/"), 5, 100) });
    assert_eq!((outcome.requests, outcome.errors_total()), (100, 0), "{outcome:?}");
}

#[test]
fn opening_waits_for_a_server_that_accepts_slowly() {
    // A backlog of 128, and 1 ms for each accept.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = load::Target::Echo { addr: listener.local_addr().unwrap() };
    let acceptor = std::thread::spawn(move || {
        let mut held = Vec::new();
        for _ in 0..400 {
            std::thread::sleep(Duration::from_millis(1));
            held.push(listener.accept().unwrap());
        }
        held
    });
    let load = Load { until: Until::Duration(Duration::from_millis(50)), ..short(target, 400) };
    let outcome = run(&load);
    assert_eq!((outcome.established, outcome.errors_total()), (400, 0), "{outcome:?}");
    let gave_up = outcome.warnings.iter().any(|warning| warning.contains("accept"));
    assert!(!gave_up, "it saw the queue shrink: {:?}", outcome.warnings);
    drop(acceptor.join().unwrap());
}

#[test]
fn an_open_loop_sends_what_is_due_and_counts_what_is_not_answered() {
    let server = Server::echo(64);
    let load = Load {
        pace: Pace::Rate(500.0),
        until: Until::Duration(Duration::from_secs(1)),
        ..short(server.echo_target(), 20)
    };
    let outcome = run(&load);
    assert_eq!(outcome.errors_total(), 0, "{outcome:?}");
    // Due at 0, 2, ... 998 ms of the window.
    assert_eq!(outcome.requests + outcome.censored, 500);
    assert_eq!(outcome.requests_sent, server.seen.requests());
    assert!(outcome.latency.max() >= outcome.service_time.max());
    assert!(outcome.late_while_free_ns_p99.is_some());
}

#[test]
fn the_outcome_is_json_with_its_histogram() {
    let server = Server::echo(64);
    let outcome = run(&requests(server.echo_target(), 5, 100));
    let json = serde_json::to_value(&outcome).unwrap();
    assert_eq!(json["requests"], 100);
    assert_eq!(json["errors"], serde_json::json!({}));
    assert_eq!(json["latency_ns"]["max"], outcome.latency.max());
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(json["latency_ns"]["histogram"].as_str().unwrap())
        .unwrap();
    let histogram: hdrhistogram::Histogram<u64> = hdrhistogram::serialization::Deserializer::new()
        .deserialize(&mut bytes.as_slice())
        .unwrap();
    assert_eq!(histogram, outcome.latency);
}
