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
    beside(run, None)
}

/// A page with a baseline.
fn beside(run: record::Run, baseline: Option<&record::Run>) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder for the page");
    let file = folder.path().join("index.html");
    report::write(&[run], baseline, &report::Extras::default(), &file)
        .expect("the page is written");
    (folder, file)
}

/// The models of the first table of the page's kind, from the top.
const ROWS: &str = "return [...document.getElementById('v.sweep.http.default.10000').tBodies[0].rows].map((row) => row.querySelector('.model').textContent)";

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
        let in_sight = browser.number(DRAWN);
        assert!(in_sight < browser.number(TO_DRAW), "{in_sight}: what is far below waits");
        browser.draw_all();
        let charts = browser.number(TO_DRAW);
        assert_eq!(
            charts,
            3 * 6 + 4 + 2 + 1,
            "six a load, four of the storm, two of rates and one of lines"
        );
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
    browser.draw_all();
    let before = browser.number(DRAWN);
    browser.open_details();
    assert_eq!(browser.number(DRAWN), browser.number(TO_DRAW));
    assert!(browser.number(DRAWN) > before);
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn charts_follow_the_readers_colours() {
    let (_folder, file) = page(fixture::run());
    let browser = Browser::start(1400, 900);
    let grounds = "[...new Set([...document.querySelectorAll('.js-plotly-plot')].map((plot) => plot.querySelector('.main-svg').style.background))]";
    browser.prefer("light");
    browser.open(&file, "");
    browser.draw_all();
    let light = browser.run(&format!("return {grounds}"));
    assert_eq!(light.as_array().map(Vec::len), Some(1), "one ground for all: {light}");
    browser.prefer("dark");
    // The charts are drawn again one a turn; a chart that stayed light would be waited for in vain.
    let dark = browser.run_until_done(&format!(
        "const light = '{}'; const look = () => {grounds}.includes(light) ? setTimeout(look, 20) : done({grounds}); look()",
        light[0].as_str().expect("a colour")
    ));
    assert_eq!(dark.as_array().map(Vec::len), Some(1), "one ground for all: {dark}");
    assert_eq!(browser.number(DRAWN), browser.number(TO_DRAW));
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn a_models_button_hides_it_in_every_chart_of_its_group_and_isolates_it() {
    let (_folder, file) = page(fixture::run());
    let browser = Browser::start(1400, 900);
    browser.open(&file, "");
    browser.draw_all();
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
    assert_eq!(shown("mio-loop"), 7);
    click("mio-loop", "");
    assert_eq!((shown("mio-loop"), shown("tokio-tasks")), (0, 7));
    click("mio-loop", "");
    assert_eq!(shown("mio-loop"), 7);
    click("tokio-tasks", "shiftKey: true");
    assert_eq!((shown("tokio-tasks"), shown("mio-loop"), shown("thread-pool")), (7, 0, 0));
    click("tokio-tasks", "shiftKey: true");
    assert_eq!((shown("tokio-tasks"), shown("mio-loop"), shown("thread-pool")), (7, 7, 7));
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
    // A page of thousands of figures gives its rows ids alone.
    browser.open(&file, "#sweep.http.default.100.mio-loop.cpu");
    browser.run("document.querySelector(':target').removeAttribute('id'); location.hash = ''");
    browser.run("location.hash = '#sweep.http.default.100.mio-loop.cpu'");
    let found = browser.run_until_done("const look = () => { const cell = document.querySelector(':target'); cell ? done([cell.tagName, cell.parentElement.id, cell.closest('details').open]) : setTimeout(look, 20) }; look()");
    assert_eq!(found, serde_json::json!(["TD", "sweep.http.default.100.mio-loop", true]));
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn a_column_sorts_by_its_heading_with_a_key_too_and_what_is_not_ranked_stays_below() {
    let (_folder, file) = page(fixture::run());
    let browser = Browser::start(1400, 900);
    browser.open(&file, "");
    let head = "[...document.getElementById('v.sweep.http.default.10000').tHead.rows[0].cells].find((head) => head.textContent.startsWith('CPU'))";
    let sorted = || browser.run(&format!("return {head}.getAttribute('aria-sort')"));
    let own = browser.run(ROWS);
    assert_eq!(sorted(), "none");
    browser.run(&format!("{head}.querySelector('button').click()"));
    assert_eq!(sorted(), "descending");
    let falling = [
        "process-per-connection",
        "thread-per-connection",
        "tokio-tasks",
        "mio-loop",
        "thread-pool",
    ];
    assert_eq!(browser.run(ROWS), serde_json::json!(falling));
    browser.run(&format!("{head}.querySelector('button').focus()"));
    browser.press("Enter", 13, "\r");
    assert_eq!(sorted(), "ascending");
    let rising = [
        "mio-loop",
        "tokio-tasks",
        "thread-per-connection",
        "process-per-connection",
        "thread-pool",
    ];
    assert_eq!(browser.run(ROWS), serde_json::json!(rising));
    browser.press("Enter", 13, "\r");
    assert_eq!((sorted(), browser.run(ROWS)), ("none".into(), own));
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn the_readers_choice_of_colours_goes_before_the_systems_and_stays() {
    let (_folder, file) = page(fixture::run());
    let browser = Browser::start(1400, 900);
    browser.prefer("light");
    browser.open(&file, "");
    browser.draw_all();
    let ground = || browser.run("return getComputedStyle(document.body).backgroundColor");
    let press = || browser.run("document.querySelector('.theme').click()");
    let light = ground();
    press();
    assert_eq!(ground(), light, "light where the system is light");
    press();
    let dark = ground();
    assert_ne!(dark, light);
    browser.open(&file, "");
    browser.draw_all();
    assert_eq!(ground(), dark, "it is kept");
    assert_eq!(browser.run("return document.querySelector('.main-svg').style.background"), dark);
    press();
    assert_eq!(ground(), light, "and the system's again");
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn charts_change_scale_drop_their_spreads_and_are_saved() {
    let (_folder, file) = page(fixture::run());
    let browser = Browser::start(1400, 900);
    browser.open(&file, "");
    browser.draw_all();
    let plot = "document.querySelector('.charted .js-plotly-plot')";
    let press = |show: &str| {
        browser
            .run(&format!("document.querySelector('.charted .legend [data-show={show}]').click()"))
    };
    let scale = || browser.run(&format!("return {plot}.layout.yaxis.type"));
    let spreads =
        || browser.run(&format!("return {plot}.data.some((trace) => trace.error_y?.visible)"));
    assert_eq!((scale(), spreads()), ("log".into(), true.into()));
    press("log");
    press("spread");
    assert_eq!((scale(), spreads()), ("linear".into(), false.into()));
    assert_eq!(browser.run(&format!("return {plot}._fullLayout.yaxis.range[0] === 0")), true);
    press("log");
    assert_eq!(scale(), "log");
    let image =
        browser.run_until_done(&format!("Plotly.toImage({plot}, {{ format: 'png' }}).then(done)"));
    assert!(image.as_str().unwrap().starts_with("data:image/png"), "{image}");
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn the_figures_are_saved_as_json_and_as_csv() {
    let run = fixture::run();
    let cells = run.cells().len();
    let (_folder, file) = page(run);
    let browser = Browser::start(1400, 900);
    browser.open(&file, "");
    let saved = |which: &str| {
        browser.run_until_done(&format!(
            "window.save = (name, type, text) => done([name, text]); [...document.querySelectorAll('.downloads button')].find((one) => one.textContent === '{which}').click()"
        ))
    };
    let json = saved("JSON");
    assert_eq!(json[0], "FIXTURE-invented-figures.json");
    let data: serde_json::Value = serde_json::from_str(json[1].as_str().unwrap()).unwrap();
    assert_eq!(data["cells"].as_array().unwrap().len(), cells);
    let csv = saved("CSV");
    let lines: Vec<&str> = csv[1].as_str().unwrap().lines().collect();
    assert_eq!(lines.len(), 1 + cells);
    assert!(
        lines[0].starts_with(
            "run,experiment,service,variant,connections,model,outcome,rate.median (requests/s),"
        ),
        "{}",
        lines[0]
    );
    let columns = |line: &str| line.split(',').count();
    assert!(lines.iter().all(|line| columns(line) == columns(lines[0])));
    let asked = browser.requests();
    assert!(
        asked.iter().all(|url| url.starts_with("data:") || url.starts_with("file:")),
        "{asked:?}"
    );
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn the_baseline_is_shown_sorted_and_linked() {
    // Six repeats, of which the record claims intervals.
    let mut before = fixture::quick();
    before.trials.iter_mut().for_each(|trial| {
        let server = &mut trial.server;
        server.cpu_ns_per_request = server.cpu_ns_per_request.map(|cpu_ns| cpu_ns * 2.0);
    });
    let (_folder, file) = beside(fixture::quick(), Some(&before));
    let browser = Browser::start(1400, 900);
    browser.open(&file, "#baseline");
    let section = "document.getElementById('baseline')";
    assert_eq!(
        browser.run(&format!(
            "const top = {section}.getBoundingClientRect().top; return top >= -2 && top < 200"
        )),
        true
    );
    assert!(browser.number(&format!("return {section}.querySelectorAll('td.better').length")) > 2);
    browser.run(&format!("{section}.querySelector('th:nth-child(2) button').click()"));
    assert_eq!(
        browser.run(&format!(
            "return {section}.querySelector('th:nth-child(2)').getAttribute('aria-sort')"
        )),
        "descending"
    );
    assert_eq!(browser.console(), Vec::<String>::new());
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn nothing_on_the_page_stops_a_screen_reader_or_a_keyboard() {
    let run = fixture::run();
    let (_folder, file) = beside(run.clone(), Some(&run));
    let browser = Browser::start(1400, 900);
    browser.open(&file, "");
    browser.open_details();
    assert_eq!(browser.run(include_str!("webdriver/accessible.js")), serde_json::json!([]));
    // axe-core is not ours to keep here; where somebody has installed it, it has the last word.
    if let Some(axe) = std::env::var_os("C10K_AXE") {
        browser.run(&std::fs::read_to_string(axe).expect("C10K_AXE names axe.min.js"));
        let found = browser.run_until_done(
            "axe.run(document, { resultTypes: ['violations'] }).then((all) => done(all.violations.filter((one) => ['serious', 'critical'].includes(one.impact)).map((one) => [one.id, one.nodes.slice(0, 3).map((node) => node.html.slice(0, 200))])))",
        );
        assert_eq!(found, serde_json::json!([]));
    }
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn without_a_script_every_figure_is_in_sight_or_behind_a_heading_that_opens() {
    let (_folder, file) = page(fixture::run());
    let browser = Browser::start(1400, 900);
    let figures = "return document.querySelectorAll('td[data-value]').length";
    browser.open(&file, "");
    let with = browser.number(figures);
    browser.open_without_script(&file);
    assert_eq!(browser.run("return document.documentElement.classList.contains('js')"), false);
    assert_eq!(browser.number(figures), with);
    assert_eq!(browser.number("return [...document.querySelectorAll('td[data-value]')].filter((cell) => !cell.closest('details') && !cell.checkVisibility()).length"), 0);
    assert_eq!(browser.number("return [...document.querySelectorAll('.legend, figure.chart, .theme, .downloads')].filter((one) => one.checkVisibility()).length"), 0, "nothing is offered that would not work");
    assert_eq!(
        browser.run("return document.querySelector('.needs-script').checkVisibility()"),
        true
    );
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn the_verdict_fits_a_desktop_without_scrolling() {
    let (_folder, file) = page(fixture::run());
    let browser = Browser::start(1280, 900);
    browser.open(&file, "");
    assert_eq!(browser.run("return [...document.querySelectorAll('table.verdict')].every((table) => table.parentElement.scrollWidth <= table.parentElement.clientWidth)"), true);
}

#[test]
#[ignore = "needs chromium and chromedriver"]
fn a_phone_shows_the_page_without_scrolling_sideways() {
    let (_folder, file) = page(fixture::run());
    let browser = Browser::start(400, 800);
    browser.open(&file, "");
    browser.draw_all();
    assert_eq!(
        browser.run(
            "return document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        ),
        true
    );
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
        browser.open_details();
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
