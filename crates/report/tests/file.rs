//! The page as a file: one, whole, small enough, and with no use for a network.

mod fixture;
mod html;

use fixture::{MODELS, run, run_of, trial};
use html::{attributes, own, part};

/// What a page may weigh, plotly's script included.
const SIZE_MAX_BYTES: usize = 8 * 1024 * 1024;

#[test]
fn the_page_asks_no_network_for_anything() {
    let page = own(&report::render(&[run()], None).unwrap());
    assert!(attributes(&page, "src").is_empty(), "everything is inside");
    for href in attributes(&page, "href") {
        assert!(href.starts_with('#') || href == "data:,", "{href}");
    }
    for word in [
        "@import",
        "url(",
        "http://",
        "https://",
        "//cdn",
        "fetch(",
        "XMLHttpRequest",
        "WebSocket",
        "import(",
    ] {
        assert!(!page.contains(word), "{word}");
    }
    let policy = part(&page, "<meta http-equiv=\"Content-Security-Policy\"", ">");
    assert!(policy.contains("default-src 'none'"), "a browser holds the page to it");
}

#[test]
fn the_page_is_one_file_of_bounded_size_written_whole() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("new/folder/index.html");
    report::write(&[run()], None, &report::Extras::default(), &out).unwrap();
    let html = std::fs::read_to_string(&out).unwrap();
    assert!(html.starts_with("<!doctype html>") && html.trim_end().ends_with("</html>"));
    assert!(html.len() < SIZE_MAX_BYTES, "{} bytes", html.len());
    let beside = std::fs::read_dir(out.parent().unwrap()).unwrap().count();
    assert_eq!(beside, 1, "nothing else is left behind");
}

#[test]
fn a_file_that_cannot_be_written_is_named_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("taken");
    std::fs::create_dir(&out).unwrap();
    let error =
        report::write(&[run()], None, &report::Extras::default(), &out).unwrap_err().to_string();
    assert!(error.contains(&out.display().to_string()), "{error}");
    assert!(error.ends_with("name another file with `--out`"), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left behind");
}

#[test]
fn ten_thousand_trials_still_make_a_page() {
    let model = &MODELS[3];
    let names: Vec<String> = (0..22).map(|number| format!("some-model-{number:02}")).collect();
    let sample = trial("sweep", "http", 100, 100, model, 1);
    let mut trials = Vec::new();
    for service in ["http", "echo"] {
        for connections in (1..=38).map(|step| step * 263) {
            for name in &names {
                for repeat in 1..=6 {
                    let mut one = sample.clone();
                    one.model.clone_from(name);
                    one.service = service.into();
                    one.connections = connections;
                    one.repeat = repeat;
                    // One histogram in six, since reading them all is slow without optimisation.
                    one.histogram = one.histogram.filter(|_| repeat == 1);
                    trials.push(one);
                }
            }
        }
    }
    let count = trials.len();
    assert!(count > 10_000);
    let html = report::render(&[run_of(trials)], None).unwrap();
    assert!(html.contains("10\u{202f}032 trials"), "all {count} are counted");
    assert!(html.len() < 2 * SIZE_MAX_BYTES, "{} bytes", html.len());
}

#[test]
fn the_same_record_gives_the_same_page() {
    assert!(report::render(&[run()], None).unwrap() == report::render(&[run()], None).unwrap());
}
