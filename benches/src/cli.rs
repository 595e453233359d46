//! criterion's command line, for a bench that measures no time: the same filter chooses, and nothing else is started.
//!
//! `cargo bench -- switch --quick` hands the same arguments to every bench, so those that mean nothing here are taken
//! and ignored, and unknown ones refused, as criterion has it.

use std::ffi::OsString;

use clap::{Arg, ArgAction, Command};
use regex::Regex;

/// Flags of criterion's that mean nothing to a bench that measures no time.
const FLAGS: [&str; 8] = [
    "verbose",
    "quiet",
    "noplot",
    "quick",
    "nocapture",
    "show-output",
    "include-ignored",
    "version",
];

/// Options with a value, likewise.
const OPTIONS: [&str; 15] = [
    "color",
    "save-baseline",
    "baseline",
    "baseline-lenient",
    "load-baseline",
    "format",
    "profile-time",
    "sample-size",
    "warm-up-time",
    "measurement-time",
    "nresamples",
    "noise-threshold",
    "confidence-level",
    "significance-level",
    "plotting-backend",
];

/// The letters that criterion has for some of both.
const LETTERS: [(&str, char); 6] = [
    ("color", 'c'),
    ("verbose", 'v'),
    ("noplot", 'n'),
    ("save-baseline", 's'),
    ("baseline", 'b'),
    ("version", 'V'),
];

/// What to do with the benches that are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Measure and record: `cargo bench`.
    Measure,
    /// Try once with small parameters, record nothing: `cargo test`, `--test`.
    Test,
    /// Print the names.
    List,
}

/// Which benches, and what to do with them.
#[derive(Debug)]
pub struct Selection {
    /// What to do.
    pub mode: Mode,
    /// Whether what is measured is kept: criterion keeps nothing where it is told so, nor for a profiler.
    pub records: bool,
    chosen: Chosen,
}

#[derive(Debug)]
enum Chosen {
    All,
    None,
    Exactly(String),
    Matching(Regex),
}

impl Selection {
    /// Reads a command line, the program's name first.
    ///
    /// # Errors
    /// An option is unknown, or the filter is no regular expression.
    pub fn parse(args: impl IntoIterator<Item: Into<OsString> + Clone>) -> anyhow::Result<Self> {
        let named = |name: &'static str| {
            let letter = LETTERS.iter().find(|(one, _)| *one == name).map(|(_, letter)| *letter);
            Arg::new(name).long(name).short(letter).hide(true)
        };
        let flag = |name: &'static str| named(name).action(ArgAction::SetTrue);
        let command = Command::new("bench")
            .disable_version_flag(true)
            .arg(Arg::new("filter").help("skip benches whose names do not match").index(1))
            .args(["bench", "test", "list", "exact", "ignored", "discard-baseline"].map(flag))
            .args(FLAGS.map(flag))
            .args(OPTIONS.map(named))
            .arg(named("output-format"))
            .mut_arg("color", |color| color.alias("colour"));
        let given = command.try_get_matches_from(args)?;
        let is = |name: &str| given.get_flag(name);
        let mode = match (is("list"), is("bench") && !is("test")) {
            (true, _) => Mode::List,
            (false, true) => Mode::Measure,
            (false, false) => Mode::Test,
        };
        let chosen = match given.get_one::<String>("filter") {
            _ if is("ignored") => Chosen::None,
            None => Chosen::All,
            Some(filter) if is("exact") => Chosen::Exactly(filter.clone()),
            Some(filter) => Chosen::Matching(Regex::new(filter)?),
        };
        let forgets = is("discard-baseline") || given.contains_id("profile-time");
        Ok(Self { mode, records: mode == Mode::Measure && !forgets, chosen })
    }

    /// Whether a bench of this name is to be run.
    #[must_use]
    pub fn chooses(&self, id: &str) -> bool {
        match &self.chosen {
            Chosen::All => true,
            Chosen::None => false,
            Chosen::Exactly(name) => name == id,
            Chosen::Matching(pattern) => pattern.is_match(id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> anyhow::Result<Selection> {
        Selection::parse(["bench"].into_iter().chain(line.split_whitespace()))
    }

    #[test]
    fn the_mode_is_criterions() {
        for (line, mode) in [
            ("--bench", Mode::Measure),
            ("", Mode::Test),
            ("--test", Mode::Test),
            ("--bench --test", Mode::Test),
            ("--bench --list --format terse", Mode::List),
            ("--bench --quick --sample-size 10 --save-baseline=a", Mode::Measure),
        ] {
            assert_eq!(parse(line).unwrap().mode, mode, "{line}");
        }
        for letters in ["--bench -n -v -c always -s mine", "--bench -b mine --colour never"] {
            assert_eq!(parse(letters).unwrap().mode, Mode::Measure, "{letters}");
        }
        assert!(parse("--no-such-option").is_err());
        assert!(parse("-x").is_err());
        assert!(parse("( --bench").is_err());
    }

    #[test]
    fn only_what_is_measured_to_be_kept_is_recorded() {
        assert!(parse("--bench --save-baseline a").unwrap().records);
        for line in ["", "--bench --test", "--bench --discard-baseline", "--bench --profile-time 5"]
        {
            assert!(!parse(line).unwrap().records, "{line}");
        }
    }

    #[test]
    fn the_filter_chooses_as_criterions_does() {
        let chosen = |line: &str| {
            let ids = ["memory/thread", "memory/task-tokio", "memory/task-tokio-local"];
            ids.into_iter().filter(|id| parse(line).unwrap().chooses(id)).count()
        };
        assert_eq!(chosen("--bench"), 3);
        assert_eq!(chosen("--bench switch"), 0);
        assert_eq!(chosen("--bench memory"), 3);
        assert_eq!(chosen("tokio$"), 1);
        assert_eq!(chosen("--exact memory/task-tokio"), 1);
        assert_eq!(chosen("--exact tokio"), 0);
        assert_eq!(chosen("--ignored"), 0);
        assert_eq!(chosen("--sample-size 10 task"), 2);
    }
}
