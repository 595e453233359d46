//! A contestant that is wrong in the one way that its program's name says: `pipelined` answers out of order, and so on.
//!
//! For each case of the conformance battery there is a fault that this case must catch. Everything that the fault does
//! not touch is right: a thread for each connection, and the contract's service.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::num::NonZero;
use std::path::Path;
use std::process::{Command, ExitCode, exit};
use std::sync::{Arc, Condvar, LazyLock, Mutex};
use std::thread;
use std::time::Duration;

use contract::{
    Contestant, Digest, Exchange, Fetched, Idiom, IdiomOutcome, Protocol, READ_SIZE, ServeOptions,
    Service, Step, drain,
};

static FAULT: LazyLock<String> = LazyLock::new(|| {
    let program = std::env::args().next().unwrap_or_default();
    Path::new(&program)
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
});

fn fault(name: &str) -> bool {
    *FAULT == name
}

fn main() -> ExitCode {
    if fault("stale") {
        share_the_port();
    }
    contract::run(Contestant { name: "wrong", serve, fetch, idiom, event_driven: false })
}

fn fetch(_: Vec<Exchange>, _: NonZero<usize>) -> io::Result<Vec<Fetched>> {
    Err(io::ErrorKind::Unsupported.into())
}

fn idiom(_: Idiom, _: &[Duration]) -> io::Result<IdiomOutcome> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Listens beside whoever listens there already.
fn share_the_port() {
    let args: Vec<String> = std::env::args().collect();
    let Some(place) = args.iter().position(|arg| arg == "--listen") else { return };
    println!("listening {}", args[place + 1]);
    thread::sleep(Duration::from_mins(1));
}

fn serve(listener: TcpListener, options: &ServeOptions) -> io::Result<()> {
    if fault("panic") {
        std::panic::set_hook(Box::new(|_| exit(1)));
    }
    contract::announce()?;
    loop {
        match listener.accept() {
            Ok((stream, _)) => start(stream, *options),
            Err(_) if contract::stopping() => break,
            Err(_) if fault("descriptors") => {}
            Err(_) => thread::sleep(Duration::from_millis(50)),
        }
    }
    if fault("idle-stop") {
        thread::sleep(Duration::from_mins(1));
    }
    if !fault("busy-stop") {
        drain().for_each(thread::sleep);
    }
    Ok(())
}

fn start(stream: TcpStream, mut options: ServeOptions) {
    if fault("slow-head") {
        options.head_timeout = 3_600_000;
    }
    if fault("leftovers") {
        // Never waited for: a zombie.
        drop(Command::new("true").spawn());
    }
    if fault("forks") {
        // Never gives way to a refusal.
        while Command::new("sleep").arg("60").spawn().is_err() {}
    }
    let converse = move || {
        if converse(stream, &options).is_err() && fault("reset") {
            exit(1);
        }
    };
    if ["wait", "block", "slow-heads"].iter().any(|one| fault(one)) {
        converse();
    } else {
        // A thread may be refused as a fork may, and only the fork is what is wrong here.
        drop(thread::Builder::new().spawn(converse));
    }
}

fn converse(mut stream: TcpStream, options: &ServeOptions) -> io::Result<()> {
    if fault("slow-reader") && options.service == Protocol::Echo {
        return hold_everything(stream);
    }
    let mut service = Service::new(options);
    let mut buffer = vec![0; READ_SIZE];
    let mut held = Vec::new();
    loop {
        match service.step() {
            Step::Read { deadline } => {
                write_reversed(&mut stream, &mut held)?;
                let left = if fault("hold") {
                    Some(Duration::from_millis(500))
                } else {
                    deadline.map(|at| at.saturating_duration_since(std::time::Instant::now()))
                };
                stream.set_read_timeout(left.map(|left| left.max(Duration::from_millis(1))))?;
                match stream.read(&mut buffer) {
                    Ok(count) => {
                        if fault("split-head") {
                            service = Service::new(options);
                        }
                        match tampered(&buffer[..count]) {
                            Some(bytes) => service.received(&bytes),
                            None => return Ok(()),
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock && fault("hold") => {
                        return Ok(());
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => service.expired(),
                    Err(error) => return Err(error),
                }
            }
            Step::Write if fault("half-close") && has_ended(&stream)? => return Ok(()),
            Step::Write => {
                let mut output = service.output().to_vec();
                service.wrote(output.len());
                spoil(&mut output);
                if fault("pipelined") {
                    held.extend_from_slice(&output);
                } else {
                    stream.write_all(&output)?;
                }
            }
            Step::Wait(time) | Step::Block(time) => {
                thread::sleep(time);
                service.waited();
            }
            Step::Compute(_) if fault("compute") => service.computed(Digest(0)),
            Step::Compute(work) => service.computed(work.run()),
            Step::Shutdown => stream.shutdown(Shutdown::Write)?,
            Step::Close => return write_reversed(&mut stream, &mut held),
        }
    }
}

/// Requests, as a server with the fault understands them; none where it gives up on the client.
fn tampered(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(bytes);
    let changed = match FAULT.as_str() {
        "garbage" if bytes.contains(&0) => return None,
        "large-head" if bytes.len() > 8_000 => return None,
        "smuggling" => text.replace("Content-Length", "X").replace("Transfer-Encoding", "Y"),
        "http-1.0" => text.replace("HTTP/1.0", "HTTP/1.1\r\nHost: x"),
        "close" => text.replace("Connection: close", "X: y"),
        "head" => text.replace("HEAD", "GET"),
        "post" => text.replace("POST", "GET"),
        "unknown" => text.replace("/nosuch", "/"),
        _ => return Some(bytes.to_vec()),
    };
    Some(changed.into_bytes())
}

/// Answers, as a server with the fault gives them.
fn spoil(output: &mut [u8]) {
    if fault("routes") || fault("echo") {
        let last = output.len() - 1;
        output[last] ^= 1;
    }
}

/// Whether the client sends no more, which is no reason not to answer.
fn has_ended(stream: &TcpStream) -> io::Result<bool> {
    thread::sleep(Duration::from_millis(20));
    stream.set_nonblocking(true)?;
    let ended = stream.peek(&mut [0]).is_ok_and(|count| count == 0);
    stream.set_nonblocking(false)?;
    Ok(ended)
}

/// The last answer first.
fn write_reversed(stream: &mut TcpStream, held: &mut Vec<u8>) -> io::Result<()> {
    let text = String::from_utf8_lossy(held).into_owned();
    held.clear();
    let answers: Vec<String> =
        text.split("HTTP/1.1 ").skip(1).map(|rest| format!("HTTP/1.1 {rest}")).collect();
    answers.iter().rev().try_for_each(|answer| stream.write_all(answer.as_bytes()))
}

/// Reads on and on, whether or not anybody takes the echo.
fn hold_everything(mut stream: TcpStream) -> io::Result<()> {
    let shared = Arc::new((Mutex::new((VecDeque::new(), false)), Condvar::new()));
    let mut writer = stream.try_clone()?;
    let writing = thread::spawn({
        let shared = Arc::clone(&shared);
        move || {
            let (state, more) = &*shared;
            loop {
                let mut state = more
                    .wait_while(state.lock().expect("nobody panics"), |(held, ended)| {
                        held.is_empty() && !*ended
                    })
                    .expect("nobody panics");
                let Some(piece): Option<Vec<u8>> = state.0.pop_front() else { return };
                drop(state);
                if writer.write_all(&piece).is_err() {
                    return;
                }
            }
        }
    });
    let mut buffer = vec![0; READ_SIZE];
    let (state, more) = &*shared;
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        state.lock().expect("nobody panics").0.push_back(buffer[..count].to_vec());
        more.notify_one();
    }
    state.lock().expect("nobody panics").1 = true;
    more.notify_one();
    writing.join().map_err(|_| io::Error::other("the writer panicked"))
}
