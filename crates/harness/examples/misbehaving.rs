//! A contestant that misbehaves on purpose, for the harness's tests. It does as its own file name says, so that one
//! program under many names (links) makes a registry of troublemakers.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::num::NonZero;
use std::path::Path;
use std::process::{Command, ExitCode, exit};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use contract::{Contestant, Exchange, Fetched, Idiom, IdiomOutcome, ServeOptions, Service, Step};
use nix::sys::signal::{Signal, raise};

/// Answers after which those that end, or lie, in mid-trial do so.
const LAST_GOOD_ANSWER: u64 = 100;

static ANSWERS: AtomicU64 = AtomicU64::new(0);

fn main() -> ExitCode {
    match habit().as_str() {
        "never-announces" | "orphan" => sleep_for_ever(),
        "closes-its-output" => {
            nix::unistd::close(1).expect("standard output is open");
            sleep_for_ever();
        }
        "exits-at-once" => {
            eprintln!("no luck today");
            exit(3);
        }
        "announces-nonsense" => {
            println!("hello");
            sleep_for_ever();
        }
        // Announcement, SIGTERM and all else that is right come from the contract.
        _ => contract::run(Contestant {
            name: "misbehaving",
            serve,
            fetch,
            idiom,
            event_driven: false,
        }),
    }
}

/// The file name of this program as it was called; `orphan` for what `leaves-an-orphan` starts.
fn habit() -> String {
    let mut args = std::env::args();
    let program = args.next().unwrap_or_default();
    if args.next().is_some_and(|arg| arg == "orphan") {
        return "orphan".into();
    }
    Path::new(&program).file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn sleep_for_ever() -> ! {
    loop {
        thread::sleep(Duration::from_hours(1));
    }
}

/// SIGTERM ends `accept`; what then is done depends on the habit.
fn serve(listener: TcpListener, options: &ServeOptions) -> io::Result<()> {
    contract::announce()?;
    let habit = habit();
    match habit.as_str() {
        "hangs" => sleep_for_ever(),
        "leaves-an-orphan" => {
            let program = std::env::args_os().next().expect("this program was called by a name");
            drop(Command::new(program).arg("orphan").spawn()?);
        }
        _ => {}
    }
    while let Ok((stream, _)) = listener.accept() {
        let (habit, options) = (habit.clone(), *options);
        if habit == "sequential" {
            converse(stream, &options, &habit);
        } else {
            thread::spawn(move || converse(stream, &options, &habit));
        }
    }
    match habit.as_str() {
        "ignores-sigterm" => sleep_for_ever(),
        "fails-on-sigterm" => exit(4),
        _ => Ok(()),
    }
}

/// One connection, as the contract has it, until the habit says otherwise.
fn converse(mut stream: TcpStream, options: &ServeOptions, habit: &str) {
    let mut service = Service::new(options);
    let mut buffer = [0; 4096];
    loop {
        match service.step() {
            Step::Read { .. } => match stream.read(&mut buffer) {
                Ok(0) | Err(_) => return,
                Ok(length) if habit == "swallows-panics" => {
                    let asked = String::from_utf8_lossy(&buffer[..length]);
                    service.received(asked.replace("/panic", "/").as_bytes());
                }
                Ok(length) => service.received(&buffer[..length]),
            },
            Step::Write => {
                let mut output = service.output().to_vec();
                service.wrote(output.len());
                disturb(habit, &mut output);
                if stream.write_all(&output).is_err() {
                    return;
                }
            }
            // No test asks for more than an echo or `/`.
            _ => return,
        }
    }
}

fn disturb(habit: &str, output: &mut [u8]) {
    if habit == "sequential" {
        // Its one connection would otherwise measure what a debug build of the generator takes between two requests.
        thread::sleep(Duration::from_millis(1));
    }
    if ANSWERS.fetch_add(1, Ordering::Relaxed) < LAST_GOOD_ANSWER {
        return;
    }
    match habit {
        "dies" => {
            eprintln!("out of ideas");
            exit(7);
        }
        "is-killed" => raise(Signal::SIGKILL).expect("a process may kill itself"),
        "lies" => {
            if let Some(last) = output.last_mut() {
                *last ^= 1;
            }
        }
        _ => {}
    }
}

fn fetch(_: Vec<Exchange>, _: NonZero<usize>) -> io::Result<Vec<Fetched>> {
    Err(io::Error::other("no test fetches by this program"))
}

fn idiom(_: Idiom, _: &[Duration]) -> io::Result<IdiomOutcome> {
    Err(io::Error::other("no test runs an idiom by this program"))
}
