//! How many of the open connections send.

use serde::{Deserialize, Serialize};

/// How many of the open connections send: all, a number, or a share such as `1%`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "ActiveText", into = "ActiveText")]
pub enum Active {
    /// Every one.
    #[default]
    All,
    /// That many, or all when fewer are open.
    Count(u64),
    /// That share in thousandths, at least one connection.
    PerMille(u64),
}

/// The forms that `active` has in a file.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum ActiveText {
    Count(u64),
    Share(String),
}

impl TryFrom<ActiveText> for Active {
    type Error = String;

    fn try_from(text: ActiveText) -> Result<Self, String> {
        let text = match text {
            ActiveText::Count(count) => return Ok(Self::Count(count)),
            ActiveText::Share(text) => text,
        };
        let bad =
            || format!("`{text}` is no share of the connections; write a number, `1%` or `0.5%`");
        let percent = text.strip_suffix('%').ok_or_else(bad)?;
        let (whole, tenths) = percent.split_once('.').unwrap_or((percent, "0"));
        let whole: u64 = whole.parse().map_err(|_| bad())?;
        let tenths = tenths.parse::<u64>().ok().filter(|tenths| *tenths < 10).ok_or_else(bad)?;
        let per_mille = whole.saturating_mul(10).saturating_add(tenths);
        match per_mille {
            1..1000 => Ok(Self::PerMille(per_mille)),
            1000 => Ok(Self::All),
            _ => Err(bad()),
        }
    }
}

impl From<Active> for ActiveText {
    fn from(active: Active) -> Self {
        match active {
            Active::All => Self::Share("100%".into()),
            Active::Count(count) => Self::Count(count),
            Active::PerMille(share) => Self::Share(format!("{}.{}%", share / 10, share % 10)),
        }
    }
}

impl Active {
    /// How many of that many connections send.
    #[must_use]
    pub fn of(self, connections: u64) -> u64 {
        match self {
            Self::All => connections,
            Self::Count(count) => count.clamp(1, connections.max(1)),
            Self::PerMille(share) => (connections.saturating_mul(share) / 1000).max(1),
        }
    }
}
