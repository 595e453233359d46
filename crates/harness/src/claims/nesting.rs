//! How long and how deep the models' pages are, as the run recorded them: lines of code, and the deepest nesting.

use record::machine::ContestantRecord;
use record::stats::float;

use crate::sources::code_lines;

/// The pages of the server, `server.rs` first: the record has several under their names, and one as it is.
fn pages(source: &str) -> Vec<&str> {
    let is_name = |line: &&str| {
        let name = line.strip_prefix("// ").and_then(|name| name.strip_suffix(".rs"));
        name.is_some_and(|name| !name.contains(' '))
    };
    let mut pages = Vec::new();
    let mut rest = source;
    while let Some((page, later)) =
        rest.lines().find(is_name).and_then(|name| rest.split_once(name))
    {
        pages.push(page);
        rest = later;
    }
    pages.push(rest);
    pages.retain(|page| !page.trim().is_empty());
    pages
}

/// A page without its unit tests, which stand last.
fn code(page: &str) -> &str {
    page.split("#[cfg(test)]").next().unwrap_or_default()
}

/// A figure of a model's pages: `lines` or `depth`, of `server.rs` alone, or of all pages of `server` or `client`.
/// Absent where the run has no record of them.
pub(super) fn figure(model: &ContestantRecord, page: &str, metric: &str) -> Option<f64> {
    let server = pages(&model.server_source);
    let figure = match (page, metric) {
        ("server.rs", "lines") => code_lines(server.first()?),
        ("server.rs", "depth") => depth(code(server.first()?)),
        ("server", "lines") => model.server_lines?,
        ("server", "depth") => server.iter().map(|page| depth(code(page))).max()?,
        ("client", "lines") => model.client_lines?,
        _ => return None,
    };
    Some(float(figure))
}

/// The deepest nesting of braces in the code; a function's body is the first level, or the second
/// in an `impl`.
pub(super) fn depth(source: &str) -> u64 {
    let (mut depth, mut deepest) = (0_u64, 0);
    let mut rest = source;
    while let Some(next) = rest.chars().next() {
        let skipped = skipped(rest);
        match next {
            _ if skipped > 0 => {}
            '{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        rest = &rest[skipped.max(next.len_utf8())..];
    }
    deepest
}

/// Bytes of the comment, string or character that the text begins with; 0 where it begins with code.
fn skipped(text: &str) -> usize {
    let until = |end: &str, from: usize| {
        text[from..].find(end).map_or(text.len(), |at| from + at + end.len())
    };
    if text.starts_with("//") {
        return until("\n", 2);
    }
    if text.starts_with("/*") {
        return until("*/", 2);
    }
    if let Some(raw) = text.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            return until(&format!("\"{}", "#".repeat(hashes)), hashes + 2);
        }
    }
    if text.starts_with('"') {
        return closed(text, '"');
    }
    // A lifetime has no second quote where a character has its own.
    let mut after = text.chars().skip(1);
    let is_character = text.starts_with('\'')
        && match after.next() {
            Some('\\') => true,
            Some(_) => after.next() == Some('\''),
            None => false,
        };
    if is_character { closed(text, '\'') } else { 0 }
}

/// Bytes up to the quote that closes the one at the beginning.
fn closed(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, next) in text.char_indices().skip(1) {
        match next {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if next == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_in_code_nest_and_those_in_comments_and_strings_do_not() {
        assert_eq!(depth("fn a() {}\nfn b() { if c { d() } }\n"), 2);
        assert_eq!(depth("// {{{\n/* {{ */ fn a() { f(\"{{{\", '{', r#\"{\"{\"#, \"\\\"{\") }"), 1);
        assert_eq!(depth("impl<'a> B<'a> { fn a(&'a self) { loop { x() } } }"), 3);
    }

    #[test]
    fn the_conversation_is_server_rs_alone() {
        let model = |source: &str| ContestantRecord {
            server_lines: Some(5),
            server_source: source.into(),
            ..ContestantRecord::default()
        };
        let several = model(
            "// server.rs\n\nfn a() {\n}\n\n// tasks.rs\n\nfn b() { loop { { } } }\n#[cfg(test)]\nmod tests { fn c() { { { } } } }\n",
        );
        let lines = |model: &ContestantRecord, page| figure(model, page, "lines");
        assert_eq!(lines(&several, "server.rs"), Some(2.0));
        assert_eq!(lines(&several, "server"), Some(5.0));
        assert_eq!(figure(&several, "server.rs", "depth"), Some(1.0));
        assert_eq!(figure(&several, "server", "depth"), Some(3.0));
        assert_eq!(lines(&model("fn a() {}\n"), "server.rs"), Some(1.0));
        assert_eq!(lines(&model(""), "server.rs"), None);
    }
}
