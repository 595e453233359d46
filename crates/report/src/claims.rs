//! Claims, put to the test: what others say of the models, and what the run's own figures say of that.

use record::Run;
use record::claims::{CaseFigure, ClaimRecord, CriterionRecord, Role, Verdict, Verdicts};

use crate::format;
use crate::verdict::sentence_case;

/// Cases that stand in the table one by one; of more of them their range does, and all of them below it.
const CASES_SHOWN_MAX: usize = 4;

/// The whole section.
pub(crate) struct Claims {
    /// How many there are of each verdict.
    pub(crate) summary: String,
    pub(crate) computed_at: String,
    pub(crate) rows: Vec<Row>,
}

/// One claim.
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) claim: String,
    pub(crate) sources: Vec<String>,
    pub(crate) check: Vec<Words>,
    pub(crate) models: String,
    pub(crate) verdict: Mark,
    pub(crate) detail: Vec<Words>,
    pub(crate) criteria: Vec<Criterion>,
}

/// A verdict: never by colour alone.
pub(crate) struct Mark {
    pub(crate) sign: &'static str,
    pub(crate) words: &'static str,
    pub(crate) class: &'static str,
}

/// Words, or what the record marks by backticks: a command, mostly.
#[derive(Debug, PartialEq)]
pub(crate) struct Words {
    pub(crate) text: String,
    pub(crate) is_code: bool,
}

/// One demand and what was found for it.
pub(crate) struct Criterion {
    /// Empty of what decides the verdict.
    pub(crate) role: &'static str,
    pub(crate) demands: Vec<Words>,
    pub(crate) why: Vec<Words>,
    /// Of many cases how they lie; empty of few.
    pub(crate) range: String,
    pub(crate) cases: Vec<Case>,
    pub(crate) missing: Vec<Vec<Words>>,
}

/// One figure.
pub(crate) struct Case {
    /// Whether the demand is met, as a sign and in words; empty where nothing is demanded.
    pub(crate) sign: &'static str,
    pub(crate) met: &'static str,
    pub(crate) place: String,
    pub(crate) figure: String,
    pub(crate) detail: String,
}

/// What this run says of the claims; `None` where they were not judged.
pub(crate) fn claims(run: &Run, prefix: &str) -> Option<Claims> {
    let verdicts = run.claims.as_ref().filter(|verdicts| !verdicts.claims.is_empty())?;
    Some(Claims {
        summary: summary(verdicts),
        computed_at: verdicts.computed_at.clone(),
        rows: verdicts.claims.iter().map(|claim| row(claim, verdicts, prefix)).collect(),
    })
}

/// `Of 3 claims 2 hold and 1 is not testable here.`
fn summary(verdicts: &Verdicts) -> String {
    let counted = Verdict::ALL.into_iter().filter_map(|verdict| {
        let count = verdicts.count(verdict);
        let verb = match (verdict, count) {
            (_, 0) => return None,
            (Verdict::Holds, 1) => "holds",
            (Verdict::Holds, _) => "hold",
            (Verdict::HoldsOnlyWhen, 1) => "holds only under a condition",
            (Verdict::HoldsOnlyWhen, _) => "hold only under a condition",
            (Verdict::DoesNotHold, 1) => "does not hold",
            (Verdict::DoesNotHold, _) => "do not hold",
            (Verdict::NotTestableHere, 1) => "is not testable here",
            (Verdict::NotTestableHere, _) => "are not testable here",
        };
        Some(format!("{} {verb}", format::size(count)))
    });
    let counted: Vec<String> = counted.collect();
    let all = format::plural(verdicts.claims.len(), "claim");
    format!("Of {all} {}.", format::list(&counted))
}

fn row(claim: &ClaimRecord, verdicts: &Verdicts, prefix: &str) -> Row {
    let title = |letter: &String| verdicts.sources.get(letter).unwrap_or(letter).clone();
    Row {
        id: format!("{prefix}claim-{}", format::slug(&claim.id)),
        claim: sentence_case(&claim.claim),
        sources: claim.sources.iter().map(title).collect(),
        check: words(&claim.check),
        models: models(claim),
        verdict: mark(claim.verdict),
        detail: words(claim.detail.as_deref().unwrap_or_default()),
        criteria: claim.criteria.iter().map(criterion).collect(),
    }
}

/// All whose figures stand in the row, each once.
fn models(claim: &ClaimRecord) -> String {
    let mut models: Vec<&str> = Vec::new();
    for case in claim.criteria.iter().flat_map(|criterion| &criterion.cases) {
        if !models.contains(&case.model.as_str()) {
            models.push(&case.model);
        }
    }
    format::list(&models)
}

fn mark(verdict: Verdict) -> Mark {
    let (sign, class) = match verdict {
        Verdict::Holds => ("✓", "holds"),
        Verdict::HoldsOnlyWhen => ("◐", "partly"),
        Verdict::DoesNotHold => ("✗", "fails"),
        Verdict::NotTestableHere => ("?", "open"),
    };
    Mark { sign, words: verdict.words(), class }
}

/// Told apart by the backticks.
fn words(text: &str) -> Vec<Words> {
    let pieces = text.split('`').enumerate();
    let pieces = pieces.filter(|(_, piece)| !piece.is_empty());
    pieces.map(|(place, piece)| Words { text: piece.to_owned(), is_code: place % 2 == 1 }).collect()
}

fn criterion(criterion: &CriterionRecord) -> Criterion {
    Criterion {
        role: match criterion.role {
            Role::Claim => "",
            Role::Control => "control",
            Role::Figure => "figure",
        },
        demands: words(&criterion.demands),
        why: words(&criterion.why),
        range: range(&criterion.cases),
        cases: criterion.cases.iter().map(case).collect(),
        missing: criterion.missing.iter().map(|why| words(why)).collect(),
    }
}

/// `14 of 16 meet it: from 0.0004 (mio-loop) to 1.00 (actors)`.
fn range(cases: &[CaseFigure]) -> String {
    if cases.len() <= CASES_SHOWN_MAX {
        return String::new();
    }
    let by_value = |a: &&CaseFigure, b: &&CaseFigure| a.value.total_cmp(&b.value);
    let ends = cases.iter().min_by(by_value).zip(cases.iter().max_by(by_value));
    let Some((least, most)) = ends else { return String::new() };
    let demanded = cases.iter().filter(|case| case.passed.is_some()).count();
    let met = cases.iter().filter(|case| case.passed == Some(true)).count();
    let all = format::size(cases.len());
    let count = match (demanded, met) {
        (0, _) => format!("{all} cases"),
        (demanded, met) if demanded == met => format!("all {all} meet it"),
        (_, met) => format!("{} of {all} meet it", format::size(met)),
    };
    if least.value.total_cmp(&most.value).is_eq() {
        return format!("{count}: {}", figure(least));
    }
    format!(
        "{count}: from {} ({}) to {} ({})",
        figure(least),
        place(least),
        figure(most),
        place(most)
    )
}

fn case(case: &CaseFigure) -> Case {
    let (sign, met) = match case.passed {
        Some(true) => ("✓", "meets it"),
        Some(false) => ("✗", "does not"),
        None => ("", ""),
    };
    Case {
        sign,
        met,
        place: place(case),
        figure: figure(case),
        detail: case.detail.clone().unwrap_or_default(),
    }
}

/// The model and its load, or the mechanism and its variant.
fn place(case: &CaseFigure) -> String {
    match case.at.chars().next() {
        None => case.model.clone(),
        Some(first) if first.is_ascii_digit() => format!("{} at {}", case.model, case.at),
        Some(_) => format!("{}, {}", case.model, case.at),
    }
}

fn figure(case: &CaseFigure) -> String {
    let number = if case.value.fract() == 0.0 {
        format::counted(case.value)
    } else {
        format::significant(case.value)
    };
    if case.unit.is_empty() { number } else { format!("{number} {}", case.unit) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_from_words() {
        let command = |text: &str| Words { text: text.into(), is_code: true };
        let plain = |text: &str| Words { text: text.into(), is_code: false };
        assert_eq!(
            words("not measured: `c10k run`; later"),
            [plain("not measured: "), command("c10k run"), plain("; later")]
        );
        assert_eq!(words("`lab race` was not run"), [command("lab race"), plain(" was not run")]);
        assert_eq!(words(""), []);
    }
}
