//! PostgreSQL and Redis from the machine's own packages: in a folder of their own, on unix sockets, ended afterwards.

use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, User, geteuid};

/// A server that this script has started; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Local {
    child: Child,
    /// For the drivers.
    pub(crate) url: String,
    /// What the program says of its version.
    pub(crate) version: String,
}

const STOP_WITHIN: Duration = Duration::from_secs(5);
const GLANCE: Duration = Duration::from_millis(20);

/// PostgreSQL for so many connections, in a folder that is there; `None` where it is not installed.
pub(crate) fn postgres(folder: &Path, connections: u32) -> anyhow::Result<Option<Local>> {
    let (Some(initdb), Some(postgres)) = (program("initdb"), program("postgres")) else {
        return Ok(None);
    };
    let user = unprivileged()?;
    let data = folder.join("postgres");
    fs::create_dir(&data)?;
    if let Some(user) = &user {
        // The folder above is its maker's alone, and PostgreSQL has to pass through it.
        fs::set_permissions(folder, fs::Permissions::from_mode(0o711))?;
        chown(&data, Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
    }
    let mut init = as_user(&initdb, user.as_ref(), &data);
    init.args(["--auth", "trust", "--username", "c10k", "--encoding", "UTF8", "--no-locale"]);
    let output = init.args(["--no-sync", "--pgdata"]).arg(&data).output()?;
    ensure!(output.status.success(), "initdb failed: {}", String::from_utf8_lossy(&output.stderr));
    let mut server = as_user(&postgres, user.as_ref(), &data);
    server.arg("-D").arg(&data).arg("-k").arg(&data);
    // No address but the socket; a few connections more than ours, which PostgreSQL keeps for its superuser.
    let connections = (connections + 10).to_string();
    server.args(["-c", "listen_addresses=", "-c", &format!("max_connections={connections}")]);
    let child = ready(server, "ready to accept connections")?;
    let url = format!("host={} user=c10k dbname=postgres", data.display());
    Ok(Some(Local { child, url, version: version(&postgres)? }))
}

/// Redis, in a folder that is there; `None` where it is not installed.
pub(crate) fn redis(folder: &Path) -> anyhow::Result<Option<Local>> {
    let Some(redis) = program("redis-server") else { return Ok(None) };
    let socket = folder.join("redis.sock");
    let mut server = as_user(&redis, None, folder);
    // It looks for waits that are over as often as this in a second; the default of 10 would end them 50 ms late.
    server.args(["--hz", "500"]);
    // No port, no file: nothing is kept.
    server.args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"]).arg(&socket);
    let child = ready(server, "eady to accept connections")?;
    let url = format!("redis+unix://{}", socket.display());
    Ok(Some(Local { child, url, version: version(&redis)? }))
}

/// Also where Debian puts what it keeps out of everyone's PATH; the newest PostgreSQL first.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend(["/usr/sbin", "/sbin"].map(PathBuf::from));
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    versions.sort();
    folders.extend(versions.into_iter().rev());
    folders.into_iter().map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// PostgreSQL refuses to run as root: there it runs as its package's own user, or as nobody.
fn unprivileged() -> anyhow::Result<Option<User>> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    for name in ["postgres", "nobody"] {
        if let Some(user) = User::from_name(name)? {
            return Ok(Some(user));
        }
    }
    bail!(
        "PostgreSQL does not run as root, and there is no user `postgres` or `nobody`; run this as another user"
    )
}

/// In a group of its own: Ctrl-C is the script's, which ends its servers itself.
fn as_user(program: &Path, user: Option<&User>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if let Some(user) = user {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    command
}

/// Starts it and waits until it says that it is ready; what it says later is read and forgotten.
fn ready(mut command: Command, word: &str) -> anyhow::Result<Child> {
    let program = command.get_program().to_string_lossy().into_owned();
    let (reader, writer) = io::pipe()?;
    let mut child = command
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .spawn()
        .with_context(|| format!("failed to start `{program}`"))?;
    // It holds the writing end: without it the lines end when the server does.
    drop(command);
    let mut lines = BufReader::new(reader).lines();
    let mut said = Vec::new();
    for line in lines.by_ref() {
        let line = line?;
        if line.contains(word) {
            thread::spawn(move || lines.for_each(drop));
            return Ok(child);
        }
        said.push(line);
    }
    child.wait()?;
    bail!("`{program}` did not start: {}", said.join(" / "))
}

fn version(program: &Path) -> anyhow::Result<String> {
    let output = Command::new(program).arg("--version").output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

impl Drop for Local {
    /// By SIGINT, which both servers take as "at once, and in order".
    fn drop(&mut self) {
        let Ok(pid) = i32::try_from(self.child.id()).map(Pid::from_raw) else { return };
        kill(pid, Signal::SIGINT).ok();
        let deadline = Instant::now() + STOP_WITHIN;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(GLANCE);
        }
        if matches!(self.child.try_wait(), Ok(None)) {
            killpg(pid, Signal::SIGKILL).ok();
            self.child.wait().ok();
        }
    }
}
