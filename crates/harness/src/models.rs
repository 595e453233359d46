//! `c10k models`: the registry as a table, with what the sources add.

use std::path::Path;

use comfy_table::{Cell, CellAlignment};
use record::machine::ContestantRecord;
use serde::Serialize;

use crate::exit::Exit;
use crate::registry::{Model, Registry};
use crate::sources::{self, Sources};
use crate::summary::table;
use crate::workspace;

/// One contestant, for `--json`.
#[derive(Serialize)]
struct Row {
    name: String,
    family: String,
    mechanism: String,
    runtime: String,
    runtime_version: Option<String>,
    server_lines: Option<u64>,
    client_lines: Option<u64>,
    workers: Option<u64>,
    limits: Vec<String>,
}

/// Prints the registry.
pub fn models(registry: &Registry, json: bool) -> anyhow::Result<Exit> {
    let root = workspace::root()?;
    let server_cpus = measure::cpus::plan()?.server.len();
    let rows: Vec<Row> =
        registry.models.iter().map(|model| row(&root, model, server_cpus)).collect();
    if json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        print_table(&rows);
    }
    Ok(Exit::Done)
}

/// A contestant as the record keeps it.
#[must_use]
pub fn contestant_record(root: &Path, model: &Model, server_cpus: usize) -> ContestantRecord {
    let sources = Sources::of(root, model);
    let runs_on_crate = model.runtime != "std";
    ContestantRecord {
        name: model.name.clone(),
        family: model.family.clone(),
        mechanism: model.mechanism.clone(),
        runtime: runs_on_crate.then(|| model.runtime.clone()),
        runtime_version: sources::locked_version(&model.runtime),
        server_lines: sources.server_lines,
        client_lines: sources.client_lines,
        server_source: sources.server.unwrap_or_default(),
        limits: limits(model, server_cpus),
    }
}

fn row(root: &Path, model: &Model, server_cpus: usize) -> Row {
    let record = contestant_record(root, model, server_cpus);
    Row {
        name: record.name,
        family: record.family,
        mechanism: record.mechanism,
        runtime: model.runtime.clone(),
        runtime_version: record.runtime_version,
        server_lines: record.server_lines,
        client_lines: record.client_lines,
        workers: model.workers_on(server_cpus),
        limits: record.limits,
    }
}

fn limits(model: &Model, server_cpus: usize) -> Vec<String> {
    let most = model.serves_at_most(model.workers_on(server_cpus));
    let connections = |most| if most == 1 { "connection" } else { "connections" };
    most.map(|most| format!("serves {most} {} at a time", connections(most))).into_iter().collect()
}

fn print_table(rows: &[Row]) {
    let mut table =
        table(&["model", "family", "mechanism", "runtime", "server", "client", "limits"]);
    for row in rows {
        let lines = |lines: Option<u64>| {
            let text = lines.map_or_else(|| "unknown".into(), |lines| format!("{lines} lines"));
            Cell::new(text).set_alignment(CellAlignment::Right)
        };
        let runtime = row
            .runtime_version
            .as_ref()
            .map_or_else(|| row.runtime.clone(), |v| format!("{} {v}", row.runtime));
        table.add_row([
            Cell::new(&row.name),
            Cell::new(&row.family),
            Cell::new(&row.mechanism),
            Cell::new(runtime),
            lines(row.server_lines),
            lines(row.client_lines),
            Cell::new(row.limits.join("; ")),
        ]);
    }
    println!("{table}");
}
