//! A contestant as a process: started, watched, stopped, and never left behind.
//!
//! ```text
//! start --> "listening ADDR" --> (load) --> SIGTERM --> exit 0 --> group empty --> port free
//!   |            |                  |           |
//!   |            |                  |           +-- over 5 s: SIGKILL to the group, and said
//!   |            |                  +-- ends by itself: `on_exit` is called, the load stops
//!   |            +-- end of file, exit, silence: a failed start, with its last words
//! ```
//!
//! The pid is waited for, never the end of a pipe: the children of a forking model inherit pipes.

use std::io;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::group;
use crate::watch::{self, Event, Watch};

/// How long a wait goes on before it looks whether the user has interrupted the run.
const GLANCE: Duration = Duration::from_millis(50);

/// A process that exits closes its output a moment before it has ended.
const EXIT_PATIENCE: Duration = Duration::from_millis(500);

/// The kernel takes its time with 10,000 killed processes; after that something is broken.
const KILL_PATIENCE: Duration = Duration::from_secs(30);

/// An `io_uring` server keeps the port for some milliseconds after it is reaped.
const PORT_PATIENCE: Duration = Duration::from_secs(2);

/// How to start a contestant.
#[derive(Clone, Debug)]
pub struct Launch {
    /// Its binary.
    pub program: PathBuf,
    /// Run it as the user of this number; root may.
    pub user: Option<u32>,
    /// All arguments, `serve` included.
    pub args: Vec<String>,
    /// CPUs it may use; empty for all.
    pub cpus: Vec<usize>,
    /// How long it may take to announce itself.
    pub announce_within: Duration,
    /// How long it may take to stop after SIGTERM.
    pub stop_within: Duration,
}

/// Why a contestant did not start.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what each is")]
pub enum StartError {
    #[error(
        "failed to start `{program}`: {source}; build it with cargo build --release --workspace --bins"
    )]
    Spawn { program: String, source: io::Error },
    #[error("it ended with {exit} before it announced its address{last_words}")]
    Ended { exit: String, last_words: String },
    #[error("it closed its standard output before it announced its address{last_words}")]
    Closed { last_words: String },
    #[error("it announced nothing within {waited_s} s{last_words}")]
    Silent { waited_s: f64, last_words: String },
    #[error("it announced `{line}` where `listening ADDRESS` was due{last_words}")]
    Garbled { line: String, last_words: String },
    #[error("interrupted while it was starting")]
    Interrupted,
}

/// How a contestant ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It exited with that status.
    Exited(i32),
    /// That signal killed it.
    Signalled(i32),
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "{status}"),
            Self::Signalled(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// What stopping a contestant found.
#[derive(Clone, Debug)]
pub struct Stopped {
    /// How it ended; absent when not even SIGKILL ended it.
    pub end: Option<End>,
    /// Where it broke the contract, in plain words; empty when it stopped as it should.
    pub complaints: Vec<String>,
    /// The last it wrote to standard error.
    pub last_words: String,
}

/// A running contestant; dropping it kills its whole process group.
#[derive(Debug)]
pub struct Contestant {
    child: Child,
    pid: Pid,
    address: SocketAddr,
    watch: Watch,
    stop_within: Duration,
    /// Nobody is left of its group, but perhaps the leader unreaped.
    gone: bool,
}

impl Contestant {
    /// Starts it and waits for its announcement. `on_exit` is called when it ends, whenever that is;
    /// `interrupted` is asked while waiting.
    ///
    /// To be called from a thread that outlives the contestant: the kernel ends a contestant when the thread that
    /// started it ends, so that a killed harness leaves nothing behind.
    ///
    /// # Panics
    /// When a pid does not fit `pid_t`, which the kernel rules out.
    pub fn start(
        launch: &Launch,
        on_exit: impl FnOnce() + Send + 'static,
        interrupted: impl Fn() -> bool,
    ) -> Result<Self, StartError> {
        let spawn_error =
            |source| StartError::Spawn { program: launch.program.display().to_string(), source };
        group::adopt_orphans();
        let mut child = spawn(launch).map_err(spawn_error)?;
        let pid = Pid::from_raw(
            i32::try_from(child.id()).expect("a pid fits pid_t: the kernel made it from one"),
        );
        let (watch, events) = Watch::over(&mut child, on_exit).map_err(|error| {
            group::kill_all(pid, KILL_PATIENCE);
            // Killed a moment ago: what its status says does not matter.
            drop(child.wait());
            spawn_error(error)
        })?;
        // From here on, leaving by an error drops `contestant`, and with it the process group.
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut contestant =
            Self { child, pid, address, watch, stop_within: launch.stop_within, gone: false };
        contestant.address =
            contestant.await_announcement(&events, launch.announce_within, interrupted)?;
        Ok(contestant)
    }

    fn await_announcement(
        &mut self,
        events: &Receiver<Event>,
        patience: Duration,
        interrupted: impl Fn() -> bool,
    ) -> Result<SocketAddr, StartError> {
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match events.recv_timeout(left.min(GLANCE)) {
                Ok(Event::Line(line)) => {
                    let address = line
                        .strip_prefix("listening ")
                        .and_then(|address| address.trim().parse().ok());
                    return address.ok_or_else(|| StartError::Garbled {
                        line,
                        last_words: self.end_at_once().1,
                    });
                }
                // An exit closes the output too, and says more: look for it first.
                Ok(Event::EndOfOutput) if !self.watch.ends_within(EXIT_PATIENCE) => {
                    return Err(StartError::Closed { last_words: self.end_at_once().1 });
                }
                Ok(Event::EndOfOutput | Event::Exited) | Err(RecvTimeoutError::Disconnected) => {
                    let (end, last_words) = self.end_at_once();
                    let exit = end.map_or_else(|| "an unknown status".into(), describe);
                    return Err(StartError::Ended { exit, last_words });
                }
                Err(RecvTimeoutError::Timeout) if interrupted() => {
                    return Err(StartError::Interrupted);
                }
                Err(RecvTimeoutError::Timeout) if left.is_zero() => {
                    let last_words = self.end_at_once().1;
                    return Err(StartError::Silent {
                        waited_s: patience.as_secs_f64(),
                        last_words,
                    });
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process, which is also its process group.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Whether it has ended by itself.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.watch.has_ended()
    }

    /// Stops it as the contract says, by force where it must, until no process and no port is left.
    #[must_use = "how it stopped is part of what was found out about it"]
    pub fn stop(mut self) -> Stopped {
        let mut complaints = Vec::new();
        let by_itself = self.watch.has_ended();
        if !by_itself {
            // It may end between the look and the signal: then there is nobody to tell.
            kill(self.pid, Signal::SIGTERM).ok();
        }
        let in_time = self.watch.ends_within(self.stop_within);
        let left = group::followers(self.pid);
        let (end, last_words) = self.end_at_once();
        match end {
            _ if !in_time => {
                let patience_s = self.stop_within.as_secs_f64();
                complaints.push(format!(
                    "it did not stop within {patience_s} s of SIGTERM and was killed"
                ));
            }
            Some(end) if end != End::Exited(0) && !by_itself => {
                complaints.push(format!(
                    "it ended with {} after SIGTERM, not with status 0",
                    describe(end)
                ));
            }
            _ => {}
        }
        if in_time && left > 0 {
            complaints.push(format!("it left {left} processes behind; they were killed"));
        }
        if !self.gone {
            complaints.push("some of its processes survive SIGKILL; look for them with ps".into());
        }
        if !port_is_free(self.address) {
            complaints.push(format!("its address `{}` is still taken", self.address));
        }
        Stopped { end, complaints, last_words }
    }

    /// Kills whatever is left of the group and reaps it; returns how the leader ended and its last words.
    fn end_at_once(&mut self) -> (Option<End>, String) {
        if !self.gone {
            self.gone = group::kill_all(self.pid, KILL_PATIENCE);
        }
        let end = if self.watch.ends_within(KILL_PATIENCE) { self.reap() } else { None };
        (end, self.watch.last_words())
    }

    /// The status of a contestant that has ended; waiting again gives it again.
    fn reap(&mut self) -> Option<End> {
        use std::os::unix::process::ExitStatusExt as _;
        let status = self.child.wait().ok()?;
        status.code().map(End::Exited).or_else(|| status.signal().map(End::Signalled))
    }
}

impl Drop for Contestant {
    fn drop(&mut self) {
        self.end_at_once();
    }
}

/// `status 1`, `signal 9 (SIGKILL)`.
#[must_use]
pub fn describe(end: End) -> String {
    match end {
        End::Exited(status) => format!("status {status}"),
        End::Signalled(number) => match Signal::try_from(number) {
            Ok(signal) => format!("signal {number} ({signal})"),
            Err(_) => format!("signal {number}"),
        },
    }
}

fn spawn(launch: &Launch) -> io::Result<Child> {
    let mut command = Command::new(&launch.program);
    command
        .args(&launch.args)
        // Whoever debugs has these set. A panic's backtrace holds a loop up for a third of a second: no model's doing.
        .env_remove("RUST_BACKTRACE")
        .env_remove("RUST_LIB_BACKTRACE")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    if let Some(user) = launch.user {
        command.uid(user).gid(user);
    }
    spawn_on(&launch.cpus, &mut command)
}

/// A child inherits the affinity of the thread that starts it: take on its CPUs for that moment; none are all.
pub(crate) fn spawn_on(cpus: &[usize], command: &mut Command) -> io::Result<Child> {
    if cpus.is_empty() {
        return command.spawn();
    }
    let own = measure::cpus::current_affinity()?;
    measure::cpus::pin_current_thread(cpus)?;
    let child = command.spawn();
    measure::cpus::pin_current_thread(&own)?;
    child
}

/// The standard library binds with `SO_REUSEADDR`: connections in `TIME_WAIT` do not count, a listener does.
fn port_is_free(address: SocketAddr) -> bool {
    watch::until(PORT_PATIENCE, || std::net::TcpListener::bind(address).is_ok())
}
