//! The manifests: one place for versions, one lint table, one profile, benches by criterion alone.

use toml::{Table, Value};

use crate::assert_none;
use crate::graph::{Graph, Package};
use crate::licence;

/// Parts of a manifest that hold dependencies.
const SECTIONS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

fn members() -> impl Iterator<Item = (&'static Package, Table)> {
    Graph::workspace().members().map(|package| {
        let text = std::fs::read_to_string(&package.manifest).unwrap();
        (package, toml::from_str(&text).unwrap())
    })
}

/// What each member says wrongly by this rule.
fn complaints(rule: impl Fn(&Package, &Table) -> Vec<String>) -> Vec<String> {
    let complaints = members().flat_map(|(package, manifest)| {
        let name = package.name.clone();
        rule(package, &manifest)
            .into_iter()
            .map(move |complaint| format!("package `{name}`: {complaint}"))
    });
    complaints.collect()
}

fn is_true(value: Option<&Value>, key: &str) -> bool {
    value.and_then(|value| value.get(key)).and_then(Value::as_bool) == Some(true)
}

/// Dependencies that name a version or a path of their own.
fn versioned(manifest: &Table) -> Vec<String> {
    let per_target =
        manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    let tables = per_target.filter_map(Value::as_table).chain([manifest]);
    let sections = tables
        .flat_map(|table| SECTIONS.iter().filter_map(|section| table.get(*section)?.as_table()));
    sections
        .flatten()
        .filter(|(_, dependency)| !is_true(Some(dependency), "workspace"))
        .map(|(name, _)| format!("`{name}` does not say `workspace = true`"))
        .collect()
}

#[test]
fn versions_live_in_the_workspace_alone() {
    assert_none(&complaints(|_, manifest| versioned(manifest)));
}

#[test]
fn a_version_in_a_crate_is_found() {
    let versioned = |text: &str| versioned(&toml::from_str(text).unwrap()).len();
    assert_eq!(
        versioned("[dependencies]\na.workspace = true\nb = { workspace = true, features = ['c'] }"),
        0
    );
    assert_eq!(versioned("[dependencies]\na = '1'\n[dev-dependencies]\nb = { path = '../b' }"), 2);
    assert_eq!(versioned("[target.'cfg(unix)'.dependencies]\na = '1'"), 1);
}

#[test]
fn every_package_takes_the_workspaces_lints() {
    let rule = |_: &Package, manifest: &Table| {
        let taken = is_true(manifest.get("lints"), "workspace");
        if taken { vec![] } else { vec!["add `[lints] workspace = true`".into()] }
    };
    assert_none(&complaints(rule));
}

#[test]
fn every_package_says_what_it_is() {
    let rule = |_: &Package, manifest: &Table| match manifest["package"]
        .get("description")
        .and_then(Value::as_str)
    {
        Some(description) if description.len() > 10 => vec![],
        _ => vec!["add a description".into()],
    };
    assert_none(&complaints(rule));
}

/// Targets that `cargo bench` would run through libtest, which refuses criterion's arguments.
fn benched_by_libtest(targets: &[(String, String)], manifest: &Table) -> Vec<String> {
    let is_off = |table: &Value| table.get("bench").and_then(Value::as_bool) == Some(false);
    let library = manifest.get("lib").is_some_and(is_off);
    let binaries = manifest.get("bin").and_then(Value::as_array).into_iter().flatten();
    let off: Vec<&str> = binaries
        .filter(|table| is_off(table))
        .filter_map(|table| table.get("name")?.as_str())
        .collect();
    let is_benched = |(name, kind): &&(String, String)| match kind.as_str() {
        "lib" | "proc-macro" => !library,
        "bin" => !off.contains(&name.as_str()),
        _ => false,
    };
    targets
        .iter()
        .filter(is_benched)
        .map(|(name, kind)| format!("{kind} `{name}` needs `bench = false`"))
        .collect()
}

#[test]
fn cargo_bench_runs_criterion_and_nothing_else() {
    assert_none(&complaints(|package, manifest| benched_by_libtest(&package.targets, manifest)));
}

#[test]
fn a_target_that_libtest_would_bench_is_found() {
    let targets = [("a".to_owned(), "lib".to_owned()), ("b".to_owned(), "bin".to_owned())];
    let benched = |text: &str| benched_by_libtest(&targets, &toml::from_str(text).unwrap()).len();
    assert_eq!(benched("[package]\nname = 'a'"), 2);
    assert_eq!(benched("[lib]\nbench = false\n[[bin]]\nname = 'b'\nbench = true"), 1);
    assert_eq!(benched("[lib]\nbench = false\n[[bin]]\nname = 'b'\nbench = false"), 0);
}

#[test]
fn no_package_has_features_or_a_profile_of_its_own() {
    let rule = |_: &Package, manifest: &Table| {
        let own = ["features", "profile"].into_iter().filter(|key| manifest.contains_key(*key));
        own.map(|key| format!("remove `[{key}]`: every contestant is built alike")).collect()
    };
    assert_none(&complaints(rule));
}

#[test]
fn every_dependency_has_a_licence_that_goes_with_ours() {
    let refused = Graph::workspace().packages.iter().filter_map(|package| {
        let licence = package.licence.as_deref().unwrap_or("no licence field");
        (!licence::is_compatible(licence)).then(|| format!("`{}`: {licence}", package.name))
    });
    assert_none(&refused.collect::<Vec<_>>());
}
