//! The generator inside another program, from beginning to end and with a server of its own:
//! `cargo run -p load --example embedded`.
//!
//! It offers 2,000 requests a second to a small echo, follows them second by second, and judges the outcome by thresholds:
//! what a test of one's own server would do, with no other program in sight.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use load::words::{grouped, time};
use load::{Event, Interval, Load, Observer, Pace, Stop, Target, Threshold, Until};

/// A thread for each connection: the server under test.
fn serve(listener: &TcpListener) {
    while let Ok((stream, _)) = listener.accept() {
        thread::spawn(move || echo(stream));
    }
}

fn echo(mut stream: TcpStream) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).ok().filter(|read| *read > 0)?;
        stream.write_all(&buffer[..read]).ok()?;
    }
}

/// Says how it goes.
struct Watcher;

impl Observer for Watcher {
    fn event(&mut self, event: Event) {
        if let Event::Open { established, open_time } = event {
            println!("{established} connections open after {open_time:?}");
        }
    }

    fn interval(&mut self, interval: &Interval) {
        let p99 = load::words::float(interval.latency.value_at_quantile(0.99));
        println!("{:?}: {} answers, p99 {}", interval.start, grouped(interval.requests), time(p99));
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let target = Target::parse(&format!("echo://{}", listener.local_addr()?))?;
    thread::spawn(move || serve(&listener));

    let load = Load {
        pace: Pace::Rate(2_000.0),
        until: Until::Duration(Duration::from_secs(2)),
        interval: Some(Duration::from_millis(500)),
        ..Load::new(target, 20)
    };
    let outcome = load::run(&load, &mut Watcher, &Stop::new())?;

    for (kind, times) in &outcome.errors {
        println!("{times} times {kind}");
    }
    for text in ["p99>1s", "errors>0", "served<100%"] {
        let threshold: Threshold = text.parse()?;
        match threshold.missed(&outcome) {
            Some(by) => return Err(format!("missed {threshold}: {by}").into()),
            None => println!("kept: not {threshold}"),
        }
    }
    Ok(())
}
