//! What the fuzzers found worth keeping, replayed: `fuzz/corpus`, a file a case.

#![expect(clippy::unwrap_used, reason = "this is all test")]
#![allow(unreachable_pub, reason = "the properties are the fuzz targets' too")]

#[path = "../fuzz/properties.rs"]
mod properties;

fn replay(target: &str, property: fn(&[u8])) {
    let folder = format!("{}/fuzz/corpus/{target}", env!("CARGO_MANIFEST_DIR"));
    let mut cases = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let file = entry.unwrap().path();
        let bytes = std::fs::read(&file).unwrap();
        let outcome = std::panic::catch_unwind(|| property(&bytes));
        assert!(outcome.is_ok(), "{} of {target}", file.display());
        cases += 1;
    }
    assert!(cases >= 10, "the corpus of {target} is not here: {cases} cases in {folder}");
}

#[test]
fn responses_are_parsed_alike_however_they_are_cut() {
    replay("response", properties::response);
}

#[test]
fn urls_are_refused_or_mean_the_same_when_written_again() {
    replay("url", properties::url);
}

#[test]
fn thresholds_are_refused_or_hold_of_any_outcome() {
    replay("threshold", properties::threshold);
}
