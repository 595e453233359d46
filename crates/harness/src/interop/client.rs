//! One run of a model's client.

use std::io::{self, Read as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::unistd::Pid;

use super::Ask;
use crate::contestant::{End, describe};
use crate::group;
use crate::watch::Watch;

/// At once; fewer than the URLs, so that a fetch that fails must make room for the next.
const CONCURRENCY: &str = "8";

/// The kernel takes its time with many killed processes.
const KILL_PATIENCE: Duration = Duration::from_secs(10);

/// What a client wrote, and what was wrong with its end.
#[derive(Debug, Default)]
pub(super) struct Ran {
    pub(super) stdout: String,
    pub(super) trouble: Option<String>,
}

/// Fetches them all in one run.
pub(super) fn fetch(program: &Path, asks: &[Ask], patience: Duration) -> Ran {
    run(program, asks, patience).unwrap_or_else(|error| Ran {
        trouble: Some(format!("failed to run the client: {error}")),
        ..Ran::default()
    })
}

fn run(program: &Path, asks: &[Ask], patience: Duration) -> io::Result<Ran> {
    let mut child = Command::new(program)
        .args(["fetch", "--concurrency", CONCURRENCY])
        .args(asks.iter().map(|ask| &ask.url))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    let pid = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
    let mut output = child.stdout.take();
    let reading = thread::spawn(move || {
        let mut bytes = Vec::new();
        output.as_mut().map_or(Ok(0), |output| output.read_to_end(&mut bytes)).map(|_| bytes)
    });
    let (watch, _events) = Watch::over(&mut child, || ()).inspect_err(|_| {
        group::kill_all(pid, KILL_PATIENCE);
    })?;
    let in_time = watch.ends_within(patience);
    // A forking client waits for its children; whoever is left is killed, and with it the last writer to the pipe.
    let left = group::followers(pid);
    group::kill_all(pid, KILL_PATIENCE);
    let status = child.wait()?;
    let stdout = reading.join().map_err(|_| io::Error::other("the reader panicked"))??;
    let end = status.code().map(End::Exited).or_else(|| status.signal().map(End::Signalled));
    let trouble = match end {
        _ if !in_time => Some(format!("it did not end within {} s", patience.as_secs())),
        Some(End::Exited(0)) if left == 0 => None,
        Some(End::Exited(0)) => Some(format!("it left {left} processes behind")),
        Some(end) => Some(format!("it ended with {}", describe(end))),
        None => Some("it ended with an unknown status".into()),
    };
    let trouble = trouble.map(|trouble| trouble + &watch.last_words());
    Ok(Ran { stdout: String::from_utf8_lossy(&stdout).into_owned(), trouble })
}
