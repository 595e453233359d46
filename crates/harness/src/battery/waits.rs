//! Cases of what takes time: waiting, blocking, computing, panicking, many at once.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use contract::Work;

use super::Verdict;
use super::subject::{Subject, stop};
use super::wire::{Wire, get};
use crate::registry::PanicLoses;

/// Enough clients for waits in sequence to be told from waits side by side on a slow machine.
const CLIENTS: usize = 20;
const EACH: Duration = Duration::from_millis(200);

pub(super) fn wait(subject: &Subject) -> anyhow::Result<Verdict> {
    side_by_side(subject, &format!("/wait/{}", EACH.as_millis()))
}

pub(super) fn block(subject: &Subject) -> anyhow::Result<Verdict> {
    side_by_side(subject, &format!("/block/{}", EACH.as_millis()))
}

/// All clients ask at once. In sequence that takes the sum; side by side, far less than half of it.
fn side_by_side(subject: &Subject, path: &str) -> anyhow::Result<Verdict> {
    let contestant = subject.start("http", &[])?;
    let address = contestant.address();
    let sum = EACH * u32::try_from(CLIENTS)?;
    let start = Instant::now();
    thread::scope(|scope| {
        let ask = || -> anyhow::Result<()> {
            let mut wire = Wire::open(address)?;
            wire.send(get(path))?;
            ensure!(wire.answer()?.status == 200);
            Ok(())
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(ask)).collect();
        clients.into_iter().try_for_each(|client| {
            client.join().map_err(|_| anyhow::anyhow!("a client panicked"))?
        })
    })?;
    let took = start.elapsed();
    stop(contestant)?;
    match subject.serves_at_most() {
        Some(most) if most < 2 => {
            ensure!(
                took >= sum,
                "declared to serve {most} at a time, yet {CLIENTS} passed side by side"
            );
            Ok(Verdict::Declared(format!("one after the other: it serves {most} at a time")))
        }
        _ => {
            ensure!(
                took < sum / 2,
                "{CLIENTS} of {} ms took {} ms",
                EACH.as_millis(),
                took.as_millis()
            );
            Ok(Verdict::Pass)
        }
    }
}

pub(super) fn compute(subject: &Subject) -> anyhow::Result<Verdict> {
    let contestant = subject.start("http", &[])?;
    let address = contestant.address();
    thread::scope(|scope| {
        let ask = |iterations: u64| -> anyhow::Result<()> {
            let mut wire = Wire::open(address)?;
            wire.send(get(&format!("/compute/{iterations}")))?;
            let digest = format!("{:016x}\n", Work::new(iterations).run().0);
            ensure!(
                wire.answer()?.body == digest.as_bytes(),
                "{iterations} iterations have another digest"
            );
            Ok(())
        };
        let clients: Vec<_> =
            (0..20_u64).map(|client| scope.spawn(move || ask(100_000 + client))).collect();
        clients.into_iter().try_for_each(|client| {
            client.join().map_err(|_| anyhow::anyhow!("a client panicked"))?
        })
    })?;
    stop(contestant)?;
    Ok(Verdict::Pass)
}

/// Two connections are served; a third makes its handler panic. What is left of the two, and of the server?
pub(super) fn panic(subject: &Subject) -> anyhow::Result<Verdict> {
    let contestant = subject.start("http", &[])?;
    let address = contestant.address();
    let mut bystander = None;
    if subject.serves_at_most() != Some(1) {
        bystander = Some(Wire::open(address)?);
    }
    bystander.as_mut().map(Wire::expect_service).transpose()?;
    let mut victim = Wire::open(address)?;
    victim.expect_service().context("before the panic")?;
    victim.send(get("/panic"))?;
    victim.expect_end().context("on the connection whose handler panicked")?;

    let newcomer = Wire::open(address).and_then(|mut wire| wire.expect_service());
    let bystander_lives = bystander.map(|mut wire| wire.expect_service());
    match subject.model.panic_loses {
        PanicLoses::Connection => {
            newcomer.context("a newcomer after the panic")?;
            bystander_lives.transpose().context("a bystander of the panic")?;
            stop(contestant)?;
            Ok(Verdict::Pass)
        }
        PanicLoses::Process => {
            ensure!(newcomer.is_err(), "declared to lose the process, yet a newcomer was served");
            ensure!(
                bystander_lives.is_none_or(|lives| lives.is_err()),
                "a bystander survived the lost process"
            );
            let stopped = contestant.stop();
            ensure!(
                stopped.end.is_some_and(|end| end != crate::contestant::End::Exited(0)),
                "it lost its loop and ended with status 0, as if nothing had happened"
            );
            Ok(Verdict::Declared("the process ends, loudly, with every connection".into()))
        }
    }
}
