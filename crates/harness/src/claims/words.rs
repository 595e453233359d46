//! Criteria and figures in words, made from their data.

use record::claims::CaseFigure;

use super::criterion::{Aggregate, DEFAULT, Over, Test};
use super::metric::Metric;

/// A demand as a sentence without its end.
pub(super) fn demand(test: &Test) -> String {
    let words = subject(test);
    let words = match &test.over {
        None => words,
        Some(over) => format!("{words}, divided by that {}", base(over)),
    };
    let metric = test.experiment.as_ref().and_then(|_| Metric::named(&test.metric));
    let unit = metric.filter(|it| test.over.is_none() && !it.unit.is_empty());
    let unit = unit.map(|metric| format!(" {}", metric.unit)).unwrap_or_default();
    match (test.at_least, test.at_most) {
        (Some(least), Some(most)) => {
            format!("{words}: {} to {}{unit}", number(least), number(most))
        }
        (Some(least), None) => format!("{words}: at least {}{unit}", number(least)),
        (None, Some(most)) => format!("{words}: at most {}{unit}", number(most)),
        (None, None) => words,
    }
}

/// What it is divided by.
fn base(over: &Over) -> String {
    let metric = over.metric.as_deref().map(|name| Metric::named(name).map_or(name, |it| it.words));
    let parts = [
        metric.map(ToOwned::to_owned),
        over.model.as_ref().map(|model| format!("of {model}")),
        over.variant.as_ref().map(|variant| format!("in {variant}")),
        over.connections.map(|count| format!("at {count}")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn subject(test: &Test) -> String {
    let variants = test.variants.iter().filter(|variant| *variant != DEFAULT).cloned();
    let variants = variants.collect::<Vec<_>>().join(", ");
    let variants = if variants.is_empty() { variants } else { format!(" ({variants})") };
    if let Some(lab) = &test.lab {
        return format!("`{}` of `lab {lab}`{variants}", test.metric);
    }
    if let Some(page) = &test.pages {
        return match page.as_str() {
            "server.rs" => format!("{} of `server.rs`", test.metric),
            page => format!("{} of all the {page}'s pages", test.metric),
        };
    }
    let Some(experiment) = &test.experiment else {
        return format!(
            "wall time of queries through {}, divided by that of one after the other",
            test.drivers.join(", ")
        );
    };
    let metric = Metric::named(&test.metric).map_or(test.metric.as_str(), |metric| metric.words);
    let counts: Vec<String> = test.connections.iter().map(ToString::to_string).collect();
    let at = if counts.is_empty() {
        String::new()
    } else {
        format!(" at {} connections", counts.join(", "))
    };
    let one_worker = test.workers.map(|count| format!(" with {count} worker")).unwrap_or_default();
    match test.aggregate {
        Aggregate::Each => format!("{metric} in {experiment}{variants}{at}{one_worker}"),
        Aggregate::Slope => {
            format!("{metric} for each connection in {experiment}{variants}, by regression")
        }
        Aggregate::Largest => {
            let also: Vec<&str> = [experiment.as_str()]
                .into_iter()
                .chain(test.also.iter().map(String::as_str))
                .collect();
            let within = test
                .within
                .map(|times| format!(", p99 within {times} times that of 100 connections"))
                .unwrap_or_default();
            format!("most connections held and served in {}{within}", also.join(", "))
        }
    }
}

/// The model and its load, or the mechanism and its variant.
pub(super) fn place(case: &CaseFigure) -> String {
    match case.at.chars().next() {
        None => case.model.clone(),
        Some(first) if first.is_ascii_digit() => format!("{} at {}", case.model, case.at),
        Some(_) => format!("{} ({})", case.model, case.at),
    }
}

/// Three digits, or all of a large one.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        size if size >= 1000.0 => grouped(value),
        size if size >= 100.0 || value.fract() == 0.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.01 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 { format!("-{text}") } else { text }
}
