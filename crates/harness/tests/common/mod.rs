//! A suite of contestants that misbehave, in a folder of its own, and what tests ask of a run of them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(dead_code, reason = "each test file uses its part of this")]

use std::fmt::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use harness::exit::Exit;
use harness::plan::Plan;
use harness::registry::Registry;
use harness::run::{Context, What, run};
use harness::workspace;
use record::run::Run;
use record::trial::Trial;
use tempfile::TempDir;

/// Contestants by their habits: each name is a link to the one program that behaves after its name.
pub(crate) struct Suite {
    folder: TempDir,
    pub(crate) registry: Registry,
}

impl Suite {
    pub(crate) fn of(habits: &[&str]) -> Self {
        let program = workspace::example("misbehaving");
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("bin")).unwrap();
        let mut text = String::new();
        for habit in habits {
            symlink(&program, folder.path().join("bin").join(habit)).unwrap();
            let pool = if *habit == "sequential" {
                "workers = 1\nserves_at_most = 'workers'\n"
            } else {
                ""
            };
            writeln!(text, "[[model]]\nname = '{habit}'\nfamily = 'test'\nmechanism = 'test'\nruntime = 'std'\n{pool}")
                .unwrap();
        }
        std::fs::write(folder.path().join("models.toml"), &text).unwrap();
        Self { folder, registry: Registry::parse(&text).unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A run that may record debug builds, into this suite's folder.
    pub(crate) fn context(&self) -> Context {
        let mut context = Context::of_this_binary(self.registry.clone()).unwrap();
        context.put_into(&self.path("out"));
        context.binaries = self.path("bin");
        context.record_debug = true;
        context.build = false;
        context.verify = false;
        context.report = false;
        // Tests run side by side and are noise to each other.
        context.retries = 0;
        context.host_label = Some("test".into());
        // Long enough for a busy machine; whoever is late beyond it is so on purpose.
        context.announce_within = Duration::from_secs(3);
        context.stop_within = Duration::from_secs(3);
        context
    }

    /// One trial of each habit over a few connections.
    pub(crate) fn plan(&self, connections: u64) -> Plan {
        let text = format!(
            "profile = 'test'\nseed = 1\nmodels = {:?}\n[[experiment]]\nname = 'sweep'\nservices = ['http']\n\
             connections = [{connections}]\nrepeats = 1\nwarmup_s = 0.1\nduration_s = 0.2\n",
            self.registry.names().collect::<Vec<_>>()
        );
        Plan::parse(&text).unwrap()
    }

    /// Measures the plan and reads what was recorded.
    pub(crate) fn run(&self, plan: Plan) -> (Exit, Run) {
        let exit = run(&self.context(), What::Plan(plan)).unwrap();
        (exit, self.recorded())
    }

    /// The one run in this suite's folder.
    pub(crate) fn recorded(&self) -> Run {
        let folders: Vec<PathBuf> = std::fs::read_dir(self.path("out"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        let [folder] = folders.as_slice() else { panic!("one run was made: {folders:?}") };
        Run::read(folder).unwrap()
    }

    /// Waits until no contestant of this suite is alive; those of other tests have other folders.
    pub(crate) fn assert_nobody_left(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let left = processes_of(&self.path("bin"));
            if left.is_empty() {
                return;
            }
            assert!(Instant::now() < deadline, "still there: {left:?}");
            std::thread::yield_now();
        }
    }
}

/// Command lines of the processes whose program lies in that folder.
fn processes_of(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.starts_with(&*folder.to_string_lossy()) {
            found.push(line);
        }
    }
    found
}

/// The trial of that model.
pub(crate) fn trial<'run>(run: &'run Run, model: &str) -> &'run Trial {
    run.trials
        .iter()
        .find(|trial| trial.model == model)
        .unwrap_or_else(|| panic!("{model} was tried"))
}
