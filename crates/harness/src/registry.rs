//! The registry: what the suite knows of each contestant before starting it.

use std::num::NonZero;

use serde::Deserialize;

use crate::exit::UsageError;

/// The registry of this build.
const MODELS_TOML: &str = include_str!("../../models.toml");

/// Every contestant, in report order.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registry {
    /// In report order.
    #[serde(rename = "model")]
    pub models: Vec<Model>,
}

/// One contestant.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Folder, package, binary, results column and label.
    pub name: String,
    /// Colour and grouping in the report.
    pub family: String,
    /// What carries a connection, in one line.
    pub mechanism: String,
    /// Crate whose version is printed, or `std`.
    pub runtime: String,
    /// `--workers`, unless the plan says otherwise.
    pub workers: Option<Workers>,
    /// Set where the mechanism bounds how many connections it serves at once.
    pub serves_at_most: Option<ServesAtMost>,
    /// Set where it accepts no more than it serves, so that the rest waits in the kernel's queue.
    #[serde(default)]
    pub rest_unaccepted: bool,
    /// What one open connection takes of the machine.
    #[serde(default)]
    pub per_connection: PerConnection,
    /// Accepts `--processes N`.
    #[serde(default)]
    pub event_driven: bool,
    /// What a panicking handler takes with it.
    #[serde(default)]
    pub panic_loses: PanicLoses,
}

/// What a panicking handler takes with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PanicLoses {
    /// Its connection, and nothing else.
    #[default]
    Connection,
    /// The whole server, which ends loudly.
    Process,
}

/// How many workers a model has by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Workers {
    /// That many.
    Fixed(u64),
    /// One for each CPU of the server.
    Named(PerCpu),
}

/// The word for one worker on each CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PerCpu {
    /// One for each CPU of the server.
    Cpus,
}

/// What bounds the connections that a model can serve at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum ServesAtMost {
    /// That many, in each process.
    Fixed(NonZero<u64>),
    /// As many as it has workers.
    Named(PerWorker),
}

/// The word for one connection on each worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PerWorker {
    /// One on each worker.
    Workers,
}

/// What one open connection takes of the machine.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PerConnection {
    /// Processes.
    pub processes: u64,
    /// Threads beside those processes.
    pub threads: u64,
    /// Memory mappings in one process.
    pub maps: u64,
    /// Descriptors in one process.
    pub fds: u64,
    /// Memory of the machine, both sides and the kernel.
    pub memory_kib: u64,
}

impl Default for PerConnection {
    fn default() -> Self {
        Self { processes: 0, threads: 0, maps: 0, fds: 1, memory_kib: 16 }
    }
}

impl Model {
    /// The `--workers` to give on a server with that many CPUs; absent where the model has no such notion.
    #[must_use]
    pub fn workers_on(&self, server_cpus: usize) -> Option<u64> {
        match self.workers? {
            Workers::Fixed(count) => Some(count),
            Workers::Named(PerCpu::Cpus) => u64::try_from(server_cpus).ok(),
        }
    }

    /// How many connections it serves at once by declaration; absent where nothing but the machine bounds it.
    #[must_use]
    pub fn serves_at_most(&self, workers: Option<u64>) -> Option<u64> {
        match self.serves_at_most? {
            ServesAtMost::Fixed(count) => Some(count.get()),
            ServesAtMost::Named(PerWorker::Workers) => workers,
        }
    }
}

impl Registry {
    /// The registry of this build.
    ///
    /// # Panics
    /// When `models.toml` does not parse: a test reads it, so no built binary meets this.
    #[must_use]
    pub fn embedded() -> Self {
        Self::parse(MODELS_TOML).expect("crates/models.toml parses: a test reads it")
    }

    /// Reads a registry; names must be unique and usable as file names.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let registry: Self = toml::from_str(text)?;
        for (index, model) in registry.models.iter().enumerate() {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            anyhow::ensure!(
                !model.name.is_empty() && model.name.chars().all(plain),
                "`{}` is no name for a model; use lower-case letters, digits and hyphens",
                model.name
            );
            let twice = registry.models[..index].iter().any(|earlier| earlier.name == model.name);
            anyhow::ensure!(
                !twice,
                "model `{}` stands twice in the registry; keep one",
                model.name
            );
            anyhow::ensure!(
                model.serves_at_most != Some(ServesAtMost::Named(PerWorker::Workers))
                    || model.workers.is_some(),
                "model `{}` serves at most its workers but names no `workers`; add them",
                model.name
            );
        }
        Ok(registry)
    }

    /// The model of that name, or an error that lists the names there are.
    pub fn get(&self, name: &str) -> Result<&Model, UsageError> {
        self.models.iter().find(|model| model.name == name).ok_or_else(|| {
            let known: Vec<String> = self.names().map(|name| format!("`{name}`")).collect();
            UsageError::new(format!("unknown model `{name}`; the models are {}", known.join(", ")))
        })
    }

    /// Every name, in report order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.models.iter().map(|model| model.name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn embedded_registry_parses_and_names_the_limits_of_pool_and_select() {
        let registry = Registry::embedded();
        let pool = registry.get("thread-pool").unwrap();
        assert_eq!(pool.serves_at_most(pool.workers_on(4)), Some(128));
        let select = registry.get("select-loop").unwrap();
        assert_eq!(select.serves_at_most(select.workers_on(4)), Some(1000));
        let tasks = registry.get("tokio-tasks").unwrap();
        assert_eq!(tasks.workers_on(3), Some(3));
        assert_eq!(tasks.serves_at_most(tasks.workers_on(3)), None);
    }

    #[test]
    fn every_folder_of_models_is_registered_and_the_reverse() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../models");
        let mut folders: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| entry.path().join("Cargo.toml").exists())
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        folders.sort();
        let registry = Registry::embedded();
        let mut names: Vec<&str> = registry.names().collect();
        names.sort_unstable();
        assert_eq!(names, folders);
    }

    #[test]
    fn unknown_model_is_answered_with_the_known_ones() {
        let error = Registry::embedded().get("nosuch").unwrap_err().to_string();
        assert!(error.contains("`nosuch`") && error.contains("`mio-loop`"), "{error}");
    }

    #[test]
    fn registry_refuses_what_it_does_not_understand() {
        let entry = "[[model]]\nname = 'a'\nfamily = 'f'\nmechanism = 'm'\nruntime = 'std'\n";
        assert!(Registry::parse(entry).is_ok());
        assert!(Registry::parse(&format!("{entry}{entry}")).is_err(), "a name that stands twice");
        assert!(Registry::parse(&format!("{entry}colour = 'red'\n")).is_err(), "an unknown field");
        assert!(Registry::parse(&format!("{entry}workers = 'many'\n")).is_err(), "an unknown word");
        assert!(
            Registry::parse(&format!("{entry}serves_at_most = 'workers'\n")).is_err(),
            "no workers"
        );
        assert!(Registry::parse(&format!("{entry}serves_at_most = 7\n")).is_ok());
        assert!(Registry::parse(&format!("{entry}serves_at_most = 0\n")).is_err(), "nobody");
        assert!(Registry::parse(&entry.replace("'a'", "'../a'")).is_err(), "a name that is a path");
    }
}
