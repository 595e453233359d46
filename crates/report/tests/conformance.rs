//! Whether each model is correct stands beside its speed, and who is wrong leads nothing.

mod fixture;
mod html;

use fixture::{MODELS, run, run_of, trial};
use html::{attribute, attributes, cell, page, part, text};
use record::{Flag, Run};

#[test]
fn every_verdict_of_the_battery_stands_in_the_table_and_its_words_below() {
    let run = run();
    let conformance = run.conformance.clone().unwrap();
    let page = page(run);
    let section = part(&page, "<section id=\"conformance\"", "</section>");
    for model in &conformance.models {
        let row = part(section, &format!("id=\"conformance.{}\"", model.model), "</tr>");
        let marks: Vec<&str> =
            attributes(row, "class").into_iter().filter(|class| class.contains("case ")).collect();
        assert_eq!(marks.len(), conformance.cases.len(), "{}", model.model);
        for (mark, case) in marks.iter().zip(&conformance.cases) {
            let verdict = serde_json::to_value(model.cases[&case.name].verdict).unwrap();
            let word = verdict.as_str().unwrap();
            assert!(mark.ends_with(&format!("verdict-{word}")), "{} {}", model.model, case.name);
        }
    }
    let said = text(section);
    assert!(said.contains("128 slow heads keep all others waiting"), "{said}");
    assert!(said.contains("a zombie was left <b>behind</b>"), "markup stays text: {said}");
    assert!(!section.contains("<b>behind</b>"), "and never becomes markup");
}

#[test]
fn the_verdict_table_says_how_many_cases_each_model_passes() {
    let page = page(run());
    let row = |model: &str| {
        part(&page, &format!("<tr id=\"v.sweep.http.default.10000.{model}\""), "</tr>").to_owned()
    };
    assert!(text(&row("mio-loop")).contains("2 of 2"));
    let wrong = row("process-per-connection");
    assert!(wrong.contains("href=\"#conformance.process-per-connection\""), "{wrong}");
    assert!(text(&wrong).contains("1 of 2"), "{wrong}");
}

#[test]
fn a_model_that_failed_a_case_is_shown_and_never_ranked() {
    let mut trials = Vec::new();
    for repeat in 1..=3 {
        for model in [&MODELS[1], &MODELS[3], &MODELS[4]] {
            let mut one = trial("sweep", "http", 100, 100, model, repeat);
            one.flags.clear();
            if model.0 == "mio-loop" {
                one.flags.push(Flag::Nonconforming);
            }
            trials.push(one);
        }
    }
    let page = page(run_of(trials));
    let best = cell(&page, "v.sweep.http.default.100.mio-loop.cpu");
    assert!(attribute(best, "class").unwrap().contains("unranked"), "{best}");
    assert!(attribute(best, "title").unwrap().ends_with("it failed a case of the battery"));
    let row = part(&page, "<tr id=\"v.sweep.http.default.100.mio-loop\"", "</tr>");
    assert!(row.contains("href=\"#doubt.nonconforming\""), "{row}");
}

#[test]
fn a_run_without_the_battery_says_that_nothing_is_known() {
    let page = page(Run { conformance: None, ..run() });
    let section = part(&page, "<section id=\"conformance\"", "</section>");
    assert!(text(section).contains("nothing here says that the models are correct"));
    assert!(!section.contains("<table"));
}
