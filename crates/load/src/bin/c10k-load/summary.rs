//! The result as a person reads it at a glance: figures, a picture of the latency, what is wrong.

use std::fmt::Write as _;

use hdrhistogram::Histogram;
use load::words::{bytes, float, grouped, time};
use load::{Load, Outcome, Pace};

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
    line("verified", outcome.expected.clone());
    line("requests", requests(outcome));
    if !outcome.latency.is_empty() {
        line("latency", percentiles(&outcome.latency));
        if load.pace != Pace::Closed {
            line("from send", percentiles(&outcome.service_time));
        }
    }
    line("connections", connections(outcome));
    line("generator", generator(outcome));
    line("errors", errors(outcome));
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
    let nanoseconds = |duration: std::time::Duration| duration.as_secs_f64() * 1e9;
    format!(
        "{} of {} in {}, warmed up for {}",
        grouped(outcome.established),
        grouped(outcome.connections),
        time(nanoseconds(outcome.open_time)),
        time(nanoseconds(outcome.warmup_time))
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
    let share = format!("{:.0} % of its CPUs in the window", outcome.generator_cpu_share * 100.0);
    let late = outcome.late_while_free_ns_p99.map_or(String::new(), |late| {
        format!(", sent {} late while a connection was free (p99)", time(float(late)))
    });
    match outcome.requests_between_edges {
        0 => format!("{share}{late}"),
        answers => format!(
            "{share}, {} of CPU a request{late}",
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
    for part in text.split_inclusive([',', ';', ':']) {
        let width = part.trim_end().chars().count();
        if column > INDENT && column + width > WIDTH && part.starts_with(' ') {
            let _always = write!(out, "\n{:INDENT$}{}", "", part.trim_start());
            column = INDENT + width - 1;
        } else {
            out.push_str(part);
            column += part.chars().count();
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_break_where_a_figure_ends() {
        let figures: Vec<String> = (0..20).map(|n| format!("figure {n}.00 ms")).collect();
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
