//! One trial of a model's client: it fetches from a server that holds nobody back, or sleeps by an idiom.
//!
//! The client runs where servers do otherwise, and the server, an event loop, where the generator does. It runs twice:
//! once alone, which gives its times and counts, and once while its process tree is looked at, which gives its memory.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use contract::Fetched;
use measure::tree::{Memory, Tree};
use nix::unistd::Pid;
use record::trial::{Client, Outcome, Trial};
use serde::Deserialize;
use socket2::{Domain, Socket, Type};

use crate::client::{self, Job};
use crate::contestant::{Contestant, Launch, StartError};
use crate::expected;
use crate::interrupt;
use crate::order::Planned;
use crate::plan::{REFUSED, Task};
use crate::trial::Setup;

/// Serves ten thousand at a time on one thread, and waits without blocking.
const SERVER: &str = "mio-loop";

/// A thousand fetches of a tenth of a second, one after the other, take 100 s.
const PATIENCE: Duration = Duration::from_mins(4);

/// Fills in what the client did; how it failed is the trial's outcome.
pub(crate) fn measure(setup: &Setup, planned: &Planned<'_>, task: &Task, trial: &mut Trial) {
    let server = match task {
        Task::Fetch(_) => match start_server(setup) {
            Ok(server) => Some(server),
            Err(error) => {
                trial.outcome = match error {
                    StartError::Interrupted => Outcome::Interrupted,
                    _ => Outcome::Inconsistent,
                };
                trial.outcome_detail = Some(format!("the server `{SERVER}`: {error}"));
                return;
            }
        },
        _ => None,
    };
    let address = server.as_ref().map(Contestant::address);
    let found = refusing().map_err(|error| format!("no port to refuse at: {error}")).and_then(
        |(_taken, refuses)| Errand::of(planned, task, address, refuses).run(setup, planned.model),
    );
    if let Some(server) = server {
        trial
            .warnings
            .extend(server.stop().complaints.iter().map(|said| format!("{SERVER}: {said}")));
    }
    (trial.outcome, trial.outcome_detail) = match found {
        Ok(client) => {
            trial.client = Some(client);
            (Outcome::Ok, None)
        }
        Err(_) if interrupt::requested() => (Outcome::Interrupted, None),
        Err(why) => (Outcome::Inconsistent, Some(why)),
    };
}

fn start_server(setup: &Setup) -> Result<Contestant, StartError> {
    let args = ["serve", "--listen", "127.0.0.1:0", "--service", "http", "--die-with-parent"];
    let launch = Launch {
        program: setup.binaries.join(SERVER),
        user: None,
        args: args.map(str::to_owned).to_vec(),
        cpus: setup.cpus.generator.clone(),
        announce_within: setup.announce_within,
        stop_within: setup.stop_within,
    };
    Contestant::start(&launch, || (), interrupt::requested)
}

/// What the client is sent to do, and what is due.
struct Errand<'a> {
    task: &'a Task,
    args: Vec<String>,
    /// Of each fetch, in order.
    due: Vec<Due>,
}

/// What must come of a fetch.
enum Due {
    /// An answer of this length, where that is known.
    Answer { url: String, length: Option<u64> },
    /// An error, in its place and without an answer.
    Refusal { url: String },
}

impl Due {
    fn url(&self) -> &str {
        match self {
            Self::Answer { url, .. } | Self::Refusal { url } => url,
        }
    }

    /// Compares it with what the client reported.
    fn check(&self, result: &Fetched) -> Result<(), String> {
        let right = match (self, &result.error) {
            (Self::Answer { url, .. }, Some(error)) => {
                return Err(format!("`{url}` failed: {error}"));
            }
            (Self::Answer { length, .. }, None) => {
                result.status == Some(200) && length.is_none_or(|it| it == result.body_bytes)
            }
            (Self::Refusal { .. }, error) => error.is_some() && result.status.is_none(),
        };
        if right && result.url == self.url() {
            return Ok(());
        }
        let what = if matches!(self, Self::Refusal { .. }) { "a refusal of " } else { "" };
        Err(format!("where {what}`{}` was due, the client reported {result:?}", self.url()))
    }
}

/// An address that refuses: its port is taken, and nobody listens there.
fn refusing() -> std::io::Result<(Socket, SocketAddr)> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
    let address = socket.local_addr()?.as_socket();
    let address = address.ok_or_else(|| std::io::Error::other("it is bound to no address"))?;
    Ok((socket, address))
}

impl<'a> Errand<'a> {
    fn of(
        planned: &Planned<'_>,
        task: &'a Task,
        server: Option<SocketAddr>,
        refuses: SocketAddr,
    ) -> Self {
        let Task::Fetch(paths) = task else {
            let sleeps: Vec<String> =
                task.sleeps_ms().unwrap_or_default().iter().map(ToString::to_string).collect();
            let args =
                vec!["idiom".into(), task.name().into(), "--sleeps".into(), sleeps.join(",")];
            return Self { task, args, due: Vec::new() };
        };
        let fetches = usize::try_from(planned.connections).unwrap_or(usize::MAX);
        let server = server.map(|server| server.to_string()).unwrap_or_default();
        let due = |path: &String| {
            if path == REFUSED {
                return Due::Refusal { url: format!("http://{refuses}/") };
            }
            let length = expected::body(path).and_then(|body| u64::try_from(body.len()).ok());
            Due::Answer { url: format!("http://{server}{path}"), length }
        };
        let due: Vec<Due> = paths.iter().cycle().take(fetches).map(due).collect();
        let fixed = ["fetch".to_owned(), "--concurrency".into(), fetches.to_string()];
        let args = fixed.into_iter().chain(due.iter().map(|due| due.url().to_owned())).collect();
        Self { task, args, due }
    }

    /// Twice: undisturbed, then looked at.
    fn run(&self, setup: &Setup, model: &str) -> Result<Client, String> {
        let program: PathBuf = setup.binaries.join(model);
        let job = Job {
            program: &program,
            args: self.args.clone(),
            cpus: &setup.cpus.server,
            patience: PATIENCE,
        };
        let mut client = self.read(client::run(&job))?;
        let mut most = Most::default();
        self.read(client::run_under(&job, &mut |pid| most.look(pid)))?;
        client.pss_bytes_max = most.pss_bytes;
        client.processes_max = most.processes;
        client.threads_max = most.threads;
        Ok(client)
    }

    fn read(&self, ran: client::Ran) -> Result<Client, String> {
        if let Some(trouble) = ran.trouble {
            return Err(trouble);
        }
        match self.task {
            Task::Fetch(_) => self.fetched(&ran.stdout),
            _ => self.slept(&ran.stdout),
        }
    }

    fn fetched(&self, stdout: &str) -> Result<Client, String> {
        let mut lines = stdout.lines();
        for (place, due) in self.due.iter().enumerate() {
            let result = lines.next().and_then(|line| Fetched::from_line(line).ok());
            due.check(&result.ok_or_else(|| format!("fetch {place} has no result"))?)?;
        }
        let SummaryLine { summary } = lines
            .next()
            .and_then(|line| serde_json::from_str(line).ok())
            .ok_or("the client gave no summary")?;
        let refusals = self.due.iter().filter(|due| matches!(due, Due::Refusal { .. })).count();
        if usize::try_from(summary.failed) != Ok(refusals) {
            return Err(format!(
                "{} fetches failed, the summary says {}",
                refusals, summary.failed
            ));
        }
        Ok(Client {
            fetched: Some(summary.fetched),
            failed: Some(summary.failed),
            body_bytes: Some(summary.body_bytes),
            wall_ns: Some(summary.wall_us.saturating_mul(1_000)),
            cpu_ns: Some(summary.cpu_us.saturating_mul(1_000)),
            voluntary_switches: Some(summary.voluntary_switches),
            involuntary_switches: Some(summary.involuntary_switches),
            ..self.blank()
        })
    }

    fn slept(&self, stdout: &str) -> Result<Client, String> {
        let line: IdiomLine = serde_json::from_str(stdout.trim())
            .map_err(|error| format!("the client's line cannot be read: {error}"))?;
        let sleeps_ms = self.task.sleeps_ms().unwrap_or_default().into_owned();
        let mut ends_ns = vec![0; sleeps_ms.len()];
        for end in &line.finished {
            let place = ends_ns.get_mut(end.sleep).ok_or("a sleep ended that was not asked for")?;
            *place = end.at_us.saturating_mul(1_000);
        }
        if let Some(place) = ends_ns.iter().position(|&end| end == 0) {
            return Err(format!("sleep {place} never ended"));
        }
        Ok(Client {
            sleeps_ms,
            ends_ns,
            wall_ns: Some(line.wall_us.saturating_mul(1_000)),
            period_ns: line.period_us.map(|period| period.saturating_mul(1_000)),
            ticks_ns: line.ticks_at_us.iter().map(|tick| tick.saturating_mul(1_000)).collect(),
            ..self.blank()
        })
    }

    fn blank(&self) -> Client {
        Client { task: self.task.name().into(), ..Client::default() }
    }
}

#[derive(Deserialize)]
struct SummaryLine {
    summary: Summary,
}

#[derive(Deserialize)]
struct Summary {
    fetched: u64,
    failed: u64,
    body_bytes: u64,
    wall_us: u64,
    cpu_us: u64,
    voluntary_switches: u64,
    involuntary_switches: u64,
}

#[derive(Deserialize)]
struct IdiomLine {
    wall_us: u64,
    finished: Vec<EndOfSleep>,
    period_us: Option<u64>,
    #[serde(default)]
    ticks_at_us: Vec<u64>,
}

#[derive(Deserialize)]
struct EndOfSleep {
    sleep: usize,
    at_us: u64,
}

/// The most that was seen of a process tree.
#[derive(Default)]
struct Most {
    pss_bytes: Option<u64>,
    processes: Option<u64>,
    threads: Option<u64>,
}

impl Most {
    /// A tree that ends while it is looked at tells nothing; the next look does.
    fn look(&mut self, group: Pid) {
        let group = u32::try_from(group.as_raw()).unwrap_or_default();
        let seen = Tree::of_group(group).and_then(|mut tree| tree.snapshot(Memory::Weigh));
        let Ok(seen) = seen else { return };
        self.pss_bytes = self.pss_bytes.max(seen.pss_bytes);
        self.processes = self.processes.max(Some(seen.processes));
        self.threads = self.threads.max(Some(seen.threads));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_right_in_its_place_alone_and_an_answer_only_where_it_is_due() {
        let answer = Due::Answer { url: "http://a/".into(), length: Some(13) };
        let refusal = Due::Refusal { url: "http://b/".into() };
        let got = |url: &str, status, error: Option<&str>| Fetched {
            url: url.into(),
            status,
            body_bytes: 13,
            error: error.map(str::to_owned),
            ..Fetched::default()
        };
        assert_eq!(answer.check(&got("http://a/", Some(200), None)), Ok(()));
        assert_eq!(refusal.check(&got("http://b/", None, Some("refused"))), Ok(()));
        for (due, reported) in [
            (&answer, got("http://b/", Some(200), None)),
            (&answer, got("http://a/", Some(404), None)),
            (&answer, got("http://a/", None, Some("refused"))),
            (&refusal, got("http://a/", None, Some("refused"))),
            (&refusal, got("http://b/", Some(200), None)),
            (&refusal, got("http://b/", Some(200), Some("short"))),
        ] {
            assert!(due.check(&reported).is_err(), "{reported:?}");
        }
    }

    #[test]
    fn an_address_that_refuses_does_so_while_its_port_is_kept() {
        let (_taken, address) = refusing().unwrap();
        let error = std::net::TcpStream::connect(address).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    }
}
