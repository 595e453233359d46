//! Rust as a reader sees it in an editor: just the tokens that a colour helps to tell apart.
//!
//! A library for every language would add megabytes to the harness for the pages of one language.

/// A stretch of source.
pub(crate) struct Token<'text> {
    /// Of the stylesheet; empty for what needs no colour.
    pub(crate) class: &'static str,
    pub(crate) text: &'text str,
}

const DOC: &str = "d";
const COMMENT: &str = "c";
const TEXT: &str = "s";
const ATTRIBUTE: &str = "a";
const LIFETIME: &str = "l";
const NUMBER: &str = "u";
const KEYWORD: &str = "k";
const MACRO: &str = "m";
const TYPE: &str = "t";
const PLAIN: &str = "";

const KEYWORDS: [&str; 37] = [
    "as", "async", "await", "break", "const", "continue", "crate", "dyn", "else", "enum", "extern",
    "false", "fn", "for", "if", "impl", "in", "let", "loop", "match", "mod", "move", "mut", "pub",
    "ref", "return", "self", "static", "struct", "super", "trait", "true", "type", "unsafe", "use",
    "where", "while",
];

/// The whole source in order; text that is not Rust loses nothing but its colours.
pub(crate) fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut tokens: Vec<Token> = Vec::new();
    let (mut at, mut plain_from) = (0, 0);
    while at < source.len() {
        let rest = &source[at..];
        let (class, length) = next(rest);
        if class != PLAIN {
            if plain_from < at {
                tokens.push(Token { class: PLAIN, text: &source[plain_from..at] });
            }
            tokens.push(Token { class, text: &rest[..length] });
            plain_from = at + length;
        }
        at += length;
    }
    if plain_from < source.len() {
        tokens.push(Token { class: PLAIN, text: &source[plain_from..] });
    }
    tokens
}

/// What `rest` begins with, and how long that is: one byte at least.
fn next(rest: &str) -> (&'static str, usize) {
    let first = rest.chars().next().unwrap_or(' ');
    if rest.starts_with("//") {
        let doc = rest.starts_with("///") || rest.starts_with("//!");
        return (if doc { DOC } else { COMMENT }, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (COMMENT, rest.find("*/").map_or(rest.len(), |end| end + 2));
    }
    if rest.starts_with("#[") || rest.starts_with("#![") {
        return (ATTRIBUTE, rest.find(']').map_or(rest.len(), |end| end + 1));
    }
    if let Some(length) = text(rest) {
        return (TEXT, length);
    }
    if first == '\'' {
        return quote(rest);
    }
    if first.is_ascii_digit() {
        // A range ends a number: `0..n`; `1.5` and `0x_ff_u8` do not.
        let mut end = length_while(rest, is_word);
        if rest[end..].starts_with('.') && rest[end + 1..].starts_with(|c: char| c.is_ascii_digit())
        {
            end += 1 + length_while(&rest[end + 1..], is_word);
        }
        return (NUMBER, end);
    }
    if is_word(first) {
        return word(rest);
    }
    (PLAIN, first.len_utf8())
}

/// A string literal, raw or not.
fn text(rest: &str) -> Option<usize> {
    let prefix = ["br", "b", "c", "r", ""].into_iter().find(|prefix| {
        rest.strip_prefix(prefix).is_some_and(|rest| {
            rest.starts_with('"')
                || (prefix.ends_with('r') && rest.trim_start_matches('#').starts_with('"'))
        })
    })?;
    let inside = &rest[prefix.len()..];
    if prefix.ends_with('r') {
        let hashes = length_while(inside, |c| c == '#');
        let end = format!("\"{}", "#".repeat(hashes));
        let body = &inside[hashes + 1..];
        let length = body.find(&end).map_or(body.len(), |at| at + end.len());
        return Some(prefix.len() + hashes + 1 + length);
    }
    let mut escaped = false;
    let end = inside[1..].char_indices().find(|&(_, c)| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    Some(prefix.len() + end.map_or(inside.len(), |(at, _)| at + 2))
}

/// `'a'` and `'\n'` are characters, `'a` is a lifetime.
fn quote(rest: &str) -> (&'static str, usize) {
    let mut inside = rest[1..].chars();
    match (inside.next(), inside.next()) {
        (Some('\\'), _) => {
            let end = rest[2..].char_indices().skip(1).find(|&(_, c)| c == '\'');
            (TEXT, end.map_or(rest.len(), |(at, _)| at + 3))
        }
        (Some(c), Some('\'')) => (TEXT, 2 + c.len_utf8()),
        _ => (LIFETIME, 1 + length_while(&rest[1..], is_word)),
    }
}

/// A keyword, a macro, a type, or a name like any other.
fn word(rest: &str) -> (&'static str, usize) {
    let length = length_while(rest, is_word);
    let (word, after) = rest.split_at(length);
    let class = if KEYWORDS.contains(&word) {
        KEYWORD
    } else if after.starts_with('!') && !after.starts_with("!=") {
        MACRO
    } else if word.starts_with(|c: char| c.is_ascii_uppercase()) {
        TYPE
    } else {
        PLAIN
    };
    (class, length)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn length_while(text: &str, of: impl Fn(char) -> bool) -> usize {
    text.find(|c| !of(c)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(source: &str) -> Vec<(&str, &str)> {
        tokens(source).iter().map(|token| (token.class, token.text)).collect()
    }

    #[test]
    fn each_kind_of_token_has_its_class() {
        for (source, class) in [
            ("//! why", DOC),
            ("/// why", DOC),
            ("// why", COMMENT),
            ("/* why */", COMMENT),
            ("#[expect(unsafe_code, reason = \"\")]", ATTRIBUTE),
            (r#""a \" b""#, TEXT),
            (r##"r#"a " b"#"##, TEXT),
            (r#"b"HTTP/1.1""#, TEXT),
            (r"'\''", TEXT),
            (r"'\u{202f}'", TEXT),
            ("'ä'", TEXT),
            ("'static", LIFETIME),
            ("0x_ff_u8", NUMBER),
            ("1.5", NUMBER),
            ("async", KEYWORD),
            ("TcpStream", TYPE),
            ("serve", PLAIN),
        ] {
            assert_eq!(told(source), [(class, source)]);
        }
    }

    #[test]
    fn what_looks_alike_is_told_apart() {
        assert_eq!(told("0..n"), [(NUMBER, "0"), (PLAIN, "..n")]);
        assert_eq!(told("a != b"), [(PLAIN, "a != b")]);
        assert_eq!(told("vec![1]"), [(MACRO, "vec"), (PLAIN, "!["), (NUMBER, "1"), (PLAIN, "]")]);
        assert_eq!(told("for_each"), [(PLAIN, "for_each")]);
        assert_eq!(told("\"open"), [(TEXT, "\"open")], "what does not end ends with the source");
    }

    proptest! {
        #[test]
        fn no_character_is_lost_and_none_added(source in r#"[a-z'"\\/*#!\[\]r0-9 \näß{}.]{0,40}"#) {
            let whole: String = tokens(&source).iter().map(|token| token.text).collect();
            prop_assert_eq!(whole, source);
        }
    }
}
