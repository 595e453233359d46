//! Whatever taints a figure stands beside it, in words, and takes it out of the ranking.

mod fixture;
mod html;

use std::sync::OnceLock;

use fixture::{MODELS, run, run_of, trial};
use html::{attribute, cell, page, part, text};
use record::trial::Counters;
use record::{Flag, Outcome, Trial};

/// The page of the fixture, made once.
fn fixed() -> &'static str {
    static PAGE: OnceLock<String> = OnceLock::new();
    PAGE.get_or_init(|| page(run()))
}

/// Narrow space between groups of digits.
fn thin(text: &str) -> String {
    text.replace('_', "\u{202f}")
}

#[test]
fn a_starved_cell_says_how_many_it_served_beside_its_latency_and_leads_nothing() {
    let page = fixed();
    for column in ["rate", "p50", "p99"] {
        let starved = cell(page, &format!("v.sweep.http.default.10000.thread-pool.{column}"));
        assert!(attribute(starved, "class").unwrap().contains("unranked"));
        assert!(starved.contains("<s>"), "its figure is struck out");
        assert!(text(starved).ends_with(&thin("served 128 of\u{a0}10_000")), "{}", text(starved));
    }
    let row = part(page, "<tr id=\"v.sweep.http.default.10000.thread-pool\"", "</tr>");
    assert!(!row.contains("n lead"), "no figure of a starved cell is ranked");
    let answer = part(page, "<section id=\"answer\"", "</section>");
    assert!(text(answer).contains(&thin("thread-pool served only 128 of 10_000")));
}

#[test]
fn a_starved_cell_with_the_best_figures_is_still_not_the_best() {
    let quick = |mut trial: Trial| {
        trial.server.cpu_ns_per_request = Some(1.0);
        trial
    };
    let mut trials = Vec::new();
    for repeat in 1..=6 {
        trials.push(quick(trial("sweep", "http", 1_000, 1_000, &MODELS[2], repeat)));
        trials.push(trial("sweep", "http", 1_000, 1_000, &MODELS[1], repeat));
        trials.push(trial("sweep", "http", 1_000, 1_000, &MODELS[3], repeat));
    }
    let page = page(run_of(trials));
    let cpu =
        |model: &str| cell(&page, &format!("v.sweep.http.default.1000.{model}.cpu")).to_owned();
    assert!(attribute(&cpu("thread-pool"), "class").unwrap().contains("unranked"));
    assert!(attribute(&cpu("mio-loop"), "class").unwrap().contains("lead"));
    assert!(!attribute(&cpu("thread-per-connection"), "class").unwrap().contains("lead"));
}

#[test]
fn a_generator_bound_cell_loses_rate_and_latency_and_keeps_cpu_switches_and_memory() {
    let six = MODELS.iter().flat_map(|model| {
        (1..=6).map(move |repeat| trial("sweep", "http", 10_000, 10_000, model, repeat))
    });
    let page = &page(run_of(six.collect()));
    let class = |column: &str| {
        let figure = cell(page, &format!("v.sweep.http.default.10000.mio-loop.{column}"));
        attribute(figure, "class").unwrap().to_owned()
    };
    for column in ["rate", "p50", "p99"] {
        assert!(class(column).contains("unranked"), "{column}");
    }
    for column in ["cpu", "switches", "memory"] {
        assert!(class(column).contains("lead"), "{column}");
    }
    // Nobody else may lead where the fastest were held back.
    let table = part(
        page,
        "<table class=\"verdict sortable\" id=\"v.sweep.http.default.10000\">",
        "</table>",
    );
    let leads = table.match_indices("n lead").count();
    let rate_leads =
        table.split("<td id=").filter(|cell| cell.contains(".rate\" class=\"n lead")).count();
    assert!(leads > 0 && rate_leads == 0);
}

#[test]
fn single_trials_lead_nothing_since_their_spread_is_unknown() {
    let page = fixed();
    let table = part(
        page,
        "<table class=\"verdict sortable\" id=\"v.idle-mass.http.default.10000\">",
        "</table>",
    );
    assert!(!table.contains("n lead"));
    assert!(
        text(table).contains("1 trial a cell: with a single trial nothing is known of the spread")
    );
}

#[test]
fn a_noisy_attempt_stays_in_sight_and_out_of_the_median() {
    let page = fixed();
    let row = part(page, "<tr id=\"sweep.http.default.1000.thread-per-connection\"", "</tr>");
    assert!(text(row).contains("3 of 4"), "{}", text(row));
    let doubt = part(page, "id=\"doubt.noisy\"", "</div>");
    assert!(text(doubt).contains("1 of 4 trials, steal up to 21.3 %"), "{}", text(doubt));
}

#[test]
fn what_others_took_is_said_beside_the_counts_that_hold_them() {
    let doubt_of = |counters| {
        let mut noisy = trial("sweep", "http", 100, 100, &MODELS[3], 1);
        noisy.flags = vec![Flag::Noisy];
        noisy.machine.other_cpu_share = Some(0.14);
        noisy.server.counters = Some(counters);
        let page = page(run_of(vec![noisy]));
        text(part(&page, "id=\"doubt.noisy\"", "</div>"))
    };
    let traced = doubt_of(Counters::Perf);
    assert!(traced.contains("others up to 14.0 % (their system calls"), "{traced}");
    let not = doubt_of(Counters::Proc);
    assert!(not.contains("others up to 14.0 %") && !not.contains("their system calls"), "{not}");
}

#[test]
fn every_outcome_and_every_flag_is_said_in_words_with_a_link_to_its_cell() {
    let outcomes = [
        (Outcome::Starved, "starved"),
        (Outcome::Hung, "hung"),
        (Outcome::FailedStart, "failed-start"),
        (Outcome::Died, "died"),
        (Outcome::Limit, "limit"),
        (Outcome::Killed, "killed"),
        (Outcome::Inconsistent, "inconsistent"),
        (Outcome::Interrupted, "interrupted"),
    ];
    for (outcome, word) in outcomes {
        let mut only = trial("sweep", "http", 100, 100, &MODELS[3], 1);
        only.outcome = outcome;
        only.flags.clear();
        only.outcome_detail = Some("so it was".into());
        let page = page(run_of(vec![only]));
        let row = part(&page, "<tr id=\"v.sweep.http.default.100.mio-loop\"", "</tr>");
        assert!(text(row).contains(word), "{word}: {}", text(row));
        assert!(!row.contains("n lead") && !row.contains("<i style"), "{word} is not ranked");
        let doubt = part(&page, &format!("id=\"doubt.{word}\""), "</div>");
        assert!(doubt.contains("href=\"#sweep.http.default.100.mio-loop\""), "{word}");
    }
    let flags = [
        (Flag::GeneratorBound, "generator-bound"),
        (Flag::Noisy, "noisy"),
        (Flag::TcpDrops, "tcp-drops"),
        (Flag::ColdStart, "cold-start"),
        (Flag::UncleanExit, "unclean-exit"),
        (Flag::Nonconforming, "nonconforming"),
    ];
    for (flag, word) in flags {
        let mut only = trial("sweep", "http", 100, 100, &MODELS[0], 1);
        only.flags = vec![flag];
        let page = page(run_of(vec![only]));
        let row =
            part(&page, "<tr id=\"v.sweep.http.default.100.process-per-connection\"", "</tr>");
        assert!(row.contains(&format!("href=\"#doubt.{word}\"")), "{word}");
        assert!(page.contains(&format!("id=\"doubt.{word}\"")), "{word}");
    }
}

#[test]
fn a_cell_of_noisy_trials_alone_is_shown_and_not_ranked() {
    let mut trials = Vec::new();
    for repeat in 1..=6 {
        for model in [&MODELS[0], &MODELS[1], &MODELS[4]] {
            let mut one = trial("sweep", "http", 100, 100, model, repeat);
            one.flags = if model.0 == "tokio-tasks" { vec![Flag::Noisy] } else { Vec::new() };
            trials.push(one);
        }
    }
    let page = page(run_of(trials));
    let noisy = cell(&page, "v.sweep.http.default.100.tokio-tasks.cpu");
    assert!(attribute(noisy, "class").unwrap().contains("unranked"));
    assert!(attribute(noisy, "title").unwrap().ends_with("not ranked: every trial was noisy"));
    let next = cell(&page, "v.sweep.http.default.100.thread-per-connection.cpu");
    assert!(attribute(next, "class").unwrap().contains("lead"));
}

#[test]
fn one_death_takes_a_cell_out_of_the_ranking_and_one_broken_account_only_its_trial() {
    for (outcome, ranked) in
        [(Outcome::Died, false), (Outcome::Inconsistent, true), (Outcome::Interrupted, true)]
    {
        let mut trials = Vec::new();
        for repeat in 1..=7 {
            for model in [&MODELS[0], &MODELS[1]] {
                let mut one = trial("sweep", "http", 100, 100, model, repeat);
                one.flags.clear();
                if repeat == 1 && model.0 == "thread-per-connection" {
                    one.outcome = outcome;
                    one.server.cpu_ns_per_request = Some(1e12);
                }
                trials.push(one);
            }
        }
        let page = page(run_of(trials));
        let cpu = cell(&page, "v.sweep.http.default.100.thread-per-connection.cpu");
        assert_eq!(attribute(cpu, "class").unwrap().contains("lead"), ranked, "{outcome:?}");
        assert!(attribute(cpu, "title").unwrap().starts_with("median of 6 trials"));
        let row = part(&page, "<tr id=\"v.sweep.http.default.100.thread-per-connection\"", "</tr>");
        assert!(text(row).contains("1 of 7"), "{outcome:?}: {}", text(row));
    }
}

#[test]
fn who_was_measured_again_because_of_noise_is_still_one_that_served_all() {
    let mut trials: Vec<Trial> = MODELS[3..5]
        .iter()
        .flat_map(|model| (1..=3).map(|repeat| trial("sweep", "http", 100, 100, model, repeat)))
        .collect();
    let mut again = trials[0].clone();
    again.attempt = 2;
    trials[0].flags.push(Flag::Noisy);
    trials.push(again);
    let page = page(run_of(trials));
    let answer = text(part(&page, "<section id=\"answer\"", "</section>"));
    assert!(answer.contains("All 2 models served all of the 100 connections"), "{answer}");
}

#[test]
fn whether_a_model_can_be_trusted_stands_in_one_place() {
    let own: Vec<Trial> =
        run().trials.into_iter().filter(|trial| trial.model == "mio-loop").collect();
    let bound = own.iter().filter(|trial| trial.flags.contains(&Flag::GeneratorBound)).count();
    assert!(bound > 0, "the fixture has such trials");
    let said =
        text(part(fixed(), "<details class=\"source\" id=\"source.mio-loop\"", "</details>"));
    assert!(said.contains(&format!("They rest on {} trials in ", own.len())), "{said}");
    assert!(said.contains(&format!("generator-bound {bound} of {}", own.len())), "{said}");
    assert!(said.contains("CPU, switches and memory stand"), "with what it means: {said}");
}
