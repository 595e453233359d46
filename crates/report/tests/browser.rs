//! The page in a real browser: it draws, answers, and asks nobody for anything.
//!
//! `cargo test -p report --test browser -- --ignored`

mod fixture;
mod webdriver;

use std::path::PathBuf;

use tempfile::TempDir;
use webdriver::Browser;

/// A page on the disk, and the folder that goes with it.
fn page(run: record::Run) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder for the page");
    let file = folder.path().join("index.html");
    report::write(&[run], &file).expect("the page is written");
    (folder, file)
}

const DRAWN: &str = "return [...document.querySelectorAll('figure.chart')].filter((figure) => figure.querySelector('.main-svg')).length";
const TO_DRAW: &str = "return [...document.querySelectorAll('figure.chart')].filter((figure) => !figure.closest('details:not([open])')).length";

#[test]
#[ignore = "needs chromium and chromedriver"]
fn every_chart_is_drawn_without_an_error_and_without_a_request() {
    let (_folder, file) = page(fixture::run());
    let browser = Browser::start(1400, 900);
    for scheme in ["light", "dark"] {
        browser.prefer(scheme);
        browser.open(&file, "");
        let charts = browser.number(TO_DRAW);
        assert_eq!(charts, 4 * 6 + 4, "four groups of six, and four tails that are open");
        assert_eq!(browser.number(DRAWN), charts);
        assert_eq!(browser.console(), Vec::<String>::new(), "{scheme}");
        let asked: Vec<String> =
            browser.requests().into_iter().filter(|url| !url.starts_with("data:")).collect();
        assert_eq!(asked, [format!("file://{}", file.display())], "the page is all that is read");
    }
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn closed_curves_are_drawn_when_they_are_opened() {
    let (_folder, file) = page(fixture::run());
    let browser = Browser::start(1400, 900);
    browser.open(&file, "");
    let before = browser.number(DRAWN);
    browser.run("for (const details of document.querySelectorAll('details')) { details.open = true; details.dispatchEvent(new Event('toggle')); }");
    assert_eq!(browser.number(DRAWN), browser.number(TO_DRAW));
    assert!(browser.number(DRAWN) > before);
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn charts_follow_the_readers_colours() {
    let (_folder, file) = page(fixture::run());
    let browser = Browser::start(1400, 900);
    let ground = "return document.querySelector('.main-svg').style.background";
    browser.prefer("light");
    browser.open(&file, "");
    let light = browser.run(ground);
    browser.prefer("dark");
    // The change event reaches the page before the next script does; frames are awaited all the same.
    let dark = browser.run(&format!("return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done((() => {{ {ground} }})()))))"));
    assert_ne!(light, dark);
    assert_eq!(browser.number(DRAWN), browser.number(TO_DRAW));
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn a_models_button_hides_it_in_every_chart_of_its_group_and_isolates_it() {
    let (_folder, file) = page(fixture::run());
    let browser = Browser::start(1400, 900);
    browser.open(&file, "");
    let click = |button: &str, event: &str| {
        browser.run(&format!(
            "document.querySelector('.charted .legend [data-group=\"{button}\"]').dispatchEvent(new MouseEvent('click', {{ bubbles: true, {event} }}))"
        ));
    };
    let shown = |model: &str| {
        browser.number(&format!(
            "return [...document.querySelector('.charted').querySelectorAll('.js-plotly-plot')].filter((plot) => plot.data.some((trace) => trace.legendgroup === '{model}' && trace.visible !== false)).length"
        ))
    };
    assert_eq!(shown("mio-loop"), 6);
    click("mio-loop", "");
    assert_eq!((shown("mio-loop"), shown("tokio-tasks")), (0, 6));
    click("mio-loop", "");
    assert_eq!(shown("mio-loop"), 6);
    click("tokio-tasks", "shiftKey: true");
    assert_eq!((shown("tokio-tasks"), shown("mio-loop"), shown("thread-pool")), (6, 0, 0));
    click("tokio-tasks", "shiftKey: true");
    assert_eq!((shown("tokio-tasks"), shown("mio-loop"), shown("thread-pool")), (6, 6, 6));
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn a_deep_link_opens_what_it_leads_to() {
    let (_folder, file) = page(fixture::run());
    let browser = Browser::start(1400, 900);
    browser.open(&file, "#source.mio-loop");
    assert_eq!(browser.run("return document.getElementById('source.mio-loop').open"), true);
    browser.open(&file, "#v.sweep.http.default.10000.mio-loop.cpu");
    let in_sight = "const box = document.querySelector(':target').getBoundingClientRect(); return box.top >= 0 && box.bottom <= innerHeight";
    assert_eq!(browser.run(in_sight), true);
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn a_phone_shows_the_page_without_scrolling_sideways() {
    let (_folder, file) = page(fixture::run());
    let browser = Browser::start(400, 800);
    browser.open(&file, "");
    assert_eq!(browser.run("return document.documentElement.scrollWidth <= innerWidth"), true);
    let labels = "return [...document.querySelectorAll('.js-plotly-plot')].flatMap((plot) => plot.data).filter((trace) => trace.meta === 'label').length";
    assert_eq!(browser.number(labels), 0, "the buttons name the lines where labels have no room");
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn words_stand_out_from_their_ground_in_both_schemes() {
    let (_folder, file) = page(fixture::run());
    let browser = Browser::start(1400, 900);
    for scheme in ["light", "dark"] {
        browser.prefer(scheme);
        browser.open(&file, "");
        let found = browser.run(include_str!("webdriver/contrast.js"));
        assert!(found["read"].as_u64() > Some(1_000), "{found}");
        assert_eq!(found["faint"], serde_json::json!([]), "{scheme}");
    }
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn names_with_markup_stay_names() {
    let name = "<img src=x onerror=document.title='owned'><a href='javascript:1'>x</a>";
    let mut trials = Vec::new();
    for connections in [1, 100] {
        for service in ["http", "echo"] {
            let mut hostile =
                fixture::trial("sweep", service, connections, connections, &fixture::MODELS[3], 1);
            hostile.model = name.into();
            hostile.outcome_detail = Some(name.into());
            trials.push(hostile);
        }
    }
    let (_folder, file) = page(fixture::run_of(trials));
    let browser = Browser::start(1400, 900);
    browser.open(&file, "");
    assert_eq!(browser.number("return document.querySelectorAll('img, [href^=\"javascript\"], [*|href^=\"javascript\"]').length"), 0);
    assert_eq!(browser.run("return document.title"), "c10k: 1 model, up to 100 connections");
    assert_eq!(browser.run("return document.querySelector('th .model').textContent"), name);
    assert_eq!(browser.console(), Vec::<String>::new());
}
