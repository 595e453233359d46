use super::*;
use proptest::prelude::*;

fn parse(text: &str) -> Threshold {
    text.parse().unwrap()
}

/// A thousand requests of 1 to 1,000 us, 50 of 100 connections served, 3 errors of 1,000.
fn outcome() -> Outcome {
    let mut outcome = Outcome::default();
    for us in 1..=1_000 {
        outcome.latency.record(us * 1_000).unwrap();
    }
    outcome.duration = std::time::Duration::from_secs(2);
    (outcome.requests, outcome.requests_sent) = (1_000, 1_000);
    (outcome.active, outcome.served) = (100, 50);
    outcome.errors = [(ErrorKind::Timeout, 2), (ErrorKind::Reset, 1)].into();
    outcome
}

#[test]
fn what_is_missed_says_by_how_much() {
    let cases = [
        ("p50>400us", "500 us, 100 us (25 %) over"),
        ("p90 >= 0.6ms", "900 us, 300 us (50 %) over"),
        ("p999>500us", "999 us, 499 us (100 %) over"),
        ("max>1us", "1.00 ms, 999 us (99,945 %) over"),
        ("errors>0", "3, 3 over"),
        ("errors>2", "3, 1 (50 %) over"),
        ("errors>0.1%", "3 of 1,000 (0.30 %), 0.20 points over"),
        ("timeout>=2", "2"),
        ("rate<50k", "500/s, 49,500/s (99 %) under"),
        ("served<100%", "50 of 100 (50 %), 50 points under"),
        ("served<=50", "50"),
        ("requests<1m", "1,000, 999,000 (100 %) under"),
    ];
    for (threshold, message) in cases {
        assert_eq!(parse(threshold).missed(&outcome()).as_deref(), Some(message), "{threshold}");
    }
}

#[test]
fn what_is_kept_says_nothing() {
    let kept = [
        "p50<400us",
        "p99>1ms",
        "max>1.01ms",
        "mean>1ms",
        "errors>3",
        "errors>0.3%",
        "reset>1",
        "closed>0",
        "served<50%",
        "served<50",
        "rate<500",
        "rate>500",
        "unanswered>0",
    ];
    for threshold in kept {
        assert_eq!(parse(threshold).missed(&outcome()), None, "{threshold}");
    }
}

#[test]
fn a_share_that_is_just_the_limit_is_not_over_it() {
    for (errors, sent, limit) in [(1, 1_000, "0.1"), (7, 1_000, "0.7"), (3, 10, "30")] {
        let mut outcome = outcome();
        outcome.requests_sent = sent;
        outcome.errors = [(ErrorKind::Short, errors)].into();
        assert_eq!(parse(&format!("errors>{limit}%")).missed(&outcome), None, "{errors} of {sent}");
    }
}

#[test]
fn requests_without_an_answer_do_not_make_a_server_fast() {
    let mut outcome = outcome();
    assert_eq!(parse("p99>1ms").missed(&outcome), None);
    // Five seconds behind the schedule, for as many requests as were answered.
    outcome.unanswered.record_n(5_000_000_000, 1_000).unwrap();
    outcome.censored = 1_000;
    assert!(parse("p99>1ms").missed(&outcome).unwrap().starts_with("5.0"));
    assert!(parse("unanswered>10%").missed(&outcome).unwrap().starts_with("1,000 of 2,000"));
    // Young ones do not make it fast either.
    outcome.unanswered.reset();
    outcome.unanswered.record_n(1, 100_000).unwrap();
    assert_eq!(parse("p99<900us").missed(&outcome), None);
}

#[test]
fn without_an_answer_no_latency_is_good() {
    let missed = parse("p99>10s").missed(&Outcome::default()).unwrap();
    assert_eq!(missed, "nothing was answered");
    assert!(parse("served<100%").missed(&Outcome::default()).is_some());
}

#[test]
fn what_is_no_threshold_is_refused_with_an_example() {
    let cases = [
        ("", "compares nothing"),
        ("p99", "compares nothing"),
        ("p99=10ms", "compares nothing"),
        (">10ms", "names nothing"),
        ("p5>10ms", "names nothing"),
        ("p00>10ms", "names nothing"),
        ("p9 9>10ms", "names nothing"),
        ("p99.99999999>10ms", "names nothing"),
        ("p\u{e9}\u{e9}>1ms", "names nothing"),
        ("speed>10", "names nothing"),
        ("p99>10", "a time and its unit"),
        ("p99>ms", "a time and its unit"),
        ("p99>-1ms", "a time and its unit"),
        ("p99>1e3ms", "a time and its unit"),
        ("p99>1%", "a time and its unit"),
        ("p99>=>1ms", "a time and its unit"),
        ("rate<1%", "a number"),
        ("rate<nan", "a number"),
        ("rate<1.2.3", "a number"),
        ("rate<.", "a number"),
        ("errors>1ms", "a number or a share"),
        ("errors>%", "a number or a share"),
    ];
    for (text, reason) in cases {
        let error = text.parse::<Threshold>().unwrap_err().to_string();
        assert!(error.contains(reason) && error.ends_with("or served<100%"), "{text}: {error}");
    }
}

proptest! {
    #[test]
    fn any_text_is_a_threshold_or_refused(text in prop_oneof![".{0,30}", "[a-z0-9.]{0,6}[<>=]{1,2}[0-9.]{0,6}[a-z%]{0,3}"]) {
        if let Ok(threshold) = text.parse::<Threshold>() {
            prop_assert!(threshold.limit.is_finite() && threshold.limit >= 0.0);
            let _either = threshold.missed(&Outcome::default());
            let again: Threshold = threshold.to_string().parse().unwrap();
            prop_assert_eq!(again.metric, threshold.metric);
            prop_assert!((again.limit - threshold.limit).abs() <= threshold.limit * 1e-9, "{}", again);
        }
    }
}
