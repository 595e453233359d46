//! `start` and `stop`: a server that outlives the command that started it, for `hyperfine`'s `--setup` and `--cleanup`.
//!
//! ```text
//! start FILE MODEL ... --> server announces itself --> FILE: "PID ADDRESS" --> exit 0
//! stop FILE            --> SIGTERM --> group gone  --> FILE removed        --> exit 0
//! ```
//!
//! The server leads a process group of its own, so that Ctrl-C reaches whoever measures and not the server. What it
//! writes to standard error goes to `FILE.log`: a pipe would be held open for as long as it lives.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail, ensure};
use measure::tree::Tree;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::by_hand;
use crate::exit::Exit;
use crate::registry::Registry;
use crate::watch::until;

/// As long as a run gives a contestant.
const ANNOUNCE_WITHIN: Duration = Duration::from_secs(5);
/// A second more than a server's own patience with requests in flight.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// Starts a contestant's server, waits until it listens, notes it in `file`, and leaves it running.
///
/// # Errors
/// The file is there already, as that of a server which runs or of one that died; the server does not start.
pub fn start(
    registry: &Registry,
    file: &Path,
    model: &str,
    args: &[OsString],
) -> anyhow::Result<Exit> {
    let program = by_hand::program(registry, model)?;
    // Made first, and by nobody else: two servers must not share a file.
    let mut note =
        OpenOptions::new().write(true).create_new(true).open(file).with_context(|| {
            format!(
                "failed to make `{0}`; if it is that of an earlier server, c10k stop {0}",
                file.display()
            )
        })?;
    let started = launch(&program, args, &log(file)).and_then(|(server, address)| {
        writeln!(note, "{} {address}", server.id()).context("failed to note the server")?;
        Ok(address)
    });
    match started {
        Ok(address) => {
            println!("listening {address}");
            Ok(Exit::Done)
        }
        Err(error) => {
            forget(file)?;
            Err(error.context(format!("failed to start a server of `{model}`")))
        }
    }
}

/// Stops the server that is noted in `file`, by force where it must, and removes the file.
///
/// # Errors
/// There is no such file, or it is not one of [`start`]'s; the server outlives SIGKILL.
pub fn stop(file: &Path) -> anyhow::Result<Exit> {
    let text = fs::read_to_string(file).with_context(|| {
        format!("failed to read `{}`; name the file of `start`", file.display())
    })?;
    let server = Noted::parse(&text).with_context(|| {
        format!(
            "`{}` notes no server; it is not the file of a `start` that succeeded",
            file.display()
        )
    })?;
    let stopped = server.stop();
    let last_words = fs::read_to_string(log(file)).unwrap_or_default();
    if !last_words.trim().is_empty() {
        eprintln!("c10k: the server said: {}", last_words.trim());
    }
    forget(file)?;
    stopped
}

/// What `start` wrote.
struct Noted {
    pid: Pid,
    address: SocketAddr,
}

impl Noted {
    fn parse(text: &str) -> Option<Self> {
        let (pid, address) = text.trim().split_once(' ')?;
        let pid = pid.parse().ok().filter(|pid| *pid > 1)?;
        Some(Self { pid: Pid::from_raw(pid), address: address.parse().ok()? })
    }

    /// Whether anyone of its group lives; the dead whom nobody reaps do not count.
    fn lives(&self) -> bool {
        let living = u32::try_from(self.pid.as_raw()).map(Tree::living);
        !matches!(living, Ok(Ok(pids)) if pids.is_empty())
    }

    /// Whether the number is still that of the server: pids are used again, by strangers, who do not lead a group or
    /// are no servers.
    fn is_ours(&self) -> bool {
        let command = fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        command.split(|byte| *byte == 0).nth(1) == Some(b"serve")
    }

    fn stop(&self) -> anyhow::Result<Exit> {
        if !self.lives() || !self.is_ours() {
            bail!("the server of pid {} ended by itself", self.pid);
        }
        // It may end between the look and the signal: then there is nobody to tell.
        kill(self.pid, Signal::SIGTERM).ok();
        let in_time = until(STOP_WITHIN, || !self.lives());
        if !in_time {
            let gone = until(STOP_WITHIN, || {
                killpg(self.pid, Signal::SIGKILL).ok();
                !self.lives()
            });
            ensure!(
                gone,
                "some of the processes of {} survive SIGKILL; look for them with ps",
                self.pid
            );
        }
        ensure!(in_time, "the server did not stop within 5 s of SIGTERM and was killed");
        let free = until(STOP_WITHIN, || std::net::TcpListener::bind(self.address).is_ok());
        ensure!(free, "the server's address `{}` is still taken", self.address);
        Ok(Exit::Done)
    }
}

fn launch(program: &Path, args: &[OsString], log: &Path) -> anyhow::Result<(Child, SocketAddr)> {
    let stderr = File::create(log).with_context(|| {
        format!("failed to make `{}`; name a folder to write to", log.display())
    })?;
    let mut server = Command::new(program)
        .arg("serve")
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(stderr)
        .process_group(0)
        .spawn()
        .with_context(|| format!("failed to run `{}`", program.display()))?;
    match announcement(&mut server) {
        Ok(address) => Ok((server, address)),
        Err(error) => {
            let group = Pid::from_raw(i32::try_from(server.id())?);
            // It may be gone already; a group without members takes no signal.
            killpg(group, Signal::SIGKILL).ok();
            server.wait()?;
            let last_words = fs::read_to_string(log).unwrap_or_default();
            Err(anyhow!(
                "{error}{}{}",
                if last_words.is_empty() { "" } else { ": " },
                last_words.trim()
            ))
        }
    }
}

/// Waits for the line `listening ADDRESS`.
fn announcement(server: &mut Child) -> anyhow::Result<SocketAddr> {
    let stdout = server.stdout.take().context("its output is no pipe")?;
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut line = String::new();
        let read = BufReader::new(stdout).read_line(&mut line).map(|_| line);
        // Nobody listens any more once the time is over.
        sender.send(read).ok();
    });
    let line =
        receiver.recv_timeout(ANNOUNCE_WITHIN).context("it announced nothing within 5 s")??;
    ensure!(!line.is_empty(), "it ended before it announced its address");
    let address = line.strip_prefix("listening ").and_then(|address| address.trim().parse().ok());
    address.with_context(|| {
        format!("it announced `{}` where `listening ADDRESS` was due", line.trim())
    })
}

fn log(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(OsStr::new(".log"));
    name.into()
}

fn forget(file: &Path) -> io::Result<()> {
    for path in [log(file), file.to_path_buf()] {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_server_s_note_is_read_as_one() {
        let noted = Noted::parse("4242 127.0.0.1:8080\n").unwrap();
        assert_eq!((noted.pid.as_raw(), noted.address.port()), (4242, 8080));
        // Signals to 0, 1 and -1 reach this group, process 1 and everyone.
        for bad in ["", "4242", "0 127.0.0.1:1", "1 127.0.0.1:1", "-1 127.0.0.1:1", "x 127.0.0.1:1"]
        {
            assert!(Noted::parse(bad).is_none(), "{bad}");
        }
    }
}
