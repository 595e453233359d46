//! How a command ends: the exit codes, and the errors that are the caller's.

use std::process::ExitCode;

/// How a command ended, where nothing went wrong with the command itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, and every result is what was asked for.
    Done,
    /// Done, but some contestant failed.
    Failed,
    /// Done, but a threshold that the caller set was missed.
    Missed,
    /// Stopped by Ctrl-C; what was measured is kept.
    Interrupted,
}

/// Exit code of a command that was called wrongly.
pub const USAGE: u8 = 2;

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Missed => 3,
            Exit::Interrupted => 130,
        })
    }
}

/// The command was called wrongly: the message says what is wrong and which values there are.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(String);

impl UsageError {
    /// An error with that message.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}
