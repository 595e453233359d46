//! A run is written once, by one writer, and read back as it was.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::sample::{full_machine, full_trial, trial};
use proptest::prelude::*;
use record::run::{PLAN, TRIALS};
use record::{Flag, Latency, Outcome, Run, RunWriter, SCHEMA, Trial};

/// A run with some trials, its writer gone.
fn written(dir: &Path, trials: &[Trial]) {
    let mut writer = RunWriter::create(dir, &full_machine(), "repeats = 6\n").unwrap();
    for trial in trials {
        writer.append(trial).unwrap();
    }
}

fn numbered(repeats: u32) -> Vec<Trial> {
    (1..=repeats).map(|repeat| trial("mio-loop", repeat, 1)).collect()
}

/// The trial as the writer completes it.
fn in_run(dir: &Path, trial: &Trial) -> Trial {
    let run = dir.file_name().unwrap().to_string_lossy().into_owned();
    Trial { schema: SCHEMA, run, ..trial.clone() }
}

#[test]
fn machine_plan_and_trials_come_back_as_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("some-run");
    written(&dir, &[full_trial(), trial("mio-loop", 1, 1)]);
    let run = Run::read(&dir).unwrap();
    assert_eq!(run.warnings, Vec::<String>::new());
    assert_eq!(run.machine, record::Machine { run: "some-run".into(), ..full_machine() });
    assert_eq!(run.plan, "repeats = 6\n");
    assert_eq!(
        run.trials,
        [full_trial(), trial("mio-loop", 1, 1)].map(|trial| in_run(&dir, &trial))
    );
    assert_eq!((run.name(), run.finished_at), ("some-run".into(), None));
}

#[test]
fn a_finished_run_says_when() {
    let dir = tempfile::tempdir().unwrap();
    let writer = RunWriter::create(dir.path(), &full_machine(), "").unwrap();
    writer.finish("2025-03-04T05:06:07Z".parse().unwrap()).unwrap();
    assert_eq!(
        Run::read(dir.path()).unwrap().finished_at.as_deref(),
        Some("2025-03-04T05:06:07.000Z")
    );
}

#[test]
fn a_run_cut_at_any_byte_of_its_last_line_goes_on_and_has_every_trial_once() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("run");
    let trials = numbered(3);
    written(&dir, &trials);
    let whole = fs::read_to_string(dir.join(TRIALS)).unwrap();
    let last_line = whole.trim_end().rfind('\n').unwrap() + 1;
    for length in last_line..=whole.len() {
        fs::write(dir.join(TRIALS), &whole[..length]).unwrap();
        let read = Run::read(&dir).unwrap();
        let (mut writer, run) = RunWriter::resume(&dir).unwrap();
        // A line that lacks its newline alone is whole; one of which nothing was written is not missed.
        let lost = length > last_line && length + 1 < whole.len();
        for warnings in [&read.warnings, &run.warnings] {
            assert_eq!(warnings.len(), usize::from(lost), "cut at byte {length}: {warnings:?}");
            assert!(
                warnings.iter().all(|warning| warning.starts_with("line 3 of `trials.jsonl`")),
                "{warnings:?}"
            );
        }
        assert_eq!(run.trials, read.trials);
        for missing in &trials[run.trials.len()..] {
            writer.append(missing).unwrap();
        }
        assert_eq!(fs::read_to_string(dir.join(TRIALS)).unwrap(), whole, "cut at byte {length}");
    }
}

#[test]
fn a_second_writer_is_refused_until_the_first_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let first = RunWriter::create(dir.path(), &full_machine(), "").unwrap();
    let refused = RunWriter::resume(dir.path()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::WouldBlock);
    assert!(refused.to_string().contains("is being written by another c10k"), "{refused}");
    drop(first);
    RunWriter::resume(dir.path()).unwrap();
}

#[test]
fn two_runs_in_one_folder_are_refused_and_the_first_is_untouched() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), &numbered(2));
    let before = fs::read(dir.path().join(TRIALS)).unwrap();
    let refused = RunWriter::create(dir.path(), &full_machine(), "").unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
    assert!(refused.to_string().ends_with("or name another folder with `--out DIR`"), "{refused}");
    assert_eq!(fs::read(dir.path().join(TRIALS)).unwrap(), before);
}

#[test]
fn a_folder_with_a_plan_of_someone_else_is_not_written_over() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(PLAN), "mine").unwrap();
    let refused = RunWriter::create(dir.path(), &full_machine(), "").unwrap_err();
    assert!(refused.to_string().contains("it holds `plan.toml`"), "{refused}");
    assert_eq!(fs::read_to_string(dir.path().join(PLAN)).unwrap(), "mine");
}

#[test]
fn a_full_disk_is_said_before_anything_is_measured_and_nothing_stays() {
    let dir = tempfile::tempdir().unwrap();
    // The kernel's own full disk, in the place where the writer tries for room.
    std::os::unix::fs::symlink("/dev/full", dir.path().join(".room")).unwrap();
    let failed = RunWriter::create(dir.path(), &full_machine(), "").unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::StorageFull);
    assert!(
        failed
            .to_string()
            .ends_with("; free some space there, or name another folder with `--out DIR`"),
        "{failed}"
    );
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_disk_that_fills_up_in_mid_run_is_an_error_with_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/dev/full", dir.path().join(TRIALS)).unwrap();
    let mut writer = RunWriter::create(dir.path(), &full_machine(), "").unwrap();
    let failed = writer.append(&full_trial()).unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::StorageFull);
    assert!(
        failed.to_string().ends_with("; free some space there and go on with `--resume`"),
        "{failed}"
    );
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a-file");
    fs::write(&file, "").unwrap();
    let failed = RunWriter::create(&file.join("run"), &full_machine(), "").unwrap_err();
    assert!(failed.to_string().contains("a-file/run`"), "{failed}");
    assert!(failed.to_string().ends_with("`--out DIR`"), "{failed}");
}

#[test]
fn resuming_what_is_not_a_run_leaves_it_alone() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(RunWriter::resume(dir.path()).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn figures_that_are_not_finite_leave_a_warning_and_the_rest_of_the_trial() {
    let dir = tempfile::tempdir().unwrap();
    let mut broken = full_trial();
    broken.jain_index = Some(f64::NAN);
    broken.server.cpu_ns_per_request = Some(f64::INFINITY);
    broken.latency_ns = Some(Latency { mean: f64::NAN, ..broken.latency_ns.unwrap() });
    broken.checks.little.as_mut().unwrap().ratio = f64::NEG_INFINITY;
    written(dir.path(), std::slice::from_ref(&broken));
    let run = Run::read(dir.path()).unwrap();
    assert_eq!(run.warnings, Vec::<String>::new());
    let [read] = &run.trials[..] else { panic!("{} trials", run.trials.len()) };
    assert_eq!(
        (read.jain_index, read.server.cpu_ns_per_request, read.latency_ns, read.checks.little),
        (None, None, None, None)
    );
    assert_eq!(
        (read.requests, read.service_time_ns, read.checks.rate),
        (broken.requests, broken.service_time_ns, broken.checks.rate)
    );
    for name in
        ["jain_index", "server.cpu_ns_per_request", "latency_ns.mean", "checks.little.ratio"]
    {
        let said = format!("`{name}` is left out: it was not a finite number");
        assert!(read.warnings.contains(&said), "{said}: {:?}", read.warnings);
    }
}

/// Any figure that JSON can hold.
fn figure() -> impl Strategy<Value = Option<f64>> {
    use prop::num::f64::{NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
    prop::option::of(POSITIVE | NEGATIVE | NORMAL | SUBNORMAL | ZERO)
}

fn any_trial() -> impl Strategy<Value = Trial> {
    let names = (
        "\\PC+",
        "[ -~]+",
        "[^a]+",
        prop::option::of(any::<String>()),
        prop::collection::vec(any::<String>(), 0..3),
    );
    let counts =
        (any::<u64>(), any::<u32>(), any::<u32>(), any::<Option<u64>>(), any::<Option<i64>>());
    let outcomes = prop::sample::select(vec![
        Outcome::Ok,
        Outcome::FailedStart,
        Outcome::Inconsistent,
        Outcome::Limit,
    ]);
    let errors = prop::collection::btree_map(any::<String>(), any::<u64>(), 0..3);
    (names, counts, (figure(), figure(), figure()), outcomes, errors).prop_map(
        |(names, counts, figures, outcome, errors)| {
            let mut trial = full_trial();
            (trial.experiment, trial.model, trial.service, trial.outcome_detail, trial.warnings) =
                names;
            (
                trial.connections,
                trial.repeat,
                trial.attempt,
                trial.requests,
                trial.kernel.slab_bytes,
            ) = counts;
            (trial.requests_per_s, trial.pace.rate, trial.server.syscalls_per_request) = figures;
            (trial.outcome, trial.errors) = (outcome, errors);
            trial
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_trial_comes_back_to_the_last_bit(trial in any_trial()) {
        let dir = tempfile::tempdir().unwrap();
        written(dir.path(), std::slice::from_ref(&trial));
        let run = Run::read(dir.path()).unwrap();
        prop_assert_eq!(run.warnings, Vec::<String>::new());
        prop_assert_eq!(run.trials, vec![in_run(dir.path(), &trial)]);
    }
}

#[test]
fn noisy_attempts_stay_in_the_record_and_leave_the_median() {
    let with = |repeat, attempt, noisy: bool, outcome, rate: f64| Trial {
        flags: if noisy { vec![Flag::Noisy] } else { Vec::new() },
        outcome,
        requests_per_s: Some(rate),
        ..trial("mio-loop", repeat, attempt)
    };
    let run = Run {
        trials: vec![
            with(1, 1, true, Outcome::Ok, 1.0),
            with(1, 2, false, Outcome::Ok, 10.0),
            with(2, 1, true, Outcome::Ok, 2.0),
            with(2, 2, true, Outcome::Ok, 3.0),
            with(3, 1, false, Outcome::Ok, 30.0),
            with(3, 2, false, Outcome::Interrupted, 99.0),
            with(4, 1, false, Outcome::Inconsistent, 77.0),
            with(5, 1, false, Outcome::Starved, 20.0),
        ],
        ..Run::default()
    };
    let cells = run.cells();
    let [cell] = &cells[..] else { panic!("{} cells", cells.len()) };
    let rates = |trials: Vec<&Trial>| {
        trials.iter().filter_map(|trial| trial.requests_per_s).collect::<Vec<_>>()
    };
    assert_eq!(cell.trials.len(), 8);
    assert_eq!(rates(cell.finals()), [10.0, 3.0, 30.0, 77.0, 20.0]);
    assert_eq!(rates(cell.counted()), [10.0, 30.0, 20.0]);
    let spread = cell.spread(|trial| trial.requests_per_s).unwrap();
    assert_eq!((spread.repeats, spread.median, spread.coverage), (3, 20.0, None));
    assert_eq!(cell.outcome(), Outcome::Ok);
    assert_eq!(
        cell.outcomes(),
        [(Outcome::Ok, 3), (Outcome::Starved, 1), (Outcome::Inconsistent, 1)].into()
    );
    assert_eq!(cell.flags(), [(Flag::Noisy, 1)].into());
}

#[test]
fn cells_stand_in_report_order_whatever_order_the_trials_ran_in() {
    let few = Trial { connections: 1, ..trial("zeta", 1, 1) };
    let run = Run {
        machine: full_machine(),
        trials: vec![
            trial("unlisted", 1, 1),
            trial("mio-loop", 2, 1),
            few,
            trial("thread-pool", 1, 1),
            trial("mio-loop", 1, 1),
        ],
        ..Run::default()
    };
    let cells: Vec<_> =
        run.cells().iter().map(|cell| (cell.connections, cell.model, cell.trials.len())).collect();
    assert_eq!(
        cells,
        [(1, "zeta", 1), (100, "thread-pool", 1), (100, "mio-loop", 2), (100, "unlisted", 1)]
    );
}
