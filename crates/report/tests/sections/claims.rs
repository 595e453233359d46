//! What others claim, and what the run says of it.

use record::Run;
use record::claims::{CaseFigure, ClaimRecord, CriterionRecord, Role, Verdict, Verdicts};

use super::{MODELS, quiet, run_of};
use crate::html::{grid, page, part, text, unique_ids};

fn case(model: &str, at: &str, value: f64, unit: &str, passed: Option<bool>) -> CaseFigure {
    CaseFigure { unit: unit.into(), passed, detail: None, ..figure(model, at, value) }
}

fn figure(model: &str, at: &str, value: f64) -> CaseFigure {
    CaseFigure { model: model.into(), at: at.into(), value, ..CaseFigure::default() }
}

fn claim(id: &str, verdict: Verdict, detail: &str, criteria: Vec<CriterionRecord>) -> ClaimRecord {
    ClaimRecord {
        id: id.into(),
        claim: format!("the claim that is called {id}"),
        sources: vec!["A".into(), "Z".into()],
        check: format!("by the check of {id}"),
        verdict,
        detail: Some(detail.to_owned()).filter(|detail| !detail.is_empty()),
        criteria,
    }
}

fn criterion(role: Role, demands: &str, cases: Vec<CaseFigure>) -> CriterionRecord {
    CriterionRecord {
        role,
        demands: demands.into(),
        why: format!("the reason of {demands}"),
        cases,
        missing: Vec::new(),
    }
}

/// One claim of each verdict.
fn verdicts() -> Verdicts {
    let wasted = vec![
        case("threads", "polling", 0.598, "", Some(true)),
        case("threads", "blocked-on-socket", 0.0, "", Some(false)),
    ];
    let many = (0..6_u8).map(|place| {
        let model = format!("model-{place}");
        case(&model, "100 connections", f64::from(place) * 1_000.0, "/s", Some(place > 0))
    });
    let mut limit = case("thread-per-connection", "", 16_000.0, "connections", Some(false));
    limit.detail = Some("at 32,000: limit: nofile".into());
    let mut unseen = criterion(Role::Claim, "sweep: at least 1", Vec::new());
    unseen.missing = vec!["not measured: `c10k run --experiments sweep`".into()];
    Verdicts {
        run: "FIXTURE-invented-figures".into(),
        computed_at: "2025-01-01T00:11:00Z".into(),
        sources: [("A".to_owned(), "A Manual, by Somebody".to_owned())].into(),
        claims: vec![
            claim(
                "wasted-switches",
                Verdict::HoldsOnlyWhen,
                "for polling; not for blocked-on-socket",
                vec![criterion(Role::Claim, "wasted_share: 0.47 to 0.67", wasted)],
            ),
            claim(
                "single-thread-enough",
                Verdict::Holds,
                "",
                vec![
                    criterion(Role::Claim, "requests a second: at least 1", many.collect()),
                    criterion(Role::Control, "alone", vec![case("m", "", 1.0, "ms", Some(true))]),
                    criterion(Role::Figure, "beside", vec![case("m", "", 2.5, "ms", None)]),
                ],
            ),
            claim(
                "thread-limit",
                Verdict::DoesNotHold,
                "",
                vec![criterion(Role::Claim, "most held: at most 999", vec![limit])],
            ),
            claim(
                "loop-scales",
                Verdict::NotTestableHere,
                "not measured: `c10k run --experiments wall`",
                vec![unseen],
            ),
        ],
        ..Verdicts::default()
    }
}

/// A single trial is run enough.
fn single() -> Run {
    run_of(vec![quiet("sweep", 100, &MODELS[3], 1)])
}

fn judged(verdicts: Verdicts) -> String {
    page(Run { claims: Some(verdicts), ..single() })
}

fn section(page: &str) -> &str {
    part(page, "<section id=\"claims\"", "</section>")
}

#[test]
fn the_table_of_claims_stays_as_it_is() {
    let page = judged(verdicts());
    insta::assert_snapshot!(
        "claims",
        grid(part(section(&page), "<table class=\"judged\"", "</table>"))
    );
}

#[test]
fn the_verdicts_are_counted_and_the_answer_leads_to_them() {
    let page = judged(verdicts());
    let said = "Of 4 claims 1 holds, 1 holds only under a condition, 1 does not hold and 1 is not testable here.";
    assert!(text(section(&page)).contains(said), "{}", text(section(&page)));
    let answer = part(&page, "<section id=\"answer\"", "</section>");
    assert!(text(answer).contains(said) && answer.contains("href=\"#claims\""));
    let mut two = verdicts();
    two.claims.truncate(2);
    two.claims[0].verdict = Verdict::Holds;
    assert!(text(section(&judged(two))).contains("Of 2 claims 2 hold."));
}

#[test]
fn each_claim_has_a_link_and_each_verdict_a_sign_and_a_word() {
    let page = judged(verdicts());
    for (id, class, said) in [
        ("wasted-switches", "partly", "◐ holds only when"),
        ("single-thread-enough", "holds", "✓ holds"),
        ("thread-limit", "fails", "✗ does not hold"),
        ("loop-scales", "open", "? not testable here"),
    ] {
        let row = part(&page, &format!("<tr id=\"claim-{id}\""), "</tr>");
        assert!(row.contains(&format!("href=\"#claim-{id}\"")), "{row}");
        assert!(
            text(part(row, &format!("class=\"claim-{class}\""), "</td>")).contains(said),
            "{row}"
        );
    }
    let row = part(&page, "<tr id=\"claim-loop-scales\"", "</tr>");
    assert!(
        row.contains("<code>c10k run --experiments wall</code>"),
        "a command can be told: {row}"
    );
    unique_ids(&page);
}

/// Of many cases the range is said, and every one of them stands there.
#[test]
fn every_figure_of_a_claim_is_on_the_page_however_many() {
    let page = judged(verdicts());
    let row = text(part(&page, "<tr id=\"claim-single-thread-enough\"", "</tr>"));
    let said = "5 of 6 meet it: from 0 /s (model-0 at 100 connections) to 5\u{202f}000 /s (model-5 at 100 connections)";
    assert!(row.contains(said), "{row}");
    for place in 1..6 {
        let case = format!("meets it: model-{place} at 100 connections: {place}\u{202f}000 /s");
        assert!(row.contains(&case), "{row}");
    }
    assert!(row.contains("does not: model-0 at 100 connections: 0 /s"), "{row}");
}

#[test]
fn a_run_that_was_not_judged_names_the_command_that_does() {
    for none in [None, Some(Verdicts::default())] {
        let page = page(Run { claims: none, ..single() });
        let said = text(section(&page));
        assert!(said.contains("c10k claims results/FIXTURE-invented-figures"), "{said}");
        assert!(
            said.contains("c10k run --experiments claims") && !section(&page).contains("<table")
        );
        assert!(!part(&page, "<section id=\"answer\"", "</section>").contains("href=\"#claims\""));
    }
}

#[test]
fn hostile_and_broken_verdicts_are_shown_and_never_act() {
    let filled = |text: &str, value: f64| {
        let mut hostile = verdicts();
        hostile.computed_at = text.into();
        hostile.sources = [("A".to_owned(), text.to_owned())].into();
        for claim in &mut hostile.claims {
            (claim.id, claim.claim, claim.check) = (text.into(), text.into(), text.into());
            claim.detail = Some(text.into());
            for criterion in &mut claim.criteria {
                (criterion.demands, criterion.why) = (text.into(), text.into());
                criterion.missing = vec![text.into()];
                for case in &mut criterion.cases {
                    (case.model, case.at, case.unit) = (text.into(), text.into(), text.into());
                    (case.detail, case.value) = (Some(text.into()), value);
                }
            }
        }
        hostile.claims.truncate(1);
        judged(hostile)
    };
    let tags = |page: &str| section(page).matches('<').count();
    let harmless = tags(&filled("harmless", 1.0));
    for bad in
        ["<script>alert(1)</script>", "\"><img src=x onerror=alert(2)>", "</table><a href='#x'>"]
    {
        assert_eq!(tags(&filled(bad, f64::MAX)), harmless, "`{bad}` became markup");
    }
    assert!(text(section(&filled("x", f64::NAN))).contains("not a number"));
}

#[test]
fn a_broken_record_of_the_verdicts_is_a_warning_and_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("a-run");
    let machine = super::machine();
    let mut writer = record::RunWriter::create(&dir, &machine, "").unwrap();
    writer.append(&single().trials[0]).unwrap();
    for broken in ["", "[]", "{\"claims\": 3}", "{\"claims\": [{\"verdict\": \"perhaps\"}]}"] {
        std::fs::write(dir.join("claims.json"), broken).unwrap();
        let page = page(Run::read(&dir).unwrap());
        let notice = text(part(&page, "class=\"notice\"", "</div>"));
        assert!(notice.contains("`claims.json` cannot be read"), "{notice}");
        assert!(text(section(&page)).contains("were not judged"));
    }
    std::fs::remove_file(dir.join("claims.json")).unwrap();
    verdicts().write(&dir).unwrap();
    let page = page(Run::read(&dir).unwrap());
    assert!(section(&page).contains("id=\"claim-wasted-switches\""));
}
