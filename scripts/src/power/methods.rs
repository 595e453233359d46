//! The candidates: ways to an interval of a ratio that were tried beside the one that `record` took.

use record::stats::{WANTED_COVERAGE, independent, ratio, spread};

/// An interval of the ratio's logarithm and the coverage that it prints; `None` where it claims none.
pub(crate) type Interval = Option<(f64, f64, f64)>;

/// A way to an interval from pairs.
pub(crate) type Paired = fn(&[(f64, f64)]) -> Interval;

/// A way to an interval from two runs.
pub(crate) type Unpaired = fn(&[f64], &[f64]) -> Interval;

/// Who stood for election where trials are paired; the first was elected.
pub(crate) const PAIRED: [(&str, Paired); 4] = [
    ("trimmed t", |pairs| logs(ratio(pairs)?)),
    ("Student's t", |pairs| student(&log_ratios(pairs))),
    ("signed rank", |pairs| signed_rank(&log_ratios(pairs))),
    ("order statistics", |pairs| {
        let spread = spread(&log_ratios(pairs))?;
        Some((spread.low, spread.high, spread.coverage?))
    }),
];

/// Who stood where they are not; the first was elected.
pub(crate) const UNPAIRED: [(&str, Unpaired); 2] =
    [("rank sum", |a, b| logs(independent(a, b)?)), ("Welch's t", |a, b| welch(&log(a), &log(b)))];

fn logs(ratio: record::stats::Ratio) -> Interval {
    Some((ratio.low.ln(), ratio.high.ln(), ratio.coverage?))
}

fn log(values: &[f64]) -> Vec<f64> {
    values.iter().map(|value| value.ln()).collect()
}

fn log_ratios(pairs: &[(f64, f64)]) -> Vec<f64> {
    pairs.iter().map(|(a, b)| b.ln() - a.ln()).collect()
}

/// t of 95 % by degrees of freedom, from 1: of the printed tables.
const T: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
    2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
    2.052, 2.048, 2.045, 2.042,
];

fn moments(values: &[f64]) -> (f64, f64) {
    let n = count(values.len());
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, squares / (n - 1.0) / n)
}

fn student(values: &[f64]) -> Interval {
    let (mean, error) = moments(values);
    let half = T.get(values.len().checked_sub(2)?)? * error.sqrt();
    Some((mean - half, mean + half, WANTED_COVERAGE))
}

fn welch(first: &[f64], second: &[f64]) -> Interval {
    let ((a, a_error), (b, b_error)) = (moments(first), moments(second));
    let of = |values: &[f64], error: f64| error.powi(2) / (count(values.len()) - 1.0);
    let freedom = (a_error + b_error).powi(2) / (of(first, a_error) + of(second, b_error));
    let t = (1..).zip(T).take_while(|(whole, _)| count(*whole) <= freedom).last()?.1;
    let half = t * (a_error + b_error).sqrt();
    Some((b - a - half, b - a + half, WANTED_COVERAGE))
}

/// Hodges and Lehmann: order statistics of the means of all two, coverage by Wilcoxon's signed rank.
fn signed_rank(values: &[f64]) -> Interval {
    // Ways to reach each sum of ranks.
    let mut ways = vec![1.0];
    for rank in 1..=values.len() {
        let mut with = vec![0.0; ways.len() + rank];
        for (sum, count) in ways.iter().enumerate() {
            with[sum] += count;
            with[sum + rank] += count;
        }
        ways = with;
    }
    let means = values
        .iter()
        .enumerate()
        .flat_map(|(place, a)| values[place..].iter().map(move |b| f64::midpoint(*a, *b)));
    ends(means.collect(), &ways)
}

/// The narrowest symmetric pair of order statistics that reaches the wanted coverage.
fn ends(mut values: Vec<f64>, ways: &[f64]) -> Interval {
    values.sort_by(f64::total_cmp);
    let all: f64 = ways.iter().sum();
    let (mut missed, mut best) = (0.0, None);
    for (rank, count) in ways.iter().enumerate() {
        missed += 2.0 * count / all;
        if 1.0 - missed < WANTED_COVERAGE || 2 * rank >= values.len() {
            break;
        }
        best = Some((values[rank], values[values.len() - 1 - rank], 1.0 - missed));
    }
    best
}

fn count(n: usize) -> f64 {
    record::stats::float(u64::try_from(n).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_give_the_coverage_of_the_printed_tables() {
        // 2 of 64 sign patterns at six, 6 of 128 at seven.
        let coverage =
            |n: i32| signed_rank(&(0..n).map(f64::from).collect::<Vec<f64>>()).map(|found| found.2);
        assert!((coverage(6).unwrap() - (1.0 - 2.0 / 64.0)).abs() < 1e-12);
        assert!((coverage(7).unwrap() - (1.0 - 6.0 / 128.0)).abs() < 1e-12);
        assert_eq!(coverage(5), None);
    }
}
