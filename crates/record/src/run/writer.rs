//! Writing a run: one writer, one line a trial, on the disk before the next trial begins.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::reader::because;
use super::{CONFORMANCE, FINISHED, MACHINE, PLAN, Run, TRIALS, line, name};
use crate::{Conformance, Machine, SCHEMA, Trial};

/// Room that a run must find before it measures: some hundred trials, each a few kilobytes with its histogram.
const ROOM_BYTES: usize = 1024 * 1024;

const REMEDY: &str = "free some space there, or name another folder with `--out DIR`";

/// The one writer of a run.
///
/// It holds a lock on `trials.jsonl`, which the kernel releases when the process dies, however it dies.
#[derive(Debug)]
pub struct RunWriter {
    dir: PathBuf,
    name: String,
    trials: File,
    /// Length up to which every line is whole.
    length: u64,
}

impl RunWriter {
    /// Begins a run in `dir`, made where it is missing, and puts machine and plan on the disk:
    /// what cannot be written is said before anything is measured.
    ///
    /// # Errors
    /// `AlreadyExists` where the folder holds a run, `WouldBlock` where another process writes one there, otherwise what the
    /// disk says; a folder that could not be begun is left as it was.
    pub fn create(dir: &Path, machine: &Machine, plan_toml: &str) -> io::Result<Self> {
        let failed = |error: &io::Error| {
            because(error, &format!("failed to begin a run in `{}`", dir.display()), REMEDY)
        };
        let existed = dir.exists();
        refuse_used(dir)?;
        fs::create_dir_all(dir).map_err(|error| failed(&error))?;
        let trials = open(dir).map_err(|error| failed(&error))?;
        lock(&trials, dir)?;
        // Again, since another writer may have come and gone before the lock was ours.
        refuse_used(dir)?;
        let writer = Self { dir: dir.into(), name: folder_name(dir), trials, length: 0 };
        writer.begin(machine, plan_toml).map_err(|error| {
            for made in [MACHINE, PLAN, TRIALS] {
                fs::remove_file(dir.join(made)).ok();
            }
            if !existed {
                fs::remove_dir(dir).ok();
            }
            failed(&error)
        })?;
        Ok(writer)
    }

    /// Goes on with the run in `dir` and returns what it holds.
    ///
    /// A last line that a kill cut short is removed; the run's warnings say so.
    ///
    /// # Errors
    /// `NotFound` where there is no run, `WouldBlock` where another process is still writing it.
    pub fn resume(dir: &Path) -> io::Result<(Self, Run)> {
        let failed = |error: &io::Error| {
            because(error, &format!("failed to go on in `{}`", dir.display()), REMEDY)
        };
        // Is it a run at all? Asked first, so that a wrong path does not gain a `trials.jsonl`.
        Run::read(dir)?;
        let trials = open(dir).map_err(|error| failed(&error))?;
        lock(&trials, dir)?;
        let mut writer = Self { dir: dir.into(), name: folder_name(dir), trials, length: 0 };
        let removed = writer.repair().map_err(|error| failed(&error))?;
        writer.probe().map_err(|error| failed(&error))?;
        let mut run = Run::read(dir)?;
        if removed > 0 {
            let number = run.line_count + 1;
            run.warnings.push(format!(
                "line {number} of `{TRIALS}` was cut short, as by a kill or a full disk: its {removed} bytes were removed and that trial runs again"
            ));
        }
        Ok((writer, run))
    }

    /// Appends a trial and waits until the disk has it. The writer fills in `schema` and `run`.
    ///
    /// A line that cannot be written whole is taken back, so that a later one starts on a line of its own.
    pub fn append(&mut self, trial: &Trial) -> io::Result<()> {
        let trial = Trial { schema: SCHEMA, run: self.name.clone(), ..trial.clone() };
        let line = line::write(&trial)?;
        if let Err(error) =
            self.trials.write_all(line.as_bytes()).and_then(|()| self.trials.sync_data())
        {
            self.trials.set_len(self.length).ok();
            let what = format!("failed to append a trial to `{}`", self.dir.join(TRIALS).display());
            return Err(because(&error, &what, "free some space there and go on with `--resume`"));
        }
        self.length += u64::try_from(line.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    /// Keeps what the battery found. The writer fills in `schema`.
    pub fn put_conformance(&self, conformance: &Conformance) -> io::Result<()> {
        let conformance = Conformance { schema: SCHEMA, ..conformance.clone() };
        let mut text = serde_json::to_string_pretty(&conformance)?;
        text.push('\n');
        replace(&self.dir, CONFORMANCE, text.as_bytes())
    }

    /// Says that the whole plan was done, so that `--resume` without a folder passes this run by.
    pub fn finish(self, now: name::Timestamp) -> io::Result<()> {
        replace(&self.dir, FINISHED, format!("{}\n", name::utc(now)).as_bytes())
    }

    /// The run's folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn begin(&self, machine: &Machine, plan_toml: &str) -> io::Result<()> {
        self.probe()?;
        replace(&self.dir, PLAN, plan_toml.as_bytes())?;
        let machine = Machine { schema: SCHEMA, run: self.name.clone(), ..machine.clone() };
        let mut text = serde_json::to_string_pretty(&machine)?;
        text.push('\n');
        // Last: a folder with a machine is a run.
        replace(&self.dir, MACHINE, text.as_bytes())?;
        if let Some(parent) = std::path::absolute(&self.dir)?.parent() {
            sync_folder(parent);
        }
        Ok(())
    }

    /// Is there room for what comes? Asked by writing, since quotas and reserved blocks make free space a guess.
    fn probe(&self) -> io::Result<()> {
        let path = self.dir.join(".room");
        let written = File::create(&path).and_then(|mut file| {
            file.write_all(&vec![0; ROOM_BYTES])?;
            file.sync_all()
        });
        let removed = fs::remove_file(&path);
        written.and(removed)
    }

    /// Ends the file at its last whole line; returns how many bytes went.
    ///
    /// A last line that only lacks its newline is whole: it gets one.
    fn repair(&mut self) -> io::Result<u64> {
        let mut bytes = Vec::new();
        self.trials.seek(SeekFrom::Start(0))?;
        self.trials.read_to_end(&mut bytes)?;
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
        let tail = &bytes[whole..];
        let mut removed = 0;
        if !tail.is_empty() {
            if line::read(tail).is_ok() {
                self.trials.write_all(b"\n")?;
            } else {
                removed = u64::try_from(tail.len()).unwrap_or(u64::MAX);
                self.trials.set_len(u64::try_from(whole).unwrap_or(u64::MAX))?;
            }
            self.trials.sync_all()?;
        }
        self.length = self.trials.metadata()?.len();
        Ok(removed)
    }
}

fn open(dir: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).open(dir.join(TRIALS))
}

/// A run goes into a folder of its own: nothing in `results/` is ever written over.
fn refuse_used(dir: &Path) -> io::Result<()> {
    let measured = fs::metadata(dir.join(TRIALS)).is_ok_and(|trials| trials.len() > 0);
    let used = [MACHINE, PLAN, FINISHED].into_iter().find(|name| dir.join(name).exists());
    match used.or(measured.then_some(TRIALS)) {
        None => Ok(()),
        Some(found) => Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            format!(
                "`{}` is in use, it holds `{found}`; go on with that run by `--resume`, or name another folder with `--out DIR`",
                dir.display()
            ),
        )),
    }
}

fn lock(trials: &File, dir: &Path) -> io::Result<()> {
    match trials.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(io::Error::new(
            io::ErrorKind::WouldBlock,
            format!(
                "`{}` is being written by another c10k; wait for it, or name another folder with `--out DIR`",
                dir.display()
            ),
        )),
        Err(TryLockError::Error(error)) => Err(because(
            &error,
            &format!("failed to lock `{}`", dir.join(TRIALS).display()),
            "name a folder on a local disk with `--out DIR`",
        )),
    }
}

fn folder_name(dir: &Path) -> String {
    let full = std::path::absolute(dir).unwrap_or_else(|_| dir.into());
    full.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Puts a file in place whole or not at all, its name included.
pub(crate) fn replace(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let (temporary, path) = (dir.join(format!(".{name}.part")), dir.join(name));
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, &path)
    });
    if written.is_err() {
        fs::remove_file(&temporary).ok();
    }
    sync_folder(dir);
    written
}

/// Names in a folder outlive a loss of power once it is synced. Some file systems refuse that of a folder, and some
/// folders may be entered and not opened: their names are then safe when the kernel gets to it.
fn sync_folder(dir: &Path) {
    File::open(dir).and_then(|dir| dir.sync_all()).ok();
}
