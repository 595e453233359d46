//! `c10k-load` as a user has it: arguments, output, exit status.

#![expect(clippy::unwrap_used, reason = "this is all test")]

mod support;

use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use support::{Server, ok};

fn c10k_load() -> Command {
    Command::new(env!("CARGO_BIN_EXE_c10k-load"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[track_caller]
fn ends_with(output: &Output, status: i32, complaint: &str) {
    assert_eq!(output.status.code(), Some(status), "{output:?}");
    assert!(text(&output.stderr).contains(complaint), "{output:?}");
}

#[test]
fn a_run_prints_a_summary_and_nothing_else() {
    let server = Server::http(|_| Some(ok("hello")));
    let url = format!("http://{}/", server.addr);
    let output = c10k_load().args([&url, "-c", "20", "-n", "1000"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(text(&output.stderr), "", "no terminal, no live line");
    let summary = text(&output.stdout);
    for part in [
        "requests     1,000 in",
        "latency      p50",
        "20 of 20 served",
        "errors       none",
        ", closed in ",
        "the 5 bytes",
    ] {
        assert!(summary.contains(part), "{part}: {summary}");
    }
}

#[test]
fn json_goes_where_it_is_told() {
    let server = Server::echo(100);
    let url = format!("echo://{}", server.addr);
    let args = [&url, "-c", "4", "-n", "100", "--size", "100", "--warmup", "0s", "--json"];
    let output = c10k_load().args(args).arg("-").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&json["url"], &json["requests"], &json["size"]),
        (&url.as_str().into(), &100.into(), &100.into())
    );
    assert_eq!(json["pace"], "closed");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out.json");
    assert!(c10k_load().args(args).arg(&file).output().unwrap().status.success());
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(json["requests"], 100);
    assert_eq!(server.seen.requests(), 200);

    let nowhere = folder.path().join("no/such/folder");
    ends_with(&c10k_load().args(args).arg(&nowhere).output().unwrap(), 1, "failed to create");
    assert_eq!(server.seen.requests(), 200, "said before anything is sent");
}

#[test]
fn wrong_usage_is_status_2_with_the_reason() {
    let cases: [(&[&str], &str); 12] = [
        (&["h2c://127.0.0.1/"], "another HTTP than 1.1"),
        (&["echo://127.0.0.1:1", "--path", "/x"], "paths for an echo"),
        (&["http://127.0.0.1:1/", "--path", "x"], "give such as /x"),
        (&["http://127.0.0.1:1/", "--slow", "3", "--slow-every", "0s"], "give at least 1ms"),
        (&[], "<URL>"),
        (&["https://127.0.0.1/"], "TLS"),
        (&["127.0.0.1:80"], "http://HOST:PORT/PATH"),
        (&["echo://127.0.0.1:1", "-c", "0"], "at least 1"),
        (&["echo://127.0.0.1:1", "-d", "10"], "10s"),
        (&["echo://127.0.0.1:1", "-d", "1s", "-n", "5"], "cannot be used with"),
        (&["echo://127.0.0.1:1", "--poisson"], "--rate"),
        (&["echo://127.0.0.1:1", "--sources", "::1"], "sources of another family"),
    ];
    for (args, reason) in cases {
        ends_with(&c10k_load().args(args).output().unwrap(), 2, reason);
    }
}

#[test]
fn help_has_examples_and_units() {
    let help = text(&c10k_load().arg("--help").output().unwrap().stdout);
    for part in [
        "c10k-load http://127.0.0.1:8080/ -c 10000 -d 10s",
        "Units:",
        "Exit status:",
        "--active <N|P%>",
    ] {
        assert!(help.contains(part), "{part}: {help}");
    }
}

#[test]
fn a_server_that_is_not_there_is_status_1_with_the_remedy() {
    let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = c10k_load().args([&format!("echo://{addr}"), "-c", "5"]).output().unwrap();
    ends_with(&output, 1, "refused; nobody listens there: start the server");
}

#[test]
fn too_few_descriptors_are_named_with_the_remedy() {
    let server = Server::echo(64);
    let command = format!(
        "ulimit -n 64; exec '{}' echo://{} -c 100",
        env!("CARGO_BIN_EXE_c10k-load"),
        server.addr
    );
    let output = Command::new("sh").args(["-c", &command]).output().unwrap();
    ends_with(&output, 1, "of 100: too many open files (limit 64); raise it with ulimit -n 200");
}

#[test]
fn a_cpu_that_is_not_there_is_status_1_with_the_remedy() {
    let server = Server::echo(64);
    let output =
        c10k_load().args([&format!("echo://{}", server.addr), "--cpus", "1000"]).output().unwrap();
    ends_with(&output, 1, "CPU 1000: ");
    ends_with(&output, 1, "; give CPUs that this process may use\n");
}

#[test]
fn not_one_right_answer_is_status_1() {
    let server = Server::http(|_| Some(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n".to_vec()));
    let output = c10k_load()
        .args([&format!("http://{}/", server.addr), "-n", "10", "-c", "1"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stdout).contains("10 status"), "{output:?}");
}

#[test]
fn an_interrupt_prints_what_was_measured() {
    let server = Server::echo(64);
    let mut child = c10k_load()
        .args([&format!("echo://{}", server.addr), "-c", "5", "-d", "10m", "--warmup", "0s"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    while server.seen.requests() < 1_000 {
        std::thread::sleep(Duration::from_millis(5));
        assert!(child.try_wait().unwrap().is_none(), "ended by itself");
    }
    let pid = nix::unistd::Pid::from_raw(child.id().try_into().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert!(text(&output.stdout).contains("interrupted"), "{output:?}");
    assert!(text(&output.stdout).contains("latency      p50"), "{output:?}");
}

#[test]
fn an_interrupt_while_connections_are_opened_measures_nothing() {
    for processes in ["1", "2"] {
        let server = Server::echo(64);
        let url = format!("echo://{}", server.addr);
        let child = c10k_load()
            .args([&url, "-c", "1000", "--ramp", "50/s", "--processes", processes])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        assert!(server.seen.connections(3) >= 3);
        let pid = nix::unistd::Pid::from_raw(child.id().try_into().unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
        let output = child.wait_with_output().unwrap();
        ends_with(&output, 130, "interrupted before anything was measured");
        assert_eq!(text(&output.stdout), "");
    }
}

#[test]
fn host_names_and_ipv6_are_targets_as_any() {
    // Of several addresses of a name, the one that answers is taken.
    for (host, address) in [("[::1]", "[::1]:0"), ("localhost", "127.0.0.1:0")] {
        let server = Server::start_at(address, |stream, seen| {
            support::serve_http(stream, seen, &|_| Some(ok("hello")));
        });
        let url = format!("http://{host}:{}/", server.addr.port());
        let output = c10k_load().args([&url, "-c", "3", "-n", "20"]).output().unwrap();
        ends_with(&output, 0, "");
        assert_eq!(server.seen.requests(), 21);
    }
}
