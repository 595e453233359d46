//! From figures to a verdict.

use record::claims::{CaseFigure, ClaimRecord, CriterionRecord, Role, Verdict};

use super::criterion::{Claim, Test};
use super::evidence::Evidence;
use super::words;

/// Judges a claim by the evidence.
///
/// It holds where every case of every demand passes, and does not where some demand fails in each of its cases;
/// between the two it holds only when. A demand without a case leaves it open, as does a load that a demand names and
/// the run did not measure.
pub(super) fn judge(claim: &Claim, evidence: &Evidence<'_>) -> ClaimRecord {
    let mut open = None;
    let mut criteria = Vec::new();
    for test in &claim.tests {
        let found = evidence.find(test);
        if test.role == Role::Claim {
            open = open.or(found.open);
        }
        criteria.push(CriterionRecord {
            demands: words::demand(test),
            why: test.why.clone(),
            role: test.role,
            cases: found.cases,
            missing: found.missing,
        });
    }
    drop_uncontrolled(&claim.tests, &mut criteria);
    let (verdict, detail) = match obstacle(claim, evidence).or(open) {
        Some(why) => (Verdict::NotTestableHere, Some(why)),
        None => decide(&criteria),
    };
    // What was not tested needs no explanation of what was found.
    let note = claim.note.clone().filter(|_| verdict != Verdict::NotTestableHere);
    let said: Vec<String> = detail.into_iter().chain(note).collect();
    ClaimRecord {
        id: claim.id.clone(),
        claim: claim.statement.clone(),
        sources: claim.source.clone(),
        check: claim.check.clone(),
        verdict,
        detail: (!said.is_empty()).then(|| said.join("; ")),
        criteria,
    }
}

/// What stands in the way of any verdict.
fn obstacle(claim: &Claim, evidence: &Evidence<'_>) -> Option<String> {
    if let Some(why) = &claim.untestable {
        return Some(why.clone());
    }
    let cpus = evidence.run.machine.server_cpus.as_deref().map_or(1, count);
    (cpus < claim.server_cpus).then(|| {
        let plural = if cpus == 1 { "" } else { "s" };
        let needed = claim.server_cpus;
        format!(
            "{cpus} server CPU{plural}, and {needed} are needed: a machine with {} CPUs can tell",
            2 * needed
        )
    })
}

/// CPUs in a list such as `1` or `0,4-7`.
fn count(list: &str) -> usize {
    let range = |part: &str| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        Some(to.trim().parse::<usize>().ok()?.checked_sub(from.trim().parse().ok()?)? + 1)
    };
    list.split(',').filter_map(range).sum()
}

/// Whoever fails a control decides nothing, nor does whoever was not put to it. The laboratory has its own controls, line
/// by line, and a page needs none.
fn drop_uncontrolled(tests: &[Test], criteria: &mut [CriterionRecord]) {
    let is_control = |criterion: &&CriterionRecord| criterion.role == Role::Control;
    let controls: Vec<CriterionRecord> = criteria.iter().filter(is_control).cloned().collect();
    let missed = |model: &str| {
        controls.iter().find_map(|control| {
            let mut cases = control.cases.iter().filter(|case| case.model == model).peekable();
            let why = if cases.peek().is_none() {
                "was not put to"
            } else if cases.any(|case| case.passed != Some(true)) {
                "failed"
            } else {
                return None;
            };
            Some(format!("{model} {why} the control: {}", control.demands))
        })
    };
    let of_run = tests.iter().map(|test| test.experiment.is_some());
    for (criterion, _) in criteria.iter_mut().zip(of_run).filter(|(_, of_run)| *of_run) {
        if criterion.role != Role::Claim {
            continue;
        }
        let (cases, missing) = (&mut criterion.cases, &mut criterion.missing);
        cases.retain(|case| match missed(&case.model) {
            None => true,
            Some(why) => {
                missing.push(why);
                false
            }
        });
    }
}

fn decide(criteria: &[CriterionRecord]) -> (Verdict, Option<String>) {
    let demands = || criteria.iter().filter(|criterion| criterion.role == Role::Claim);
    if let Some(open) = demands().find(|criterion| criterion.cases.is_empty()) {
        let why = if open.missing.is_empty() {
            "no such model was measured".into()
        } else {
            first_few(&open.missing)
        };
        return (Verdict::NotTestableHere, Some(why));
    }
    let passes = |case: &CaseFigure| case.passed == Some(true);
    if demands().any(|criterion| !criterion.cases.iter().any(passes)) {
        return (Verdict::DoesNotHold, None);
    }
    let partly: Vec<String> = demands()
        .filter(|criterion| !criterion.cases.iter().all(passes))
        .map(|criterion| {
            let (yes, no): (Vec<_>, Vec<_>) = criterion.cases.iter().partition(|case| passes(case));
            format!("for {}; not for {}", names(&yes, &no), names(&no, &yes))
        })
        .collect();
    if partly.is_empty() {
        (Verdict::Holds, None)
    } else {
        (Verdict::HoldsOnlyWhen, Some(partly.join("; and ")))
    }
}

/// The cases by name: where all of a model's are on this side, the model alone; where all at a load are, the load.
fn names(these: &[&CaseFigure], others: &[&CaseFigure]) -> String {
    let has = |cases: &[&CaseFigure], same: &dyn Fn(&CaseFigure) -> bool| {
        cases.iter().any(|case| same(case))
    };
    let single = these.iter().chain(others).all(|case| case.model == these[0].model);
    let mut names: Vec<String> = Vec::new();
    for case in these {
        let name = if !has(others, &|other| other.model == case.model) {
            case.model.clone()
        } else if !case.at.is_empty() && !has(others, &|other| other.at == case.at) {
            if single { case.at.clone() } else { format!("{} (all)", case.at) }
        } else {
            words::place(case)
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(", ")
}

fn first_few(reasons: &[String]) -> String {
    const FEW: usize = 2;
    let more = reasons.len().saturating_sub(FEW);
    let said = reasons.iter().take(FEW).cloned().collect::<Vec<_>>().join("; ");
    if more > 0 { format!("{said}; and {more} more") } else { said }
}
