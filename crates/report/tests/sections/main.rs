//! What stands beside tables of figures: choices, experiments old and new, second entries, the baseline, data, sources.

#[path = "../fixture/mod.rs"]
mod fixture;
#[path = "../html/mod.rs"]
mod html;

mod claims;
mod kinds;
mod misread;
mod price;

use fixture::{MODELS, Model, machine, run, run_of, trial};
use html::{attribute, cell, page, part, text, verbatim};
use record::stats::median;
use record::trial::{Pace, twin_of};
use record::{Outcome, Run, Trial};

/// A trial without flags, as quick models have them here.
fn quiet(experiment: &str, connections: u64, model: &Model, repeat: u32) -> Trial {
    let mut one = trial(experiment, "http", connections, connections, model, repeat);
    one.flags.clear();
    one.outcome = Outcome::Ok;
    one
}

/// Three repeats of every model.
fn three(of: impl Fn(&Model, u32) -> Trial) -> Vec<Trial> {
    repeated(3, of)
}

/// So many repeats of every model; from six on the record compares them.
fn repeated(repeats: u32, of: impl Fn(&Model, u32) -> Trial) -> Vec<Trial> {
    MODELS
        .iter()
        .flat_map(|model| (1..=repeats).map(|repeat| of(model, repeat)).collect::<Vec<_>>())
        .collect()
}

/// At a rate, answered so slowly.
fn paced(model: &Model, share: &str, rate: f64, p99_ms: u64) -> Trial {
    let mut one = quiet("rate", 100, model, 1);
    one.variant = format!("rate-{share}");
    one.pace = Pace { kind: "poisson".into(), rate: Some(rate) };
    let mut latency = one.latency_ns.expect("the fixture measures latency");
    latency.p99 = p99_ms * 1_000_000;
    one.latency_ns = Some(latency);
    one
}

#[test]
fn which_model_for_me_is_answered_from_this_run_alone() {
    let page = page(run());
    let table = part(&page, "<table class=\"choices\"", "</table>");
    let row = |heading: &str| {
        let rows = table.split("<tr>").find(|row| text(row).starts_with(heading));
        text(rows.unwrap_or_else(|| panic!("a row of {heading}: {}", text(table))))
    };
    assert!(row("Handlers that block").ends_with("not measured in this run"));
    let busy = row("10\u{202f}000 connections, all busy");
    assert!(busy.contains("mio-loop : 15.2 µs (15.0–15.5, range of 3 trials)"), "{busy}");
    assert!(busy.ends_with("chance: 3 repeats, and an interval needs 6"), "{busy}");
    assert!(row("10\u{202f}000 connections open").contains("a difference may be chance"));
    assert!(row("Little memory").contains("mio-loop : 0.110 KiB"));
    let simple = row("Simple code");
    assert!(simple.contains("process-per-connection : 40 lines"), "{simple}");
}

#[test]
fn what_blocks_is_chosen_by_the_tail() {
    let mut trials = three(|model, repeat| quiet("blocking", 100, model, repeat));
    for trial in &mut trials {
        trial.variant = "offload".into();
    }
    let page = page(run_of(trials));
    let table = part(&page, "<table class=\"choices\"", "</table>");
    let row = table.split("<tr>").find(|row| text(row).starts_with("Handlers that block")).unwrap();
    assert!(row.contains("href=\"#v.blocking.http.offload.100.mio-loop.p99\""), "{row}");
}

#[test]
fn an_experiment_that_nobody_wrote_about_has_its_section_all_the_same() {
    let page = page(run_of(three(|model, repeat| quiet("brand-new", 100, model, repeat))));
    let section = part(&page, "<section id=\"x.brand-new\"", "</section>");
    assert!(text(section).contains("No guide was written for this experiment"));
    assert!(section.contains("id=\"chart.brand-new.http.default.cpu\""), "it has charts");
    assert!(section.contains("id=\"table.brand-new.http.default\""), "and all figures");
    assert!(page.contains("id=\"v.brand-new.http.default.100.mio-loop\""), "and a verdict");
    assert!(page.contains("<a href=\"#x.brand-new\">"), "and is found");
}

#[test]
fn the_answers_of_many_loads_stand_in_their_sections() {
    let mut trials = Vec::new();
    for experiment in ["sweep", "churn", "compute", "faults", "one", "two"] {
        trials.extend(three(|model, repeat| quiet(experiment, 100, model, repeat)));
    }
    let page = page(run_of(trials));
    let answers =
        |part: &str| text(part).matches("models served all of the 100 connections").count();
    assert_eq!(answers(part(&page, "<section id=\"answer\"", "</section>")), 4, "the first few");
    assert_eq!(answers(part(&page, "<section id=\"x.two\"", "</section>")), 1);
    assert_eq!(answers(&page), 6, "each once");
}

#[test]
fn an_offered_rate_gives_the_hockey_stick_half_load_and_capacity() {
    let mut trials = three(|model, repeat| quiet("sweep", 100, model, repeat));
    for model in &MODELS[..2] {
        trials.push(paced(model, "50%", 20_000.0, 2));
        trials.push(paced(
            model,
            "90%",
            36_000.0,
            if model.0.starts_with("thread") { 9 } else { 40 },
        ));
        trials.push(paced(model, "100%", 40_000.0, 90));
    }
    let page = page(run_of(trials));
    let shown = |model: &str, column: &str| {
        text(cell(&page, &format!("v.sweep.http.default.100.{model}.{column}")))
    };
    assert_eq!(shown("process-per-connection", "half"), "2.00");
    assert_eq!(shown("process-per-connection", "capacity"), "20\u{202f}000");
    assert_eq!(shown("thread-per-connection", "capacity"), "36\u{202f}000");
    let figure = part(
        &page,
        "<figure class=\"chart\" id=\"chart.offered.rate.http.rate-100_25.p99\"",
        "</figure>",
    );
    let json = part(figure, "{", "</script>").trim_end_matches("</script>");
    let plot: serde_json::Value = serde_json::from_str(json).unwrap();
    let line = &plot["data"][0];
    assert_eq!(line["x"], serde_json::json!([20_000.0, 36_000.0, 40_000.0]));
    assert_eq!(line["y"], serde_json::json!([2.0, 40.0, 90.0]));
    let caption = text(part(&page, "<caption><strong>HTTP, every connection busy", "</caption>"));
    assert!(caption.ends_with("Not measured in this run: Wall."), "{caption}");
}

#[test]
fn whoever_was_offered_more_leads_nothing_by_answering_more() {
    let mut trials = Vec::new();
    for (model, rate) in MODELS.iter().zip([1_000.0, 2_000.0, 3_000.0, 4_000.0, 5_000.0]) {
        for repeat in 1..=3 {
            let mut one = paced(model, "50%", rate, 2);
            one.repeat = repeat;
            one.requests_per_s = Some(rate);
            trials.push(one);
        }
    }
    let page = page(run_of(trials));
    let class = |column: &str| {
        let id = format!("v.rate.http.rate-50_25.100.tokio-tasks.{column}");
        attribute(cell(&page, &id), "class").unwrap().to_owned()
    };
    assert_eq!(class("rate"), "n");
    assert!(text(&page).contains("open loop (poisson) at 1\u{202f}000 to 5\u{202f}000 requests/s"));
}

#[test]
fn the_wall_is_the_last_count_that_held_and_names_what_stopped_it() {
    let mut trials = three(|model, repeat| quiet("sweep", 100, model, repeat));
    for connections in [1_000, 4_000, 16_000] {
        trials.push(quiet("wall", connections, &MODELS[3], 1));
        let mut threads = quiet("wall", connections, &MODELS[1], 1);
        if connections == 16_000 {
            threads.outcome = Outcome::Limit;
            threads.outcome_detail = Some("max_map_count".into());
        }
        trials.push(threads);
    }
    let page = page(run_of(trials));
    let wall =
        |model: &str| cell(&page, &format!("v.sweep.http.default.100.{model}.wall")).to_owned();
    assert_eq!(text(&wall("mio-loop")), "≥16\u{202f}000");
    assert_eq!(text(&wall("thread-per-connection")), "4\u{202f}000 limit");
    assert!(
        attribute(&wall("thread-per-connection"), "title")
            .unwrap()
            .contains("limit: max_map_count; set by the machine")
    );
    let section = part(&page, "<table class=\"full sortable walls\">", "</table>");
    let row = |model: &str| {
        let start = format!("<tr id=\"w.wall.http.default.{model}\"");
        text(part(section, &start, "</tr>"))
    };
    assert!(
        row("thread-per-connection")
            .ends_with("4\u{202f}000 1 16\u{202f}000 limit max_map_count the machine"),
        "{}",
        row("thread-per-connection")
    );
    assert!(row("mio-loop").contains("≥16\u{202f}000"), "{}", row("mio-loop"));
    let verdict = text(part(&page, "<section id=\"x.wall\"", "<tbody>"));
    assert!(!verdict.contains("<1"), "{verdict}");
    assert!(page.contains("id=\"v.wall.http.default.4000\""), "where all still served");
}

#[test]
fn memory_is_the_slope_over_connections() {
    let mut trials = Vec::new();
    for connections in [100, 1_000, 10_000] {
        trials.extend(three(|model, repeat| quiet("memory", connections, model, repeat)));
    }
    let page = page(run_of(trials));
    let section = part(&page, "<section id=\"x.memory\"", "</table>");
    let row = section.split("<tr").find(|row| text(row).contains("thread-per-connection")).unwrap();
    let slope: f64 =
        row.split_once("data-value=").unwrap().1.split_once('>').unwrap().0.parse().unwrap();
    assert!((slope - 9.7).abs() < 0.01, "{slope}");
    let choices = part(&page, "<table class=\"choices\"", "</table>");
    let choice = choices.split("<tr>").find(|row| text(row).starts_with("Little memory")).unwrap();
    assert!(choice.contains("href=\"#g.memory.http.default.mio-loop\""), "{choice}");
    assert!(text(choice).contains("95 % interval of the slope through 9 trials"), "{choice}");
    assert!(text(choice).ends_with("nobody ties with it"), "{choice}");
}

#[test]
fn a_verdict_stands_at_the_load_that_was_repeated_most() {
    let mut trials = repeated(6, |model, repeat| quiet("sweep", 100, model, repeat));
    trials.extend(repeated(1, |model, repeat| quiet("sweep", 10_000, model, repeat)));
    let page = page(run_of(trials));
    assert!(page.contains("<table class=\"verdict sortable\" id=\"v.sweep.http.default.100\">"));
    assert!(!page.contains("id=\"v.sweep.http.default.10000\""));
}

#[test]
fn a_second_entry_is_no_cell_of_its_own_and_ties_what_differs_less() {
    let mut trials = repeated(8, |model, repeat| quiet("sweep", 100, model, repeat));
    // The loop differs from itself by a fifth, which is more than tasks differ from it; of one family there is no floor.
    for (model, factor) in [(&MODELS[3], 1.2), (&MODELS[1], 1.01)] {
        for repeat in 1..=8 {
            let mut twin = quiet("sweep", 100, model, repeat);
            twin.variant = twin_of("default");
            twin.server.cpu_ns_per_request = twin.server.cpu_ns_per_request.map(|ns| ns * factor);
            trials.push(twin);
        }
    }
    let with = page(run_of(trials.clone()));
    let class = |page: &str, model: &str| {
        let figure = cell(page, &format!("v.sweep.http.default.100.{model}.cpu"));
        attribute(figure, "class").unwrap().to_owned()
    };
    assert_eq!(class(&with, "tokio-tasks"), "n lead", "it ties");
    let tasks = cell(&with, "v.sweep.http.default.100.tokio-tasks.cpu");
    let said = attribute(tasks, "title").unwrap();
    assert!(said.contains("no difference: two entries of one model differ as much"), "{said}");
    let foot = text(part(&with, "<tfoot>", "</tfoot>"));
    assert!(foot.contains("±20.0\u{202f}%"), "{foot}");
    assert!(!with.contains("twin"), "nothing is named after it");
    let doubts = text(part(&with, "<section id=\"doubts\">", "</section>"));
    assert!(doubts.contains("How far one model differs from itself"), "{doubts}");
    assert!(doubts.contains("+20.0\u{202f}%"), "{doubts}");
    assert!(!doubts.contains("No floor was measured"));
    trials.retain(|trial| trial.variant == "default");
    let without = page(run_of(trials));
    assert_eq!(class(&without, "tokio-tasks"), "n", "without its floor it does not");
    let tasks = cell(&without, "v.sweep.http.default.100.tokio-tasks.cpu");
    assert!(attribute(tasks, "title").unwrap().ends_with("of 8 pairs): different"), "{tasks}");
    let foot = text(part(&without, "<tfoot>", "</tfoot>"));
    assert!(foot.contains("A/A floor unknown: no model was entered twice"), "{foot}");
    assert!(foot.contains("Visible ±"), "{foot}");
    assert!(without.contains("No floor was measured"));
}

#[test]
fn a_baseline_stands_beside_every_cell_that_both_hold() {
    let mut trials = repeated(6, |model, repeat| quiet("sweep", 100, model, repeat));
    let mut before = run_of(trials.clone());
    before.dir = "BEFORE".into();
    before.machine = machine();
    before.machine.kernel = Some("Linux 0.0.0-older".into());
    before.trials.push(quiet("sweep", 10_000, &MODELS[0], 1));
    for trial in &mut trials {
        trial.settings.workers = Some(7);
        if trial.model == "mio-loop" {
            trial.server.cpu_ns_per_request = trial.server.cpu_ns_per_request.map(|ns| ns * 2.0);
        }
    }
    let page = html::own(&report::render(&[run_of(trials)], Some(&before)).unwrap());
    let section = part(&page, "<section id=\"baseline\"", "</section>");
    let said = text(section);
    assert!(said.contains("kernel Linux 0.0.0-fixture Linux 0.0.0-older"), "{said}");
    assert!(said.contains("setting workers 7 not set"), "{said}");
    assert!(said.contains("There is 1 cell only in the baseline."), "{said}");
    let row = |model: &str| {
        part(section, &format!("<tr id=\"b.sweep.http.default.100.{model}\""), "</tr>").to_owned()
    };
    let cpu = row("mio-loop").split("<td").nth(4).unwrap().to_owned();
    assert!(cpu.contains("worse"), "{cpu}");
    assert!(text(&cpu).contains("+100.0\u{202f}%"), "{cpu}");
    let same = row("tokio-tasks").split("<td").nth(4).unwrap().to_owned();
    assert!(text(&same).contains("no difference: ±0.0\u{202f}%"), "{same}");
    assert!(!html::page(run()).contains("id=\"baseline\""), "without one there is no section");
}

#[test]
fn single_trials_claim_no_difference_from_a_baseline() {
    let once = |factor: f64| {
        let mut one = quiet("sweep", 100, &MODELS[3], 1);
        one.server.cpu_ns_per_request = one.server.cpu_ns_per_request.map(|ns| ns * factor);
        run_of(vec![one])
    };
    let page = html::own(&report::render(&[once(2.0)], Some(&once(1.0))).unwrap());
    let row = part(&page, "<tr id=\"b.sweep.http.default.100.mio-loop\"", "</tr>");
    let cpu = row.split("<td").nth(4).unwrap();
    assert!(text(cpu).contains("+100.0\u{202f}% spread unknown"), "{cpu}");
    assert!(!row.contains("worse") && !row.contains("better"), "{row}");
}

#[test]
fn a_hostile_baseline_is_shown_as_text() {
    let mut before = run();
    before.machine.kernel = Some("<script>alert(1)</script>".into());
    before.trials[0].settings.path = Some("<img src=x onerror=alert(2)>".into());
    before.trials[0].requests_per_s = Some(f64::NAN);
    before.trials[1].requests_per_s = Some(0.0);
    before.dir = "<b>before</b>".into();
    let page = html::own(&report::render(&[run()], Some(&before)).unwrap());
    assert!(
        !page.contains("<script>alert") && !page.contains("<img") && !page.contains("<b>before")
    );
    assert!(!text(part(&page, "<section id=\"baseline\"", "</section>")).contains("NaN"));
    let empty = Run { trials: Vec::new(), ..run() };
    let page = html::own(&report::render(&[run()], Some(&empty)).unwrap());
    assert!(text(&page).contains("The two runs have no cell in common"));
}

#[test]
fn the_data_of_the_page_hold_every_cell_with_each_of_its_values() {
    let (run, page) = (run(), page(run()));
    let data = html::data(&page);
    assert_eq!(data["cells"].as_array().unwrap().len(), run.cells().len());
    for cell in run.cells() {
        let told: Vec<f64> =
            cell.counted().iter().filter_map(|trial| trial.requests_per_s).collect();
        let rate = &html::figures(&data, &cell)["rate"];
        let values = rate["values"].as_array().map_or(0, Vec::len);
        if cell.counted().is_empty() {
            continue;
        }
        assert_eq!(values, told.len());
        let handed_out = rate["median"].as_f64().unwrap();
        assert!((handed_out / median(&told).unwrap() - 1.0).abs() < 1e-5, "{handed_out}");
    }
}

#[test]
fn a_source_is_highlighted_whole_and_told_once() {
    let page = html::own(&report::render(&[run(), run()], None).unwrap());
    let first = part(&page, "id=\"source.mio-loop\"", "</details>");
    assert!(
        first.contains("<i class=k>fn</i> serve() -&#62; <i class=t>Vec</i>&#60;u8&#62;"),
        "{first}"
    );
    let source = &machine().contestants[3].server_source;
    let words: Vec<&str> = source.split_whitespace().collect();
    assert!(verbatim(first).contains(&words.join(" ")), "nothing is lost");
    let second = part(&page, "id=\"run2.source.mio-loop\"", "</details>");
    assert!(second.contains("<a href=\"#source.mio-loop\">"), "{second}");
    assert!(!second.contains("<pre"));
}

#[test]
fn every_repeat_is_a_dot_about_its_median_where_the_range_says_less() {
    let page_of = |repeats| {
        page(run_of(repeated(repeats, |model, repeat| quiet("sweep", 100, model, repeat))))
    };
    let five = page_of(5);
    let strips = part(&five, "<table class=\"strips sortable\"", "</table>");
    let row = strips.split("<tr").find(|row| text(row).contains("mio-loop")).unwrap();
    let dots = row.split_once("class=\"dots\" d=\"").unwrap().1.split_once('"').unwrap().0;
    assert_eq!(dots.matches('M').count(), 5);
    assert!(dots.contains("M80 8h0"), "one of five is the median: {dots}");
    assert!(!page_of(3).contains("<table class=\"strips"), "three are told by their range");
}

#[test]
fn many_lines_have_a_drawing_each_over_all_others() {
    let mut trials = Vec::new();
    for number in 0..13 {
        for connections in [100, 1_000] {
            let mut one = quiet("sweep", connections, &MODELS[3], 1);
            one.model = format!("model-{number:02}");
            one.histogram = None;
            trials.push(one);
        }
    }
    let few: Vec<Trial> =
        trials.iter().filter(|trial| trial.model < "model-12".into()).cloned().collect();
    let many = page(run_of(trials));
    let grid =
        part(&many, "<div class=\"multiples\" id=\"multiples.sweep.http.default.cpu\">", "</div>");
    assert_eq!(grid.matches("<use href=\"#multiples.sweep.http.default.cpu.grey\"").count(), 13);
    assert_eq!(grid.matches("class=\"own\" d=\"M").count(), 13);
    assert!(!page(run_of(few)).contains("<div class=\"multiples\""), "a dozen fit one chart");
}
