//! What the page says of a run: every figure where it belongs, and every taint beside what it taints.

mod fixture;
mod html;

use std::sync::OnceLock;

use fixture::{MODELS, run, run_of, trial};
use html::{attribute, attributes, cell, grid, page, part, text, unique_ids};
use record::Trial;
use record::stats::{float, median};

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
fn the_verdict_table_of_a_fixed_run_stays_as_it_is() {
    let page = fixed();
    for (name, id) in [
        ("sweep-http", "v.sweep.http.default.10000"),
        ("sweep-echo", "v.sweep.echo.default.10000"),
        ("idle-mass", "v.idle-mass.http.default.10000"),
    ] {
        let table =
            part(page, &format!("<table class=\"verdict sortable\" id=\"{id}\">"), "</table>");
        insta::assert_snapshot!(format!("verdict-{name}"), grid(table));
    }
}

#[test]
fn the_answer_of_a_fixed_run_stays_as_it_is() {
    let page = fixed();
    // What is packed behind it has a test of its own.
    let answer = part(page, "<section id=\"answer\"", "<script");
    let lines: Vec<String> = answer.replace("<tr>", "<li>").split("<li>").map(text).collect();
    insta::assert_snapshot!("answer", lines.join("\n"));
}

/// What each column must show of a trial, from the record's fields.
type Expected = (&'static str, fn(&Trial) -> Option<f64>);

const EXPECTED: [Expected; 35] = [
    ("rate", |t| t.requests_per_s),
    ("p50", |t| Some(float(t.latency_ns?.p50) / 1e6)),
    ("p90", |t| Some(float(t.latency_ns?.p90) / 1e6)),
    ("p99", |t| Some(float(t.latency_ns?.p99) / 1e6)),
    ("p999", |t| Some(float(t.latency_ns?.p999) / 1e6)),
    ("max", |t| Some(float(t.latency_ns?.max) / 1e6)),
    ("mean", |t| Some(t.latency_ns?.mean / 1e6)),
    ("cpu", |t| Some(t.server.cpu_ns_per_request? / 1e3)),
    ("voluntary", |t| t.server.voluntary_switches_per_request),
    ("involuntary", |t| t.server.involuntary_switches_per_request),
    ("switches", |t| {
        Some(t.server.voluntary_switches_per_request? + t.server.involuntary_switches_per_request?)
    }),
    ("syscalls", |t| t.server.syscalls_per_request),
    ("memory", |t| {
        Some(
            (float(t.server.pss_bytes?) - float(t.server.pss_idle_bytes?))
                / float(t.connections_established?)
                / 1024.0,
        )
    }),
    ("pss", |t| Some(float(t.server.pss_bytes?) / 1_048_576.0)),
    ("pss-idle", |t| Some(float(t.server.pss_idle_bytes?) / 1_048_576.0)),
    ("processes", |t| Some(float(t.server.processes?))),
    ("threads", |t| Some(float(t.server.threads?))),
    ("slab", |t| Some(float(t.kernel.slab_bytes?.unsigned_abs()) / 1_048_576.0)),
    ("page-tables", |t| Some(-float(t.kernel.page_table_bytes?.unsigned_abs()) / 1_048_576.0)),
    ("established", |t| Some(float(t.connections_established?))),
    ("active", |t| Some(float(t.connections_active?))),
    ("served", |t| Some(float(t.connections_served?))),
    ("least", |t| Some(float(t.connection_requests?.min))),
    ("most", |t| Some(float(t.connection_requests?.max))),
    ("jain", |t| t.jain_index),
    ("opened", |t| t.open_ms),
    ("greeted", |t| t.connections_greeted.map(float)),
    ("all-greeted", |t| t.all_greeted_ms),
    ("overflows", |t| t.tcp.listen_overflows.map(float)),
    ("syns", |t| t.tcp.syn_retransmits.map(float)),
    ("generator-cpu", |t| Some(t.generator.cpu_ns_per_request? / 1e3)),
    ("generator-share", |t| Some(t.generator.cpu_share? * 100.0)),
    ("steal", |t| Some(t.machine.steal_share? * 100.0)),
    ("others", |t| Some(t.machine.other_cpu_share? * 100.0)),
    ("little", |t| Some(t.checks.little?.ratio)),
];

/// The number that a cell shows, to three digits; of what is too small for anybody, the bound.
fn shown(cell: &str) -> f64 {
    let figure = cell.split("<small").flat_map(|part| part.split("<p>")).next().unwrap_or_default();
    let digits: String = text(figure).chars().filter(|c| !c.is_whitespace()).collect();
    digits.trim_start_matches('<').parse().unwrap_or_else(|_| panic!("a number: {cell}"))
}

#[test]
fn every_figure_on_the_page_is_the_median_of_the_trials_of_its_cell() {
    let (run, page) = (run(), fixed());
    let data = html::data(page);
    let near = |shown: f64, told: f64, of: f64| (shown - told).abs() <= told.abs() * of;
    let mut seen = 0;
    for record_cell in run.cells() {
        let trials = record_cell.counted();
        if trials.is_empty() {
            continue;
        }
        let place = format!(
            "{}.{}.default.{}.{}",
            record_cell.experiment, record_cell.service, record_cell.connections, record_cell.model
        );
        let handed_out = html::figures(&data, &record_cell);
        for (id, of) in EXPECTED {
            let values: Vec<f64> = trials.iter().filter_map(|trial| of(trial)).collect();
            let here = format!("{place}.{id}");
            if values.is_empty() {
                // A dash in a column of the group, or no column: never a figure.
                let is_shown = page.contains(&format!("<td id=\"{here}\""));
                assert!(!is_shown || text(cell(page, &here)) == "–", "{here} was not measured");
                assert!(handed_out[id].is_null(), "{here}");
                continue;
            }
            let told = median(&values).unwrap();
            let small = told.abs() < 0.001 && text(cell(page, &here)).starts_with('<');
            let digits = shown(cell(page, &here));
            assert!(small || near(digits, told, 0.005), "{here}: {digits} for {told}");
            let exact = handed_out[id]["median"].as_f64().unwrap();
            assert!(near(exact, told, 1e-5), "{here}: {exact} for {told}");
            if page.contains(&format!("<td id=\"v.{here}\"")) {
                let verdict = attribute(cell(page, &format!("v.{here}")), "data-value");
                let verdict: f64 =
                    verdict.expect("a measured figure has its value").parse().unwrap();
                assert!(near(verdict, told, 1e-5), "v.{here}: {verdict} for {told}");
            }
            seen += 1;
        }
    }
    // The fixture has 50 cells, one of them without figures. Four columns belong to storms, of which there are five;
    // one other cell has a listen overflow.
    assert_eq!(seen, 49 * (EXPECTED.len() - 4) + 5 * 4 + 1);
}

#[test]
fn three_digits_and_the_unit_of_a_single_trial_can_be_read_off() {
    let mut only = trial("sweep", "http", 100, 100, &MODELS[3], 1);
    only.flags.clear();
    only.requests_per_s = Some(81_234.5);
    only.server.cpu_ns_per_request = Some(12_345.6);
    let page = page(run_of(vec![only]));
    let rate = cell(&page, "v.sweep.http.default.100.mio-loop.rate");
    assert_eq!(text(rate), thin("81_200"));
    assert_eq!(attribute(rate, "data-value"), Some("81234.5"));
    assert_eq!(text(cell(&page, "v.sweep.http.default.100.mio-loop.cpu")), "12.3");
    let head = part(&page, "<table class=\"verdict ", "</thead>");
    assert!(text(head).contains("Rate requests/s") && text(head).contains("CPU per request µs"));
}

#[test]
fn charts_draw_the_same_figures_as_the_tables() {
    let page = fixed();
    let figure =
        part(page, "<figure class=\"chart\" id=\"chart.sweep.http.default.cpu\">", "</figure>");
    let json = part(figure, "{", "</script>").trim_end_matches("</script>");
    let plot: serde_json::Value = serde_json::from_str(json).unwrap();
    let traces = plot["data"].as_array().unwrap();
    let line =
        traces.iter().find(|trace| trace["name"] == "mio-loop").expect("each model has its line");
    let drawn: Vec<f64> =
        line["y"].as_array().unwrap().iter().map(|y| y.as_f64().unwrap()).collect();
    let told: Vec<f64> = [1, 100, 1_000, 10_000]
        .iter()
        .map(|connections| {
            let id = format!("sweep.http.default.{connections}.mio-loop.cpu");
            shown(cell(page, &id))
        })
        .collect();
    assert_eq!(drawn.len(), told.len());
    assert!(drawn.iter().zip(&told).all(|(drawn, told)| (drawn / told - 1.0).abs() < 0.005));
    assert_eq!(plot["layout"]["yaxis"]["type"], "log");
    let low = line["error_y"]["arrayminus"].as_array().unwrap();
    assert_eq!(low.len(), drawn.len(), "each mark has its spread");
}

#[test]
fn six_trials_have_an_interval_and_its_coverage_five_have_a_range() {
    let six = (1..=6).map(|repeat| trial("sweep", "http", 100, 100, &MODELS[0], repeat));
    let caption = |page: &str| {
        text(part(page, "<table class=\"verdict ", "</caption>")).replace('\u{202f}', " ")
    };
    let of_six = caption(&page(run_of(six.clone().collect())));
    assert!(of_six.contains("the median of 6 trials and its 96.9 % interval unless"), "{of_six}");
    let of_five = caption(&page(run_of(six.take(5).collect())));
    assert!(of_five.contains("medians, with the range beneath"), "{of_five}");
}

#[test]
fn every_link_leads_somewhere_and_no_two_things_share_an_id() {
    let page = fixed();
    let ids = unique_ids(page);
    let links: Vec<&str> =
        attributes(page, "href").into_iter().filter_map(|href| href.strip_prefix('#')).collect();
    assert!(links.len() > 200);
    for link in links {
        assert!(ids.binary_search(&link).is_ok(), "#{link} leads nowhere");
    }
}

#[test]
fn two_runs_stand_one_after_the_other_and_are_never_mixed() {
    let one = run_of(vec![trial("sweep", "http", 100, 100, &MODELS[0], 1)]);
    let other = run_of(vec![trial("sweep", "http", 100, 100, &MODELS[0], 2)]);
    let page = html::own(&report::render(&[one.clone(), other.clone()], None).unwrap());
    for (prefix, run) in [("", &one), ("run2.", &other)] {
        let id = format!("v.{prefix}sweep.http.default.100.process-per-connection.rate");
        let shown = attribute(cell(&page, &id), "data-value").unwrap().parse::<f64>().unwrap();
        assert!((shown / run.trials[0].requests_per_s.unwrap() - 1.0).abs() < 1e-5, "{shown}");
    }
    unique_ids(&page);
}

#[test]
fn the_command_the_limits_and_each_source_are_on_the_page() {
    let page = fixed();
    let environment = text(part(page, "<section id=\"environment\">", "</section>"));
    assert!(
        environment.contains("cargo c10k run --services echo,http --connections 1,100,1000,10000")
    );
    assert!(
        environment.contains("nofile 20000 connections stop at 19,900 a process ulimit -n 1048576")
    );
    for (model, ..) in MODELS {
        let source = part(page, &format!("id=\"source.{model}\""), "</details>");
        assert!(html::verbatim(source).contains("fn serve() -> Vec<u8>"), "{model}");
        assert!(
            source.contains(&format!("href=\"#sweep.http.default.100.{model}\"")),
            "its numbers stand beside it"
        );
    }
}

#[test]
fn every_table_has_a_caption_and_every_heading_says_what_it_heads() {
    let page = fixed();
    let tables: Vec<&str> = page.split("<table").skip(1).collect();
    assert!(tables.len() > 20);
    for table in tables {
        let table = &table[..table.find("</table>").expect("a table ends")];
        assert!(table.contains("<caption>"), "{}", &table[..200]);
    }
    for heading in page.split("<th ").skip(1) {
        assert!(heading.starts_with("scope="), "{}", &heading[..60]);
    }
    assert!(!page.contains("<th>"));
}
