//! Interoperation: every model's client fetches from every model's server, with servers that fail among them.
//!
//! ```text
//! client after client --one fetch--> server of model 1, of model 2, ... of model N
//!                               +--> a server that refuses, one that ends within its answer
//! ```
//!
//! All servers of a service run at once, each started once, and a client asks them all in one list: what it makes of
//! many servers of which some fail is what a client is for. The battery judges servers by bytes on the wire; here the
//! clients judge them, and are judged by what they report.

mod asks;
mod failing;
mod show;

use std::collections::VecDeque;
use std::num::NonZero;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;

use self::failing::Failing;
use crate::battery::Subject;
use crate::contestant::Contestant;
use crate::exit::Exit;
use crate::interrupt;
use crate::plan::Service;
use crate::verify;

/// What is claimed of a client: a column of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It gets from that model's server what that serves.
    Server(String),
    /// It reports the server that refuses as failed.
    Refuses,
    /// It reports the server that ends within its answer as failed.
    EndsEarly,
    /// It gives one result for each URL, in their order, and a summary that agrees with them.
    Results,
}

impl Claim {
    /// Name of the column: for a server its model's.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Server(model) => model,
            Self::Refuses => "refuses",
            Self::EndsEarly => "ends-early",
            Self::Results => "results",
        }
    }
}

/// What came of one claim for one client and one service.
#[derive(Clone, Debug)]
pub struct Found {
    /// The client's model.
    pub client: String,
    /// What was fetched from.
    pub service: Service,
    /// What is claimed.
    pub claim: Claim,
    /// Why it does not hold; absent where it does.
    pub failure: Option<String>,
}

/// A server that started, and did not behave otherwise: it ended by itself, or not as it should.
#[derive(Clone, Debug)]
pub struct Complaint {
    /// The server's model.
    pub server: String,
    /// What it served.
    pub service: Service,
    /// In plain words.
    pub text: String,
}

/// Everything found.
#[derive(Clone, Debug, Default)]
pub struct Interop {
    /// A claim each, client by client.
    pub found: Vec<Found>,
    /// What the servers did wrong beside their answers.
    pub complaints: Vec<Complaint>,
}

impl Interop {
    /// The claims that do not hold.
    pub fn failures(&self) -> impl Iterator<Item = &Found> {
        self.found.iter().filter(|found| found.failure.is_some())
    }
}

const SERVICES: [Service; 2] = [Service::Http, Service::Echo];

/// Even a client that fetches one URL after the other takes a second or two; one that hangs takes for ever.
const PATIENCE: Duration = Duration::from_secs(30);

/// Lets everyone talk to everyone, so many clients at once, and prints what came of it; fails when a claim does.
pub fn interop(subjects: &[Subject], jobs: NonZero<usize>, json: bool) -> anyhow::Result<Exit> {
    interrupt::catch()?;
    let interop = run(subjects, jobs, PATIENCE)?;
    if json {
        println!("{}", serde_json::to_string_pretty(&show::as_json(subjects, &interop))?);
    } else {
        show::print(subjects, &interop);
    }
    let failed = interop.failures().next().is_some() || !interop.complaints.is_empty();
    Ok(match (interrupt::requested(), failed) {
        (true, _) => Exit::Interrupted,
        (false, true) => Exit::Failed,
        (false, false) => Exit::Done,
    })
}

/// Lets everyone talk to everyone, so many clients at once, each for no longer than `patience`.
///
/// # Errors
/// This machine gives no socket for the servers that fail; whatever a contestant does is a finding.
pub fn run(
    subjects: &[Subject],
    jobs: NonZero<usize>,
    patience: Duration,
) -> anyhow::Result<Interop> {
    let bar = verify::progress(SERVICES.len() * subjects.len());
    let mut interop = Interop::default();
    for service in SERVICES {
        bar.set_message(format!("starting the servers of {}", service.name()));
        let failing = Failing::open().context("failed to open the servers that fail")?;
        let (servers, not_started) = start(subjects, service);
        let addresses = servers.iter().map(|(model, server)| (model.as_str(), server.address()));
        let asks = asks::list(service, addresses, &failing);
        let client = |subject: &Subject| {
            let mut claims = asks::judge(&asks, asks::fetch(&subject.program, &asks, patience));
            claims.extend(not_started.iter().cloned());
            bar.inc(1);
            let found = |(claim, failure)| {
                let client = subject.model.name.clone();
                Found { client, service, claim, failure }
            };
            claims.into_iter().map(found).collect()
        };
        interop.found.extend(side_by_side(subjects, jobs, client));
        bar.set_message(format!("stopping the servers of {}", service.name()));
        for (server, contestant) in servers {
            let complaints = stop(contestant).into_iter();
            let complaint = |text| Complaint { server: server.clone(), service, text };
            interop.complaints.extend(complaints.map(complaint));
        }
    }
    bar.finish_and_clear();
    Ok(interop)
}

type NotStarted = (Claim, Option<String>);

/// One after the other, in this thread, since a contestant ends with the thread that started it.
fn start(subjects: &[Subject], service: Service) -> (Vec<(String, Contestant)>, Vec<NotStarted>) {
    let (mut servers, mut not_started) = (Vec::new(), Vec::new());
    for subject in subjects.iter().take_while(|_| !interrupt::requested()) {
        let model = subject.model.name.clone();
        match subject.start(service.name(), &[]) {
            Ok(contestant) => servers.push((model, contestant)),
            Err(error) => not_started.push((Claim::Server(model), Some(format!("{error:#}")))),
        }
    }
    (servers, not_started)
}

fn stop(contestant: Contestant) -> Vec<String> {
    let mut complaints = Vec::new();
    if contestant.has_ended() {
        complaints.push("it ended by itself".into());
    }
    let stopped = contestant.stop();
    complaints.extend(stopped.complaints);
    if let Some(last) = complaints.last_mut() {
        last.push_str(&stopped.last_words);
    }
    complaints
}

/// All that is found, in the order of the clients.
fn side_by_side(
    subjects: &[Subject],
    jobs: NonZero<usize>,
    client: impl Fn(&Subject) -> Vec<Found> + Sync,
) -> Vec<Found> {
    let queue: Mutex<VecDeque<_>> = Mutex::new(subjects.iter().enumerate().collect());
    let found = Mutex::new(Vec::new());
    let work = || {
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some((place, subject)) = next.filter(|_| !interrupt::requested()) else { return };
            let claims = client(subject);
            found.lock().unwrap_or_else(PoisonError::into_inner).push((place, claims));
        }
    };
    thread::scope(|scope| (0..jobs.get()).for_each(|_| drop(scope.spawn(work))));
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort_by_key(|(place, _)| *place);
    found.into_iter().flat_map(|(_, claims)| claims).collect()
}
