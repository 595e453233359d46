//! The verdicts and the claims, as people read them.

use record::claims::{CaseFigure, ClaimRecord, CriterionRecord, Role, Verdict, Verdicts};

use super::criterion::Book;
use super::words::{demand, number, place};
use crate::summary::table;

/// Figures that a row shows; `--json` has them all.
const SHOWN: usize = 3;

/// Where the width of a terminal is unknown.
const WIDTH: u16 = 140;

/// A table of verdicts, and how many there are of each.
pub(super) fn print(verdicts: &Verdicts) {
    let mut rows = table(&["claim", "verdict", "figures", "sources"]);
    rows.set_content_arrangement(comfy_table::ContentArrangement::Dynamic);
    if !rows.is_tty() {
        rows.set_width(WIDTH);
    }
    for claim in &verdicts.claims {
        let verdict = claim.detail.as_ref().map_or_else(
            || claim.verdict.words().to_owned(),
            |detail| format!("{}: {detail}", claim.verdict.words()),
        );
        rows.add_row([claim.id.clone(), verdict, figures(claim), claim.sources.join(", ")]);
    }
    println!("{rows}\n");
    for (letter, text) in &verdicts.sources {
        println!("  {letter}  {text}");
    }
    let counts =
        Verdict::ALL.map(|verdict| format!("{} {}", verdicts.count(verdict), verdict.words()));
    println!("\n{}", counts.join(", "));
}

fn figures(claim: &ClaimRecord) -> String {
    let shown: Vec<String> = claim
        .criteria
        .iter()
        .filter(|criterion| criterion.role != Role::Control && !criterion.cases.is_empty())
        .map(criterion)
        .collect();
    shown.join("\n")
}

fn criterion(criterion: &CriterionRecord) -> String {
    let cases: Vec<String> = criterion.cases.iter().take(SHOWN).map(case).collect();
    let more = criterion.cases.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    format!("{}: {}{more}", criterion.demands, cases.join(", "))
}

fn case(case: &CaseFigure) -> String {
    let unit = if case.unit.is_empty() { String::new() } else { format!(" {}", case.unit) };
    // Of a largest number what stopped it is the other half of the figure.
    let stopped = case.detail.as_ref().filter(|_| case.unit == "connections");
    let stopped = stopped.map(|why| format!(" ({why})")).unwrap_or_default();
    format!("{} {}{unit}{stopped}", place(case), number(case.value))
}

/// Every claim with its source and its criteria.
pub(super) fn list(book: &Book) {
    for claim in &book.claims {
        let sources: Vec<&str> = claim
            .source
            .iter()
            .filter_map(|letter| book.sources.get(letter))
            .map(String::as_str)
            .collect();
        println!("{}: {}", claim.id, claim.statement);
        println!("    source: {}", sources.join("; "));
        println!("    check:  {}", claim.check);
        for test in &claim.tests {
            let role = match test.role {
                Role::Claim => "demands",
                Role::Control => "control",
                Role::Figure => "figure ",
            };
            println!("    {role} {}", demand(test));
            println!("            because {}", test.why);
        }
        for text in claim.untestable.iter().chain(&claim.note) {
            println!("    note:   {text}");
        }
        println!();
    }
}
