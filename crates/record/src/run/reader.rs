//! Reading a run: tolerant of what a kill, a disk or another version left behind, and never silent about it.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{CONFORMANCE, FINISHED, MACHINE, PLAN, TRIALS, line};
use crate::claims::CLAIMS;
use crate::trial::{Key, Trial};
use crate::{Conformance, Machine, Verdicts};

/// Unreadable lines that are described one by one; the others are counted.
const DESCRIBED_LINES_MAX: usize = 20;

/// A run as it was read.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// Its folder.
    pub dir: PathBuf,
    /// Its provenance.
    pub machine: Machine,
    /// Its plan, as TOML.
    pub plan: String,
    /// What the conformance battery found; absent where it was not run, or its file cannot be read.
    pub conformance: Option<Conformance>,
    /// What the run says of the claims of others; absent where they were not judged, or the file cannot be read.
    pub claims: Option<Verdicts>,
    /// Every trial that could be read, in file order, all attempts.
    pub trials: Vec<Trial>,
    /// What could not be read or is doubtful, in plain words.
    pub warnings: Vec<String>,
    /// Lines of `trials.jsonl`, read or not, the last one whole or not.
    pub line_count: usize,
    /// When the whole plan was done, UTC; absent while it is not.
    pub finished_at: Option<String>,
}

impl Run {
    /// Reads the run in `dir`. A run that is still being written may be read too.
    ///
    /// # Errors
    /// Only where nothing can be said: no such folder, no `machine.json`, or one that is not a machine's.
    pub fn read(dir: &Path) -> io::Result<Self> {
        let machine = machine(dir)?;
        let mut run = Self { dir: dir.into(), machine, ..Self::default() };
        if let Some(said) = line::other_schema(run.machine.schema) {
            run.warnings.push(format!("`{MACHINE}` was {said}"));
        }
        match std::fs::read_to_string(dir.join(PLAN)) {
            Ok(plan) => run.plan = plan,
            Err(error) => run
                .warnings
                .push(format!("`{PLAN}` cannot be read: {error}; what was asked is unknown")),
        }
        run.take_conformance();
        run.take_claims();
        run.finished_at =
            std::fs::read_to_string(dir.join(FINISHED)).ok().map(|text| text.trim().to_owned());
        match std::fs::read(dir.join(TRIALS)) {
            Ok(bytes) => run.take_lines(&bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                run.warnings.push(format!("there is no `{TRIALS}`: nothing was measured"));
            }
            Err(error) => {
                return Err(because(
                    &error,
                    &format!("failed to read `{}`", dir.join(TRIALS).display()),
                    "check its permissions",
                ));
            }
        }
        Ok(run)
    }

    /// The run's name: that of its folder, where it has one.
    #[must_use]
    pub fn name(&self) -> String {
        let folder = self.dir.file_name().map(|name| name.to_string_lossy().into_owned());
        folder.unwrap_or_else(|| self.machine.run.clone())
    }

    fn take_conformance(&mut self) {
        let bytes = match std::fs::read(self.dir.join(CONFORMANCE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            result => result,
        };
        let conformance = bytes.and_then(|bytes| Ok(line::object::<Conformance>(&bytes)?));
        match conformance {
            Ok(conformance) => {
                if let Some(said) = line::other_schema(conformance.schema) {
                    self.warnings.push(format!("`{CONFORMANCE}` was {said}"));
                }
                self.conformance = Some(conformance);
            }
            Err(error) => self.warnings.push(format!(
                "`{CONFORMANCE}` cannot be read: {error}; whether the models are correct is unknown"
            )),
        }
    }

    fn take_claims(&mut self) {
        match Verdicts::read(&self.dir) {
            Ok(None) => {}
            Ok(Some(verdicts)) => {
                if let Some(said) = line::other_schema(verdicts.schema) {
                    self.warnings.push(format!("`{CLAIMS}` was {said}"));
                }
                self.claims = Some(verdicts);
            }
            Err(error) => self.warnings.push(format!(
                "`{CLAIMS}` cannot be read: {error}; what the run says of the claims is left out"
            )),
        }
    }

    fn take_lines(&mut self, bytes: &[u8]) {
        let mut unreadable = 0;
        let mut schemas = BTreeMap::<u32, usize>::new();
        let mut seen = HashMap::<(Key, u32), usize>::new();
        for (number, text) in (1..).zip(bytes.split_inclusive(|&byte| byte == b'\n')) {
            self.line_count = number;
            let whole = text.ends_with(b"\n");
            match line::read(text) {
                Ok(trial) => match seen.entry((trial.key(), trial.attempt)) {
                    Entry::Occupied(first) => self.warnings.push(format!(
                        "line {number} of `{TRIALS}` repeats the trial of line {} and was left out",
                        first.get()
                    )),
                    Entry::Vacant(place) => {
                        place.insert(number);
                        *schemas.entry(trial.schema).or_default() += 1;
                        self.trials.push(trial);
                    }
                },
                Err(_) if !whole => self.warnings.push(format!(
                    "line {number} of `{TRIALS}` is cut short, as by a kill or a full disk: that trial is lost, `--resume` runs it again"
                )),
                Err(why) => {
                    unreadable += 1;
                    if unreadable <= DESCRIBED_LINES_MAX {
                        self.warnings.push(format!("line {number} of `{TRIALS}` is unreadable and was left out: {why}"));
                    }
                }
            }
        }
        if unreadable > DESCRIBED_LINES_MAX {
            let more = unreadable - DESCRIBED_LINES_MAX;
            self.warnings
                .push(format!("{more} more lines of `{TRIALS}` are unreadable and were left out"));
        }
        for (schema, lines) in schemas {
            if let Some(said) = line::other_schema(schema) {
                self.warnings.push(format!("{lines} of the lines of `{TRIALS}`: {said}"));
            }
        }
    }
}

fn machine(dir: &Path) -> io::Result<Machine> {
    let path = dir.join(MACHINE);
    let bytes = std::fs::read(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => io::Error::new(
            io::ErrorKind::NotFound,
            format!("`{}` is not a run: it has no `{MACHINE}`; name a folder that has one, such as those under `results/`", dir.display()),
        ),
        _ => because(&error, &format!("failed to read `{}`", path.display()), "check its permissions"),
    })?;
    line::object(&bytes).map_err(|error| {
        let claimed = serde_json::from_slice::<Value>(&bytes)
            .ok()
            .and_then(|value| value.get("schema")?.as_u64());
        let schema =
            claimed.and_then(|schema| u32::try_from(schema).ok()).and_then(line::other_schema);
        let said = schema.map(|said| format!(" (it was {said})")).unwrap_or_default();
        let what = format!("`{}` does not describe a machine: {error}{said}", path.display());
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{what}; restore it from where the run was made"),
        )
    })
}

/// An error of the same kind that says what failed, why, and what to do.
pub(crate) fn because(error: &io::Error, what: &str, remedy: &str) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}; {remedy}"))
}
