use std::fs;

use super::*;

/// What criterion 0.8 wrote, as it wrote it.
fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/criterion/fixture")
}

/// A copy of one fixture that a test may break.
fn broken(change: impl Fn(&Path)) -> Benches {
    let home = tempfile::tempdir().unwrap();
    let (from, new) = (fixture().join("callback_overhead/calls/new"), home.path().join("a/b/new"));
    fs::create_dir_all(&new).unwrap();
    for name in [BENCHMARK, ESTIMATES] {
        fs::copy(from.join(name), new.join(name)).unwrap();
    }
    change(&new);
    read(home.path()).unwrap()
}

#[test]
fn what_criterion_wrote_is_read_to_the_last_bit() {
    let found = read(&fixture()).unwrap();
    assert_eq!(found.warnings, [""; 0]);
    let ids: Vec<String> = found.estimates.iter().map(Estimate::id).collect();
    assert_eq!(ids, ["callback_overhead/calls", "fan_out-pinned/task-tokio-local"]);
    let calls = &found.estimates[0];
    let median = Interval {
        point: 1_034.007_330_154_946_4,
        low: 653.593_288_968_348_6,
        high: 1_199.211_980_248_595_4,
    };
    assert_eq!((calls.median_ns, calls.confidence_level), (median, 0.95));
    assert_eq!((calls.throughput, &calls.parameter), (None, &None));
    assert_eq!(found.estimates[1].throughput, Some(Throughput::Elements(100)));
    assert!(calls.measured_at.is_some());
}

#[test]
fn what_is_broken_is_said_and_the_rest_is_read() {
    let cut = broken(|new| fs::write(new.join(ESTIMATES), "{\"mean\":{").unwrap());
    let missing = broken(|new| fs::remove_file(new.join(ESTIMATES)).unwrap());
    let foreign = broken(|new| fs::write(new.join(BENCHMARK), "[1, 2]").unwrap());
    let empty = broken(|new| {
        fs::remove_dir_all(new).unwrap();
        fs::create_dir(new).unwrap();
    });
    let impossible = broken(|new| {
        let path = new.join(ESTIMATES);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("\"lower_bound\":653.", "\"lower_bound\":999653.")).unwrap();
    });
    for (found, what) in [
        (cut, "`estimates.json` is not what criterion writes"),
        (missing, "failed to read `estimates.json`"),
        (foreign, "`benchmark.json` is not what criterion writes"),
        (empty, "failed to read `benchmark.json`"),
        (impossible, "outside its own interval"),
    ] {
        assert!(found.estimates.is_empty());
        assert_eq!(found.warnings.len(), 1, "{:?}", found.warnings);
        let warning = &found.warnings[0];
        assert!(warning.starts_with("left out `a/b/new`: ") && warning.contains(what), "{warning}");
    }
    let beside = broken(|new| {
        let other = new.join("../../c/new");
        fs::create_dir_all(&other).unwrap();
        fs::write(other.join(BENCHMARK), "").unwrap();
    });
    assert_eq!((beside.estimates.len(), beside.warnings.len()), (1, 1));
}

#[test]
fn weights_are_read_where_the_memory_bench_leaves_them() {
    let found = broken(|new| {
        for (unit, text) in [
            ("thread", r#"{"unit": "thread", "count": 10000, "bytes_per_unit": 9900.5}"#),
            ("none", r#"{"unit": "none", "count": 0, "bytes_per_unit": 1.0}"#),
        ] {
            let weighed = new.join("../../../memory").join(unit).join("new");
            fs::create_dir_all(&weighed).unwrap();
            fs::write(weighed.join(MEMORY), text).unwrap();
        }
    });
    assert_eq!(found.estimates.len(), 1);
    let [thread] = found.memory.as_slice() else { panic!("{:?}", found.memory) };
    assert_eq!(
        (thread.unit.as_str(), thread.count, thread.bytes_per_unit),
        ("thread", 10_000, 9900.5)
    );
    assert!(found.warnings[0].contains("no count"), "{:?}", found.warnings);
}

#[test]
fn nothing_is_collected_where_nothing_was_measured() {
    let home = tempfile::tempdir().unwrap();
    assert_eq!(read(home.path()), None);
    assert_eq!(read(&home.path().join("nowhere")), None);
    // What criterion's own reports are made of is not an estimate, and a link may lead in a circle.
    fs::create_dir_all(home.path().join("report")).unwrap();
    std::os::unix::fs::symlink(home.path(), home.path().join("new")).unwrap();
    assert_eq!(read(home.path()), None);
}

#[test]
fn the_folder_is_where_cargo_and_criterion_are_told_to_put_it() {
    let home = |given: &[(&str, &str)]| {
        let value = |name: &str| {
            given.iter().find(|(one, _)| *one == name).map(|(_, value)| (*value).into())
        };
        home_by(Path::new("/workspace"), value).display().to_string()
    };
    assert_eq!(home(&[]), "/workspace/target/criterion");
    assert_eq!(home(&[("CARGO_TARGET_DIR", "/t")]), "/t/criterion");
    assert_eq!(home(&[("CARGO_TARGET_DIR", "t")]), "/workspace/benches/t/criterion");
    assert_eq!(home(&[("CARGO_TARGET_DIR", "/t"), ("CRITERION_HOME", "/c")]), "/c");
}

#[test]
fn what_is_collected_says_from_where_it_is() {
    let root = crate::workspace::root().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let collected = Benches { collected_at: utc(Timestamp::now()), ..read(&fixture()).unwrap() };
    let path = write(&collected, folder.path()).unwrap();
    assert_eq!(Benches::read(&path).unwrap(), collected);
    // Whatever lies in this workspace's own folder, collecting it does not fail.
    if let Some(own) = collect(&root, Some("label")) {
        assert_eq!((own.schema, own.host_label.as_str()), (SCHEMA, "label"));
    }
}
