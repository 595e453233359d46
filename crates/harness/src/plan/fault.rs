//! What is done to a server on purpose, in the middle of the window.

use serde::{Deserialize, Serialize};

/// One fault a trial; witnesses beside the load tell what it cost the others and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// Nothing: the control, in which nothing may be lost.
    None,
    /// A handler panics.
    Panic,
    /// The child process that serves a witness is killed.
    KilledChild,
    /// More connections than the server has descriptors, or processes where those carry a connection, and then release.
    Descriptors,
}

impl Fault {
    /// The word of the plan and of the record.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Panic => "panic",
            Self::KilledChild => "killed-child",
            Self::Descriptors => "descriptors",
        }
    }
}
