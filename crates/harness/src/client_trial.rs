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

use crate::client::{self, Job};
use crate::contestant::{Contestant, Launch, StartError};
use crate::expected;
use crate::interrupt;
use crate::order::Planned;
use crate::plan::Task;
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
    let errand = Errand::of(planned, task, address);
    let found = errand.run(setup, planned.model);
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
    /// URL and length of each fetch, in order.
    due: Vec<(String, Option<u64>)>,
}

impl<'a> Errand<'a> {
    fn of(planned: &Planned<'_>, task: &'a Task, server: Option<SocketAddr>) -> Self {
        let Task::Fetch(paths) = task else {
            let sleeps: Vec<String> =
                task.sleeps_ms().unwrap_or_default().iter().map(ToString::to_string).collect();
            let args =
                vec!["idiom".into(), task.name().into(), "--sleeps".into(), sleeps.join(",")];
            return Self { task, args, due: Vec::new() };
        };
        let fetches = usize::try_from(planned.connections).unwrap_or(usize::MAX);
        let server = server.map(|server| server.to_string()).unwrap_or_default();
        let due: Vec<(String, Option<u64>)> = paths
            .iter()
            .cycle()
            .take(fetches)
            .map(|path| {
                let length = expected::body(path).and_then(|body| u64::try_from(body.len()).ok());
                (format!("http://{server}{path}"), length)
            })
            .collect();
        let fixed = ["fetch".to_owned(), "--concurrency".into(), fetches.to_string()];
        let args = fixed.into_iter().chain(due.iter().map(|(url, _)| url.clone())).collect();
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
        for (place, (url, length)) in self.due.iter().enumerate() {
            let result = lines.next().and_then(|line| Fetched::from_line(line).ok());
            let result = result.ok_or_else(|| format!("fetch {place} has no result"))?;
            if let Some(error) = &result.error {
                return Err(format!("`{url}` failed: {error}"));
            }
            let right = length.is_none_or(|length| length == result.body_bytes);
            if &result.url != url || result.status != Some(200) || !right {
                return Err(format!("where `{url}` was due, the client reported {result:?}"));
            }
        }
        let SummaryLine { summary } = lines
            .next()
            .and_then(|line| serde_json::from_str(line).ok())
            .ok_or("the client gave no summary")?;
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
        let sleeps_ms = self.task.sleeps_ms().unwrap_or_default().to_vec();
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
