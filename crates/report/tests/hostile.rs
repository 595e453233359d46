//! Broken and hostile records: the page says so, and nothing of them acts.

mod fixture;
mod html;

use fixture::{MODELS, machine, run, run_of, trial};
use html::{attributes, own, page, part, text, unique_ids};
use record::trial::{Latency, Pace};
use record::{Machine, Run, Trial};

/// Markup, ends of elements and attributes, plotly's own markup and templates, and shell and path tricks.
const HOSTILE: [&str; 7] = [
    "<script>alert(1)</script>",
    "</script><script>alert(2)</script>",
    "\"><img src=x onerror=alert(3)>",
    "<!--",
    "<a href='javascript:alert(4)'>%{x}</a>",
    "'; alert(5); '${6}`",
    "../../etc/passwd\u{0}\u{2028}\u{202e}",
];

fn hostile_run(text: &str) -> Run {
    let mut trials = Vec::new();
    for connections in [1, 100] {
        for repeat in 1..=2 {
            let mut one = trial("sweep", "http", connections, connections, &MODELS[3], repeat);
            for field in [
                &mut one.model,
                &mut one.experiment,
                &mut one.service,
                &mut one.variant,
                &mut one.run,
                &mut one.pace.kind,
            ] {
                *field = text.into();
            }
            one.outcome_detail = Some(text.into());
            one.warnings = vec![text.into()];
            one.errors.insert(text.into(), 3);
            trials.push(one);
        }
    }
    let mut machine = machine();
    let contestant = &mut machine.contestants[3];
    for field in [
        &mut contestant.name,
        &mut contestant.family,
        &mut contestant.mechanism,
        &mut contestant.server_source,
    ] {
        *field = text.into();
    }
    contestant.runtime = Some(text.into());
    contestant.limits = vec![text.into()];
    machine.argv = vec![text.into()];
    machine.profile = text.into();
    machine.host_label = text.into();
    machine.sysctls = [(text.to_owned(), text.to_owned())].into();
    machine.warnings = vec![text.into()];
    machine.limits[0].name = text.into();
    machine.limits[0].remedy = Some(text.into());
    Run {
        machine,
        plan: text.into(),
        warnings: vec![text.into()],
        dir: text.into(),
        ..run_of(trials)
    }
}

#[test]
fn markup_in_a_record_is_shown_and_never_acts() {
    let harmless = page(hostile_run("harmless"));
    let tags = |page: &str, tag: &str| page.match_indices(tag).count();
    for text in HOSTILE {
        let page = page(hostile_run(text));
        for tag in ["<script", "</script", "<img", "<a ", "<!--", "<svg", "<iframe"] {
            assert_eq!(
                tags(&page, tag),
                tags(&harmless, tag),
                "`{text}` changed the number of `{tag}`"
            );
        }
        for json in page.split("<script type=\"application/json\"").skip(1) {
            let (_, json) = json.split_once('>').unwrap();
            let (json, _) = json.split_once("</script>").unwrap();
            serde_json::from_str::<serde_json::Value>(json)
                .expect("what charts are drawn from is JSON");
        }
        let links = attributes(&page, "href").into_iter().chain(attributes(&page, "src"));
        for link in links {
            assert!(link.starts_with('#') || link == "data:,", "`{text}` became the link `{link}`");
        }
    }
}

#[test]
fn plotly_is_given_names_without_markup() {
    let page = page(hostile_run(HOSTILE[4]));
    let figure = part(&page, "<figure class=\"chart\"", "</figure>");
    assert!(figure.contains("&lt;a href="), "the name is shown as it is");
    assert!(!figure.contains("\\u003ca href="), "the name is not markup to plotly");
}

#[test]
fn what_is_no_number_is_said_and_not_ranked() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut broken = trial("sweep", "http", 100, 100, &MODELS[0], 1);
        broken.requests_per_s = Some(value);
        broken.server.cpu_ns_per_request = Some(value);
        broken.jain_index = Some(value);
        broken.latency_ns = Some(Latency { mean: value, ..Latency::default() });
        broken.duration_s = Some(value);
        broken.machine.steal_share = Some(value);
        let page = page(run_of(vec![broken, trial("sweep", "http", 100, 100, &MODELS[1], 1)]));
        let rate = html::cell(&page, "v.sweep.http.default.100.process-per-connection.rate");
        assert_eq!(text(rate), "not a number");
        assert!(text(part(&page, "id=\"doubt.missing.rate\"", "</div>")).contains("not a number"));
        let shown = text(part(&page, "<main", "</main>"));
        assert!(
            !shown.contains("NaN")
                && !shown.split(' ').any(|word| word.trim_start_matches('-').starts_with("inf")),
            "{value}"
        );
    }
}

#[test]
fn numbers_at_their_limits_do_no_harm() {
    let mut huge = trial("sweep", "http", 100, 100, &MODELS[3], u32::MAX);
    huge.connections = u64::MAX;
    huge.connections_established = Some(u64::MAX);
    huge.connections_active = Some(u64::MAX);
    huge.requests_per_s = Some(f64::MAX);
    huge.latency_ns = Some(Latency {
        min: u64::MAX,
        mean: f64::MAX,
        p50: u64::MAX,
        p90: 0,
        p99: u64::MAX,
        p999: 0,
        max: u64::MAX,
    });
    huge.kernel.slab_bytes = Some(i64::MIN);
    huge.server.pss_bytes = Some(u64::MAX);
    huge.server.pss_idle_bytes = Some(0);
    huge.errors = [("a".to_owned(), u64::MAX), ("b".to_owned(), u64::MAX)].into();
    huge.machine.observation_cpu_ns = Some(u64::MAX);
    let mut least = trial("sweep", "http", 0, 0, &MODELS[3], 0);
    least.connections_established = Some(0);
    least.requests_per_s = Some(-1.0);
    least.server.cpu_ns_per_request = Some(f64::MIN_POSITIVE);
    let page = page(run_of(vec![huge.clone(), huge, least]));
    assert!(text(&page).contains("mio-loop"));
}

#[test]
fn sections_and_baselines_bear_numbers_at_their_limits() {
    let values = [0.0, -1.0, f64::MIN_POSITIVE, f64::MAX, f64::NAN, f64::INFINITY];
    for experiment in ["rate", "memory", "wall", "blocking", "storm"] {
        let mut trials = Vec::new();
        for (value, connections) in values.into_iter().zip(1..) {
            for repeat in 1..=2 {
                let mut one =
                    trial(experiment, "http", connections, connections, &MODELS[3], repeat);
                one.histogram = None;
                one.flags.clear();
                one.pace = Pace { kind: "rate".into(), rate: Some(value) };
                one.requests_per_s = Some(value);
                one.server.cpu_ns_per_request = Some(value * f64::from(repeat));
                one.all_greeted_ms = Some(value);
                one.server.pss_bytes = Some(u64::MAX);
                one.connections_established = Some(if repeat == 1 { 0 } else { u64::MAX });
                trials.push(one);
            }
        }
        let run = run_of(trials);
        let page = own(&report::render(std::slice::from_ref(&run), Some(&run)).unwrap());
        assert!(page.contains(&format!("id=\"x.{experiment}\"")));
        let shown = text(part(&page, "<main", "</main>"));
        let odd = |word: &&str| {
            word.starts_with("NaN") || word.trim_start_matches(['+', '−', '-']).starts_with("inf")
        };
        assert_eq!(shown.split(' ').find(odd), None, "{experiment}");
    }
}

#[test]
fn a_trial_with_nothing_in_it_is_a_row_of_dashes() {
    let empty = Trial {
        experiment: "sweep".into(),
        model: "m".into(),
        service: "http".into(),
        ..Trial::default()
    };
    let page = page(run_of(vec![empty]));
    let row = part(&page, "<tr id=\"v.sweep.http..0.m\"", "</tr>");
    assert!(text(row).contains("–") && !row.contains("data-value"), "{}", text(row));
    assert!(
        text(part(&page, "id=\"doubt.missing.rate\"", "</div>"))
            .contains("absent from 1 of 1 trial")
    );
}

#[test]
fn an_empty_run_says_that_there_is_nothing() {
    let page = page(Run {
        finished_at: None,
        warnings: vec!["there is no `trials.jsonl`".into()],
        ..run_of(Vec::new())
    });
    assert!(text(&page).contains("c10k: nothing was measured"));
    let notice = text(part(&page, "class=\"notice\"", "</div>"));
    assert!(
        notice.contains("no trial was recorded") && notice.contains("there is no `trials.jsonl`"),
        "{notice}"
    );
}

#[test]
fn an_unfinished_run_says_so_at_the_top() {
    let page = page(Run { finished_at: None, ..run() });
    let notice = text(part(&page, "class=\"notice\"", "</div>"));
    assert!(notice.contains("the plan was not finished"), "{notice}");
}

#[test]
fn a_run_without_a_machine_still_shows_its_figures() {
    let run = Run { machine: Machine::default(), ..run() };
    let page = page(run);
    assert!(text(part(&page, "<table class=\"verdict ", "</table>")).contains("mio-loop"));
    assert!(text(&page).contains("The record holds no sources."));
}

#[test]
fn a_broken_histogram_costs_its_curve_and_says_so() {
    let mut broken = trial("sweep", "http", 100, 100, &MODELS[0], 1);
    broken.histogram = Some("AAAA not base64 <b>".into());
    let page = page(run_of(vec![broken, trial("sweep", "http", 100, 100, &MODELS[3], 1)]));
    assert!(
        text(part(&page, "id=\"percentiles.sweep.http.default.100\"", "</table>"))
            .contains("mio-loop")
    );
    let doubts = text(part(&page, "<section id=\"doubts\">", "</section>"));
    assert!(
        doubts.contains(
            "latency by percentile lacks it 1 trial 1 cell of 1 model process-per-connection"
        ),
        "{doubts}"
    );
}

#[test]
fn no_run_at_all_is_an_error_with_a_remedy() {
    let error = report::render(&[], None).unwrap_err().to_string();
    assert_eq!(error, "no run to report; name a folder under `results/`");
}

#[test]
fn two_names_that_look_alike_as_ids_stay_two_cells() {
    let mut one = trial("sweep", "http", 100, 100, &MODELS[0], 1);
    let mut other = trial("sweep", "http", 100, 100, &MODELS[0], 1);
    one.model = "a b".into();
    other.model = "a-b".into();
    let page = own(&report::render(&[run_of(vec![one, other])], None).unwrap());
    unique_ids(&page);
}
