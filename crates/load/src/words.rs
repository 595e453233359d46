//! Numbers as people read them.

use std::fmt::Display;

/// `1234567.8` as `1,234,567.8`.
#[must_use]
pub fn grouped(number: impl Display) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    let point = digits.find('.').unwrap_or(digits.len());
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && place < point && (point - place).is_multiple_of(3) {
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
        // What rounds to a thousand of one unit is one of the next.
        .find(|(size, _)| value >= *size * 0.9995)
        .or(units.last())
        .copied()
        .unwrap_or((1.0, ""));
    let scaled = value / size;
    let decimals =
        if scaled >= 99.95 || scaled == 0.0 { 0 } else { 1 + usize::from(scaled < 9.995) };
    format!("{scaled:.decimals$} {unit}")
}

/// A time in nanoseconds: `9.81 ms`.
#[must_use]
pub fn time(ns: f64) -> String {
    three_digits(ns, &[(1e9, "s"), (1e6, "ms"), (1e3, "us"), (1.0, "ns")])
}

/// Bytes: `1.50 GB`, powers of 1000.
#[must_use]
pub fn bytes(count: f64) -> String {
    three_digits(count, &[(1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B")])
}

/// A count for arithmetic.
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "figures for people have three digits"
)]
#[must_use]
pub fn float(count: u64) -> f64 {
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
        assert_eq!([grouped("123.4567"), grouped("1234.5678")], ["123.4567", "1,234.5678"]);
    }

    #[test]
    fn three_digits_and_a_unit_are_enough() {
        assert_eq!([time(0.0), time(812.0), time(9_810_000.0)], ["0 ns", "812 ns", "9.81 ms"]);
        assert_eq!([time(999_600.0), time(999_400.0)], ["1.00 ms", "999 us"]);
        assert_eq!([time(12_345.0), time(99_960.0), time(61e9)], ["12.3 us", "100 us", "61.0 s"]);
        assert_eq!([bytes(64.0), bytes(1.5e9)], ["64.0 B", "1.50 GB"]);
    }
}
