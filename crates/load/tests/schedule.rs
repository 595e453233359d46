//! Open loops: a request counts from when it was due, whatever the server does.

mod support;

use std::io::{Read, Write};
use std::time::Duration;

use load::{Load, Pace, Until, Warmup};
use support::{Server, run, short};

#[test]
fn requests_that_wait_for_a_connection_count_from_their_schedule() {
    // One connection, 20 ms an answer, a request due every 5 ms: each waits longer than the one before.
    let server = Server::start(|mut stream, seen| {
        let mut message = [0; 64];
        while stream.read_exact(&mut message).is_ok() {
            std::thread::sleep(Duration::from_millis(20));
            seen.request();
            if stream.write_all(&message).is_err() {
                return;
            }
        }
    });
    let load = Load {
        pace: Pace::Rate(200.0),
        until: Until::Duration(Duration::from_secs(1)),
        warmup: Warmup { max: Duration::ZERO, ..Warmup::default() },
        ..short(server.echo_target(), 1)
    };
    let outcome = run(&load);
    assert_eq!(outcome.requests + outcome.censored, 200, "{outcome:?}");
    assert!(outcome.requests <= 50);
    let wait = outcome.latency.max() - outcome.service_time.max();
    assert!(wait > 300_000_000, "the schedule is the origin: {outcome:?}");
    assert!(!outcome.saturated, "a slow server is not a late generator: {outcome:?}");
}

#[test]
fn poisson_arrivals_end_with_the_requests_asked_for() {
    let server = Server::echo(64);
    let load = Load {
        pace: Pace::Poisson(1_000.0),
        until: Until::Requests(200),
        warmup: Warmup { max: Duration::ZERO, ..Warmup::default() },
        ..short(server.echo_target(), 20)
    };
    let outcome = run(&load);
    assert_eq!((outcome.requests, outcome.requests_sent), (200, 200), "{outcome:?}");
    assert_eq!((server.seen.requests(), outcome.censored), (200, 0));
}
