//! What became of the claims of others: `claims.json`, one object a run, computed from the run's own trials.
//!
//! A verdict is never written by hand: each carries its criteria, and each criterion the figures that met it or did not.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::SCHEMA;
use crate::run::{because, line, replace};

/// The verdicts over a run: one [`Verdicts`].
pub const CLAIMS: &str = "claims.json";

/// Every claim and what this run says of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Verdicts {
    /// Version of the record format; the writer fills it in.
    pub schema: u32,
    /// Name of the run.
    pub run: String,
    /// When the verdicts were computed: UTC, RFC 3339.
    pub computed_at: String,
    /// The texts that claim, by the letter that the claims name.
    pub sources: BTreeMap<String, String>,
    /// Every claim, in order.
    pub claims: Vec<ClaimRecord>,
    /// What the experiments without load printed, line by line.
    pub lab: Vec<LabLine>,
}

/// One claim.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ClaimRecord {
    /// Short name.
    pub id: String,
    /// What is claimed, in our own words.
    pub claim: String,
    /// Letters of the texts that claim it.
    pub sources: Vec<String>,
    /// How it is checked, in words.
    pub check: String,
    /// What the run says of it.
    pub verdict: Verdict,
    /// Why it could not be tested, when it holds, or what else there is to say; absent where the figures say all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What was demanded, and what was found.
    pub criteria: Vec<CriterionRecord>,
}

/// What a run says of a claim.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// In every case.
    Holds,
    /// In some cases, which are named.
    HoldsOnlyWhen,
    /// In no case.
    DoesNotHold,
    /// This run, or this machine, cannot tell; the detail says why, and what can.
    #[default]
    NotTestableHere,
}

impl Verdict {
    /// All, in the order in which they are counted.
    pub const ALL: [Self; 4] =
        [Self::Holds, Self::HoldsOnlyWhen, Self::DoesNotHold, Self::NotTestableHere];

    /// As people read it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::HoldsOnlyWhen => "holds only when",
            Self::DoesNotHold => "does not hold",
            Self::NotTestableHere => "not testable here",
        }
    }
}

/// One demand of a claim.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct CriterionRecord {
    /// The demand, in words that were made from its data.
    pub demands: String,
    /// Why this threshold.
    pub why: String,
    /// What it decides.
    pub role: Role,
    /// Every case that there are figures of.
    pub cases: Vec<CaseFigure>,
    /// Why there are no figures of others.
    pub missing: Vec<String>,
}

/// What a demand decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The verdict.
    #[default]
    Claim,
    /// Whether the experiment can tell: cases of whoever fails it decide nothing.
    Control,
    /// Nothing: a figure to be seen beside the others.
    Figure,
}

/// The figure of one case: of one model at one load, or of one mechanism in the laboratory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct CaseFigure {
    /// The model, the mechanism or the driver.
    pub model: String,
    /// At which load, or in which variant; empty where there is one.
    pub at: String,
    /// The figure that is compared.
    pub value: f64,
    /// Unit of the figure; empty of a count or a ratio.
    pub unit: String,
    /// Whether the demand is met; absent where nothing is demanded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passed: Option<bool>,
    /// What else was seen, such as the limit that stopped it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// One line of the program `lab`: one mechanism in one variant of one test.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LabLine {
    /// `race`, `mutual-wait`, ...
    pub test: String,
    /// What carries the units of work: `threads`, `may-many`, ...
    pub mechanism: String,
    /// What was done to it: `yield`, `lock`, ...
    pub variant: String,
    /// Of a control what must come out; absent of a measurement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control: Option<String>,
    /// Of a control whether it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sound: Option<bool>,
    /// What was counted; units stand last in the names.
    pub figures: BTreeMap<String, f64>,
    /// In plain words: what was seen that is no number, or why nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
}

impl Verdicts {
    /// How many claims have that verdict.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.claims.iter().filter(|claim| claim.verdict == verdict).count()
    }

    /// Reads the verdicts of the run in `dir`; `None` where there are none yet.
    pub fn read(dir: &Path) -> io::Result<Option<Self>> {
        match std::fs::read(dir.join(CLAIMS)) {
            Ok(bytes) => Ok(Some(line::object(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Puts the verdicts into the run's folder. The writer fills in `schema`.
    ///
    /// # Errors
    /// `AlreadyExists` where the run has some: what is recorded is never written over.
    pub fn write(&self, dir: &Path) -> io::Result<()> {
        let path = dir.join(CLAIMS);
        if path.exists() {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                format!(
                    "`{}` is recorded already; compute them anew and print them by `--again`",
                    path.display()
                ),
            ));
        }
        let mut text = serde_json::to_string_pretty(&Self { schema: SCHEMA, ..self.clone() })?;
        text.push('\n');
        replace(dir, CLAIMS, text.as_bytes()).map_err(|error| {
            because(
                &error,
                &format!("failed to write `{}`", path.display()),
                "print them by `--again`",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_are_written_once_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Verdicts::read(dir.path()).unwrap(), None);
        let verdicts = Verdicts { schema: SCHEMA, run: "a".into(), ..Verdicts::default() };
        verdicts.write(dir.path()).unwrap();
        assert_eq!(Verdicts::read(dir.path()).unwrap(), Some(verdicts.clone()));
        let again = verdicts.write(dir.path()).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        assert!(again.to_string().contains("--again"), "{again}");
    }
}
