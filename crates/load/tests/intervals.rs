//! Intervals: what is told second by second adds up to what is told in the end.

#![expect(clippy::unwrap_used, reason = "this is all test")]

mod support;

use std::time::Duration;

use load::{Event, Interval, Load, Observer, Outcome, Pace, Stop, Until};
use support::{Server, ok, short};

#[derive(Default)]
struct Watcher {
    heard: Vec<Interval>,
    closed_after: Option<usize>,
}

impl Observer for Watcher {
    fn event(&mut self, event: Event) {
        if event == Event::WindowCloses {
            self.closed_after = Some(self.heard.len());
        }
    }

    fn interval(&mut self, interval: &Interval) {
        self.heard.push(interval.clone());
    }
}

fn watch(load: &Load) -> (Outcome, Watcher) {
    let mut watcher = Watcher::default();
    let outcome = load::run(load, &mut watcher, &Stop::new()).unwrap();
    assert_eq!(watcher.closed_after, Some(watcher.heard.len()), "none comes after the window");
    (outcome, watcher)
}

fn adds_up(outcome: &Outcome, heard: &[Interval]) {
    let sum = |field: fn(&Interval) -> u64| heard.iter().map(field).sum::<u64>();
    assert_eq!(sum(|interval| interval.requests), outcome.requests);
    assert_eq!(sum(|interval| interval.errors), outcome.errors_in_window);
    let mut merged = heard[0].clone();
    heard[1..].iter().for_each(|interval| merged.merge(interval));
    assert_eq!(merged.latency, outcome.latency);
    assert_eq!(merged.service_time, outcome.service_time);
    for (place, interval) in heard.iter().enumerate() {
        assert_eq!(interval.start, heard[0].length * u32::try_from(place).unwrap());
        assert_eq!(interval.latency.len(), interval.requests);
    }
}

#[test]
fn intervals_add_up_to_the_outcome() {
    let wrong = || b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n".to_vec();
    let server =
        Server::http(move |request| Some(if request % 7 == 0 { wrong() } else { ok("x") }));
    for (pace, threads) in [(Pace::Closed, 1), (Pace::Closed, 3), (Pace::Rate(3_000.0), 2)] {
        let load = Load {
            pace,
            threads,
            interval: Some(Duration::from_millis(50)),
            until: Until::Duration(Duration::from_millis(500)),
            expect: Some(load::Expect { status: Some(200), body: load::Body::Any }),
            ..short(server.url("/"), 12)
        };
        let (outcome, watcher) = watch(&load);
        assert_eq!(watcher.heard.len(), 10, "{pace:?}");
        assert!(outcome.errors_in_window > 0);
        assert!(watcher.heard.iter().all(|one| one.length == Duration::from_millis(50)));
        assert!(watcher.heard.iter().all(|one| one.in_flight <= 12));
        adds_up(&outcome, &watcher.heard);
    }
}

#[test]
fn silence_is_told_too_and_the_last_interval_may_be_shorter() {
    let server = Server::start(|mut stream, _| {
        let mut buffer = [0; 4096];
        while std::io::Read::read(&mut stream, &mut buffer).is_ok_and(|read| read > 0) {}
    });
    let load = Load {
        interval: Some(Duration::from_millis(40)),
        until: Until::Duration(Duration::from_millis(100)),
        ..short(server.echo_target(), 5)
    };
    let (outcome, watcher) = watch(&load);
    let lengths: Vec<u128> = watcher.heard.iter().map(|one| one.length.as_millis()).collect();
    assert_eq!(lengths, [40, 40, 20]);
    assert!(watcher.heard.iter().all(|one| one.requests == 0 && one.in_flight == 5));
    assert_eq!(outcome.requests, 0);
}

#[test]
fn a_number_of_requests_is_in_its_intervals() {
    let server = Server::echo(64);
    let load = Load {
        interval: Some(Duration::from_millis(10)),
        threads: 2,
        ..support::requests(server.echo_target(), 6, 5_000)
    };
    let (outcome, watcher) = watch(&load);
    assert_eq!(outcome.requests, 5_000);
    adds_up(&outcome, &watcher.heard);
}
