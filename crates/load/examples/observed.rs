//! A load from another program: `cargo run -p load --example observed -- http://127.0.0.1:8080/`.
//!
//! The observer is called in this thread. While it is told that the window opens or closes, nothing is in flight and the
//! connections are open: the moment to look at the server from outside.

use std::time::Duration;

use load::{Event, Load, Stop, Target, Until};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).ok_or("give a URL, such as http://127.0.0.1:8080/")?;
    let load = Load {
        active: Some(10),
        until: Until::Duration(Duration::from_secs(2)),
        ..Load::new(Target::parse(&url)?, 100)
    };
    let mut observer = |event| {
        if matches!(event, Event::WindowOpens | Event::WindowCloses) {
            println!("paused: the server's memory and CPU time can be read");
        }
    };
    let outcome = load::run(&load, &mut observer, &Stop::new())?;
    println!("{} answers, p99 {} ns", outcome.requests, outcome.latency.value_at_quantile(0.99));
    for (kind, times) in &outcome.errors {
        println!("{times} times {kind}");
    }
    Ok(())
}
