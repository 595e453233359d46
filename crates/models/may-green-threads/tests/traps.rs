//! What may does that its users trip over, and that the conformance battery does not ask for.

use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// Long beside an answer: it comes to this only if there will be none.
const NO_ANSWER: Duration = Duration::from_secs(10);

/// Killed and reaped at the end of its test.
struct Server {
    process: Child,
    address: String,
}

impl Server {
    /// Starts by the shell, for the sake of its `ulimit`; `limit` is a command of it.
    fn start(limit: &str, workers: usize) -> Self {
        let mut process = Command::new("sh")
            .args(["-c", &format!("{limit}; exec \"$0\" \"$@\"")])
            .args([env!("CARGO_BIN_EXE_may-green-threads"), "serve", "--service", "echo"])
            .args(["--workers", &workers.to_string()])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("there is a shell");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line).expect("it is text");
        let address = line.trim_end().strip_prefix("listening ").expect("the server starts");
        Self { address: address.to_owned(), process }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().and_then(|()| self.process.wait()).expect("it runs until here");
    }
}

fn connect(address: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(NO_ANSWER))?;
    Ok(stream)
}

fn echo(mut stream: &TcpStream) -> io::Result<()> {
    stream.write_all(b"hello")?;
    let mut back = [0; 5];
    stream.read_exact(&mut back)?;
    if &back == b"hello" { Ok(()) } else { Err(ErrorKind::InvalidData.into()) }
}

/// Room for some hundreds of stacks beside those that are made at the start. Without an end to the panic in may, it
/// would end the accepting green thread, and nobody would be accepted any more.
#[test]
fn a_refused_stack_costs_that_connection_and_no_other() {
    let server = Server::start("ulimit -v 300000", 1);
    let mut held = Vec::new();
    let refused = loop {
        assert!(held.len() < 10_000, "no stack was refused");
        let stream = connect(&server.address).unwrap();
        match echo(&stream) {
            Ok(()) => held.push(stream),
            Err(error) => break error,
        }
    };
    let closed = [ErrorKind::ConnectionReset, ErrorKind::UnexpectedEof, ErrorKind::BrokenPipe];
    assert!(closed.contains(&refused.kind()), "not closed, but: {refused}");
    for stream in held.iter().take(100) {
        echo(stream).unwrap();
    }
    held.truncate(held.len() / 2);
    // The stacks of the others come back when their green threads have seen the end.
    let served_again = (0..1_000).any(|_| connect(&server.address).and_then(|s| echo(&s)).is_ok());
    assert!(served_again);
}

/// may takes a closed socket's number out of epoll after closing it, if one lets it. Four clients that connect anew for
/// each echo then lose one in hundreds, on two CPUs.
#[test]
fn a_closed_connection_takes_no_other_out_of_epoll() {
    let server = Server::start("true", 2);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for turn in 0..2_000 {
                    let echoed = connect(&server.address).and_then(|stream| echo(&stream));
                    assert!(echoed.is_ok(), "connection {turn}: {echoed:?}");
                }
            });
        }
    });
}
