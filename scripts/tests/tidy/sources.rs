//! The sources: length, attributes, and nothing that holds on one machine alone.

use crate::assert_none;
use crate::tree;

/// Tool files aim at 300 lines.
const FILE_LINES_MAX: usize = 400;

/// Longer files, each with the reason: a list is forgiven, control flow never.
const LONG_FILES: &[(&str, &str)] =
    &[("crates/record/src/trial.rs", "the fields of a trial, a list")];

/// Complaints of a rule about one text, with the name of the file before each.
fn complaints(ending: &str, rule: impl Fn(&str) -> Vec<String>) -> Vec<String> {
    let texts = tree::texts(ending).into_iter();
    texts
        .flat_map(|(name, text)| {
            rule(&text).into_iter().map(move |one| format!("{name}:{one}")).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn a_rust_file_is_at_most_400_lines() {
    let long = |(name, text): &(String, String)| {
        let (lines, allowed) =
            (text.lines().count(), LONG_FILES.iter().any(|(long, _)| long == name));
        (lines > FILE_LINES_MAX && !allowed)
            .then(|| format!("`{name}` has {lines} lines; divide it"))
    };
    assert_none(&tree::texts(".rs").iter().filter_map(long).collect::<Vec<_>>());
}

#[test]
fn a_long_file_that_is_no_longer_long_leaves_the_list() {
    for (name, _) in LONG_FILES {
        let text = std::fs::read_to_string(tree::root().join(name)).unwrap_or_default();
        assert!(
            text.lines().count() > FILE_LINES_MAX,
            "`{name}` needs no exception; remove it from LONG_FILES"
        );
    }
}

/// Line and text of each attribute of that name, read to its end.
fn attributes<'a>(source: &'a str, name: &str) -> Vec<(usize, &'a str)> {
    let starts = [format!("#[{name}"), format!("#![{name}")];
    let mut found = Vec::new();
    let mut offset = 0;
    for (number, line) in source.split_inclusive('\n').enumerate() {
        let code = line.trim_start();
        if starts.iter().any(|start| code.starts_with(start.as_str())) {
            let rest = &source[offset + line.len() - code.len()..];
            let end = rest.find("]\n").map_or(rest.len(), |end| end + 1);
            found.push((number + 1, &rest[..end]));
        }
        offset += line.len();
    }
    found
}

fn lifted_without_reason(source: &str) -> Vec<String> {
    let lifted = ["allow(", "expect("].iter().flat_map(|name| attributes(source, name));
    lifted
        .filter(|(_, text)| !text.contains("reason = \""))
        .map(|(line, text)| format!("{line}: {text} has no reason"))
        .collect()
}

#[test]
fn no_lint_is_lifted_without_a_reason() {
    assert_none(&complaints(".rs", lifted_without_reason));
}

#[test]
fn a_lint_lifted_without_reason_is_found() {
    // In two parts, or this file would break its own rule.
    let bare = concat!("fn a() {}\n    #[", "allow(dead_code)]\nfn b() {}\n");
    assert_eq!(lifted_without_reason(bare).len(), 1);
    assert_eq!(
        lifted_without_reason("#![expect(\n    dead_code,\n    reason = \"a list\"\n)]\n").len(),
        0
    );
}

fn ignored_without_reason(source: &str) -> Vec<String> {
    let ignored = attributes(source, "ignore").into_iter();
    ignored
        .filter(|(_, text)| !text.starts_with("#[ignore = \""))
        .map(|(line, text)| format!("{line}: {text} has no reason"))
        .collect()
}

#[test]
fn no_test_is_ignored_without_a_reason() {
    assert_none(&complaints(".rs", ignored_without_reason));
}

#[test]
fn a_test_ignored_without_reason_is_found() {
    assert_eq!(ignored_without_reason(concat!("#[test]\n#[", "ignore]\nfn a() {}\n")).len(), 1);
    assert_eq!(
        ignored_without_reason("#[test]\n#[ignore = \"needs a browser\"]\nfn a() {}\n").len(),
        0
    );
}

/// Absolute paths below folders where people keep their work trees; `a/root/b` is not one.
fn machine_paths(text: &str) -> Vec<String> {
    let folders = ["work", "farm", "root"].map(|folder| format!("/{folder}/"));
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let is_absolute =
            |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-}*".contains(c));
        let holds =
            |folder: &String| line.match_indices(folder.as_str()).any(|(at, _)| is_absolute(at));
        if folders.iter().any(holds) {
            found.push(format!("{}: a path of one machine", number + 1));
        }
    }
    found
}

#[test]
fn no_file_names_a_path_of_one_machine() {
    assert_none(&complaints("", machine_paths));
}

#[test]
fn a_path_of_one_machine_is_found() {
    let path = concat!("/wo", "rk/main");
    assert_eq!(machine_paths(&format!("see `{path}`\n{path}\nfile://{path}")).len(), 3);
    assert_eq!(machine_paths(&format!("target{path}\n/proc/self/root\n")).len(), 0);
}

#[test]
fn every_contestant_uses_the_systems_allocator() {
    let own = |text: &str| {
        attributes(text, "global_allocator").into_iter().map(|(line, _)| line.to_string()).collect()
    };
    assert_none(&complaints(".rs", own));
}
