//! What a reader could take for something else: loads that burn, models with too few repeats, connections that come and go.

use record::trial::{Pace, twin_of};
use record::{Flag, Outcome};

use crate::fixture::{MODELS, run_of};
use crate::html::{cell, page, part, text};
use crate::{paced, quiet, repeated, three};

#[test]
fn what_each_request_burns_stands_at_its_load_and_at_the_columns_that_rest_on_it() {
    let mut trials = three(|model, repeat| quiet("sweep", 100, model, repeat));
    for model in &MODELS {
        let mut half = paced(model, "50%", 20_000.0, 2);
        half.settings.burn_ns = Some(20_000);
        trials.push(half);
    }
    let page = page(run_of(trials));
    let rates = text(part(&page, "<section id=\"x.rate\"", "</section>"));
    assert!(rates.contains("requests/s, each request burns 20.0 µs, variant rate-50%"), "{rates}");
    let verdict = text(part(&page, "id=\"v.sweep.http.default.100\"", "</caption>"));
    assert!(
        verdict.contains("In p99 at half load and Capacity each request burns 20.0 µs"),
        "{verdict}"
    );
}

#[test]
fn an_offered_rate_is_named_by_those_to_whom_it_was_offered() {
    let mut trials: Vec<_> = MODELS.iter().map(|model| paced(model, "50%", 20_000.0, 2)).collect();
    trials[0].pace = Pace { kind: "closed".into(), rate: None };
    trials[0].outcome = Outcome::Limit;
    trials[1].pace.rate = Some(30_000.0);
    let page = page(run_of(trials));
    let rates = text(part(&page, "<section id=\"x.rate\"", "</section>"));
    assert!(rates.contains("open loop (poisson) at 20\u{202f}000 to 30\u{202f}000"), "{rates}");
}

#[test]
fn who_has_too_few_repeats_leads_with_nobody() {
    let trials = repeated(7, |model, repeat| {
        let mut one = quiet("sweep", 100, model, repeat);
        // Far from the first, and noisy more often than not.
        if model.0 == "process-per-connection" && repeat > 2 {
            one.flags = vec![Flag::Noisy];
        }
        one
    });
    let page = page(run_of(trials));
    let answer = text(part(&page, "<article>", "</article>"));
    let said = "not compared: process-per-connection (2 repeats, and an interval needs 6)";
    assert!(answer.contains(said), "{answer}");
    let id = "v.sweep.http.default.100";
    assert!(!cell(&page, &format!("{id}.process-per-connection.cpu")).contains("lead"));
    assert!(cell(&page, &format!("{id}.mio-loop.cpu")).contains("lead"));
    let caption = text(part(&page, &format!("id=\"{id}\""), "</caption>"));
    assert!(caption.contains("below six trials, with the range"), "{caption}");
}

#[test]
fn connections_that_come_and_go_weigh_nothing() {
    let page = page(run_of(three(|model, repeat| {
        let mut one = quiet("churn", 100, model, repeat);
        one.settings.churn = Some(true);
        one
    })));
    assert!(!page.contains("id=\"v.churn.http.default.100.mio-loop.memory\""));
    assert!(page.contains("id=\"v.churn.http.default.100.mio-loop.cpu\""));
    assert!(!text(part(&page, "<section id=\"answer\"", "</section>")).contains("Lowest memory"));
}

#[test]
fn a_noisy_trial_that_starved_is_not_said_to_have_served_all() {
    let page = page(run_of(three(|model, repeat| {
        let mut one = quiet("sweep", 100, model, repeat);
        if model.0 == "mio-loop" && repeat == 1 {
            one.outcome = Outcome::Starved;
            one.flags = vec![Flag::Noisy];
            one.connections_served = Some(7);
        }
        one
    })));
    let answer = text(part(&page, "<article>", "</article>"));
    assert!(answer.contains("mio-loop served only 7 to 100 of 100"), "{answer}");
}

#[test]
fn inline_and_offloaded_blocking_are_two_needs_and_what_is_open_says_why() {
    let mut trials = Vec::new();
    for variant in ["inline", "offload"] {
        trials.extend(three(|model, repeat| {
            let mut one = quiet("blocking", 100, model, repeat);
            one.variant = variant.into();
            if variant == "inline" && model.0 == "thread-pool" {
                one.flags = vec![Flag::GeneratorBound];
            }
            one
        }));
    }
    let page = page(run_of(trials));
    let table = part(&page, "<table class=\"choices\"", "</table>");
    let row = |heading: &str| {
        text(table.split("<tr>").find(|row| text(row).starts_with(heading)).expect(heading))
    };
    let inline =
        row("Handlers that block, inline Latency p99 of everybody else open 4 models from ");
    assert!(inline.ends_with("the generator was the limit for 1 model"), "{inline}");
    let offload =
        row("Handlers that block, offload Latency p99 of everybody else open 5 models from ");
    assert!(offload.ends_with("3 repeats, and an interval needs 6"), "{offload}");
    assert!(table.contains("href=\"#v.blocking.http.inline.100\""), "the need leads to its load");
}

#[test]
fn a_doubt_names_some_cells_of_every_model() {
    let mut trials = Vec::new();
    for connections in [1, 10, 100, 1_000, 10_000] {
        trials.extend(three(|model, repeat| {
            let mut one = quiet("sweep", connections, model, repeat);
            one.flags = vec![Flag::ColdStart];
            one
        }));
    }
    let page = page(run_of(trials));
    let doubt = text(part(&page, "id=\"doubt.cold-start\"", "</div>"));
    assert!(doubt.contains("25 cells of 5 models"), "{doubt}");
    for (model, ..) in MODELS {
        assert!(
            doubt.contains(&format!("{model} sweep http 1 : 3 of 3 trials; sweep http 10")),
            "{doubt}"
        );
    }
    assert_eq!(doubt.matches("and 2 more").count(), MODELS.len());
}

#[test]
fn a_leap_between_models_is_told_even_where_nobody_is_first() {
    let page = page(run_of(three(|model, repeat| {
        let mut one = quiet("blocking", 100, model, repeat);
        one.variant = "inline".into();
        let mut latency = one.latency_ns.expect("the fixture measures latency");
        let is_loop = ["mio-loop", "tokio-tasks"].contains(&model.0);
        latency.p99 = if is_loop { 100_000_000 } else { 200_000 };
        one.latency_ns = Some(latency);
        one
    })));
    let table = text(part(&page, "<table class=\"choices\"", "</table>"));
    assert!(table.contains("open 3 models from process-per-connection : 0.200 ms"), "{table}");
    assert!(table.contains(", then 2 models from mio-loop : 100 ms"), "{table}");
}

#[test]
fn a_model_is_trusted_as_far_as_its_flags_allow() {
    let with = |flag: Option<Flag>| {
        let page = page(run_of(three(|model, repeat| {
            let mut one = quiet("sweep", 100, model, repeat);
            one.flags.extend(flag.filter(|_| repeat == 1));
            one
        })));
        text(part(&page, "id=\"source.tokio-tasks\"", "</div>"))
    };
    let calm = with(None);
    assert!(calm.contains("Rates and latencies: yes, the same way."), "{calm}");
    assert!(calm.contains("On more CPUs than 1: nothing is known."), "{calm}");
    let bound = with(Some(Flag::GeneratorBound));
    assert!(bound.contains("since the generator was the limit in 1 of 3 trials"), "{bound}");
    assert!(with(Some(Flag::Drifted)).contains("Across loads or runs: not where trials drifted"));
    assert!(with(Some(Flag::Nonconforming)).contains("No: it failed a case of the conformance"));
}

#[test]
fn the_method_is_tested_by_what_is_known() {
    let mut trials = Vec::new();
    for (variant, burn_ns, times) in
        [("default", None, 1.0), (&twin_of("default"), None, 1.0), ("burn", Some(650), 1.08)]
    {
        for repeat in 1..=7 {
            let mut one = quiet("calibration", 100, &MODELS[3], repeat);
            one.variant = variant.to_owned();
            one.settings.burn_ns = burn_ns;
            let wobble = 1.0 + 0.001 * f64::from(repeat % 3);
            one.server.cpu_ns_per_request = Some(9_000.0 * times * wobble);
            trials.push(one);
        }
    }
    let said =
        |trials| text(part(&page(run_of(trials)), "<table class=\"full checks\"", "</table>"));
    let checks = said(trials.clone());
    assert!(checks.contains("mio-loop nothing none ±0.0\u{202f}%"), "{checks}");
    assert!(checks.contains("each request burns 0.650 µs a difference +8.0\u{202f}%"), "{checks}");
    assert_eq!(checks.matches("✓ yes").count(), 2, "{checks}");
    trials.retain(|trial| trial.repeat <= 3);
    assert_eq!(said(trials.clone()).matches("too few repeats to tell").count(), 2);
    // A burn that nobody sees.
    let mut blind = trials;
    for repeat in 4..=7 {
        let more = blind.iter().filter(|trial| trial.repeat == 1).cloned().map(|mut trial| {
            trial.repeat = repeat;
            trial
        });
        blind.extend(more.collect::<Vec<_>>());
    }
    for trial in &mut blind {
        trial.server.cpu_ns_per_request = Some(9_000.0 + f64::from(trial.repeat));
    }
    assert_eq!(said(blind).matches("✗ no").count(), 1);
}

#[test]
fn a_generator_that_was_idle_is_flagged_for_what_it_sent_late() {
    let page = page(run_of(three(|model, repeat| {
        let mut one = quiet("sweep", 100, model, repeat);
        one.flags = vec![Flag::GeneratorBound];
        one.generator.cpu_share = Some(0.3);
        one.generator.late_while_free_ns_p99 = Some(1_500_000);
        one
    })));
    let doubt = text(part(&page, "id=\"doubt.generator-bound\"", "</div>"));
    assert!(doubt.contains("3 of 3 trials, sent up to 1.50 ms late"), "{doubt}");
    assert!(!doubt.contains("of its CPUs"), "{doubt}");
}
