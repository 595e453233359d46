//! Values that are one of a few words, and numbers within bounds: what they may be, said where they are not.

use std::fmt::Display;
use std::num::{IntErrorKind, ParseIntError};
use std::ops::RangeInclusive;
use std::str::FromStr;

/// A value that is one of a few words.
pub(crate) trait Choice: Copy + PartialEq + 'static {
    /// Each value with its word.
    const WORDS: &'static [(Self, &'static str)];

    /// Its word on the command line.
    fn word(self) -> Option<&'static str> {
        Self::WORDS.iter().find(|(value, _)| *value == self).map(|(_, word)| *word)
    }
}

/// The value of a word, or what the word must be.
pub(super) fn choice<T: Choice>(text: &str) -> Result<T, String> {
    let found = T::WORDS.iter().find(|(_, word)| *word == text);
    found.map(|(value, _)| *value).ok_or_else(|| format!("must be {}", any_of::<T>()))
}

/// "`a`, `b` or `c`".
pub(super) fn any_of<T: Choice>() -> String {
    let words: Vec<String> = T::WORDS.iter().map(|(_, word)| format!("`{word}`")).collect();
    let (last, others) = words.split_last().expect("a choice has words");
    if others.is_empty() { last.clone() } else { format!("{} or {last}", others.join(", ")) }
}

/// A whole number within bounds, or what it must be; `why` says where the upper bound comes from.
pub(super) fn within<T>(text: &str, bounds: RangeInclusive<T>, why: &str) -> Result<T, String>
where
    T: FromStr<Err = ParseIntError> + PartialOrd + Display,
{
    let at_least = || Err(format!("must be at least {}", bounds.start()));
    let at_most = || Err(format!("must be at most {}{why}", bounds.end()));
    match text.parse() {
        Ok(number) if number < *bounds.start() => at_least(),
        Ok(number) if number > *bounds.end() => at_most(),
        Ok(number) => Ok(number),
        Err(error) => match error.kind() {
            IntErrorKind::Zero | IntErrorKind::NegOverflow => at_least(),
            IntErrorKind::PosOverflow => at_most(),
            _ => Err(format!("must be a whole number from {} to {}", bounds.start(), bounds.end())),
        },
    }
}
