//! What the conformance battery found: `conformance.json`, one object a run, written before anything is measured.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The battery over the models of a run: correctness is proven before speed is printed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Conformance {
    /// Version of the record format; the writer fills it in.
    pub schema: u32,
    /// When the battery began: UTC, RFC 3339.
    pub started_at: String,
    /// Every case that was tried, in order.
    pub cases: Vec<CaseRecord>,
    /// Every model that it was tried on, in report order.
    pub models: Vec<ModelConformance>,
}

/// One thing that every contestant must do right.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct CaseRecord {
    /// Short name.
    pub name: String,
    /// The claim, in one sentence.
    pub claim: String,
}

/// What the battery found of one model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ModelConformance {
    /// Its name.
    pub model: String,
    /// By the case's name; a case that was interrupted is absent.
    pub cases: BTreeMap<String, Finding>,
}

/// What one case found of one model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// The verdict.
    pub verdict: Conforms,
    /// What was declared, why it could not be tried, or what went wrong; absent where it passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Whether a model does a case right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Conforms {
    /// As every server should.
    Pass,
    /// Not as every server should, and exactly as the registry declares.
    Declared,
    /// Could not be tried on this machine.
    NotTestable,
    /// Wrong.
    Fail,
}

impl Conformance {
    /// What was found of a model.
    #[must_use]
    pub fn of(&self, model: &str) -> Option<&ModelConformance> {
        self.models.iter().find(|one| one.model == model)
    }
}

impl ModelConformance {
    /// How many cases ended in a way.
    #[must_use]
    pub fn count(&self, verdict: Conforms) -> usize {
        self.cases.values().filter(|finding| finding.verdict == verdict).count()
    }
}
