//! One run of a model's client: its output, how it ended, and, where asked, what it weighed on the way.

use std::io::{self, Read as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::unistd::Pid;

use crate::contestant::{self, End, describe};
use crate::group;
use crate::watch::Watch;

/// The kernel takes its time with many killed processes.
const KILL_PATIENCE: Duration = Duration::from_secs(10);

/// Between two looks at a client that is weighed.
const LOOK: Duration = Duration::from_millis(5);

/// What to run.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    pub(crate) program: &'a Path,
    pub(crate) args: Vec<String>,
    /// CPUs it may use; empty for all.
    pub(crate) cpus: &'a [usize],
    /// How long it may take.
    pub(crate) patience: Duration,
}

/// What a client wrote, and what was wrong with its end.
#[derive(Debug, Default)]
pub(crate) struct Ran {
    pub(crate) stdout: String,
    pub(crate) trouble: Option<String>,
}

/// Runs it to its end.
pub(crate) fn run(job: &Job<'_>) -> Ran {
    watched(job, None)
}

/// Runs it to its end and calls `look` with its process group now and then: that disturbs it, so its times mean little.
pub(crate) fn run_under(job: &Job<'_>, look: &mut dyn FnMut(Pid)) -> Ran {
    watched(job, Some(look))
}

fn watched(job: &Job<'_>, look: Option<&mut dyn FnMut(Pid)>) -> Ran {
    ran(job, look).unwrap_or_else(|error| Ran {
        trouble: Some(format!("failed to run the client: {error}")),
        ..Ran::default()
    })
}

fn ran(job: &Job<'_>, look: Option<&mut dyn FnMut(Pid)>) -> io::Result<Ran> {
    let mut command = Command::new(job.program);
    command
        .args(&job.args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let mut child = contestant::spawn_on(job.cpus, &mut command)?;
    let pid = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
    let mut output = child.stdout.take();
    let reading = thread::spawn(move || {
        let mut bytes = Vec::new();
        output.as_mut().map_or(Ok(0), |output| output.read_to_end(&mut bytes)).map(|_| bytes)
    });
    let (watch, _events) = Watch::over(&mut child, || ()).inspect_err(|_| {
        group::kill_all(pid, KILL_PATIENCE);
    })?;
    let in_time = await_end(&watch, job.patience, pid, look);
    // A forking client waits for its children; whoever is left is killed, and with it the last writer to the pipe.
    let left = group::followers(pid);
    group::kill_all(pid, KILL_PATIENCE);
    let status = child.wait()?;
    let stdout = reading.join().map_err(|_| io::Error::other("the reader panicked"))??;
    let end = status.code().map(End::Exited).or_else(|| status.signal().map(End::Signalled));
    let trouble = match end {
        _ if !in_time => Some(format!("it did not end within {} s", job.patience.as_secs())),
        Some(End::Exited(0)) if left == 0 => None,
        Some(End::Exited(0)) => Some(format!("it left {left} processes behind")),
        Some(end) => Some(format!("it ended with {}", describe(end))),
        None => Some("it ended with an unknown status".into()),
    };
    let trouble = trouble.map(|trouble| trouble + &watch.last_words());
    Ok(Ran { stdout: String::from_utf8_lossy(&stdout).into_owned(), trouble })
}

fn await_end(
    watch: &Watch,
    patience: Duration,
    pid: Pid,
    look: Option<&mut dyn FnMut(Pid)>,
) -> bool {
    let Some(look) = look else { return watch.ends_within(patience) };
    let deadline = Instant::now() + patience;
    while !watch.ends_within(LOOK) {
        if Instant::now() >= deadline {
            return false;
        }
        look(pid);
    }
    true
}
