//! The packages, as cargo resolves them.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::tree::root;

/// All packages that a build on this machine may use, and who depends on whom.
pub(crate) struct Graph {
    pub(crate) packages: Vec<Package>,
    /// By package id: ids of what is linked, so neither tests' nor build scripts' dependencies.
    linked: BTreeMap<String, Vec<String>>,
}

pub(crate) struct Package {
    id: String,
    pub(crate) name: String,
    pub(crate) licence: Option<String>,
    pub(crate) manifest: String,
    /// Of this workspace.
    pub(crate) is_member: bool,
    /// Names in `[dependencies]` and `[build-dependencies]`.
    pub(crate) dependencies: BTreeSet<String>,
    /// Name and kind of each target: `("c10k", "bin")`.
    pub(crate) targets: Vec<(String, String)>,
}

impl Graph {
    /// Of this workspace, on this machine's kind of system.
    pub(crate) fn workspace() -> &'static Self {
        static GRAPH: OnceLock<Graph> = OnceLock::new();
        GRAPH.get_or_init(|| {
            let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
            let output = Command::new(cargo)
                .current_dir(root())
                // Other systems' packages may not have been downloaded, and nothing of theirs is in a build here.
                .args(["metadata", "--format-version", "1", "--filter-platform", &host()])
                .output()
                .unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            Self::parse(&serde_json::from_slice(&output.stdout).unwrap())
        })
    }

    fn parse(metadata: &Value) -> Self {
        let members: BTreeSet<&str> = list(&metadata["workspace_members"]).map(text).collect();
        let packages =
            list(&metadata["packages"]).map(|package| Package::parse(package, &members)).collect();
        let node = |node: &Value| {
            let is_linked = |dependency: &&Value| {
                list(&dependency["dep_kinds"]).any(|kind| kind["kind"].is_null())
            };
            let linked = list(&node["deps"])
                .filter(is_linked)
                .map(|dependency| text(&dependency["pkg"]).into());
            (text(&node["id"]).into(), linked.collect())
        };
        Self { packages, linked: list(&metadata["resolve"]["nodes"]).map(node).collect() }
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.is_member)
    }

    pub(crate) fn member(&self, name: &str) -> &Package {
        let found = self.members().find(|package| package.name == name);
        found.unwrap_or_else(|| panic!("no package `{name}` in the workspace"))
    }

    /// Names of all that a binary of this member links, itself excluded.
    pub(crate) fn linked_by(&self, name: &str) -> BTreeSet<&str> {
        let start = self.member(name).id.as_str();
        let (mut seen, mut next) = (BTreeSet::from([start]), vec![start]);
        while let Some(id) = next.pop() {
            next.extend(self.linked[id].iter().map(String::as_str).filter(|id| seen.insert(id)));
        }
        let others = self
            .packages
            .iter()
            .filter(|package| package.id != start && seen.contains(package.id.as_str()));
        others.map(|package| package.name.as_str()).collect()
    }
}

impl Package {
    fn parse(package: &Value, members: &BTreeSet<&str>) -> Self {
        let id = text(&package["id"]);
        let is_dev = |dependency: &&Value| dependency["kind"] == "dev";
        let dependencies = list(&package["dependencies"]).filter(|one| !is_dev(one));
        let target = |target: &Value| {
            (
                text(&target["name"]).into(),
                list(&target["kind"]).map(text).next().unwrap_or_default().into(),
            )
        };
        Self {
            id: id.into(),
            name: text(&package["name"]).into(),
            licence: package["license"].as_str().map(Into::into),
            manifest: text(&package["manifest_path"]).into(),
            is_member: members.contains(id),
            dependencies: dependencies.map(|dependency| text(&dependency["name"]).into()).collect(),
            targets: list(&package["targets"]).map(target).collect(),
        }
    }
}

/// The triple that rustc builds for, such as `x86_64-unknown-linux-gnu`.
fn host() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().unwrap();
    let version = String::from_utf8(output.stdout).unwrap();
    version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A graph by hand, for trying out rules.
pub(crate) fn sample(links: &[(&str, &[&str])]) -> Graph {
    let ids = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<String>>();
    let package = |&(name, linked): &(&str, &[&str])| Package {
        id: name.into(),
        name: name.into(),
        licence: Some("MIT".into()),
        manifest: format!("{name}/Cargo.toml"),
        is_member: true,
        dependencies: linked.iter().map(ToString::to_string).collect(),
        targets: Vec::new(),
    };
    Graph {
        packages: links.iter().map(package).collect(),
        linked: links.iter().map(|(name, linked)| ((*name).into(), ids(linked))).collect(),
    }
}

#[test]
fn what_is_linked_through_another_is_seen_and_what_tests_use_is_not() {
    let kinds = |kind: Value| serde_json::json!([{ "kind": kind, "target": null }]);
    let package = |id: &str| serde_json::json!({ "id": id, "name": id });
    let metadata = serde_json::json!({
        "workspace_members": ["a", "b"],
        "packages": [package("a"), package("b"), package("c"), package("d")],
        "resolve": { "nodes": [
            { "id": "a", "deps": [{ "pkg": "b", "dep_kinds": kinds(Value::Null) }] },
            { "id": "b", "deps": [
                { "pkg": "c", "dep_kinds": kinds(Value::Null) },
                { "pkg": "d", "dep_kinds": kinds("dev".into()) },
            ] },
            { "id": "c", "deps": [] },
            { "id": "d", "deps": [] },
        ] },
    });
    let graph = Graph::parse(&metadata);
    assert_eq!(graph.linked_by("a"), BTreeSet::from(["b", "c"]));
}
