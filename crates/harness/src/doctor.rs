//! `c10k doctor`: what this machine allows, what that caps, and how to lift it.

use std::path::Path;

use comfy_table::ContentArrangement;
use measure::limits::{self, Limit, LimitHit};
use measure::perf::Counters;
use serde::Serialize;

use crate::exit::Exit;
use crate::need;
use crate::registry::Registry;
use crate::summary::table;

/// Programs that nothing needs and some things use.
const OPTIONAL: [(&str, &str); 8] = [
    ("ab", "another generator, for cargo script anchors (apache2-utils)"),
    ("chromium", "opens the page in the tests that ask for a browser"),
    ("chromedriver", "drives chromium in those tests (chromium-driver)"),
    ("h2load", "another generator, for cargo script anchors (nghttp2-client)"),
    ("hyperfine", "times whole programs, for scripts that compare with it"),
    ("nginx", "a server to try c10k-load on"),
    ("perf", "profiles a contestant by hand"),
    ("wrk", "another generator, for cargo script anchors"),
];

/// What the doctor found, for `--json`.
#[derive(Serialize)]
struct Findings {
    limits: Vec<Limit>,
    server_cpus: String,
    generator_cpus: String,
    warnings: Vec<String>,
    optional: Vec<Optional>,
    #[serde(skip_serializing_if = "Option::is_none")]
    models: Option<Vec<Answer>>,
}

#[derive(Serialize)]
struct Optional {
    name: String,
    available: bool,
    note: String,
}

/// Whether a model can hold the connections that were asked about.
#[derive(Serialize)]
struct Answer {
    model: String,
    connections: u64,
    can: bool,
    /// What stops it.
    limits: Vec<LimitHit>,
    /// How many it serves at a time, where it says so of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    serves_at_most: Option<u64>,
}

/// Prints the findings.
pub fn doctor(registry: &Registry, connections: Option<u64>, json: bool) -> anyhow::Result<Exit> {
    // As a run would do before it looks.
    limits::raise_descriptors()?;
    let cpus = measure::cpus::plan()?;
    let answers = connections
        .map(|connections| answers(registry, connections, cpus.server.len(), cpus.generator.len()));
    let findings = Findings {
        limits: limits::read(),
        server_cpus: measure::cpus::list(&cpus.server),
        generator_cpus: measure::cpus::list(&cpus.generator),
        optional: optional(&cpus.server),
        warnings: cpus.warnings,
        models: answers,
    };
    if json {
        println!("{}", serde_json::to_string_pretty(&findings)?);
    } else {
        print(&findings);
    }
    Ok(Exit::Done)
}

fn answers(
    registry: &Registry,
    connections: u64,
    server_cpus: usize,
    generator_threads: usize,
) -> Vec<Answer> {
    let answer = |model: &crate::registry::Model| {
        let workers = model.workers_on(server_cpus);
        let limits =
            limits::preflight_all(&need::of_cell(model, connections, workers, generator_threads));
        let serves_at_most = model.serves_at_most(workers).filter(|most| *most < connections);
        Answer {
            model: model.name.clone(),
            connections,
            can: limits.is_empty(),
            limits,
            serves_at_most,
        }
    };
    registry.models.iter().map(answer).collect()
}

fn optional(server_cpus: &[usize]) -> Vec<Optional> {
    let tracepoints = match Counters::on_cpus(server_cpus) {
        Ok(_) => (true, "system calls per request are counted".to_owned()),
        Err(error) => {
            (false, format!("{error}; without them system calls per request stay unknown"))
        }
    };
    let programs = OPTIONAL.map(|(name, note)| Optional {
        name: name.into(),
        available: in_path(name),
        note: note.into(),
    });
    let counters =
        Optional { name: "tracepoints".into(), available: tracepoints.0, note: tracepoints.1 };
    std::iter::once(counters).chain(programs).collect()
}

/// Servers stand where an ordinary user's path does not lead.
fn in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .any(|folder: std::path::PathBuf| Path::is_file(&folder.join(program)))
}

fn print(findings: &Findings) {
    let mut limits = table(&["limit", "value", "what it caps here", "how to lift it"]);
    limits.set_content_arrangement(ContentArrangement::Dynamic);
    for limit in &findings.limits {
        limits.add_row([
            limit.name.as_str(),
            &limit.value,
            &limit.caps,
            limit.remedy.as_deref().unwrap_or("-"),
        ]);
    }
    println!("{limits}\n");
    println!(
        "contestants run on CPU {}, the generator on CPU {}",
        findings.server_cpus, findings.generator_cpus
    );
    for warning in &findings.warnings {
        println!("note: {warning}");
    }
    println!("\noptional, nothing needs them:");
    let mut optional = table(&["name", "here", "what for"]);
    for item in &findings.optional {
        optional.add_row([item.name.as_str(), yes_or_no(item.available), &item.note]);
    }
    println!("{optional}");
    if let Some(answers) = &findings.models {
        print_answers(answers);
    }
}

fn yes_or_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

fn print_answers(answers: &[Answer]) {
    let Some(first) = answers.first() else { return };
    println!("\n{} connections:", first.connections);
    let mut table = table(&["model", "can hold them", "what stops it"]);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    for answer in answers {
        let why: Vec<String> = answer.limits.iter().map(ToString::to_string).collect();
        let declared =
            answer.serves_at_most.map(|most| format!("serves {most} at a time, the others wait"));
        let why: Vec<String> = why.into_iter().chain(declared).collect();
        table.add_row([answer.model.as_str(), yes_or_no(answer.can), &why.join("; ")]);
    }
    println!("{table}");
}
