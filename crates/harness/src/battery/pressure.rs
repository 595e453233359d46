//! Cases of too much: more connections than descriptors, more slow heads than anyone should send.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::Verdict;
use super::subject::{Subject, stop, tree};
use super::wire::Wire;
use crate::contestant::Contestant;

/// Descriptors that the server gets, and connections that want one each.
const DESCRIPTORS: u32 = 64;
const CONNECTIONS: usize = 200;
/// How long it is watched while it has none left.
const WATCHED: Duration = Duration::from_secs(1);

pub(super) fn descriptors(subject: &Subject) -> anyhow::Result<Verdict> {
    if subject.model.per_connection.fds == 0 {
        return Ok(Verdict::Declared("its parent holds no connection's descriptor".into()));
    }
    let contestant = subject.start_with_descriptors("http", DESCRIPTORS)?;
    let wires: Vec<Wire> =
        (0..CONNECTIONS).map(|_| Wire::open(contestant.address())).collect::<Result<_, _>>()?;
    // What it does about the first refusals is over by then.
    thread::sleep(Duration::from_millis(200));
    let before = cpu(&contestant)?;
    thread::sleep(WATCHED);
    let spent = cpu(&contestant)?.saturating_sub(before);
    ensure!(
        spent < WATCHED / 10,
        "it spends {} % of a CPU while it is out of descriptors",
        100 * spent.as_millis() / WATCHED.as_millis()
    );
    drop(wires);
    let mut newcomer = Wire::open(contestant.address())?;
    newcomer.expect_service().context("after the descriptors were freed")?;
    drop(newcomer);
    let stopped = contestant.stop();
    ensure!(stopped.complaints.is_empty(), "{}", stopped.complaints.join("; "));
    // Its last words are kept up to a bound of their own; a loop that logs every refusal reaches that at once.
    ensure!(stopped.last_words.len() < 1500, "it logs without bound: {}", stopped.last_words);
    Ok(Verdict::Pass)
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
            let what = "slow heads keep all others waiting until they time out";
            Verdict::Declared(format!("{most} {what}"))
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
