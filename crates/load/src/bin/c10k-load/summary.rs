//! The result as a person reads it at a glance: figures, a picture of the latency, what is wrong.

use std::fmt::Write as _;

use hdrhistogram::Histogram;
use load::{Load, Outcome, Pace};

use crate::words::{bytes, float, grouped, time};

/// Rows of the picture, and cells of its longest bar.
const PICTURE_ROWS: u32 = 10;
const PICTURE_CELLS: u64 = 40;

/// The whole summary, lines ended.
pub(crate) fn summary(url: &str, load: &Load, outcome: &Outcome) -> String {
    let mut out = String::new();
    let mut line = |name: &str, text: String| {
        // A `String` takes everything.
        let _always = writeln!(out, "{name:<12} {text}");
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
        censored => format!("; {} in flight or due at the end", grouped(censored)),
    };
    if outcome.errors.is_empty() {
        return format!("none{unanswered}");
    }
    let kinds: Vec<String> =
        outcome.errors.iter().map(|(kind, times)| format!("{} {kind}", grouped(times))).collect();
    format!("{}{unanswered}", kinds.join(", "))
}

/// How often each latency came, from the fastest to the slowest, each row as many times longer than the one before.
fn picture(latency: &Histogram<u64>) -> String {
    let (first, last) = (float(latency.min().max(1)), float(latency.max().max(1)));
    let step = (last / first).powf(1.0 / f64::from(PICTURE_ROWS));
    let edge = |row: u32| first * step.powf(f64::from(row));
    let rows: Vec<(f64, u64)> = (0..PICTURE_ROWS)
        .map(|row| (edge(row + 1), within(latency, edge(row), edge(row + 1), row)))
        .collect();
    let longest = rows.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
    let mut out = String::new();
    for (upper, count) in rows {
        // Rounded up: what came at all is seen.
        let cells = usize::try_from((count * PICTURE_CELLS).div_ceil(longest)).unwrap_or(0);
        let share = float(count) * 100.0 / float(latency.len());
        let _always =
            writeln!(out, "to {:>8} {:<40} {share:5.1} %", time(upper), "#".repeat(cells));
    }
    out
}

/// Values of a row; the first row has its lower edge too, the last all that is left.
fn within(latency: &Histogram<u64>, from: f64, to: f64, row: u32) -> u64 {
    let below = |edge: f64| {
        latency.iter_recorded().filter(move |value| float(value.value_iterated_to()) <= edge)
    };
    let count =
        |edge: f64| below(edge).map(|value| value.count_since_last_iteration()).sum::<u64>();
    let before = if row == 0 { 0 } else { count(from) };
    let until = if row + 1 == PICTURE_ROWS { latency.len() } else { count(to) };
    until - before
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_in_one_row_of_the_picture() {
        let mut latency = Histogram::new_with_bounds(1, 3_600_000_000_000, 3).unwrap();
        for value in [90, 100, 100, 2_000, 50_000, 9_000_000] {
            latency.record(value).unwrap();
        }
        let rows: u64 = {
            let (first, last) = (float(latency.min()), float(latency.max()));
            let step = (last / first).powf(0.1);
            let edge = |row: u32| first * step.powf(f64::from(row));
            (0..PICTURE_ROWS).map(|row| within(&latency, edge(row), edge(row + 1), row)).sum()
        };
        assert_eq!(rows, 6);
        let picture = picture(&latency);
        assert_eq!(picture.lines().count(), 10);
        assert!(picture.lines().last().unwrap().contains("9.00 ms"), "{picture}");
        assert!(picture.lines().next().unwrap().contains(&"#".repeat(40)), "{picture}");
    }

    #[test]
    fn equal_latencies_make_a_picture_too() {
        let mut latency = Histogram::new_with_bounds(1, 3_600_000_000_000, 3).unwrap();
        latency.record_n(500, 3).unwrap();
        assert!(picture(&latency).contains("100.0 %"));
    }
}
