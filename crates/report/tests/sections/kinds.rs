//! Experiments of other kinds than a load alone: clients, disturbed trials, benches.

use record::bench::{Estimate, Interval, UnitMemory};
use record::stats::{float, median};
use record::trial::{Beside, Client, Fault, Server, SetBy, StoppedBy};
use record::{Benches, Outcome, Trial};

use super::{quiet, repeated, three};
use crate::fixture::{Model, run, run_of};
use crate::html::{self, attribute, cell, page, part, text};

/// A run of a client that fetched, or slept.
fn fetched(model: &Model, repeat: u32) -> Trial {
    let mut one = quiet("fan-out", 1_000, model, repeat);
    (one.latency_ns, one.requests_per_s, one.server) = (None, None, Server::default());
    one.connections_served = None;
    one.variant = "slow-servers".into();
    one.client = Some(Client {
        task: "fetch".into(),
        fetched: Some(1_000),
        failed: Some(0),
        wall_ns: Some(250_000_000),
        cpu_ns: Some(40_000_000 + u64::from(repeat) * 100_000),
        pss_bytes_max: Some(3 << 20),
        ..Client::default()
    });
    one
}

#[test]
fn a_client_has_its_own_columns_and_no_connections_served() {
    let page = page(run_of(repeated(6, fetched)));
    let table = part(&page, "id=\"v.fan-out.http.slow-servers", "</table>");
    let head = text(part(table, "<thead>", "</thead>"));
    assert!(head.contains("CPU per good fetch µs") && !head.contains("Served"), "{head}");
    let each = cell(&page, "v.fan-out.http.slow-servers.1000.mio-loop.client-cpu-each");
    let shown: f64 = attribute(each, "data-value").unwrap().parse().unwrap();
    assert!((shown - 40.35).abs() < 1e-9, "the median of 40.1 to 40.6: {shown}");
    let memory = cell(&page, "v.fan-out.http.slow-servers.1000.mio-loop.client-memory");
    assert!(text(memory).starts_with("3.00"), "{memory}");
    assert!(page.contains("id=\"chart.fan-out.http.slow-servers.client-cpu-each\""));
    assert!(text(&page).contains("at 1\u{202f}000 fetches"));
}

#[test]
fn an_idiom_is_late_by_what_lies_beyond_its_sleeps_and_drifts_by_its_last_tick() {
    let slept = |model: &Model, repeat: u32| {
        let mut one = fetched(model, repeat);
        (one.experiment, one.service, one.connections) = ("idioms".into(), "none".into(), 3);
        let task = if repeat.is_multiple_of(2) { "sequential" } else { "timer" };
        one.variant = task.into();
        one.client = Some(Client {
            task: task.into(),
            sleeps_ms: vec![40, 30, 10],
            wall_ns: Some(82_000_000),
            period_ns: Some(10_000_000),
            ticks_ns: vec![10_000_000, 23_000_000, 33_000_000],
            ..Client::default()
        });
        one
    };
    let page = page(run_of(three(slept)));
    let figure = |variant: &str, id: &str| {
        let id = format!("v.idioms.none.{variant}.3.mio-loop.client-{id}");
        attribute(cell(&page, &id), "data-value").unwrap().parse::<f64>().unwrap()
    };
    assert!((figure("sequential", "late") - 2.0).abs() < 1e-9, "the sum is due");
    assert!((figure("timer", "late") - 42.0).abs() < 1e-9, "the longest is due");
    assert!((figure("timer", "drift") - 3.0).abs() < 1e-9);
    assert!((figure("timer", "jitter") - 4.5f64.sqrt()).abs() < 1e-5);
}

#[test]
fn what_everybody_else_feels_stands_side_by_side_and_what_those_beside_got_below() {
    let mut trials = three(|model, repeat| quiet("blocking", 10, model, repeat));
    for trial in &mut trials {
        trial.variant = "alone".into();
    }
    trials.extend(three(|model, repeat| {
        let mut one = quiet("blocking", 10, model, repeat);
        one.variant = "inline".into();
        one.latency_ns.as_mut().unwrap().p99 = 77_000_000;
        one.beside = Some(Beside {
            duration_s: Some(2.0),
            requests: Some(20),
            cut_off: Some(4),
            ..Beside::default()
        });
        one
    }));
    let page = page(run_of(trials));
    let side = part(&page, "aria-label=\"HTTP: what everybody else feels", "</table>");
    assert!(text(side).contains("alone") && text(side).contains("inline"));
    assert!(text(cell(side, "d.blocking.http.inline.10.mio-loop.p99")).starts_with("77.0"));
    assert!(side.contains("id=\"d.blocking.http.alone.10.mio-loop.p99\""));
    let got = cell(&page, "v.blocking.http.inline.10.mio-loop.beside-rate");
    assert_eq!(attribute(got, "data-value"), Some("10"));
    assert!(page.contains("id=\"v.blocking.http.inline.10.mio-loop.beside-cut-off\""));
    assert!(!page.contains("id=\"v.blocking.http.alone.10.mio-loop.beside-rate\""));
}

type Expected = (&'static str, fn(&Trial) -> Option<f64>);

/// Figures of clients and of those beside, worked out from the record without the report's own code.
const NEWER: [Expected; 9] = [
    ("client-wall", |t| Some(float(t.client.as_ref()?.wall_ns?) / 1e6)),
    ("client-cpu", |t| Some(float(t.client.as_ref()?.cpu_ns?) / 1e6)),
    ("client-cpu-each", |t| {
        let client = t.client.as_ref()?;
        Some(float(client.cpu_ns?) / float(client.fetched?) / 1e3)
    }),
    ("client-memory", |t| Some(float(t.client.as_ref()?.pss_bytes_max?) / 1_048_576.0)),
    ("client-failed", |t| Some(float(t.client.as_ref()?.failed?))),
    ("beside-rate", |t| {
        let beside = t.beside.as_ref()?;
        Some(float(beside.requests?) / beside.duration_s?)
    }),
    ("beside-cut-off", |t| Some(float(t.beside.as_ref()?.cut_off?))),
    ("p99", |t| Some(float(t.latency_ns?.p99) / 1e6)),
    ("memory", |t| {
        let grown = t.server.pss_bytes? - t.server.pss_idle_bytes?;
        Some(float(grown) / float(t.connections_established?) / 1024.0)
    }),
];

#[test]
fn figures_of_clients_of_those_beside_and_of_weights_are_traced_to_their_trials() {
    let mut trials = three(fetched);
    trials.extend(three(|model, repeat| {
        let mut one = quiet("slow-clients", 10, model, repeat);
        one.variant = "writers".into();
        one.beside = Some(Beside {
            duration_s: Some(2.0 + f64::from(repeat)),
            requests: Some(20),
            cut_off: Some(u64::from(repeat)),
            ..Beside::default()
        });
        one
    }));
    for connections in [100, 3_000] {
        trials.extend(three(|model, repeat| quiet("memory", connections, model, repeat)));
    }
    let run = run_of(trials);
    let page = page(run.clone());
    let data = html::data(&page);
    let mut seen = 0;
    for one in run.cells() {
        let figures = html::figures(&data, &one);
        let place = format!(
            "v.{}.{}.{}.{}.{}",
            one.experiment, one.service, one.variant, one.connections, one.model
        );
        for (id, of) in NEWER {
            let values: Vec<f64> = one.counted().iter().filter_map(|trial| of(trial)).collect();
            let Some(told) = median(&values) else {
                assert!(figures[id].is_null(), "{place}.{id}");
                continue;
            };
            let near = |shown: f64, of: f64| (shown - told).abs() <= told.abs() * of;
            assert!(near(figures[id]["median"].as_f64().unwrap(), 1e-5), "{place}.{id}");
            for prefix in ["", "d."] {
                let here = format!(
                    "{prefix}{}.{id}",
                    if prefix.is_empty() { &place } else { &place[2..] }
                );
                if page.contains(&format!("<td id=\"{here}\"")) {
                    let shown = attribute(cell(&page, &here), "data-value").unwrap();
                    assert!(near(shown.parse().unwrap(), 1e-5), "{here}: {shown} for {told}");
                    seen += 1;
                }
            }
        }
    }
    // Five figures of a client, three beside with its p99 once more side by side, memory at one of two loads.
    assert!(seen >= 5 * (5 + 4 + 1), "{seen} were seen");
}

#[test]
fn models_whose_windows_differ_are_said_to() {
    let windows = |long: f64| {
        let mut trials = three(|model, repeat| quiet("sweep", 10_000, model, repeat));
        for trial in &mut trials {
            let own = if trial.model.starts_with("thread") { long } else { 2.0 };
            (trial.duration_s, trial.settings.duration_s) = (Some(own), Some(own));
        }
        page(run_of(trials))
    };
    assert!(text(&windows(30.0)).contains("2.00 to 30.0 s by experiment and model"));
    assert!(windows(30.0).contains("Windows of different length"));
    assert!(!windows(2.0).contains("Windows of different length"));
}

#[test]
fn a_fault_has_its_losses_and_its_times_also_where_it_was_the_server() {
    let trials = three(|model, repeat| {
        let mut one = quiet("faults", 10, model, repeat);
        one.variant = "panic".into();
        let dies = model.0 == "mio-loop";
        if dies {
            one.outcome = Outcome::Died;
        }
        one.fault = Some(Fault {
            kind: "panic".into(),
            connections_lost: Some(if dies { 14 } else { 0 }),
            requests_lost: Some(if dies { 20 } else { 0 }),
            next_answer_ns: (!dies).then_some(500_000),
            full_service_ns: (!dies).then_some(12_000_000),
            ..Fault::default()
        });
        one
    });
    let page = page(run_of(trials));
    let figure = |model: &str, id: &str| {
        cell(&page, &format!("v.faults.http.panic.10.{model}.fault-{id}")).to_owned()
    };
    assert_eq!(attribute(&figure("mio-loop", "connections"), "data-value"), Some("14"));
    assert_eq!(attribute(&figure("tokio-tasks", "full-service"), "data-value"), Some("12"));
    assert!(
        text(&figure("tokio-tasks", "next-answer")).starts_with("<2"),
        "no finer than its rests"
    );
    assert!(!page.contains("id=\"v.faults.http.panic.10.mio-loop.fault-shut-out\""));
}

#[test]
fn a_wall_names_the_limit_and_whose_it_is() {
    let limit = |set_by, limit: &str| Some(StoppedBy { set_by, limit: limit.into() });
    let trials = three(|model, repeat| {
        let mut one = quiet("wall", 1_000, model, repeat);
        match model.0 {
            "thread-pool" => {
                one.outcome = Outcome::Starved;
                one.stopped_by = limit(SetBy::Model, "a fixed number at a time");
            }
            "thread-per-connection" => {
                one.outcome = Outcome::Limit;
                one.outcome_detail = Some("needs 128062 memory maps".into());
                one.stopped_by = limit(SetBy::Machine, "vm.max_map_count");
            }
            _ => {}
        }
        one
    });
    let page = page(run_of(trials));
    let table = part(&page, "<table class=\"full sortable walls\">", "</table>");
    let said = text(table);
    for row in [
        "<1\u{202f}000 – 1\u{202f}000 starved the model a fixed number at a time",
        "limit needs 128062 memory maps the machine vm.max_map_count",
        "≥1\u{202f}000 1 – nothing, as far as the plan went the suite",
    ] {
        assert!(said.contains(row), "{row}: {said}");
    }
}

#[test]
fn benches_commands_and_drivers_have_tables_or_name_the_command_that_makes_them() {
    let ns = |point| Interval { point, low: point * 0.9, high: point * 1.1 };
    let estimate = |function: &str, point| Estimate {
        group: "spawn<b>".into(),
        function: function.into(),
        median_ns: ns(point),
        ..Estimate::default()
    };
    let benches = Benches {
        estimates: vec![estimate("thread", 12_300.0), estimate("broken", f64::NAN)],
        memory: vec![UnitMemory {
            unit: "task".into(),
            count: 10,
            bytes_per_unit: 2_048.0,
            measured_at: None,
        }],
        ..Benches::default()
    };
    let command =
        report::Command { command: "fetch".into(), mean: Some(0.1234), ..Default::default() };
    let case = record::DriverCase {
        driver: "postgres".into(),
        wall_ms: 512.0,
        ok: true,
        ..Default::default()
    };
    let extras = report::Extras {
        benches: Some(report::Filed { file: "criterion-x.json".into(), record: benches }),
        hyperfine: Some(report::Filed {
            file: "hyperfine-x.json".into(),
            record: report::Hyperfine { results: vec![command] },
        }),
        drivers: Some(report::Filed {
            file: "drivers-x.json".into(),
            record: record::Drivers { cases: vec![case], ..Default::default() },
        }),
    };
    let html = html::own(&report::render_with(&[run()], None, &extras).unwrap());
    let section = text(part(&html, "<section id=\"mechanisms\"", "</section>"));
    for said in [
        "criterion-x.json",
        "12.3 µs",
        "11.1 µs–13.5 µs",
        "task 10 2.00",
        "hyperfine-x.json",
        "fetch 123",
        "drivers-x.json",
        "postgres",
        "512",
        "as expected",
    ] {
        assert!(section.contains(said), "{said}: {section}");
    }
    assert!(!section.contains("broken") && !html.contains("spawn<b>"));
    let none = page(run());
    let section = text(part(&none, "<section id=\"mechanisms\"", "</section>"));
    for command in ["cargo bench", "cargo script hyperfine", "cargo script drivers"] {
        assert!(section.contains(command), "{section}");
    }
    assert!(!none.contains("<h2>What each mechanism costs"));
}
