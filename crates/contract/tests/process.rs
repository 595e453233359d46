//! A contestant as the harness sees it: what it prints, when, and its exit status.
//!
//! This program is its own contestant, told so by a variable, since a contestant must be a process with one thread.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::num::NonZero;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Output, Stdio};

use contract::{
    AfterAccept, Contestant, Exchange, Fetched, IdiomOutcome, ServeOptions, after_accept_error,
    announce,
};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// `sound`, `refused` (the system refuses its set-up something), or the name of a file: whoever makes it is refused.
const HABIT: &str = "CONTRACT_TEST_HABIT";

fn main() -> ExitCode {
    if std::env::var_os(HABIT).is_some() {
        let idiom = |_, _: &[_]| Ok(IdiomOutcome::default());
        return contract::run(Contestant {
            name: "model",
            serve,
            fetch,
            idiom,
            event_driven: true,
        });
    }
    help_and_wrong_usage_end_with_0_and_2();
    a_server_announces_itself_when_it_is_set_up_and_ends_with_0_after_sigterm();
    a_refused_set_up_announces_nothing_and_ends_with_1();
    processes_announce_themselves_together_and_end_with_0_after_sigterm();
    one_refused_process_of_three_ends_all_before_the_announcement();
    no_more_fetches_are_allowed_at_once_than_there_are();
    println!("6 tests passed");
    ExitCode::SUCCESS
}

fn serve(listener: TcpListener, _: &ServeOptions) -> io::Result<()> {
    let habit = std::env::var(HABIT).unwrap();
    if habit == "refused" || Path::new(&habit).is_absolute() && File::create_new(&habit).is_ok() {
        return Err(Errno::EMFILE.into());
    }
    announce()?;
    loop {
        match listener.accept() {
            Ok((mut stream, _)) => drop(stream.write_all(b"served")),
            Err(error) if after_accept_error(&error) == AfterAccept::Stop => return Ok(()),
            Err(_) => {}
        }
    }
}

/// Fetches nothing; as many bytes as fetches are allowed at once.
fn fetch(exchanges: Vec<Exchange>, concurrency: NonZero<usize>) -> io::Result<Vec<Fetched>> {
    let body_bytes = concurrency.get().try_into().unwrap();
    Ok(exchanges.iter().map(|_| Fetched { body_bytes, ..Fetched::default() }).collect())
}

fn contestant(habit: &str, line: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(line.split_whitespace()).env(HABIT, habit);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Status, standard output, standard error.
fn ended(output: Output) -> (Option<i32>, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Killed if the test fails before it has been stopped.
struct Running {
    child: Child,
    address: SocketAddr,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let child = command.spawn().unwrap();
        let mut running = Self { child, address: SocketAddr::from(([0; 4], 0)) };
        let mut line = String::new();
        BufReader::new(running.child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        running.address = line.strip_prefix("listening ").unwrap().trim_end().parse().unwrap();
        running
    }

    fn is_served(&self) -> bool {
        let mut answer = String::new();
        TcpStream::connect(self.address).unwrap().read_to_string(&mut answer).unwrap();
        answer == "served"
    }

    fn stop(&mut self) -> Option<i32> {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap());
        kill(pid, Signal::SIGTERM).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn help_and_wrong_usage_end_with_0_and_2() {
    let run = |line| ended(contestant("sound", line).output().unwrap());
    let (status, page, error) = run("--help");
    assert_eq!((status, error.as_str()), (Some(0), ""));
    assert!(page.contains("Usage: model <COMMAND>"), "{page}");
    assert_eq!(run(""), (Some(2), String::new(), page), "without arguments the page is an error");
    let error = "model: `--workers 0`: must be at least 1\n".into();
    assert_eq!(run("serve --workers 0"), (Some(2), String::new(), error));
}

fn a_server_announces_itself_when_it_is_set_up_and_ends_with_0_after_sigterm() {
    let mut running = Running::start(contestant("sound", "serve --die-with-parent --service echo"));
    assert!(running.is_served());
    assert_eq!(running.stop(), Some(0));
}

fn a_refused_set_up_announces_nothing_and_ends_with_1() {
    let output = contestant("refused", "serve --die-with-parent --service echo").output().unwrap();
    let (status, output, error) = ended(output);
    assert_eq!((status, output.as_str()), (Some(1), ""));
    assert!(error.starts_with("model: Too many open files"), "{error}");
    assert!(error.ends_with("`ulimit -n`, or ask for fewer at once\n"), "{error}");
}

fn processes_announce_themselves_together_and_end_with_0_after_sigterm() {
    let mut running =
        Running::start(contestant("sound", "serve --die-with-parent --service echo --processes 3"));
    assert!((0..20).all(|_| running.is_served()));
    assert_eq!(running.stop(), Some(0));
}

fn one_refused_process_of_three_ends_all_before_the_announcement() {
    let name = format!("contract-test-{}", std::process::id());
    let file = std::env::temp_dir().join(name);
    let habit = file.to_str().unwrap();
    let output =
        contestant(habit, "serve --die-with-parent --service echo --processes 3").output().unwrap();
    std::fs::remove_file(&file).unwrap();
    let (status, output, error) = ended(output);
    assert_eq!((status, output.as_str()), (Some(1), ""));
    assert!(error.contains("model: Too many open files"), "{error}");
    assert!(error.ends_with("model: 1 of 3 processes failed to start\n"), "{error}");
}

fn no_more_fetches_are_allowed_at_once_than_there_are() {
    let fetched = |line| ended(contestant("sound", line).output().unwrap()).1;
    let output = fetched("fetch --concurrency 1000000 echo://127.0.0.1:7/a echo://127.0.0.1:7/b");
    assert!(
        output.contains(r#""fetched":2,"#) && output.contains(r#""body_bytes":4,"#),
        "{output}"
    );
    let output = fetched("fetch --concurrency 1 echo://127.0.0.1:7/a echo://127.0.0.1:7/b");
    assert!(output.contains(r#""body_bytes":2,"#), "{output}");
}
