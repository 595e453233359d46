//! The faults themselves. Each says how it was seen to happen, or why it was not.

use std::io::Read as _;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use measure::tree::Tree;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::sockets;
use super::witness::PATIENCE;
use crate::battery::wire::{Wire, get};
use crate::limited::{CONNECTIONS, RESOURCES};
use crate::watch::until;

/// How long the server is without descriptors: ten of its pauses after a refused `accept`.
const SHORTAGE: Duration = Duration::from_millis(500);

/// Whom it is done to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Server {
    pub(super) address: SocketAddr,
    /// The leader of its process group.
    pub(super) leader: Pid,
}

/// A fault that was seen to happen.
#[derive(Clone, Debug)]
pub(super) struct Happened {
    pub(super) begun: Instant,
    /// From here on the server may recover.
    pub(super) over: Instant,
    /// How it was seen, in plain words.
    pub(super) how: String,
    /// What there was too little of.
    pub(super) shortage: Option<Shortage>,
}

/// A server with fewer descriptors or processes than clients.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shortage {
    pub(super) limit: u64,
    pub(super) crowd: u64,
    pub(super) shut_out: u64,
}

impl Happened {
    /// At once over.
    fn at(begun: Instant, how: String) -> Self {
        Self { begun, over: begun, how, shortage: None }
    }
}

pub(super) fn nothing() -> Happened {
    Happened::at(Instant::now(), "nothing was done".into())
}

/// A panic must be answered by nobody.
pub(super) fn panic(server: Server) -> Result<Happened, String> {
    let failed = |error: anyhow::Error| format!("the request for `/panic` was not sent: {error:#}");
    let mut wire = Wire::open_within(server.address, PATIENCE).map_err(failed)?;
    wire.expect_service().map_err(failed)?;
    let begun = Instant::now();
    wire.send(get("/panic")).map_err(failed)?;
    let mut answer = [0; 64];
    let ended = match wire.stream.read(&mut answer) {
        Ok(0) => "the server closed the connection".to_owned(),
        Ok(length) => {
            let text = String::from_utf8_lossy(&answer[..length]);
            let line = text.lines().next().unwrap_or_default();
            return Err(format!("`/panic` was answered, with `{line}`: no handler panicked"));
        }
        Err(error) => error.to_string(),
    };
    Ok(Happened::at(begun, format!("`/panic` was answered by nobody: {ended}")))
}

/// The child that serves a client must be seen dead.
pub(super) fn kill_child(server: Server, client: Option<SocketAddr>) -> Result<Happened, String> {
    let group = u32::try_from(server.leader.as_raw()).map_err(|error| error.to_string())?;
    let living = || Tree::living(group).unwrap_or_default();
    let children: Vec<u32> = living().into_iter().filter(|pid| *pid != group).collect();
    let client = client.ok_or("the witness whose child was to be killed had no connection")?;
    let child = sockets::owner(server.address, client, &children)
        .ok_or("no child process serves the witness: there is nobody to kill")?;
    let begun = Instant::now();
    let pid = Pid::from_raw(i32::try_from(child).map_err(|error| error.to_string())?);
    kill(pid, Signal::SIGKILL).map_err(|error| format!("failed to kill child {child}: {error}"))?;
    if !until(PATIENCE, || !living().contains(&child)) {
        return Err(format!("child {child} survived SIGKILL for {} s", PATIENCE.as_secs()));
    }
    Ok(Happened::at(begun, format!("child {child}, which served a witness, was seen dead")))
}

/// Opens more connections than fit, holds them, and lets go. The limit must be met: some of them were served, others not,
/// and the kernel kept those waiting or had nothing left to give.
pub(super) fn exhaust(server: Server, forks: bool) -> Result<Happened, String> {
    let failed =
        |error: anyhow::Error| format!("the crowd did not get as far as the server: {error:#}");
    let begun = Instant::now();
    let mut crowd = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        let mut wire = Wire::open_within(server.address, PATIENCE).map_err(failed)?;
        // Whoever was turned away already cannot even ask.
        drop(wire.send(get("/")));
        crowd.push(wire);
    }
    thread::sleep(SHORTAGE);
    let (limit, waiting) = (u64::from(RESOURCES), sockets::accept_queue(server.address));
    let (taken, what) = taken(server.leader, forks, limit);
    let answered = crowd.iter_mut().map(is_answered).filter(|answered| *answered).count();
    let shut_out = CONNECTIONS - answered;
    drop(crowd);
    let over = Instant::now();
    let waiting = waiting.unwrap_or(0);
    let how = format!(
        "{taken} of {limit} {what} in use, {waiting} connections in the accept queue, {shut_out} of {CONNECTIONS} \
         without an answer"
    );
    if shut_out == 0 || (waiting == 0 && taken < limit) {
        return Err(format!("the limit was not met: {how}"));
    }
    let shortage = Some(Shortage { limit, crowd: count(CONNECTIONS), shut_out: count(shut_out) });
    Ok(Happened { begun, over, how, shortage })
}

/// How much of what is limited the server has, and what that is.
fn taken(leader: Pid, forks: bool, limit: u64) -> (u64, &'static str) {
    let living = u32::try_from(leader.as_raw()).ok().and_then(|group| Tree::living(group).ok());
    let pids = living.unwrap_or_default();
    if forks {
        return (count(pids.len()), "processes");
    }
    let most = pids.iter().filter_map(|pid| sockets::descriptors(*pid, limit)).max();
    (count(most.unwrap_or(0)), "descriptors")
}

/// Whether an answer lies there.
fn is_answered(wire: &mut Wire) -> bool {
    let mut first = [0; 12];
    let read = wire.stream.set_nonblocking(true).and_then(|()| wire.stream.read(&mut first));
    read.is_ok_and(|length| length == first.len() && first.ends_with(b" 200"))
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
