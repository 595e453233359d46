//! A contestant as the battery meets it: started afresh for every case, and stopped with its complaints heard.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use measure::tree::Tree;

use crate::contestant::{Contestant, Launch};
use crate::limited;
use crate::registry::Model;

/// A debug build on a loaded machine takes its time; a contestant that hangs takes for ever.
const START_PATIENCE: Duration = Duration::from_secs(10);

/// The contract gives requests in flight four seconds, and the rest of the way one.
pub(crate) const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// A model under test.
#[derive(Clone, Debug)]
pub struct Subject {
    /// What the registry says of it.
    pub model: Model,
    /// Its binary.
    pub program: PathBuf,
    /// Connections that the case `hold` opens.
    pub connections: usize,
}

/// Connections that the case `hold` opens unless told otherwise: few enough for every machine.
pub const CONNECTIONS: usize = 1000;

impl Subject {
    /// That model as a binary in a folder.
    #[must_use]
    pub fn of(model: &Model, binaries: &Path) -> Self {
        let program = binaries.join(&model.name);
        Self { model: model.clone(), program, connections: CONNECTIONS }
    }

    /// Starts it with these options behind `serve --service SERVICE`.
    pub(crate) fn start(&self, service: &str, options: &[&str]) -> anyhow::Result<Contestant> {
        let launch = self.launch(service, options);
        Contestant::start(&launch, || (), || false).context("failed to start it")
    }

    /// Starts it with no more than so many descriptors, which it cannot raise.
    pub(crate) fn start_with_descriptors(&self, most: u32) -> anyhow::Result<Contestant> {
        let launch = limited::descriptors(self.launch("http", &[]), most);
        Contestant::start(&launch, || (), || false).context("failed to start it")
    }

    /// Starts it as a user of its own, who may have no more than so many processes.
    pub(crate) fn start_with_processes(&self, most: u32) -> anyhow::Result<Contestant> {
        let (launch, _copy) = limited::processes(self.launch("http", &[]), most)?;
        Contestant::start(&launch, || (), || false).context("failed to start it as another user")
    }

    fn launch(&self, service: &str, options: &[&str]) -> Launch {
        let fixed = ["serve", "--service", service, "--die-with-parent"];
        Launch {
            program: self.program.clone(),
            user: None,
            args: fixed.iter().chain(options).map(|arg| (*arg).to_owned()).collect(),
            cpus: Vec::new(),
            announce_within: START_PATIENCE,
            stop_within: STOP_PATIENCE,
        }
    }

    /// How many connections it serves at once, where its nature bounds that.
    pub(crate) fn serves_at_most(&self) -> Option<u64> {
        self.model.serves_at_most(self.model.workers_on(1))
    }
}

/// Its processes, as they are now.
pub(crate) fn tree(contestant: &Contestant) -> anyhow::Result<Tree> {
    let group = u32::try_from(contestant.pid().as_raw()).context("a pid is positive")?;
    Tree::of_group(group).context("failed to find its processes")
}

/// Stops it; anything that breaks the contract is an error.
pub(crate) fn stop(contestant: Contestant) -> anyhow::Result<()> {
    let stopped = contestant.stop();
    ensure!(
        stopped.complaints.is_empty(),
        "{}{}",
        stopped.complaints.join("; "),
        stopped.last_words
    );
    Ok(())
}
