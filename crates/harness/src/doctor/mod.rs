//! `c10k doctor`: what this machine allows, what that caps, and how to lift it.

mod answers;
mod print;

use std::path::Path;

use measure::limits::{self, Limit};
use serde::Serialize;

use crate::exit::Exit;
use crate::registry::Registry;
use answers::Answer;

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

/// Prints the findings.
pub fn doctor(registry: &Registry, connections: Option<u64>, json: bool) -> anyhow::Result<Exit> {
    let limits = limits::read();
    // As a run would do before it looks; the list shows what there was before.
    limits::raise_descriptors()?;
    let cpus = measure::cpus::plan()?;
    let models = connections.map(|connections| {
        answers::of_all(registry, connections, cpus.server.len(), cpus.generator.len())
    });
    let findings = Findings {
        limits,
        server_cpus: measure::cpus::list(&cpus.server),
        generator_cpus: measure::cpus::list(&cpus.generator),
        optional: optional(),
        warnings: cpus.warnings,
        models,
    };
    if json {
        println!("{}", serde_json::to_string_pretty(&findings)?);
    } else {
        print::print(&findings);
    }
    Ok(Exit::Done)
}

fn optional() -> Vec<Optional> {
    let here = |(name, note): (&str, &str)| Optional {
        name: name.into(),
        available: in_path(name),
        note: note.into(),
    };
    OPTIONAL.into_iter().map(here).collect()
}

/// Servers stand where an ordinary user's path does not lead.
fn in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .any(|folder: std::path::PathBuf| Path::is_file(&folder.join(program)))
}
