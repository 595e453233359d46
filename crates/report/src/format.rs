//! Numbers and names as people read them: three significant digits, thin thousands separators, ids that cannot collide.

use record::stats::{Spread, float};

/// Between groups of three digits: narrow, and no line breaks there.
const THIN: char = '\u{202f}';

/// Three significant digits: `81 200`, `12.3`, `0.00407`.
pub(crate) fn significant(value: f64) -> String {
    if !value.is_finite() {
        return "not a number".into();
    }
    if value == 0.0 {
        return "0".into();
    }
    let scientific = format!("{value:.2e}");
    let exponent =
        scientific.split_once('e').and_then(|(_, exponent)| exponent.parse::<i32>().ok());
    match (exponent, scientific.parse::<f64>()) {
        (Some(exponent @ -6..=14), Ok(rounded)) => {
            let decimals = usize::try_from(2 - exponent).unwrap_or(0);
            grouped(&format!("{rounded:.decimals$}"))
        }
        _ => scientific,
    }
}

/// Six significant digits, for what reads the page by program: ten times ten thousand figures need no more, and the
/// page's data have them all.
pub(crate) fn machine(value: f64) -> String {
    format!("{value:.5e}").parse().unwrap_or(value).to_string()
}

/// A count, exactly.
pub(crate) fn count(value: u64) -> String {
    grouped(&value.to_string())
}

/// A count of things in memory.
pub(crate) fn size(value: usize) -> String {
    grouped(&value.to_string())
}

/// A median of counts: exact while it is whole, which the median of an even number of trials need not be.
pub(crate) fn counted(value: f64) -> String {
    if !value.is_finite() || value.abs() > 1e15 {
        return significant(value);
    }
    let decimals = usize::from(value.fract() != 0.0);
    grouped(&format!("{value:.decimals$}"))
}

/// Bytes in the largest unit that leaves one digit or more before the point.
pub(crate) fn bytes(value: u64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let mut scaled = float(value);
    let mut unit = 0;
    while scaled >= 1024.0 && unit + 1 < units.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    let number = if unit == 0 { count(value) } else { significant(scaled) };
    format!("{number} {}", units[unit])
}

/// `1 trial`, `3 trials`.
pub(crate) fn plural(number: usize, one: &str) -> String {
    format!("{} {one}{}", size(number), if number == 1 { "" } else { "s" })
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn list<T: AsRef<str>>(items: &[T]) -> String {
    match items {
        [] => String::new(),
        [only] => only.as_ref().to_owned(),
        [most @ .., last] => {
            let most: Vec<&str> = most.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", most.join(", "), last.as_ref())
        }
    }
}

/// A name as part of an id: letters, digits and hyphens stay, every other byte is written out, so that no two names meet.
pub(crate) fn slug(name: &str) -> String {
    let mut slug = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' {
            slug.push(char::from(byte));
        } else {
            slug.push('_');
            for nibble in [byte >> 4, byte & 15] {
                slug.push(char::from_digit(u32::from(nibble), 16).unwrap_or('_'));
            }
        }
    }
    slug
}

/// What a spread is, in words: where it comes from and what it claims.
pub(crate) fn spread_kind(spread: &Spread) -> String {
    match (spread.repeats, spread.coverage) {
        (1, _) => "1 trial, spread unknown".into(),
        (repeats, None) => format!("range of {}", plural(repeats, "trial")),
        (repeats, Some(coverage)) => format!(
            "median of {} and its {} % interval",
            plural(repeats, "trial"),
            significant(coverage * 100.0)
        ),
    }
}

fn grouped(number: &str) -> String {
    let (sign, digits) = number.strip_prefix('-').map_or(("", number), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut text = String::from(sign);
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            text.push(THIN);
        }
        text.push(digit);
    }
    if !fraction.is_empty() {
        text.push('.');
        text.push_str(fraction);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_are_kept_and_no_more_are_claimed() {
        for (value, text) in [
            (81_234.5, "81\u{202f}200"),
            (1_234_567.0, "1\u{202f}230\u{202f}000"),
            (999.6, "1\u{202f}000"),
            (99.96, "100"),
            (12.345, "12.3"),
            (1.0, "1.00"),
            (0.004_071, "0.00407"),
            (-12.345, "-12.3"),
            (0.0, "0"),
            (1e300, "1.00e300"),
            (4e-9, "4.00e-9"),
        ] {
            assert_eq!(significant(value), text, "{value}");
        }
    }

    #[test]
    fn what_is_no_number_is_said_in_words() {
        assert_eq!(significant(f64::NAN), "not a number");
        assert_eq!(counted(f64::INFINITY), "not a number");
    }

    #[test]
    fn counts_are_exact() {
        assert_eq!(
            count(u64::MAX),
            "18\u{202f}446\u{202f}744\u{202f}073\u{202f}709\u{202f}551\u{202f}615"
        );
        assert_eq!(counted(9_999.0), "9\u{202f}999");
        assert_eq!(counted(127.5), "127.5");
    }

    #[test]
    fn bytes_have_the_unit_that_fits() {
        assert_eq!(bytes(512), "512 bytes");
        assert_eq!(bytes(24 << 30), "24.0 GiB");
    }

    #[test]
    fn names_that_differ_have_ids_that_differ() {
        let names = ["a b", "a-b", "a_b", "a_20b", "a/b", "<b>", "ä", "a.b", ""];
        let slugs: std::collections::BTreeSet<String> =
            names.iter().map(|name| slug(name)).collect();
        assert_eq!(slugs.len(), names.len());
        assert!(
            slugs
                .iter()
                .flat_map(|slug| slug.chars())
                .all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
        );
    }
}
