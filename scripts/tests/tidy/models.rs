//! The contestants: one name everywhere, one page each, nothing linked but the contract and the runtime under test.

use std::collections::BTreeSet;

use harness::registry::Registry;
use harness::sources::code_lines;

use crate::assert_none;
use crate::graph::{Graph, Package};
use crate::tree;

/// A loop's states take room; a page is still a page.
const SERVER_LINES_MAX: u64 = 150;

/// What each contestant may depend on beside `contract`: its runtime, or what it needs to reach the system.
const DEPENDENCIES: &[(&str, &[&str])] = &[
    ("sequential", &[]),
    ("process-per-connection", &["nix"]),
    ("process-pool", &["nix"]),
    ("thread-per-connection", &[]),
    ("thread-pool", &[]),
    ("rayon-pool", &["rayon"]),
    ("select-loop", &["nix", "rustix"]),
    ("poll-loop", &["nix", "rustix"]),
    ("mio-loop", &["mio"]),
    ("callbacks", &["mio"]),
    ("reactor", &["mio"]),
    ("deferred", &["mio"]),
    ("coroutines", &["corosensei", "rustix"]),
    ("may-green-threads", &["may"]),
    ("actors", &["ractor", "tokio"]),
    ("handmade-async", &["rustix"]),
    ("tokio-tasks", &["tokio"]),
    ("tokio-local", &["tokio"]),
    ("smol-tasks", &["blocking", "smol"]),
    ("async-std-tasks", &["async-global-executor", "async-std", "blocking"]),
    ("compio-cores", &["compio"]),
    ("monoio-cores", &["io-uring", "monoio"]),
];

/// Names of the folders in `crates/models`.
pub(crate) fn contestants() -> BTreeSet<String> {
    let folder = tree::root().join("crates/models");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .filter(|entry| entry.path().join("Cargo.toml").exists())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect()
}

fn packages() -> Vec<&'static Package> {
    let contestants = contestants();
    Graph::workspace().members().filter(|package| contestants.contains(&package.name)).collect()
}

#[test]
fn registry_folder_package_and_binary_have_one_name() {
    let registered: Vec<String> = Registry::embedded().names().map(Into::into).collect();
    let folders = contestants();
    assert_eq!(
        registered.iter().cloned().collect::<BTreeSet<_>>(),
        folders,
        "models.toml and crates/models"
    );
    for name in &registered {
        let package = Graph::workspace().member(name);
        let expected = format!("crates/models/{name}/Cargo.toml");
        assert!(package.manifest.ends_with(&expected), "`{name}` lies in `{}`", package.manifest);
        let binaries: Vec<&str> = package
            .targets
            .iter()
            .filter(|(_, kind)| kind == "bin")
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(binaries, [name.as_str()], "binaries of `{name}`");
    }
}

/// Dependencies that the list does not allow.
fn undeclared(
    package: &str,
    dependencies: &BTreeSet<String>,
    allowed: &[(&str, &[&str])],
) -> Vec<String> {
    let Some((_, own)) = allowed.iter().find(|(name, _)| *name == package) else {
        return vec![format!("`{package}` is not in DEPENDENCIES; add it with its runtime")];
    };
    let is_undeclared = |name: &&String| *name != "contract" && !own.contains(&name.as_str());
    dependencies
        .iter()
        .filter(is_undeclared)
        .map(|name| format!("`{package}` depends on `{name}`"))
        .collect()
}

#[test]
fn a_contestant_depends_on_the_contract_and_its_own_runtime_alone() {
    for package in packages() {
        assert_none(&undeclared(&package.name, &package.dependencies, DEPENDENCIES));
        assert!(
            package.dependencies.contains("contract"),
            "`{}` does without the contract",
            package.name
        );
    }
}

#[test]
fn an_undeclared_dependency_is_found() {
    let dependencies = BTreeSet::from(["contract".to_owned(), "mio".to_owned()]);
    assert_eq!(undeclared("a", &dependencies, &[("a", &["mio"])]).len(), 0);
    assert_eq!(undeclared("a", &dependencies, &[("a", &["tokio"])]).len(), 1);
    assert_eq!(undeclared("b", &dependencies, &[("a", &["mio"])]).len(), 1);
}

#[test]
fn no_contestant_depends_on_another() {
    let contestants = contestants();
    for package in packages() {
        let linked = Graph::workspace().linked_by(&package.name);
        let others: Vec<&&str> =
            linked.iter().filter(|name| contestants.contains(**name)).collect();
        assert!(others.is_empty(), "`{}` links {others:?}", package.name);
    }
}

/// Text of a file in a contestant's folder; empty where there is none.
fn read(contestant: &str, file: &str) -> String {
    std::fs::read_to_string(tree::root().join("crates/models").join(contestant).join(file))
        .unwrap_or_default()
}

#[test]
fn a_server_is_one_page() {
    let long = |name: &String| {
        let lines = code_lines(&read(name, "src/server.rs"));
        (!(1..=SERVER_LINES_MAX).contains(&lines))
            .then(|| format!("server of `{name}`: {lines} lines of code, where 1 to {SERVER_LINES_MAX} make a page"))
    };
    assert_none(&contestants().iter().filter_map(long).collect::<Vec<_>>());
}

#[test]
fn a_contestant_takes_processes_as_the_registry_says() {
    let registry = Registry::embedded();
    let differs = |name: &String| {
        let line = format!("event_driven: {},", registry.get(name).unwrap().event_driven);
        (!read(name, "src/main.rs").contains(&line))
            .then(|| format!("main of `{name}` does not say `{line}`, as the registry does"))
    };
    assert_none(&contestants().iter().filter_map(differs).collect::<Vec<_>>());
}

/// A sentence that could stand on a flash card, then the diagram of who waits where.
fn opens_as_a_page_should(source: &str) -> bool {
    let mut lines = source.lines();
    let first = lines.next().unwrap_or_default();
    let mut documentation = lines.take_while(|line| line.starts_with("//!"));
    first.starts_with("//! ")
        && first.len() > 20
        && documentation.any(|line| line.starts_with("//! ```text"))
}

#[test]
fn a_server_page_opens_with_a_sentence_and_a_diagram() {
    let bad: Vec<String> = contestants()
        .into_iter()
        .filter(|name| !opens_as_a_page_should(&read(name, "src/server.rs")))
        .collect();
    assert_none(&bad);
}

#[test]
fn a_page_without_its_opening_is_found() {
    assert!(opens_as_a_page_should(
        "//! One thread for each connection.\n//!\n//! ```text\n//! a --> b\n//! ```\n"
    ));
    assert!(!opens_as_a_page_should(
        "//! One thread for each connection.\n\nuse std::io;\n//! ```text\n"
    ));
    assert!(!opens_as_a_page_should("use std::io;\n//! ```text\n"));
}

#[test]
fn every_contestant_explains_its_decisions() {
    let silent = |name: &String| {
        let readme = read(name, "README.md");
        let whole = readme.starts_with(&format!("# {name}\n")) && readme.contains("Decisions");
        (!whole)
            .then(|| format!("`crates/models/{name}/README.md` lacks its title or its decisions"))
    };
    assert_none(&contestants().iter().filter_map(silent).collect::<Vec<_>>());
}
