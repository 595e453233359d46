//! The files of the workspace.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this package is a folder of the workspace")
}

/// Every file that is or would be tracked, relative to the root.
pub(crate) fn files() -> Vec<PathBuf> {
    let files = files_by_git().unwrap_or_else(|| {
        // An archive of the sources has no git; everything in it is source.
        eprintln!(
            "no git here: every file but those in target/, results/ and report/ counts as tracked"
        );
        let mut files = Vec::new();
        walk(root(), &mut files);
        files
    });
    assert!(files.len() > 50, "these {} files are not the workspace's", files.len());
    files
}

/// Names and texts of the files with that ending.
pub(crate) fn texts(ending: &str) -> Vec<(String, String)> {
    let texts: Vec<(String, String)> = files()
        .into_iter()
        .filter_map(|path| Some((path.to_str()?.to_owned(), path)))
        .filter(|(name, _)| name.ends_with(ending))
        // A file that git lists and nobody can read as text is an image, or was deleted a moment ago.
        .filter_map(|(name, path)| Some((name, std::fs::read_to_string(root().join(path)).ok()?)))
        .collect();
    assert!(!texts.is_empty(), "no file ends with `{ending}`");
    texts
}

fn files_by_git() -> Option<Vec<PathBuf>> {
    let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").current_dir(root()).args(arguments).output().ok()?;
    let names = String::from_utf8(output.stdout).ok()?;
    let files = names.split_terminator('\0').map(PathBuf::from).collect();
    output.status.success().then_some(files)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root()).unwrap();
        let generated =
            ["target", "results", "report", ".git"].iter().any(|folder| name == Path::new(folder));
        if path.is_dir() && !generated {
            walk(&path, files);
        } else if path.is_file() {
            files.push(name.to_path_buf());
        }
    }
}

#[test]
fn without_git_the_sources_are_found_all_the_same() {
    let mut walked = Vec::new();
    walk(root(), &mut walked);
    let sources = |files: &[PathBuf]| {
        let mut sources: Vec<PathBuf> = files
            .iter()
            .filter(|path| path.extension().is_some_and(|ending| ending == "rs"))
            .cloned()
            .collect();
        sources.sort();
        sources
    };
    assert_eq!(sources(&walked), sources(&files()));
}

#[test]
fn both_licences_are_there_in_full() {
    for (file, sentence) in [
        ("LICENSE-MIT", "Permission is hereby granted, free of charge"),
        ("LICENSE-APACHE", "TERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION"),
    ] {
        let text = std::fs::read_to_string(root().join(file)).unwrap_or_default();
        assert!(
            text.contains(sentence),
            "`{file}` is not there or not the licence; restore it from git"
        );
    }
}

#[test]
fn ci_can_be_run() {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(root().join(".ci/run")).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0o111, "make `.ci/run` executable: chmod +x .ci/run");
}
