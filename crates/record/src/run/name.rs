//! Names of runs, which sort by time, and the times inside records.

use std::io;
use std::path::{Path, PathBuf};

pub use jiff::Timestamp;

use super::{FINISHED, MACHINE};

/// The folder of a run: `<UTC stamp>-<host>-<rev>`.
#[must_use]
pub fn run_name(now: Timestamp, host_label: &str, revision: &str) -> String {
    format!(
        "{}-{}-{}",
        now.strftime("%Y%m%dT%H%M%SZ"),
        plain(host_label, "host"),
        plain(revision, "norev")
    )
}

/// RFC 3339 in UTC, to the millisecond: for the `started_at` of runs and trials.
#[must_use]
pub fn utc(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// The newest run under `results` that was begun and not finished; `None` where there is none.
pub fn newest_unfinished(results: &Path) -> io::Result<Option<PathBuf>> {
    let entries = match std::fs::read_dir(results) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        entries => entries?,
    };
    let mut newest: Option<PathBuf> = None;
    for entry in entries {
        let run = entry?.path();
        let unfinished = run.join(MACHINE).is_file() && !run.join(FINISHED).exists();
        if unfinished && newest.as_ref().is_none_or(|best| best.file_name() < run.file_name()) {
            newest = Some(run);
        }
    }
    Ok(newest)
}

/// One part of a name that is safe in any path and on any command line: a host may be called anything.
fn plain(part: &str, missing: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') { c } else { '-' };
    let plain: String = part.trim().chars().map(safe).collect();
    if plain.is_empty() { missing.into() } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_run_is_named_after_its_second_host_and_revision() {
        let name = run_name(time("2025-03-04T05:06:07.9Z"), "bench-1", "0a1b2c3");
        assert_eq!(name, "20250304T050607Z-bench-1-0a1b2c3");
    }

    #[test]
    fn a_host_that_looks_like_a_path_stays_one_folder() {
        let name = run_name(time("2025-03-04T05:06:07Z"), "../my host", "");
        assert_eq!(name, "20250304T050607Z-..-my-host-norev");
        assert_eq!(Path::new(&name).components().count(), 1);
    }

    #[test]
    fn times_are_utc_to_the_millisecond() {
        assert_eq!(utc(time("2025-03-04T07:06:07.0009+02:00")), "2025-03-04T05:06:07.000Z");
    }

    #[test]
    fn the_newest_unfinished_run_is_found_among_others() {
        let results = tempfile::tempdir().unwrap();
        assert_eq!(newest_unfinished(results.path()).unwrap(), None);
        assert_eq!(newest_unfinished(&results.path().join("nowhere")).unwrap(), None);
        for (run, finished) in [
            ("20250101T000000Z-a-1", false),
            ("20250102T000000Z-a-1", false),
            ("20250103T000000Z-a-1", true),
        ] {
            let run = results.path().join(run);
            std::fs::create_dir(&run).unwrap();
            std::fs::write(run.join(MACHINE), "{}").unwrap();
            if finished {
                std::fs::write(run.join(FINISHED), "").unwrap();
            }
        }
        std::fs::create_dir(results.path().join("20250104T000000Z-not-a-run")).unwrap();
        let newest = newest_unfinished(results.path()).unwrap().unwrap();
        assert_eq!(newest.file_name().unwrap(), "20250102T000000Z-a-1");
    }
}
