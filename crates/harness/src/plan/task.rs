//! What a model's client does, where the client is what is measured.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// A client's task; the experiment's number of connections says how many fetches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub enum Task {
    /// It fetches these paths in turn, as many at once as there are connections, from a server that holds nobody back;
    /// [`REFUSED`] in the place of a path is a server that refuses.
    Fetch(Vec<String>),
    /// It sleeps so many milliseconds, one after the other.
    Sequential(Vec<u64>),
    /// At once.
    Parallel(Vec<u64>),
    /// Each in a unit of its own, started by the end of the one before.
    Chained(Vec<u64>),
    /// At once, beside a task that runs every 10 ms.
    Timer(Vec<u64>),
    /// So many sleeps at once, of 1, 2, 3, ... milliseconds, beside that task: each millisecond one of them ends.
    #[serde(rename = "timer-among")]
    TimerAmong(u64),
}

/// Instead of a path: an address where nobody listens.
pub const REFUSED: &str = "refused";

impl Task {
    /// The word of the record and, for an idiom, of the command line.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Fetch(_) => "fetch",
            Self::Sequential(_) => "sequential",
            Self::Parallel(_) => "parallel",
            Self::Chained(_) => "chained",
            Self::Timer(_) | Self::TimerAmong(_) => "timer",
        }
    }

    /// The sleeps of an idiom.
    #[must_use]
    pub fn sleeps_ms(&self) -> Option<Cow<'_, [u64]>> {
        match self {
            Self::Fetch(_) => None,
            Self::TimerAmong(units) => Some((1..=*units).collect()),
            Self::Sequential(sleeps)
            | Self::Parallel(sleeps)
            | Self::Chained(sleeps)
            | Self::Timer(sleeps) => Some(sleeps.into()),
        }
    }

    pub(super) fn check(&self, name: &str) -> anyhow::Result<()> {
        if let Self::Fetch(paths) = self {
            anyhow::ensure!(
                !paths.is_empty(),
                "experiment `{name}` fetches nothing; give a path such as `/wait/100`"
            );
            let mut asked = paths.iter().filter(|path| path.as_str() != REFUSED);
            return asked.try_for_each(|path| super::experiment::check_path(path));
        }
        anyhow::ensure!(
            self.sleeps_ms().is_some_and(|sleeps| !sleeps.is_empty()),
            "experiment `{name}` sleeps nothing; give milliseconds such as [40, 30, 20]"
        );
        Ok(())
    }
}
