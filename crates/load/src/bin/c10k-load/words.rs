//! Numbers as people read them.

use std::fmt::Display;

/// `1234567` as `1,234,567`.
pub(crate) fn grouped(number: impl Display) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Three digits of `value` in the first unit, of `units` and their sizes, that leaves something before the point.
fn three_digits(value: f64, units: &[(f64, &str)]) -> String {
    let (size, unit) = units
        .iter()
        .find(|(size, _)| value >= *size)
        .or(units.last())
        .copied()
        .unwrap_or((1.0, ""));
    let scaled = value / size;
    let decimals =
        if scaled >= 99.95 || scaled == 0.0 { 0 } else { 1 + usize::from(scaled < 9.995) };
    format!("{scaled:.decimals$} {unit}")
}

/// A time: `9.81 ms`.
pub(crate) fn time(ns: f64) -> String {
    three_digits(ns, &[(1e9, "s"), (1e6, "ms"), (1e3, "us"), (1.0, "ns")])
}

/// Bytes: `1.50 GB`, powers of 1000.
pub(crate) fn bytes(count: f64) -> String {
    three_digits(count, &[(1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B")])
}

/// A count for arithmetic.
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "figures for people have three digits"
)]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_by_three() {
        assert_eq!(
            [grouped(0), grouped(999), grouped(1_000), grouped(1_234_567)],
            ["0", "999", "1,000", "1,234,567"]
        );
    }

    #[test]
    fn three_digits_and_a_unit_are_enough() {
        assert_eq!([time(0.0), time(812.0), time(9_810_000.0)], ["0 ns", "812 ns", "9.81 ms"]);
        assert_eq!([time(12_345.0), time(99_960.0), time(61e9)], ["12.3 us", "100 us", "61.0 s"]);
        assert_eq!([bytes(64.0), bytes(1.5e9)], ["64.0 B", "1.50 GB"]);
    }
}
