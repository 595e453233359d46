//! Wake-ups for nothing: five threads, some of which have nothing to do, and the scheduler's own count of their wake-ups.
//!
//! ```text
//! worker:  sleep a millisecond > find something > do it      every wake-up is useful
//! blocked: wait for what does not come                       no wake-up at all
//! polling: sleep a millisecond > find nothing                no wake-up is useful
//! ```
//!
//! A wake-up is a voluntary switch in `/proc/self/task/TID/status`: the thread gave up its CPU to wait, and got it back.
//! That a thread is preempted is no wake-up.

use std::fs;
use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Condvar, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use record::claims::LabLine;

use crate::lines::{control, found, saying};
use crate::{Mechanism, Test};

pub(crate) const TEST: Test = Test {
    name: "wasted-switches",
    about: "Of five threads, three of which wait: which share of wake-ups is for nothing?",
    mechanisms: &[Mechanism { name: "threads", run }],
};

const NAP: Duration = Duration::from_millis(1);
const WINDOW: Duration = Duration::from_millis(200);

#[derive(Clone, Copy, PartialEq)]
enum Role {
    Worker,
    OnCondition,
    OnSocket,
    Polling,
}

fn run() -> Vec<LabLine> {
    use Role::{OnCondition, OnSocket, Polling, Worker};
    let cases = [
        ("blocked-on-condition", [Worker, Worker, OnCondition, OnCondition, OnCondition]),
        ("blocked-on-socket", [Worker, Worker, OnSocket, OnSocket, OnSocket]),
        ("polling", [Worker, Worker, Polling, Polling, Polling]),
    ];
    let mut lines: Vec<LabLine> =
        cases.into_iter().map(|(variant, roles)| measure(variant, roles).0).collect();
    let (line, share) = measure("all-work", [Worker; 5]);
    lines.push(control(
        line,
        "must waste less than a twentieth",
        share.is_some_and(|it| it < 0.05),
    ));
    let (line, share) = measure("all-poll", [Polling; 5]);
    lines.push(control(line, "must waste all but a twentieth", share.is_some_and(|it| it > 0.95)));
    lines
}

/// What the threads share.
#[derive(Default)]
struct Stage {
    over: AtomicBool,
    /// Guards whether it is over, for those who wait for the condition.
    gate: Mutex<bool>,
    opened: Condvar,
    /// Wake-ups that found something, of all threads.
    useful: AtomicU64,
}

/// Until each thread is where it waits.
const SETTLE: Duration = Duration::from_millis(20);

fn measure(variant: &str, roles: [Role; 5]) -> (LabLine, Option<f64>) {
    let stage = Stage::default();
    let (tell, told) = mpsc::channel();
    let (mut wake_ups, mut useful) = (0, 0);
    thread::scope(|scope| {
        let mut ends = Vec::new();
        for role in roles {
            let (near, far) = UnixStream::pair().expect("two descriptors are free");
            ends.push(near);
            let (stage, tell) = (&stage, tell.clone());
            scope.spawn(move || play(role, stage, &tell, far));
        }
        let tasks: Vec<PathBuf> = told.iter().take(roles.len()).collect();
        thread::sleep(SETTLE);
        let count = || (tasks.iter().map(switches).sum::<u64>(), stage.useful.load(Relaxed));
        let before = count();
        thread::sleep(WINDOW);
        let after = count();
        (wake_ups, useful) = (after.0 - before.0, after.1 - before.1);
        stage.over.store(true, Relaxed);
        *stage.gate.lock().expect("nobody panics with it") = true;
        stage.opened.notify_all();
        drop(ends);
    });
    line(variant, wake_ups, useful)
}

#[expect(clippy::cast_precision_loss, clippy::as_conversions, reason = "counts of some thousands")]
fn line(variant: &str, wake_ups: u64, useful: u64) -> (LabLine, Option<f64>) {
    // A worker may be between its wake-up and its count when the window ends: never less than nothing is wasted.
    let wasted = wake_ups.saturating_sub(useful) as f64;
    let share = (wake_ups > 0).then(|| wasted / wake_ups as f64);
    let figures = [("wake_ups", wake_ups as f64), ("wasted", wasted)];
    let line =
        found(variant, figures.into_iter().chain(share.map(|share| ("wasted_share", share))));
    let said = "wake-ups by voluntary_ctxt_switches, useful ones counted by the threads";
    (saying(line, said), share)
}

/// Plays a role until it is over.
fn play(role: Role, stage: &Stage, tell: &mpsc::Sender<PathBuf>, mut socket: UnixStream) {
    let own = fs::read_link("/proc/thread-self").expect("Linux has it since 3.17");
    tell.send(own).expect("the stage listens");
    match role {
        Role::OnCondition => {
            let gate = stage.gate.lock().expect("nobody panics with it");
            drop(stage.opened.wait_while(gate, |open| !*open));
        }
        Role::OnSocket => drop(socket.read(&mut [0])),
        Role::Worker | Role::Polling => {
            while !stage.over.load(Relaxed) {
                thread::sleep(NAP);
                stage.useful.fetch_add(u64::from(role == Role::Worker), Relaxed);
            }
        }
    }
}

/// Times that a thread gave up its CPU to wait.
fn switches(task: &PathBuf) -> u64 {
    let status = fs::read_to_string(PathBuf::from("/proc").join(task).join("status"));
    let status = status.expect("the thread lives until it is told");
    let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    count.and_then(|count| count.trim().parse().ok()).expect("the kernel counts switches")
}
