//! Cases of much and too much: a thousand connections, more than there are descriptors or processes, slow heads.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::Verdict;
use super::subject::{Subject, stop, tree};
use super::wire::Wire;
use crate::contestant::Contestant;
use crate::limited::{self, CONNECTIONS, RESOURCES};

/// How long it is watched while it has none left.
const WATCHED: Duration = Duration::from_secs(1);

/// Where the parent closes its copy of every connection, what runs out is processes.
pub(super) fn descriptors(subject: &Subject) -> anyhow::Result<Verdict> {
    let forks = limited::forks(&subject.model);
    if forks && !nix::unistd::geteuid().is_root() {
        let why = format!("{}; run c10k verify as root", limited::NEEDS_ROOT);
        return Ok(Verdict::NotTestable(why));
    }
    let contestant = if forks {
        subject.start_with_processes(RESOURCES)?
    } else {
        subject.start_with_descriptors(RESOURCES)?
    };
    let what = if forks { "refused forks" } else { "out of descriptors" };
    let mut wires: Vec<Wire> =
        (0..CONNECTIONS).map(|_| Wire::open(contestant.address())).collect::<Result<_, _>>()?;
    // It must really have run out: some are served, and not all.
    wires[0].expect_service().context("before anything ran out")?;
    let last = wires.last_mut().expect("there are two hundred");
    last.stream.set_read_timeout(Some(NO_ANSWER))?;
    let over = last.expect_service().is_err() || subject.serves_at_most().is_some();
    ensure!(over, "{CONNECTIONS} connections are served with a limit of {RESOURCES}");
    let before = cpu(&contestant)?;
    thread::sleep(WATCHED);
    let spent = cpu(&contestant)?.saturating_sub(before);
    ensure!(
        spent < WATCHED / 10,
        "it spends {} % of a CPU while it is {what}",
        100 * spent.as_millis() / WATCHED.as_millis()
    );
    drop(wires);
    served_again(&contestant).with_context(|| format!("after it was {what}"))?;
    let stopped = contestant.stop();
    ensure!(stopped.complaints.is_empty(), "{}", stopped.complaints.join("; "));
    // Its last words are kept up to a bound of their own; a loop that logs every refusal reaches that at once.
    ensure!(stopped.last_words.len() < 1500, "it logs without bound: {}", stopped.last_words);
    Ok(Verdict::Pass)
}

/// A newcomer is served. A few may still be refused while the earlier ones are being cleared away.
fn served_again(contestant: &Contestant) -> anyhow::Result<()> {
    let patience = Instant::now() + Duration::from_secs(10);
    loop {
        match Wire::open(contestant.address())?.expect_service() {
            Err(_) if Instant::now() < patience => thread::sleep(Duration::from_millis(20)),
            result => return result,
        }
    }
}

fn cpu(contestant: &Contestant) -> anyhow::Result<Duration> {
    Ok(Duration::from_nanos(tree(contestant)?.cpu_ns()?))
}

const SLOW: usize = 1000;
/// Longer than the case waits for anything: nobody is served because a head has timed out.
const HEAD_TIMEOUT: Duration = Duration::from_mins(1);
/// Long beside an answer, short enough to wait for none.
const NO_ANSWER: Duration = Duration::from_millis(300);

pub(super) fn slow_heads(subject: &Subject) -> anyhow::Result<Verdict> {
    let timeout = HEAD_TIMEOUT.as_millis().to_string();
    let contestant = subject.start("http", &["--head-timeout", &timeout])?;
    let most = subject.serves_at_most().map(usize::try_from).transpose()?;
    let most = most.filter(|most| *most <= SLOW);
    // Where the number is declared, the normal client is the last that finds room.
    let beside = most.map_or(SLOW, |most| most - 1);
    let mut slow = slow_clients(&contestant, beside)?;
    let mut normal = Wire::open(contestant.address())?;
    for _ in 0..10 {
        normal.expect_service().with_context(|| format!("beside {beside} slow heads"))?;
    }
    let verdict = match most {
        None => Verdict::Pass,
        Some(most) => {
            let mut newcomer = Wire::open(contestant.address())?;
            newcomer.stream.set_read_timeout(Some(NO_ANSWER))?;
            ensure!(
                newcomer.expect_service().is_err(),
                "declared to serve {most}, yet another was served beside them"
            );
            drop(newcomer);
            slow.extend(slow_clients(&contestant, SLOW - beside)?);
            let heads = if most == 1 { "slow head keeps" } else { "slow heads keep" };
            Verdict::Declared(format!("{most} {heads} all others waiting until they time out"))
        }
    };
    drop((slow, normal));
    Wire::open(contestant.address())?.expect_service().context("after the slow heads were gone")?;
    stop(contestant)?;
    Ok(verdict)
}

/// Clients that begin a request and leave it at that.
fn slow_clients(contestant: &Contestant, count: usize) -> anyhow::Result<Vec<Wire>> {
    let open = |_| {
        let mut wire = Wire::open(contestant.address())?;
        wire.send("GET / HTTP/1.1\r\nHost: bat")?;
        Ok(wire)
    };
    (0..count).map(open).collect()
}

/// A second is long enough for anything that gives up on an idle connection too early.
const APART: Duration = Duration::from_secs(1);

/// Held one model at a time: the descriptors are this process's, too, and so is the machine's memory.
static HOLDING: Mutex<()> = Mutex::new(());

pub(super) fn hold(subject: &Subject) -> anyhow::Result<Verdict> {
    let _alone = HOLDING.lock().unwrap_or_else(PoisonError::into_inner);
    let contestant = subject.start("http", &[])?;
    let most = subject.serves_at_most().map(usize::try_from).transpose()?;
    let most = most.filter(|most| *most < subject.connections);
    let held = most.unwrap_or(subject.connections);
    let mut wires = Vec::with_capacity(held);
    for index in 0..held {
        let which = || format!("connection {} of {held}", index + 1);
        let mut wire = Wire::open(contestant.address()).with_context(which)?;
        wire.expect_service().with_context(which)?;
        wires.push(wire);
    }
    thread::sleep(APART);
    for (index, wire) in wires.iter_mut().enumerate() {
        let which = || format!("connection {} of {held}, for the second time", index + 1);
        wire.expect_service().with_context(which)?;
    }
    let verdict = match most {
        None => Verdict::Pass,
        Some(most) => {
            let mut newcomer = Wire::open(contestant.address())?;
            newcomer.stream.set_read_timeout(Some(NO_ANSWER))?;
            let served = newcomer.expect_service().is_ok();
            ensure!(!served, "declared to serve {most}, yet another was served beside them");
            Verdict::Declared(format!(
                "it holds {most} and answers each twice; one more is not served"
            ))
        }
    };
    drop(wires);
    stop(contestant)?;
    Ok(verdict)
}
