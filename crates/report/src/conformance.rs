//! The conformance table: is each model correct? Proven before anything was measured, model by model and case by case.

use std::collections::BTreeMap;

use record::{CaseRecord, Conforms, Finding, ModelConformance, Run};

use crate::format;
use crate::verdict::{Label, label};

/// The whole section.
pub(crate) struct Conformance<'run> {
    /// When the battery began.
    pub(crate) started_at: &'run str,
    pub(crate) cases: &'run [CaseRecord],
    pub(crate) rows: Vec<Row>,
    /// Whatever did not simply pass, failures first.
    pub(crate) notes: Vec<Note>,
}

/// One model.
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) label: Label,
    pub(crate) summary: String,
    pub(crate) marks: Vec<Mark>,
}

/// What one case found: a sign, the word behind it, and the words of the record.
pub(crate) struct Mark {
    pub(crate) sign: &'static str,
    pub(crate) word: &'static str,
    pub(crate) title: String,
}

/// What is to be said of a verdict, and of whom.
pub(crate) struct Note {
    pub(crate) word: &'static str,
    pub(crate) case: String,
    pub(crate) detail: String,
    pub(crate) models: String,
}

/// What the battery found in this run; `None` where it was left out.
pub(crate) fn conformance<'run>(run: &'run Run, prefix: &str) -> Option<Conformance<'run>> {
    let found = run.conformance.as_ref()?;
    let row = |model: &ModelConformance| Row {
        id: id(&model.model, prefix),
        label: label(&model.model, &run.machine, prefix),
        summary: summary(model, found.cases.len()),
        marks: found.cases.iter().map(|case| mark(model.cases.get(&case.name))).collect(),
    };
    Some(Conformance {
        started_at: &found.started_at,
        cases: &found.cases,
        rows: found.models.iter().map(row).collect(),
        notes: notes(found),
    })
}

/// Id of a model's row.
pub(crate) fn id(model: &str, prefix: &str) -> String {
    format!("{prefix}conformance.{}", format::slug(model))
}

/// `27 of 27`: the cases that a model passes as every server should.
pub(crate) fn summary(model: &ModelConformance, of: usize) -> String {
    format!("{} of {}", format::size(model.count(Conforms::Pass)), format::size(of))
}

fn mark(finding: Option<&Finding>) -> Mark {
    let (sign, word) = match finding.map(|finding| finding.verdict) {
        Some(Conforms::Pass) => ("✓", "pass"),
        Some(Conforms::Declared) => ("≤", "declared"),
        Some(Conforms::NotTestable) => ("?", "not-testable"),
        Some(Conforms::Fail) => ("✗", "fail"),
        None => ("–", "not tried"),
    };
    let detail = finding.and_then(|finding| finding.detail.as_deref());
    let title = detail.map_or_else(|| word.to_owned(), |detail| format!("{word}: {detail}"));
    Mark { sign, word, title }
}

/// The same words about several models stand once.
fn notes(found: &record::Conformance) -> Vec<Note> {
    let mut notes = Vec::new();
    for verdict in [Conforms::Fail, Conforms::Declared, Conforms::NotTestable] {
        for case in &found.cases {
            let mut said: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
            for model in &found.models {
                let finding = model.cases.get(&case.name);
                if let Some(finding) = finding.filter(|finding| finding.verdict == verdict) {
                    let detail = finding.detail.as_deref().unwrap_or("no detail was recorded");
                    said.entry(detail).or_default().push(&model.model);
                }
            }
            notes.extend(said.into_iter().map(|(detail, models)| Note {
                word: mark(Some(&Finding { verdict, detail: None })).word,
                case: case.name.clone(),
                detail: detail.to_owned(),
                models: format::list(&models),
            }));
        }
    }
    notes
}
