//! The words of a command line, one after the other, and what is said of a word that does not belong.

use std::ffi::OsString;

use lexopt::{Arg, Parser};

use super::help::Page;

/// What comes next.
pub(super) enum Word {
    /// `--help` or `-h`.
    Help,
    /// `--name`, without its dashes.
    Option(String),
    /// Neither an option nor the value of one.
    Free(String),
}

/// The words of one command.
pub(super) struct Words {
    parser: Parser,
    page: Page,
    /// Names of the options so far; the last is the one whose value is due.
    options: Vec<String>,
}

impl Words {
    pub(super) fn new(args: impl IntoIterator<Item = OsString>, page: Page) -> Self {
        Self { parser: Parser::from_args(args), page, options: Vec::new() }
    }

    /// The words that are left belong to the command that this page describes.
    pub(super) fn of(self, page: Page) -> Self {
        Self { page, ..self }
    }

    pub(super) fn next(&mut self) -> Result<Option<Word>, String> {
        let name = match self.parser.next() {
            Ok(None) => return Ok(None),
            Ok(Some(Arg::Long("help") | Arg::Short('h'))) => return Ok(Some(Word::Help)),
            Ok(Some(Arg::Value(value))) => return Ok(Some(Word::Free(text(value)?))),
            Ok(Some(Arg::Long(name))) => name.to_owned(),
            Ok(Some(Arg::Short(letter))) => return Err(unknown(self.page, &format!("-{letter}"))),
            Err(lexopt::Error::UnexpectedValue { option, value }) => {
                return Err(format!("`{option}` takes no value; leave `={}` out", value.display()));
            }
            Err(error) => return Err(error.to_string()),
        };
        if self.options.contains(&name) {
            return Err(format!("`--{name}` is given twice; leave one of them out"));
        }
        self.options.push(name.clone());
        Ok(Some(Word::Option(name)))
    }

    /// The value of the option that came last; `read` says what it must be.
    pub(super) fn value<T>(
        &mut self,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<T, String> {
        let option = self.options.last().map_or("", String::as_str);
        // At the end of the line there is no value; an empty one, as from an unset variable of a shell, is none either.
        let text = self.parser.value().map_or(Ok(String::new()), text)?;
        if text.is_empty() {
            return Err(format!("`--{option}` needs a value; see `{}`", self.page.help()));
        }
        read(&text).map_err(|rule| format!("`--{option} {text}`: {rule}"))
    }

    /// The complaint about an option that there is not.
    pub(super) fn unknown_option(&self, name: &str) -> String {
        unknown(self.page, &format!("--{name}"))
    }
}

fn text(value: OsString) -> Result<String, String> {
    value.into_string().map_err(|odd| format!("`{}` is not UTF-8; write it anew", odd.display()))
}

fn unknown(page: Page, option: &str) -> String {
    let remedy = match nearest(option, page.options()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("see `{}`", page.help()),
    };
    format!("unknown option `{option}`; {remedy}")
}

/// What was probably meant: of the words at most two slips away, the nearest.
pub(super) fn nearest<'a>(word: &str, among: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = among.map(|known| (slips(word, known), known)).filter(|(slips, _)| *slips <= 2);
    near.min_by_key(|(slips, _)| *slips).map(|(_, known)| known)
}

/// Letters to add, to leave out and to replace on the way from one word to the other (Levenshtein's distance).
fn slips(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, a) in from.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], line + 1);
        for (column, b) in to.bytes().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}
