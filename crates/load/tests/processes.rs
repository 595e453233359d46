//! Several processes: what each of them saw is one outcome, and one that dies is named.

#![expect(clippy::unwrap_used, reason = "this is all test")]

mod support;

use std::process::{Command, Output, Stdio};

use serde_json::Value;
use support::Server;

fn c10k_load(server: &Server, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_c10k-load"));
    command.arg(format!("echo://{}", server.addr)).args(["--warmup", "0s", "--json", "-"]);
    command.args(args);
    command
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn processes_share_connections_and_requests_and_their_counts_add_up() {
    let server = Server::echo(64);
    let args = ["--processes", "3", "-c", "50", "-n", "1000", "--threads", "3"];
    let seen = json(&c10k_load(&server, &args).output().unwrap());
    let count = |name: &str| seen[name].as_u64().unwrap();
    assert_eq!((count("processes"), count("threads")), (3, 3));
    assert_eq!((count("requests"), count("requests_sent"), count("censored")), (1_000, 1_000, 0));
    assert_eq!((count("connections"), count("established"), count("connects")), (50, 50, 50));
    assert_eq!(seen["errors"], serde_json::json!({}));
    assert_eq!((server.seen.connections(50), server.seen.requests()), (50, 1_000));
    let histogram = seen["latency_ns"]["histogram"].as_str().unwrap();
    assert_eq!(support::histogram(histogram).len(), 1_000);
    assert_eq!(support::histogram(seen["connect_ns"]["histogram"].as_str().unwrap()).len(), 50);
}

#[test]
fn connections_are_numbered_over_all_processes() {
    // Payloads are stamped with the number of their connection: no two connections send the same.
    let server = Server::echo(64);
    let args = ["--processes", "4", "-c", "20", "--active", "0", "--greet", "-d", "20ms"];
    let seen = json(&c10k_load(&server, &args).output().unwrap());
    assert_eq!((&seen["greeted"], &seen["established"]), (&20.into(), &20.into()));
    assert_eq!(support::histogram(seen["greeting_ns"]["histogram"].as_str().unwrap()).len(), 20);
    assert_eq!(server.seen.requests(), 20);
}

#[test]
fn slow_clients_and_paths_are_shared_out_too() {
    let server = Server::http(|_| Some(support::ok("hello")));
    let args = ["--processes", "2", "-c", "6", "-n", "60", "--slow", "5", "--slow-bytes", "20"];
    let more = ["--path", "/b", "--greet", "--slow-every", "1ms", "--warmup", "0s", "--json", "-"];
    let url = format!("http://{}/a", server.addr);
    let mut command = Command::new(env!("CARGO_BIN_EXE_c10k-load"));
    let seen = json(&command.arg(url).args(args).args(more).output().unwrap());
    assert_eq!((&seen["slow"]["connections"], &seen["slow"]["opened"]), (&5.into(), &5.into()));
    assert_eq!((&seen["greeted"], &seen["requests"]), (&6.into(), &60.into()));
    assert_eq!((&seen["paths"][0], &seen["errors"]), (&"/b".into(), &serde_json::json!({})));
    assert!(seen["close_s"].as_f64().unwrap() > 0.0);
    assert_eq!(server.seen.connections(13), 13, "two of them to learn");
}

#[test]
fn processes_keep_a_schedule_together_step_by_step() {
    let server = Server::echo(64);
    let args = ["--processes", "2", "-c", "10", "-n", "201", "--rate", "1000,2000"];
    let seen = json(&c10k_load(&server, &args).output().unwrap());
    let steps = seen.as_array().unwrap();
    assert_eq!(steps.len(), 2);
    for (step, rate) in steps.iter().zip([1_000.0, 2_000.0]) {
        assert_eq!((&step["pace"], &step["rate"]), (&"rate".into(), &rate.into()));
        assert_eq!((&step["requests"], &step["requests_sent"]), (&201.into(), &201.into()));
        let lateness = step["send_lateness_ns"]["histogram"].as_str().unwrap();
        assert_eq!(support::histogram(lateness).len(), 201);
    }
    assert_eq!(server.seen.requests(), 402);
}

#[test]
fn intervals_of_all_processes_add_up() {
    let server = Server::echo(64);
    let csv = tempfile::NamedTempFile::new().unwrap();
    let path = csv.path().to_str().unwrap();
    let args = ["--processes", "2", "-c", "10", "-d", "1200ms", "--csv", path];
    let seen = json(&c10k_load(&server, &args).output().unwrap());
    let text = std::fs::read_to_string(path).unwrap();
    let requests = |line: &str| line.split(',').nth(4).unwrap().parse::<u64>().unwrap();
    let lines: Vec<u64> = text.lines().skip(1).map(requests).collect();
    assert_eq!(
        (lines.len(), lines.iter().sum()),
        (2, seen["requests"].as_u64().unwrap()),
        "{text}"
    );
}

/// The children of a process, once there are so many.
fn children(pid: u32, wanted: usize) -> Vec<i32> {
    let of = || {
        let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let pids = list.unwrap_or_default();
        pids.split_ascii_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<i32>>()
    };
    support::wait_until(|| of().len() >= wanted);
    of()
}

#[test]
fn a_process_that_dies_is_named_and_the_others_end() {
    let server = Server::echo(64);
    let mut command = c10k_load(&server, &["--processes", "3", "-c", "30", "-d", "10m"]);
    let parent = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pids = children(parent.id(), 3);
    support::wait_until(|| server.seen.requests() > 100);
    let kill = |pid| {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL)
    };
    kill(pids[1]).unwrap();
    let output = parent.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(complaint.contains("generator process"), "{complaint}");
    assert!(complaint.contains("signal: 9"), "{complaint}");
    let is_gone = |pid: &i32| !std::path::Path::new(&format!("/proc/{pid}")).exists();
    support::wait_until(|| pids.iter().all(is_gone));
    assert!(pids.iter().all(is_gone), "{pids:?}");
}

#[test]
fn an_interrupt_of_the_parent_keeps_what_all_have_measured() {
    let server = Server::echo(64);
    let mut command = c10k_load(&server, &["--processes", "2", "-c", "10", "-d", "10m"]);
    let parent = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    support::wait_until(|| server.seen.requests() > 1_000);
    let pid = nix::unistd::Pid::from_raw(parent.id().try_into().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let output = parent.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(seen["interrupted"], true);
    assert!(seen["requests"].as_u64().unwrap() > 0, "{seen}");
    assert_eq!(seen["requests_sent"].as_u64().unwrap(), server.seen.requests());
}

#[test]
fn more_connections_than_one_process_may_hold_take_more_processes() {
    let server = Server::echo(64);
    let command = format!(
        "ulimit -n 160; exec '{}' echo://{} -c 150 -n 300 --warmup 0s --json -",
        env!("CARGO_BIN_EXE_c10k-load"),
        server.addr
    );
    let seen = json(&Command::new("sh").args(["-c", &command]).output().unwrap());
    assert_eq!((&seen["processes"], &seen["established"]), (&3.into(), &150.into()));
    assert_eq!((&seen["requests"], server.seen.requests()), (&300.into(), 300));
}
