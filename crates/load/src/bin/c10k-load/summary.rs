//! The result as a person reads it at a glance: figures, a picture of the latency, what is wrong.

use std::fmt::Write as _;
use std::time::Duration;

use hdrhistogram::Histogram;
use load::words::{bytes, float, grouped, time};
use load::{Load, Outcome, Pace, Slow, SlowKind, SlowSeen};

use crate::picture::picture;

/// Columns of an ordinary terminal, and of the names.
const WIDTH: usize = 80;
const INDENT: usize = 13;

/// The whole summary, lines ended.
pub(crate) fn summary(url: &str, load: &Load, outcome: &Outcome) -> String {
    let mut out = String::new();
    let mut line = |name: &str, text: String| {
        // A `String` takes everything.
        let _always = writeln!(out, "{name:<12} {}", wrapped(&text));
    };
    line("target", format!("{url}, {}", pace(load, outcome)));
    line("opened", opened(outcome));
    if let Some(greeted) = greeted(outcome) {
        line("greeted", greeted);
    }
    line("verified", outcome.expected.clone());
    line("requests", requests(outcome));
    if !outcome.latency.is_empty() {
        line("latency", percentiles(&outcome.latency));
        if load.pace != Pace::Closed {
            line("from send", percentiles(&outcome.service_time));
        }
    }
    if let Some(late) = outcome.send_lateness.as_ref().filter(|late| !late.is_empty()) {
        line("sent late", sent_late(late, outcome));
    }
    line("connections", connections(outcome));
    line("generator", generator(outcome));
    line("errors", errors(outcome));
    if let (Some(asked), Some(seen)) = (&load.slow, &outcome.slow) {
        line("slow", slow(asked, seen));
    }
    for warning in &outcome.warnings {
        line("warning", warning.clone());
    }
    if outcome.interrupted {
        line("interrupted", "these are the figures until then".to_owned());
    }
    if !outcome.latency.is_empty() {
        out.push('\n');
        out.push_str(&picture(&outcome.latency));
    }
    out
}

fn pace(load: &Load, outcome: &Outcome) -> String {
    let pace = match load.pace {
        Pace::Closed => "closed loop".to_owned(),
        Pace::Rate(rate) => format!("{rate} requests/s"),
        Pace::Poisson(rate) => format!("{rate} requests/s at random"),
    };
    let of = if outcome.active < outcome.connections {
        format!("{} active of {}", grouped(outcome.active), grouped(outcome.connections))
    } else {
        grouped(outcome.connections)
    };
    let connections = if outcome.connections == 1 { "connection" } else { "connections" };
    let pipeline = if load.pipeline > 1 {
        format!(", {} in flight on each", load.pipeline)
    } else {
        String::new()
    };
    let threads = if outcome.threads == 1 {
        "1 thread".to_owned()
    } else {
        format!("{} threads", outcome.threads)
    };
    format!("{pace}, {of} {connections}{pipeline}, {threads}")
}

fn opened(outcome: &Outcome) -> String {
    let closed =
        outcome.close_time.map_or(String::new(), |took| format!(", closed in {}", spell(took)));
    format!(
        "{} of {} in {}, warmed up for {}{closed}",
        grouped(outcome.established),
        grouped(outcome.connections),
        spell(outcome.open_time),
        spell(outcome.warmup_time)
    )
}

fn spell(duration: Duration) -> String {
    time(duration.as_secs_f64() * 1e9)
}

/// First answers, each from the beginning of its handshake.
fn greeted(outcome: &Outcome) -> Option<String> {
    let took = outcome.greeted_time?;
    Some(format!(
        "{} of {} in {}, each after {}",
        grouped(outcome.greeted),
        grouped(outcome.connections),
        spell(took),
        spread(&outcome.greeting)
    ))
}

/// How the sends are spread around the schedule, and the part of it that is the generator's own.
fn sent_late(late: &Histogram<u64>, outcome: &Outcome) -> String {
    let own = outcome.send_lateness_while_free.as_ref().filter(|own| !own.is_empty());
    let own =
        own.map_or(String::new(), |own| format!("; a connection being free, {}", spread(own)));
    format!("{}{own}", spread(late))
}

fn slow(asked: &Slow, seen: &SlowSeen) -> String {
    let does = match asked.kind {
        SlowKind::Read => "read",
        SlowKind::Write => "write",
        SlowKind::Both => "read and write",
    };
    let kinds = seen.errors.iter().map(|(kind, times)| format!(", {} {kind}", grouped(times)));
    format!(
        "{} that {does} {} every {}: {} opened, {} answered, {} cut off by the server, {} still trickling at the end{}",
        grouped(seen.connections),
        if asked.bytes == 1 {
            "a byte".to_owned()
        } else {
            format!("{} bytes", grouped(asked.bytes))
        },
        spell(asked.every),
        grouped(seen.opened),
        grouped(seen.answered),
        grouped(seen.cut_off),
        grouped(seen.trickling),
        kinds.collect::<String>()
    )
}

fn requests(outcome: &Outcome) -> String {
    let seconds = outcome.duration.as_secs_f64();
    let bodies = if seconds > 0.0 { float(outcome.body_bytes) / seconds } else { 0.0 };
    format!(
        "{} in {}: {}/s, {}/s of bodies",
        grouped(outcome.requests),
        time(seconds * 1e9),
        grouped(format!("{:.0}", outcome.requests_per_s())),
        bytes(bodies)
    )
}

fn percentiles(histogram: &Histogram<u64>) -> String {
    let at = |quantile: f64| time(float(histogram.value_at_quantile(quantile)));
    format!(
        "p50 {}, p90 {}, p99 {}, p99.9 {}, max {}",
        at(0.5),
        at(0.9),
        at(0.99),
        at(0.999),
        time(float(histogram.max()))
    )
}

fn spread(histogram: &Histogram<u64>) -> String {
    let at = |quantile: f64| time(float(histogram.value_at_quantile(quantile)));
    format!("p50 {}, p99 {}, max {}", at(0.5), at(0.99), time(float(histogram.max())))
}

fn connections(outcome: &Outcome) -> String {
    let each = outcome.connection_requests;
    let jain = outcome.jain_index.map_or(String::new(), |jain| format!(", Jain's index {jain:.3}"));
    let again = match (outcome.reopened, outcome.dead) {
        (0, 0) => String::new(),
        (reopened, dead) => format!(", {} opened again, {} dead", grouped(reopened), grouped(dead)),
    };
    format!(
        "{} of {} served, {} to {} requests each, median {}{jain}{again}",
        grouped(outcome.served),
        grouped(outcome.active),
        grouped(each.min),
        grouped(each.max),
        grouped(each.p50)
    )
}

fn generator(outcome: &Outcome) -> String {
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    let share = format!("{} of its CPUs in the window", percent(outcome.generator_cpu_share));
    let polled = match outcome.generator_polled_share {
        0.0 => String::new(),
        polled => format!(", and {} polling for the next request", percent(polled)),
    };
    let lost = match outcome.generator_preempted {
        0 => String::new(),
        times => format!(", taken off its CPU {} times", grouped(times)),
    };
    match outcome.requests_between_edges {
        0 => format!("{share}{polled}{lost}"),
        answers => format!(
            "{share}{polled}{lost}, {} of CPU a request",
            time(float(outcome.generator_cpu_ns) / float(answers))
        ),
    }
}

fn errors(outcome: &Outcome) -> String {
    let unanswered = match outcome.censored {
        0 => String::new(),
        censored => format!(
            "; {} without an answer at the end, for up to {}",
            grouped(censored),
            time(float(outcome.unanswered.max()))
        ),
    };
    if outcome.errors.is_empty() {
        return format!("none{unanswered}");
    }
    let kinds: Vec<String> =
        outcome.errors.iter().map(|(kind, times)| format!("{} {kind}", grouped(times))).collect();
    format!("{}{unanswered}", kinds.join(", "))
}

/// Broken at commas, so that a figure keeps its unit; a part that is too long is left whole.
fn wrapped(text: &str) -> String {
    let mut out = String::new();
    let mut column = INDENT;
    // Not at those within a number.
    let is_end = |at: &usize| text[at + 1..].starts_with(' ');
    let ends = text.match_indices([',', ';', ':']).map(|(at, _)| at).filter(is_end);
    let mut from = 0;
    for to in ends.map(|at| at + 1).chain([text.len()]) {
        let part = &text[from..to];
        from = to;
        let width = part.chars().count();
        if column > INDENT && column + width > WIDTH {
            let _always = write!(out, "\n{:INDENT$}{}", "", part.trim_start());
            column = INDENT + width - 1;
        } else {
            out.push_str(part);
            column += width;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_break_where_a_figure_ends() {
        let figures: Vec<String> = (0..20).map(|n| format!("{n},000,000 of {n},000")).collect();
        let text = wrapped(&figures.join(", "));
        assert!(text.lines().count() > 3);
        assert!(text.lines().skip(1).all(|line| line.starts_with(&" ".repeat(13))), "{text}");
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(&text), words(&figures.join(", ")), "nothing is lost");
        assert_eq!(wrapped(&"x".repeat(100)), "x".repeat(100));
        assert_eq!(wrapped("http://127.0.0.1:80/, 1,000"), "http://127.0.0.1:80/, 1,000");
    }
}
