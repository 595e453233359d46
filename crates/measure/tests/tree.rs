//! Real processes, started, read and reaped here.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Barrier};

use measure::tree::{Memory, Snapshot, Tree};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

/// A program in a process group of its own; the whole group is killed and the leader reaped on drop.
struct Group(Child);

/// Enough work to be seen in ticks of 10 ms.
const BURN: &str = "i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done";

impl Group {
    /// Runs a script up to where it has said as many lines as are waited for.
    fn shell(script: &str, lines: usize) -> Self {
        let mut group = Self::start(Command::new("sh").args(["-c", script]));
        let said =
            BufReader::new(group.0.stdout.as_mut().expect("it is piped")).lines().take(lines);
        assert_eq!(said.map(Result::unwrap).count(), lines, "the script ended early");
        group
    }

    fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        Self(command.spawn().expect("every machine has sh and true"))
    }

    fn pgid(&self) -> u32 {
        self.0.id()
    }

    fn raw(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.0.id()).expect("it comes from a pid_t"))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Once reaped, the number may belong to somebody else.
        if matches!(self.0.try_wait(), Ok(None)) {
            let _ = killpg(self.raw(), Signal::SIGKILL);
            drop(self.0.wait());
        }
    }
}

/// Three helpers and their shell, each of which has worked, and waits.
fn four_processes() -> Group {
    Group::shell(
        &format!(
            "for n in 1 2 3; do ({BURN}; echo ready; exec sleep 1000) & done; echo ready; wait"
        ),
        4,
    )
}

fn alone(pid: u32) -> Snapshot {
    Tree::of_pids(vec![pid]).snapshot(Memory::Skip).expect("our own processes can be read")
}

#[test]
fn every_process_of_the_group_is_counted() {
    let group = four_processes();
    let mut tree = Tree::of_group(group.pgid()).unwrap();
    assert_eq!(tree.processes(), 4);
    assert_eq!(tree.pids(), Tree::members(group.pgid()).unwrap());
    assert_eq!(tree.pids(), Tree::living(group.pgid()).unwrap());
    assert_eq!(tree.threads().unwrap(), 4);
    let all = tree.snapshot(Memory::Weigh).unwrap();
    assert_eq!((all.processes, all.threads, all.zombies), (4, 4, 0));
    assert!(all.pss_bytes.unwrap() > 0);
    assert!(all.observation_cpu_ns > 0);
    assert!(all.missing.is_empty(), "{:?}", all.missing);
    assert_eq!(tree.snapshot(Memory::Skip).unwrap().pss_bytes, None, "not weighed is absent");
}

#[test]
fn the_group_costs_the_sum_of_its_members() {
    let group = four_processes();
    let mut tree = Tree::of_group(group.pgid()).unwrap();
    let parts = |tree: &Tree| tree.pids().iter().map(|pid| alone(*pid)).collect::<Vec<_>>();
    // Clocks and counters only go up, so the whole lies between the parts read before and those read after.
    let before = parts(&tree);
    let whole = tree.snapshot(Memory::Skip).unwrap();
    let after = parts(&tree);
    assert!(before.iter().all(|part| part.cpu_ns > 0), "{before:?}");
    assert!(
        before.iter().all(|part| part.voluntary_switches + part.involuntary_switches > 0),
        "{before:?}"
    );
    let sums = |parts: &[Snapshot], of: fn(&Snapshot) -> u64| parts.iter().map(of).sum::<u64>();
    let figures: [fn(&Snapshot) -> u64; 3] =
        [|one| one.cpu_ns, |one| one.voluntary_switches, |one| one.involuntary_switches];
    for of in figures {
        let bounds = sums(&before, of)..=sums(&after, of);
        assert!(bounds.contains(&of(&whole)), "{} is not within {bounds:?}", of(&whole));
    }
}

#[test]
fn the_cost_of_a_child_that_ended_is_found_with_the_parent_that_waited_for_it() {
    // A subshell works and ends before the shell, which waits for it, says that it is ready.
    let group = Group::shell(
        &format!("({BURN}); echo ready; read line; ({BURN}); echo ready; read line"),
        1,
    );
    let mut tree = Tree::of_group(group.pgid()).unwrap();
    let first = tree.snapshot(Memory::Skip).unwrap();
    assert_eq!(first.processes, 1);
    assert!(first.reaped_cpu_ns > 0, "{first:?}");

    let mut group = group;
    group.0.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    BufReader::new(group.0.stdout.as_mut().unwrap()).read_line(&mut String::new()).unwrap();
    let delta = tree.snapshot(Memory::Skip).unwrap().since(&first);
    assert!(delta.cpu_ns > 0, "{delta:?}");
    assert!(delta.missing.iter().any(|line| line.contains("20 ms")), "{delta:?}");
}

#[test]
fn a_zombie_is_a_member_until_it_is_waited_for() {
    let mut group = Group::start(&mut Command::new("true"));
    let ended = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
    waitid(Id::Pid(group.raw()), ended).unwrap();
    let pgid = group.pgid();
    assert_eq!(Tree::members(pgid).unwrap(), [pgid]);
    assert!(!Tree::is_empty(pgid).unwrap());
    assert!(Tree::living(pgid).unwrap().is_empty(), "nothing runs any more");
    let snapshot = Tree::of_group(pgid).unwrap().snapshot(Memory::Weigh).unwrap();
    // A zombie has no memory, and nobody else is left to be weighed.
    assert_eq!((snapshot.processes, snapshot.zombies, snapshot.pss_bytes), (1, 1, None));
    assert!(snapshot.cpu_ns > 0, "what it used is still told");

    group.0.wait().unwrap();
    assert!(Tree::is_empty(pgid).unwrap());
    assert!(Tree::members(pgid).unwrap().is_empty());
    let error = Tree::of_group(pgid).unwrap_err();
    assert!(error.to_string().contains("no process in group"), "{error}");
}

#[test]
fn a_process_that_ends_in_mid_pass_is_said_and_is_no_error() {
    let mut leaving = Group::shell("echo ready; read line", 1);
    let staying = Group::shell("echo ready; read line", 1);
    let mut tree = Tree::of_pids(vec![leaving.pgid(), staying.pgid()]);
    drop(leaving.0.stdin.take());
    leaving.0.wait().unwrap();
    let snapshot = tree.snapshot(Memory::Weigh).unwrap();
    assert_eq!(snapshot.processes, 1);
    assert!(snapshot.pss_bytes.unwrap() > 0);
    assert!(snapshot.missing[0].starts_with("1 of 2 processes ended"), "{:?}", snapshot.missing);
    let nobody = Tree::of_pids(vec![leaving.pgid()]).snapshot(Memory::Weigh).unwrap();
    assert_eq!(nobody.pss_bytes, None, "nothing weighed is absent, not 0");
    assert!(nobody.missing[0].starts_with("pss_bytes: "), "{:?}", nobody.missing);
    tree.refresh().unwrap();
    assert_eq!(tree.pids(), [staying.pgid()]);
}

#[test]
fn every_thread_of_a_process_is_counted() {
    const THREADS: usize = 3;
    let before = alone(std::process::id());
    let gate = Arc::new(Barrier::new(THREADS + 1));
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let gate = Arc::clone(&gate);
            std::thread::spawn(move || {
                gate.wait();
                gate.wait();
            })
        })
        .collect();
    gate.wait();
    let within = alone(std::process::id());
    gate.wait();
    for thread in threads {
        thread.join().unwrap();
    }
    // Other tests of this program come and go, so only these threads are certain.
    assert!(within.threads > 3, "{within:?}");
    assert!(within.since(&before).voluntary_switches > 0);
}

#[test]
fn the_own_group_and_everybody_are_never_meant() {
    for nobody in [0, 1, u32::MAX] {
        assert!(Tree::is_empty(nobody).is_err());
        assert!(Tree::of_group(nobody).is_err());
        assert!(Tree::members(nobody).is_err());
    }
}
