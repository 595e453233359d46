//! A writer that is killed in the act loses nothing that it had appended, and leaves no lock behind.

use std::io::{BufRead, BufReader, ErrorKind};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::sample::{full_machine, trial};
use record::{Run, RunWriter};

/// Where the child writes; it is this test binary again.
const FOLDER: &str = "RECORD_KILLED_TEST_FOLDER";
const APPENDED: &str = "appended ";

/// Kills and reaps: a test that fails must not leave a writer behind.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
#[ignore = "the child of the test below"]
fn write_until_killed() {
    // Run by whoever asks for ignored tests: there is nothing to write then.
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let (mut writer, _) = RunWriter::resume(Path::new(&folder)).unwrap();
    for repeat in 1.. {
        writer.append(&trial("mio-loop", repeat, 1)).unwrap();
        println!("\n{APPENDED}{repeat}");
    }
}

#[test]
fn a_killed_writer_loses_nothing_that_it_appended_and_its_lock_with_it() {
    let dir = tempfile::tempdir().unwrap();
    drop(RunWriter::create(dir.path(), &full_machine(), "").unwrap());
    let mut child = Killed(
        Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "killed::write_until_killed", "--nocapture"])
            .env(FOLDER, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    let mut appended = lines
        .by_ref()
        .map_while(Result::ok)
        .filter_map(|line| line.strip_prefix(APPENDED)?.parse().ok());
    assert_eq!(appended.by_ref().find(|&repeat| repeat == 5), Some(5));

    assert_eq!(RunWriter::resume(dir.path()).unwrap_err().kind(), ErrorKind::WouldBlock);
    // In mid-run a reader sees whole trials and at most one that is being written.
    assert!(Run::read(dir.path()).unwrap().trials.len() >= 5);

    child.0.kill().unwrap();
    child.0.wait().unwrap();
    let said: u32 = appended.last().unwrap_or(5);
    let (mut writer, run) = RunWriter::resume(dir.path()).unwrap();
    let repeats: Vec<u32> = run.trials.iter().map(|trial| trial.repeat).collect();
    let kept = u32::try_from(repeats.len()).unwrap();
    // What it said it had appended is there; one more may be, whose line it had no time to announce.
    assert!(kept == said || kept == said + 1, "{kept} kept of {said}");
    assert_eq!(repeats, (1..=kept).collect::<Vec<u32>>());
    writer.append(&trial("mio-loop", kept + 1, 1)).unwrap();
    assert_eq!(Run::read(dir.path()).unwrap().trials.len(), repeats.len() + 1);
}
