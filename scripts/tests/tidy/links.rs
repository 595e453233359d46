//! Who may depend on whom: data flows one way, and no contestant's runtime reaches what measures it.

use harness::registry::Registry;

use crate::assert_none;
use crate::graph::Graph;
use crate::models::contestants;
use crate::tree;

/// Crates that schedule or wait on behalf of others: what the contestants are compared by.
const RUNTIMES: &[&str] = &[
    "async-executor",
    "async-global-executor",
    "async-io",
    "async-std",
    "compio",
    "compio-runtime",
    "corosensei",
    "futures-executor",
    "generator",
    "glommio",
    "io-uring",
    "may",
    "mio",
    "monoio",
    "polling",
    "ractor",
    "rayon",
    "rayon-core",
    "smol",
    "tokio",
];

/// What a crate must not link.
fn complaints(graph: &Graph, package: &str, forbidden: &[&str]) -> Vec<String> {
    let linked = graph.linked_by(package);
    let found = forbidden.iter().filter(|name| linked.contains(*name));
    found
        .map(|name| {
            format!(
                "`{package}` links `{name}`; `cargo tree -p {package} -e normal -i {name}` says why"
            )
        })
        .collect()
}

#[test]
fn a_forbidden_link_is_found() {
    let graph =
        crate::graph::sample(&[("load", &["contract"]), ("contract", &["mio"]), ("mio", &[])]);
    assert_eq!(complaints(&graph, "load", RUNTIMES).len(), 1);
    assert_eq!(complaints(&graph, "mio", RUNTIMES).len(), 0);
}

#[test]
fn contract_links_no_runtime() {
    assert_none(&complaints(Graph::workspace(), "contract", RUNTIMES));
}

#[test]
fn load_harness_and_measure_link_no_runtime() {
    for package in ["load", "harness", "measure"] {
        assert_none(&complaints(Graph::workspace(), package, RUNTIMES));
    }
}

#[test]
fn every_registered_runtime_is_known_as_one() {
    for model in Registry::embedded().models {
        let known = model.runtime == "std" || RUNTIMES.contains(&model.runtime.as_str());
        assert!(
            known,
            "`{}` runs on `{}`, which is not in RUNTIMES; add it",
            model.name, model.runtime
        );
    }
}

#[test]
fn no_tool_links_a_contestant() {
    let graph = Graph::workspace();
    let contestants = contestants();
    let names: Vec<&str> = contestants.iter().map(String::as_str).collect();
    for package in graph.members().filter(|package| !contestants.contains(&package.name)) {
        assert_none(&complaints(graph, &package.name, &names));
    }
}

#[test]
fn report_reads_records_and_nothing_else() {
    let graph = Graph::workspace();
    let ours = graph.members().map(|package| package.name.as_str());
    let others: Vec<&str> = ours.filter(|name| *name != "record").collect();
    assert_none(&complaints(graph, "report", &others));
    assert!(graph.linked_by("report").contains("record"));
}

#[test]
fn record_knows_nothing_of_sockets() {
    let graph = Graph::workspace();
    let mut sockets = vec!["contract", "load", "measure", "harness", "socket2", "nix", "rustix"];
    sockets.extend(RUNTIMES);
    // A record is written by `std::fs`; a temporary file of some library would bring rustix, which is not ours to ban.
    let direct = &graph.member("record").dependencies;
    let found: Vec<String> =
        sockets.iter().filter(|name| direct.contains(**name)).map(ToString::to_string).collect();
    assert_none(&found);
    let mut complaints = Vec::new();
    for (name, text) in tree::texts(".rs") {
        if name.starts_with("crates/record/") {
            complaints.extend(sockets_in(&text).map(|word| format!("`{name}` mentions `{word}`")));
        }
    }
    assert_none(&complaints);
}

fn sockets_in(text: &str) -> impl Iterator<Item = &'static str> {
    ["std::net", "os::unix::net", "TcpStream", "TcpListener", "UdpSocket", "SocketAddr"]
        .into_iter()
        .filter(move |word| text.contains(word))
}

#[test]
fn a_socket_in_a_source_is_found() {
    assert_eq!(sockets_in("use std::net::TcpStream;").count(), 2);
    assert_eq!(sockets_in("use std::path::Path;").count(), 0);
}
