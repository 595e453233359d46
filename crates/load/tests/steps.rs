//! Steps: one pace after the other, over the same connections, each with figures of its own.

mod support;

use std::time::Duration;

use load::{Event, Load, Pace, Step, Stop, Until, Warmup};
use support::{Server, requests, short};

fn steps_of(rates: [f64; 3]) -> [Step; 3] {
    rates.map(|rate| Step::Pace(Pace::Rate(rate)))
}

#[test]
fn each_step_has_figures_of_its_own_over_the_same_connections() {
    let server = Server::echo(64);
    for threads in [1, 2] {
        let load = Load { threads, ..requests(server.echo_target(), 10, 100) };
        let before = (server.seen.connections(0), server.seen.requests());
        let mut heard = Vec::new();
        let outcomes = load::run_steps(
            &load,
            &steps_of([500.0, 1_000.0, 2_000.0]),
            &mut |event: Event| match event {
                Event::Step { number, total, pace } => {
                    heard.push(format!("{number}/{total} {pace:?}"));
                }
                Event::WindowOpens => heard.push("opens".to_owned()),
                Event::WindowCloses => heard.push("closes".to_owned()),
                _ => {}
            },
            &Stop::new(),
        )
        .unwrap();
        let paces: Vec<Pace> = outcomes.iter().map(|outcome| outcome.pace).collect();
        assert_eq!(paces, [Pace::Rate(500.0), Pace::Rate(1_000.0), Pace::Rate(2_000.0)]);
        for outcome in &outcomes {
            assert_eq!((outcome.requests, outcome.requests_sent), (100, 100), "{outcome:?}");
            assert_eq!((outcome.latency.len(), outcome.errors_total()), (100, 0));
            assert_eq!(outcome.send_lateness.as_ref().unwrap().len(), 100);
            assert_eq!((outcome.established, outcome.reopened), (10, 0));
        }
        let connects: Vec<u64> = outcomes.iter().map(|outcome| outcome.connects).collect();
        assert_eq!(connects, [10, 0, 0], "opened once");
        assert_eq!(server.seen.connections(before.0 + 10) - before.0, 10);
        assert_eq!(server.seen.requests() - before.1, 300);
        assert_eq!(
            heard.join(" "),
            "1/3 Rate(500.0) opens closes 2/3 Rate(1000.0) opens closes 3/3 Rate(2000.0) opens closes"
        );
    }
}

#[test]
fn shares_are_of_the_ceiling_that_was_measured_first() {
    let server = Server::echo(64);
    let shares = [0.1, 0.2].map(|of_ceiling| Step::Share { of_ceiling, poisson: true });
    let outcomes =
        load::run_steps(&short(server.echo_target(), 20), &shares, &mut |_| {}, &Stop::new())
            .unwrap();
    assert_eq!(outcomes.len(), 3);
    assert_eq!(outcomes[0].pace, Pace::Closed);
    assert!(outcomes[0].send_lateness.is_none() && outcomes[0].requests > 0);
    for (outcome, share) in outcomes[1..].iter().zip([0.1, 0.2]) {
        let Pace::Poisson(rate) = outcome.pace else { panic!("{:?}", outcome.pace) };
        assert!((rate / outcomes[0].requests_per_s() - share).abs() < 1e-9);
        assert_eq!(outcome.errors_total(), 0);
        assert!(outcome.service_time.max() <= outcome.latency.max());
    }
    let sent: u64 = outcomes.iter().map(|outcome| outcome.requests_sent).sum();
    assert_eq!(sent, server.seen.requests());
}

#[test]
fn a_stop_keeps_the_steps_until_then() {
    let server = Server::echo(64);
    let load = Load {
        until: Until::Duration(Duration::from_millis(50)),
        warmup: Warmup { max: Duration::ZERO, ..Warmup::default() },
        ..short(server.echo_target(), 5)
    };
    let stop = Stop::new();
    let mut observer = |event: Event| {
        if matches!(event, Event::Step { number: 3, .. }) {
            stop.request();
        }
    };
    let outcomes =
        load::run_steps(&load, &steps_of([100.0, 200.0, 300.0]), &mut observer, &stop).unwrap();
    assert_eq!(outcomes.len(), 2);
    assert!(outcomes.iter().all(|outcome| !outcome.interrupted && outcome.requests > 0));
}

#[test]
fn a_ceiling_of_nothing_has_no_shares() {
    let server = Server::start(|mut stream, _| {
        let mut buffer = [0; 4096];
        while std::io::Read::read(&mut stream, &mut buffer).is_ok_and(|read| read > 0) {}
    });
    let load = Load {
        until: Until::Duration(Duration::from_millis(20)),
        ..short(server.echo_target(), 2)
    };
    let share = [Step::Share { of_ceiling: 0.5, poisson: false }];
    let error = load::run_steps(&load, &share, &mut |_| {}, &Stop::new()).unwrap_err();
    assert!(error.to_string().contains("the ceiling is 0"), "{error}");
}
