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
        let (client, server): (Vec<Page>, Vec<Page>) =
            pages(&folder, "").into_iter().partition(|(file, _)| file.starts_with("client"));
        Self { server_lines: lines(&server), client_lines: lines(&client), server: joined(&server) }
    }
}

/// A page's name and text.
type Page = (String, String);

/// Every page of a contestant, `server.rs` first; the few lines of `main.rs` and files of unit tests are none.
///
/// What a server needs of its own is the server's, whether it stands in `server/` or beside it: an event loop or an
/// executor that one model brings along would otherwise look free.
fn pages(folder: &Path, within: &str) -> Vec<Page> {
    let mut entries: Vec<_> =
        std::fs::read_dir(folder.join(within)).into_iter().flatten().flatten().collect();
    entries.sort_by_key(|entry| (entry.file_name() != "server.rs", entry.path()));
    let mut pages = Vec::new();
    for entry in entries {
        let Some(name) = entry.file_name().to_str().map(|name| format!("{within}{name}")) else {
            continue;
        };
        let is_page = entry.path().extension().is_some_and(|extension| extension == "rs");
        if entry.path().is_dir() {
            pages.extend(self::pages(folder, &format!("{name}/")));
        } else if is_page && name != "main.rs" && !name.ends_with("tests.rs") {
            pages.extend(std::fs::read_to_string(entry.path()).ok().map(|text| (name, text)));
        }
    }
    pages
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
        for file in ["server.rs", "executor.rs", "main.rs", "server/part.rs", "server/tests.rs"] {
            std::fs::write(folder.path().join(file), "fn one() {}\n").unwrap();
        }
        let pages = pages(folder.path(), "");
        let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["server.rs", "executor.rs", "server/part.rs"]);
        assert_eq!(lines(&pages), Some(3));
        assert!(joined(&pages).unwrap().contains("// server/part.rs"));
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
