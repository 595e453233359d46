//! Cases of the end: SIGTERM with idle and busy connections, and what is left behind.

use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use nix::sys::signal::{Signal, kill};

use super::Verdict;
use super::subject::{Subject, stop};
use super::wire::{Wire, get};

const IDLE: usize = 200;

pub(super) fn idle(subject: &Subject) -> anyhow::Result<Verdict> {
    let contestant = subject.start("http", &[])?;
    let served = subject
        .serves_at_most()
        .map_or(IDLE, |most| usize::try_from(most).unwrap_or(IDLE).min(IDLE));
    let mut wires = Vec::new();
    for index in 0..IDLE {
        let mut wire = Wire::open(contestant.address())?;
        // Those beyond a pool's size wait in its queue: they too must not keep it from stopping.
        if index < served {
            wire.expect_service().with_context(|| format!("on connection {}", index + 1))?;
        }
        wires.push(wire);
    }
    stop(contestant)?;
    Ok(Verdict::Pass)
}

pub(super) fn in_flight(subject: &Subject) -> anyhow::Result<Verdict> {
    for path in ["/wait/500", "/block/500"] {
        let contestant = subject.start("http", &[])?;
        let mut wire = Wire::open(contestant.address())?;
        wire.expect_service()?;
        wire.send(get(path))?;
        // Long enough for the request to be read, short beside the half second of its answer.
        thread::sleep(Duration::from_millis(100));
        kill(contestant.pid(), Signal::SIGTERM).context("failed to send SIGTERM")?;
        let answer = wire.answer().with_context(|| format!("`{path}` was in flight at SIGTERM"))?;
        ensure!(
            answer.status == 200,
            "`{path}` in flight at SIGTERM was answered with {}",
            answer.status
        );
        wire.expect_end()?;
        stop(contestant)?;
    }
    Ok(Verdict::Pass)
}

pub(super) fn stale(subject: &Subject) -> anyhow::Result<Verdict> {
    let stale = TcpListener::bind("127.0.0.1:0")?;
    let address = stale.local_addr()?.to_string();
    let alone = ["--listen", &address];
    let shared = ["--listen", &address, "--processes", "2"];
    let ways =
        if subject.model.event_driven { vec![&alone[..], &shared] } else { vec![&alone[..]] };
    for options in ways {
        if let Ok(contestant) = subject.start("echo", options) {
            drop(contestant);
            anyhow::bail!("it shares the port of a stale listener ({})", options.join(" "));
        }
    }
    Ok(Verdict::Pass)
}

pub(super) fn leftovers(subject: &Subject) -> anyhow::Result<Verdict> {
    let contestant = subject.start("http", &[])?;
    for _ in 0..20 {
        Wire::open(contestant.address())?.expect_service()?;
    }
    let group = contestant.pid();
    let patience = Instant::now() + Duration::from_secs(5);
    while zombies(group.as_raw()) > 0 {
        ensure!(
            Instant::now() < patience,
            "{} zombies five seconds after the last connection",
            zombies(group.as_raw())
        );
        thread::sleep(Duration::from_millis(10));
    }
    // Whether processes or the port are left is among the complaints of every stop.
    stop(contestant)?;
    Ok(Verdict::Pass)
}

/// Processes of the group that have ended and that nobody has waited for.
fn zombies(group: i32) -> usize {
    let Ok(processes) = std::fs::read_dir("/proc") else { return 0 };
    let stat = |entry: std::fs::DirEntry| std::fs::read_to_string(entry.path().join("stat")).ok();
    let is_zombie = |stat: &String| {
        // "pid (name) state parent group ...", and a name may hold anything.
        let mut fields = stat.rsplit(')').next().unwrap_or("").split_whitespace();
        let state = fields.next();
        state == Some("Z") && fields.nth(1).and_then(|field| field.parse().ok()) == Some(group)
    };
    processes.flatten().filter_map(stat).filter(is_zombie).count()
}
