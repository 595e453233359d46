//! Servers that lie on purpose: each lie is caught, by its right name, exactly as often as it was told.

mod support;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use load::{Body, Error, ErrorKind, Expect, Load, Outcome, Stop, Target};
use support::{Server, ok, requests, reset, run};

/// Requests of each test; every tenth is answered by a lie.
const REQUESTS: u64 = 500;
const LIES: u64 = REQUESTS / 10;
const CONNECTIONS: usize = 20;

/// A server that answers `right`, and every tenth time what `lie` makes of it.
fn lying_http(lie: impl Fn() -> Option<Vec<u8>> + Send + Sync + 'static) -> Server {
    Server::http(move |request| if request % 10 == 0 { lie() } else { Some(ok("the very truth")) })
}

fn the_truth() -> Option<Expect> {
    Some(Expect { status: Some(200), body: Body::Exact(b"the very truth".to_vec()) })
}

fn ask(server: &Server) -> Outcome {
    run(&Load { expect: the_truth(), ..requests(server.url("/"), CONNECTIONS, REQUESTS) })
}

#[track_caller]
fn caught(outcome: &Outcome, kind: ErrorKind, times: u64) {
    assert_eq!(outcome.errors, BTreeMap::from([(kind, times)]), "{outcome:?}");
    assert_eq!(outcome.errors_in_window, times);
    assert_eq!(outcome.requests, REQUESTS - times);
    assert_eq!(outcome.requests_sent, REQUESTS);
    assert_eq!(outcome.latency.len(), outcome.requests);
    assert_eq!(outcome.censored, 0);
}

#[test]
fn a_wrong_byte_is_a_mismatch() {
    let server = lying_http(|| Some(ok("the very trutn")));
    caught(&ask(&server), ErrorKind::Mismatch, LIES);
}

#[test]
fn a_complete_answer_with_a_shorter_body_is_short() {
    let server = lying_http(|| Some(ok("the very")));
    caught(&ask(&server), ErrorKind::Short, LIES);
}

#[test]
fn a_body_that_ends_with_the_connection_is_short() {
    let server = Server::start(|mut stream, seen| {
        let mut buffer = [0; 4096];
        while stream.read(&mut buffer).is_ok_and(|read| read > 0) {
            let bytes = ok("the very truth");
            if seen.request().is_multiple_of(10) {
                let _gone = stream.write_all(&bytes[..bytes.len() - 1]);
                return;
            }
            let _gone = stream.write_all(&bytes);
        }
    });
    let outcome = ask(&server);
    caught(&outcome, ErrorKind::Short, LIES);
    assert_eq!(outcome.reopened, LIES);
    assert_eq!(server.seen.connections(20 + LIES), 20 + LIES);
}

#[test]
fn a_longer_body_is_extra() {
    let server = lying_http(|| Some(ok("the very truth and more")));
    caught(&ask(&server), ErrorKind::Extra, LIES);
}

#[test]
fn bytes_after_the_answer_are_extra() {
    let server = lying_http(|| Some([ok("the very truth"), b"\n".to_vec()].concat()));
    let outcome = ask(&server);
    // The answer itself was right, so it counts; the bytes after it cost the connection.
    assert_eq!(outcome.errors, BTreeMap::from([(ErrorKind::Extra, LIES)]));
    assert_eq!((outcome.requests, outcome.reopened), (REQUESTS, LIES));
}

#[test]
fn another_status_is_named_whatever_the_body() {
    let server = lying_http(|| {
        Some(b"HTTP/1.1 500 Oops\r\nContent-Length: 14\r\n\r\nthe very truth".to_vec())
    });
    caught(&ask(&server), ErrorKind::Status, LIES);
}

#[test]
fn what_is_not_http_is_malformed() {
    let server = lying_http(|| Some(b"SSH-2.0-OpenSSH_9.6\r\n".to_vec()));
    let outcome = ask(&server);
    caught(&outcome, ErrorKind::Malformed, LIES);
    assert_eq!(outcome.reopened, LIES);
}

#[test]
fn an_endless_head_is_malformed() {
    let server =
        lying_http(|| Some([b"HTTP/1.1 200 OK\r\n".to_vec(), b"A: b\r\n".repeat(10_000)].concat()));
    caught(&ask(&server), ErrorKind::Malformed, LIES);
}

#[test]
fn hanging_up_without_an_answer_is_closed() {
    let server = lying_http(|| None);
    let outcome = ask(&server);
    caught(&outcome, ErrorKind::Closed, LIES);
    assert_eq!(outcome.reopened, LIES);
}

#[test]
fn a_reset_is_a_reset() {
    let server = Server::start(|mut stream, seen| {
        let mut buffer = [0; 4096];
        while stream.read(&mut buffer).is_ok_and(|read| read > 0) {
            if seen.request().is_multiple_of(10) {
                return reset(&stream);
            }
            let _gone = stream.write_all(&ok("the very truth"));
        }
    });
    let outcome = ask(&server);
    caught(&outcome, ErrorKind::Reset, LIES);
    assert_eq!((outcome.reopened, outcome.dead), (LIES, 0));
}

#[test]
fn no_answer_is_a_timeout() {
    let server = lying_http(|| Some(Vec::new()));
    let load = Load {
        timeout: Duration::from_secs(1),
        expect: the_truth(),
        ..requests(server.url("/"), CONNECTIONS, REQUESTS)
    };
    caught(&run(&load), ErrorKind::Timeout, LIES);
}

#[test]
fn a_slow_drip_is_a_timeout() {
    let server = Server::start(|mut stream, seen| {
        let mut buffer = [0; 4096];
        let whole = ok("the very truth");
        while stream.read(&mut buffer).is_ok_and(|read| read > 0) {
            if seen.request().is_multiple_of(10) {
                for byte in whole.chunks(1) {
                    std::thread::sleep(Duration::from_millis(200));
                    if stream.write_all(byte).is_err() {
                        return;
                    }
                }
            }
            let _gone = stream.write_all(&whole);
        }
    });
    let load = Load {
        timeout: Duration::from_secs(1),
        expect: the_truth(),
        ..requests(server.url("/"), CONNECTIONS, REQUESTS)
    };
    caught(&run(&load), ErrorKind::Timeout, LIES);
}

#[test]
fn nobody_listening_is_refused_and_says_what_to_do() {
    let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error =
        load::run(&requests(Target::Echo { addr }, 10, 10), &mut |_| {}, &Stop::new()).unwrap_err();
    assert!(
        matches!(error, Error::NotOpened { kind: ErrorKind::Refused, total: 10, .. }),
        "{error:?}"
    );
    assert!(error.to_string().ends_with("start the server, or check host and port"), "{error}");
}

#[test]
fn a_server_that_hangs_up_on_everyone_is_closed_and_the_run_ends() {
    let server = Server::start(|stream, _| drop(stream));
    match load::run(&support::short(server.echo_target(), 20), &mut |_| {}, &Stop::new()) {
        // Some may hang up only after all are open.
        Ok(outcome) => {
            assert_eq!((outcome.requests, outcome.served), (0, 0));
            let kinds: Vec<_> = outcome.errors.keys().collect();
            assert!(
                kinds.iter().all(|kind| matches!(kind, ErrorKind::Closed | ErrorKind::Reset)),
                "{kinds:?}"
            );
            assert!(outcome.errors_total() >= 20);
        }
        Err(error) => {
            let is_closed = matches!(
                error,
                Error::NotOpened { kind: ErrorKind::Closed | ErrorKind::Reset, .. }
            );
            assert!(is_closed, "{error:?}");
        }
    }
}

#[test]
fn words_that_nobody_asked_for_are_extra() {
    let server = Server::start(|mut stream, seen| {
        // The client may be gone already.
        let _gone = stream.write_all(b"220 welcome\r\n");
        seen.request();
        let mut message = [0; 64];
        while stream.read_exact(&mut message).is_ok() && stream.write_all(&message).is_ok() {}
    });
    // Idle connections must not miss it either.
    let load = Load { active: Some(1), ..requests(server.echo_target(), 20, 5) };
    let mut observer = |event: load::Event| {
        while matches!(event, load::Event::Open { .. }) && server.seen.requests() < 20 {
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    match load::run(&load, &mut observer, &Stop::new()) {
        Ok(outcome) => {
            assert_eq!(outcome.requests, 0);
            assert!(outcome.errors[&ErrorKind::Extra] >= 19, "{:?}", outcome.errors);
        }
        Err(error) => assert!(
            matches!(error, Error::NotOpened { kind: ErrorKind::Extra, total: 20, .. }),
            "{error:?}"
        ),
    }
}

#[test]
fn a_server_that_dies_leaves_every_connection_dead_and_counted() {
    let dead = Arc::new(AtomicBool::new(false));
    let died = Arc::clone(&dead);
    let (closed, closings) = std::sync::mpsc::channel();
    let server = Server::start(move |mut stream, _| {
        let mut message = [0; 64];
        stream.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        while !died.load(Ordering::SeqCst) {
            if stream.read_exact(&mut message).is_ok() {
                stream.write_all(&message).unwrap();
            }
        }
        drop(stream);
        closed.send(()).unwrap();
    });
    let target = server.echo_target();
    let mut server = Some(server);
    let load =
        Load { until: load::Until::Duration(Duration::from_mins(1)), ..support::short(target, 30) };
    let mut observer = |event: load::Event| {
        if event == load::Event::WindowOpens {
            drop(server.take());
            dead.store(true, Ordering::SeqCst);
            closings.iter().take(30).for_each(drop);
        }
    };
    let outcome = load::run(&load, &mut observer, &Stop::new()).unwrap();
    assert_eq!(outcome.dead, 30);
    assert_eq!(outcome.errors, BTreeMap::from([(ErrorKind::Closed, 30), (ErrorKind::Refused, 30)]));
    assert!(outcome.duration < Duration::from_mins(1), "the window ends when nobody is left");
    assert!(
        outcome.warnings.iter().any(|warning| warning.contains("dead")),
        "{:?}",
        outcome.warnings
    );
}

#[test]
fn a_wrong_echo_is_a_mismatch() {
    let server = Server::start(|mut stream, seen| {
        let mut message = [0; 64];
        while stream.read_exact(&mut message).is_ok() {
            if seen.request().is_multiple_of(10) {
                message[63] ^= 1;
            }
            let _gone = stream.write_all(&message);
        }
    });
    caught(&run(&requests(server.echo_target(), CONNECTIONS, REQUESTS)), ErrorKind::Mismatch, LIES);
}

#[test]
fn a_repeated_echo_is_not_taken_for_a_new_one() {
    let server = Server::start(|mut stream, seen| {
        let (mut message, mut last) = ([0; 64], [0; 64]);
        while stream.read_exact(&mut message).is_ok() {
            let repeat = seen.request().is_multiple_of(10) && last != [0; 64];
            let _gone = stream.write_all(if repeat { &last } else { &message });
            last = message;
        }
    });
    // One connection, so that the tenth is never a first.
    caught(&run(&requests(server.echo_target(), 1, REQUESTS)), ErrorKind::Order, LIES);
}

#[test]
fn echoes_in_another_order_are_named_so() {
    let server = Server::start(|mut stream, _| {
        let (mut one, mut two) = ([0; 64], [0; 64]);
        while stream.read_exact(&mut one).is_ok() && stream.read_exact(&mut two).is_ok() {
            let _gone = stream.write_all(&[two, one].concat());
        }
    });
    let load = Load { pipeline: 2, ..requests(server.echo_target(), CONNECTIONS, REQUESTS) };
    let outcome = run(&load);
    assert_eq!(outcome.errors, BTreeMap::from([(ErrorKind::Order, REQUESTS)]));
    assert_eq!(outcome.requests, 0);
}

#[test]
fn answers_swapped_between_connections_are_a_mismatch() {
    let server = Server::start(|mut stream, seen| {
        let mut message = [0; 64];
        while stream.read_exact(&mut message).is_ok() {
            seen.request();
            // What another connection would get for its first message looks like nothing this one sent.
            message.rotate_left(8);
            let _gone = stream.write_all(&message);
        }
    });
    let outcome = run(&requests(server.echo_target(), CONNECTIONS, REQUESTS));
    assert_eq!(outcome.errors, BTreeMap::from([(ErrorKind::Mismatch, REQUESTS)]));
}

#[test]
fn an_echo_cut_short_is_short() {
    let server = Server::start(|mut stream, seen| {
        let mut message = [0; 64];
        while stream.read_exact(&mut message).is_ok() {
            let cut = if seen.request().is_multiple_of(10) { 63 } else { 64 };
            if stream.write_all(&message[..cut]).is_err() || cut < 64 {
                return;
            }
        }
    });
    caught(&run(&requests(server.echo_target(), CONNECTIONS, REQUESTS)), ErrorKind::Short, LIES);
}

#[test]
fn an_idle_connection_that_is_closed_is_an_error() {
    let server = Server::start(|mut stream, seen| {
        let mut message = [0; 64];
        // Those that never ask are closed after a while.
        stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        if stream.read_exact(&mut message).is_err() {
            return;
        }
        stream.set_read_timeout(None).unwrap();
        loop {
            seen.request();
            if stream.write_all(&message).is_err() || stream.read_exact(&mut message).is_err() {
                return;
            }
        }
    });
    let load = Load { active: Some(5), ..support::short(server.echo_target(), 25) };
    let outcome = run(&load);
    assert_eq!(outcome.established, 25);
    assert!(outcome.errors[&ErrorKind::Closed] >= 20, "{:?}", outcome.errors);
    assert_eq!(outcome.errors_total(), outcome.errors[&ErrorKind::Closed]);
}

#[test]
fn requests_lost_in_a_pipeline_are_counted_one_by_one() {
    let server = Server::start(|mut stream, _| {
        let mut message = [0; 64];
        // The first message of each connection is answered, the other three are lost with it.
        if stream.read_exact(&mut message).is_ok() {
            let _gone = stream.write_all(&message);
            reset(&stream);
        }
    });
    let load = Load { pipeline: 4, ..requests(server.echo_target(), 1, 4) };
    let outcome = run(&load);
    assert_eq!(outcome.requests + outcome.errors_total(), 4, "{:?}", outcome.errors);
    assert!(outcome.errors[&ErrorKind::Reset] >= 3);
}
