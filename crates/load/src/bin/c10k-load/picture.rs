//! A small picture of the latency: how often each came, and where the percentiles fall.

use std::fmt::Write as _;

use hdrhistogram::Histogram;
use load::words::{float, time};

/// Rows of the picture, and cells of its longest bar.
const ROWS: u32 = 10;
const CELLS: u64 = 40;
/// Percentiles that are marked where they fall.
const MARKS: [(f64, &str); 4] = [(0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (0.999, "p99.9")];

/// From the fastest to the slowest, each row as many times longer than the one before.
pub(crate) fn picture(latency: &Histogram<u64>) -> String {
    let (first, last) = (float(latency.min().max(1)), float(latency.max().max(1)));
    let step = (last / first).powf(1.0 / f64::from(ROWS));
    let edge = |row: u32| first * step.powf(f64::from(row));
    let row_of =
        |value: u64| (0..ROWS - 1).find(|row| float(value) <= edge(*row + 1)).unwrap_or(ROWS - 1);
    let mut rows = [0_u64; 10];
    for step in latency.iter_recorded() {
        let row = row_of(step.value_iterated_to());
        rows[usize::try_from(row).unwrap_or(0)] += step.count_since_last_iteration();
    }
    let longest = rows.iter().copied().max().unwrap_or(0).max(1);
    let mut out = String::new();
    for (row, count) in (0..ROWS).zip(rows) {
        // Rounded up: what came at all is seen.
        let cells = usize::try_from((count * CELLS).div_ceil(longest)).unwrap_or(0);
        let share = share(count, latency.len());
        let marks: String = MARKS
            .iter()
            .filter(|(quantile, _)| row_of(latency.value_at_quantile(*quantile)) == row)
            .fold(String::new(), |marks, (_, mark)| marks + " " + mark);
        let line =
            format!("to {:>8} {:<40} {share:>7}{marks}", time(edge(row + 1)), "#".repeat(cells));
        // A `String` takes everything.
        let _always = writeln!(out, "{}", line.trim_end());
    }
    out
}

/// Nothing is not a little.
fn share(count: u64, of: u64) -> String {
    let percent = float(count) * 100.0 / float(of.max(1));
    match count {
        0 => String::new(),
        _ if percent < 0.05 => "< 0.1 %".to_owned(),
        _ => format!("{percent:.1} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(values: &[(u64, u64)]) -> Histogram<u64> {
        let mut histogram = Histogram::new_with_bounds(1, 3_600_000_000_000, 3).unwrap();
        for (value, times) in values {
            histogram.record_n(*value, *times).unwrap();
        }
        histogram
    }

    #[test]
    fn every_value_is_in_one_row_and_the_percentiles_are_marked() {
        let picture = picture(&histogram(&[(90, 1), (100, 9_000), (50_000, 998), (9_000_000, 1)]));
        let rows: Vec<&str> = picture.lines().collect();
        assert_eq!(rows.len(), 10, "{picture}");
        assert!(
            rows[0].contains(&"#".repeat(40)) && rows[0].ends_with("90.0 % p50 p90"),
            "{picture}"
        );
        assert!(rows[5].ends_with("10.0 % p99 p99.9"), "{picture}");
        assert!(rows[9].contains("9.00 ms #") && rows[9].ends_with("< 0.1 %"), "{picture}");
        assert_eq!(picture.matches('%').count(), 3, "no other row: {picture}");
        assert!(rows.iter().all(|row| row.chars().count() <= 80), "{picture}");
    }

    #[test]
    fn equal_latencies_make_a_picture_too() {
        let picture = picture(&histogram(&[(500, 3)]));
        assert!(picture.contains("100.0 % p50 p90 p99 p99.9"), "{picture}");
        assert_eq!(picture.lines().count(), 10);
    }
}
