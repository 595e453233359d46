//! What a panicking connection leaves behind: a report of its supervisor, and a server that goes on.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A server that does not outlive its test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The answer to a request for `path` on a connection of its own; nothing where it was closed instead.
fn ask(address: &str, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")?;
    io::read_to_string(stream)
}

#[test]
fn every_failure_is_reported_in_few_lines() {
    const FAILURES: usize = 50;
    let start = Instant::now();
    let child = Command::new(env!("CARGO_BIN_EXE_actors"))
        .args(["serve", "--service", "http", "--die-with-parent"])
        .env("RUST_BACKTRACE", "0")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut server = Server(child);
    let mut line = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening ").unwrap();
    for _ in 0..FAILURES {
        assert_eq!(ask(address, "/panic").unwrap(), "");
    }
    assert!(ask(address, "/").unwrap().starts_with("HTTP/1.1 200 OK"));
    kill(Pid::from_raw(server.0.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    assert!(server.0.wait().unwrap().success());
    let mut complaints = String::new();
    server.0.stderr.take().unwrap().read_to_string(&mut complaints).unwrap();
    // At once, at the end, and every 5 s between them.
    let most = 2 + usize::try_from(start.elapsed().as_secs() / 5).unwrap();
    let reported: Vec<usize> = complaints
        .lines()
        .filter_map(|line| line.split_once(" connections failed")?.0.parse().ok())
        .collect();
    assert_eq!(reported.iter().sum::<usize>(), FAILURES, "{complaints}");
    assert!((1..=most).contains(&reported.len()), "{complaints}");
    let panics = complaints.matches("panicked at").count();
    assert!((1..=most).contains(&panics), "{complaints}");
}
