//! From ratios to verdicts: one figure, many comparisons.

use serde::Serialize;

use super::figures::{Found, too_few};
use crate::stats::{Ratio, benjamini_hochberg};

/// The share of all differences said that may be none, on average.
pub const FALSE_DISCOVERIES: f64 = 0.05;

/// What can be said of two sides.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// They differ.
    Different,
    /// They cannot be told apart.
    NoDifference,
    /// Nothing can be said, and why.
    NotCompared(String),
}

/// A verdict with the ratio behind it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judgement {
    /// What can be said.
    pub verdict: Verdict,
    /// The second over the first, where there is one; of too few repeats its range.
    pub ratio: Option<Ratio>,
}

impl Judgement {
    /// The same with the sides exchanged.
    pub(super) fn turned(&self) -> Self {
        Self { verdict: self.verdict.clone(), ratio: self.ratio.map(|ratio| ratio.inverse()) }
    }

    pub(super) fn nothing(why: impl Into<String>) -> Self {
        Self { verdict: Verdict::NotCompared(why.into()), ratio: None }
    }
}

/// Judges all comparisons of one figure together; each comes with the floor that it must pass, as a ratio above 1.
pub(super) fn judge(found: Vec<(Found, f64)>) -> Vec<Judgement> {
    let p_value = |found: &Found| match found {
        Found::Ratio(ratio) => ratio.p_value,
        Found::Same | Found::Nothing(_) => None,
    };
    let p_values: Vec<f64> = found.iter().filter_map(|(found, _)| p_value(found)).collect();
    let mut discovered = benjamini_hochberg(&p_values, FALSE_DISCOVERIES).into_iter();
    let mut verdict = |found: Found, floor: f64| match found {
        Found::Nothing(why) => Judgement::nothing(why),
        Found::Same => Judgement { verdict: Verdict::NoDifference, ratio: None },
        Found::Ratio(ratio) if ratio.p_value.is_none() => {
            Judgement { verdict: Verdict::NotCompared(too_few(&ratio)), ratio: Some(ratio) }
        }
        Found::Ratio(ratio) => {
            let discovered = discovered.next().unwrap_or(false);
            let verdict = if discovered && ratio.passes(floor) {
                Verdict::Different
            } else {
                Verdict::NoDifference
            };
            Judgement { verdict, ratio: Some(ratio) }
        }
    };
    found.into_iter().map(|(found, floor)| verdict(found, floor)).collect()
}
