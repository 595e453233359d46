//! What the sources say of a contestant: its length, its text, the version of its runtime.

use std::path::Path;

use serde::Deserialize;

use crate::registry::Model;

/// Versions as they were locked when this binary was built.
const CARGO_LOCK: &str = include_str!("../../../Cargo.lock");

/// What the sources say of a contestant; absent where they cannot be read.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Lines of code of the server's pages.
    pub server_lines: Option<u64>,
    /// Lines of code of the client's pages.
    pub client_lines: Option<u64>,
    /// The server's pages, one after the other.
    pub server: Option<String>,
}

impl Sources {
    /// Reads the pages of a contestant under the workspace's root.
    #[must_use]
    pub fn of(root: &Path, model: &Model) -> Self {
        let folder = root.join("crates/models").join(&model.name).join("src");
        let (server, client) = (pages(&folder, "server"), pages(&folder, "client"));
        Self { server_lines: lines(&server), client_lines: lines(&client), server: joined(&server) }
    }
}

/// A page's name and text.
type Page = (String, String);

/// `server.rs` and, where it has parts, `server/*.rs`, by name; a file of unit tests is no part.
fn pages(folder: &Path, name: &str) -> Vec<Page> {
    let mut parts: Vec<String> = std::fs::read_dir(folder.join(name))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
        .filter(|file| file != "tests.rs")
        .map(|file| format!("{name}/{file}"))
        .collect();
    parts.sort();
    let all = std::iter::once(format!("{name}.rs")).chain(parts);
    all.filter_map(|file| std::fs::read_to_string(folder.join(&file)).ok().map(|text| (file, text)))
        .collect()
}

fn lines(pages: &[Page]) -> Option<u64> {
    (!pages.is_empty()).then(|| pages.iter().map(|(_, text)| code_lines(text)).sum())
}

/// One page as it is; several under their names.
fn joined(pages: &[Page]) -> Option<String> {
    match pages {
        [] => None,
        [(_, text)] => Some(text.clone()),
        _ => Some(
            pages
                .iter()
                .map(|(file, text)| format!("// {file}\n\n{text}"))
                .collect::<Vec<_>>()
                .join("\n"),
        ),
    }
}

/// Lines of code: no blank line, no comment, no unit test.
#[must_use]
pub fn code_lines(source: &str) -> u64 {
    let mut lines = 0;
    let mut in_comment = false;
    for line in source.lines().map(str::trim) {
        // House style: unit tests stand last in a file.
        if line == "#[cfg(test)]" {
            break;
        }
        if in_comment || line.starts_with("/*") {
            in_comment = !line.contains("*/");
        } else if !line.is_empty() && !line.starts_with("//") {
            lines += 1;
        }
    }
    lines
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
}

fn lock(text: &str) -> Vec<Package> {
    toml::from_str(text).map_or_else(|_| Vec::new(), |lock: Lock| lock.package)
}

/// The locked version of a crate; the newest, should there be several.
#[must_use]
pub fn locked_version(name: &str) -> Option<String> {
    newest(lock(CARGO_LOCK), name)
}

fn newest(packages: Vec<Package>, name: &str) -> Option<String> {
    let parts = |version: &str| -> Vec<u64> {
        version.split(['.', '-', '+']).map_while(|part| part.parse().ok()).collect()
    };
    packages
        .into_iter()
        .filter(|package| package.name == name)
        .map(|package| package.version)
        .max_by_key(|version| parts(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_blanks_and_tests_are_no_code() {
        let page = "//! One.\n\nuse std::io; // why\n\n/* two\nlines */\n    // three\nfn main() {\n}\n\n#[cfg(test)]\nmod tests {}\n";
        assert_eq!(code_lines(page), 3);
        assert_eq!(code_lines("/* one line */\nfn main() {}\n"), 1);
    }

    #[test]
    fn a_page_in_parts_counts_them_all_but_its_tests() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("server")).unwrap();
        for file in ["server.rs", "server/part.rs", "server/tests.rs"] {
            std::fs::write(folder.path().join(file), "fn one() {}\n").unwrap();
        }
        let pages = pages(folder.path(), "server");
        assert_eq!(lines(&pages), Some(2));
        assert!(joined(&pages).unwrap().contains("// server/part.rs"));
        assert_eq!(lines(&super::pages(folder.path(), "client")), None);
    }

    #[test]
    fn locked_version_is_the_newest_of_that_name() {
        let text = "[[package]]\nname = 'a'\nversion = '1.9.0'\n[[package]]\nname = 'a'\nversion = '1.10.0'\n";
        assert_eq!(newest(lock(text), "a").as_deref(), Some("1.10.0"));
        assert_eq!(newest(lock(text), "b"), None);
    }

    #[test]
    fn every_runtime_of_the_registry_is_locked() {
        for model in crate::registry::Registry::embedded()
            .models
            .iter()
            .filter(|model| model.runtime != "std")
        {
            assert!(
                locked_version(&model.runtime).is_some(),
                "{} runs on {}",
                model.name,
                model.runtime
            );
        }
    }
}
