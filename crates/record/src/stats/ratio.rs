//! How many times one side's figure is the other's, and how sure that is.

use serde::Serialize;

use super::trimmed::Trimmed;
use super::{Line, WANTED_COVERAGE, float, median, ranks, spread, student};

/// The fewest pairs that an interval is claimed for: a wild one on either side leaves four. Intervals of medians have the
/// same limit; of fewer pairs there is the range.
pub const FEWEST_PAIRS: usize = 6;

/// More trials a side than these are not ranked: ways to rank them grow with the cube, and Yuen's t is as good by then.
const MOST_RANKED: usize = 100;

/// How often the smallest visible effect would have been seen.
const POWER: f64 = 0.9;

/// The logarithm of an effect so large (e^64) that whoever cannot see it sees nothing.
const LARGEST_EFFECT: f64 = 64.0;

/// How many times the one is the other, with what is known of its spread.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ratio {
    /// Pairs that count; of two runs the trials of the side that has fewer.
    pub pairs: usize,
    /// The second over the first.
    pub ratio: f64,
    /// Lower end of the interval; of the range where `coverage` is absent.
    pub low: f64,
    /// Upper end of the interval; of the range where `coverage` is absent.
    pub high: f64,
    /// How often such an interval holds the true ratio, 0 to 1, to within two hundredths.
    /// Absent: too few pairs for an interval, so `low` and `high` are the range and claim nothing.
    pub coverage: Option<f64>,
    /// How often chance alone carries as far from 1; below 0.05 where the interval leaves 1 out. Absent with `coverage`.
    pub p_value: Option<f64>,
    /// Standard error of the ratio's logarithm.
    #[serde(skip)]
    error: f64,
    /// Its degrees of freedom.
    #[serde(skip)]
    freedom: u64,
}

/// The second over the first of paired values, which are the figures of two entries in the same repeats of one run.
/// A pair with a value that is not above zero, or not finite, has no logarithm and is left out; `None` where none is left.
///
/// The ratio is that of the trimmed mean of the log-ratios, a fifth cut from each end, and the interval Tukey and
/// `McLaughlin`'s t for it. It was chosen by `cargo script power --draws 4000 --runs results/20261122T001323Z-vm-2cpu-99a4cad
/// results/20261122T033730Z-vm-2cpu-7c405b3`, whose noise is that of these two runs on
/// a shared virtual machine, where one trial in twenty costs 15 to 30 % more and nothing outside the result shows it.
/// With 6, 9, 12 and 15 pairs the candidates found 5 % of CPU per request so many times of 100, and covered:
///
/// | | 6 | 9 | 12 | 15 | covered, of all figures and numbers of pairs |
/// |---|---|---|---|---|---|
/// | trimmed t | 76 | 82 | 88 | 94 | 94.3 to 96.4 %, printed 95 % |
/// | Student's t | 70 | 71 | 77 | 80 | 94.8 to 97.0 %, printed 95 % |
/// | Hodges and Lehmann, exact signed ranks | 68 | 70 | 82 | 84 | 94.9 to 97.1 %, printed 95.1 to 96.9 % |
/// | order statistics of the median | 68 | 84 | 90 | 93 | 95.6 to 99.4 %, printed 96.1 to 99.2 % |
///
/// One wild pair widens Student's interval for good. Ranks are exact and coarse: with 6 pairs a wild one on the wrong side
/// takes the difference away, and the smallest p-value is 1/32, too large for a difference among 231 pairs of models.
/// The order statistics do as well from 9 pairs on, and with 6 to 8, or under many comparisons, they do not.
#[must_use]
pub fn ratio(pairs: &[(f64, f64)]) -> Option<Ratio> {
    let logs: Vec<f64> =
        pairs.iter().filter_map(|(first, second)| Some(log(*second)? - log(*first)?)).collect();
    let few = spread(&logs)?;
    if logs.len() < FEWEST_PAIRS {
        return Some(Ratio::range(logs.len(), few.median, few.low, few.high));
    }
    let trimmed = Trimmed::of(&logs)?;
    if trimmed.error > 0.0 {
        return Some(Ratio::of(logs.len(), trimmed));
    }
    // Four pairs in five agree to the last digit, as counts may: no t can be told, but the pairs can be counted.
    let p_value = Some(sign_test(&logs));
    let claimed = Ratio { coverage: few.coverage, p_value, ..Ratio::of(logs.len(), trimmed) };
    Some(Ratio { low: few.low.exp(), high: few.high.exp(), ..claimed })
}

/// The second over the first of values that are not paired: trials of two runs.
/// Values that are not above zero, or not finite, are left out; `None` where a side has none left.
///
/// The ratio is Hodges and Lehmann's shift, the median of all ratios of one of each side, its interval that of the exact
/// rank sum. In the simulation of [`ratio`] it found 5 % of CPU per request 80, 87, 94 and 95 times of 100 with 6, 9, 12
/// and 15 trials a side, Welch's t 73, 75, 80 and 81 times; it covered 94.1 to 96.3 % where it printed 95.0 to 96.2 %,
/// never more than a point apart. A t of trimmed means lay between the two.
///
/// What two runs as wholes do not share (another boot, another layout of memory) is in no trial's noise and so not in the
/// interval.
#[must_use]
pub fn independent(first: &[f64], second: &[f64]) -> Option<Ratio> {
    let logs = |values: &[f64]| values.iter().filter_map(|value| log(*value)).collect::<Vec<f64>>();
    let (first, second) = (logs(first), logs(second));
    if first.len().max(second.len()) > MOST_RANKED {
        return of_many(&first, &second);
    }
    let mut differences: Vec<f64> =
        first.iter().flat_map(|a| second.iter().map(move |b| b - a)).collect();
    differences.sort_by(f64::total_cmp);
    let (shift, pairs) = (median(&differences)?, first.len().min(second.len()));
    let (least, most) = (*differences.first()?, *differences.last()?);
    if pairs < FEWEST_PAIRS {
        return Some(Ratio::range(pairs, shift, least, most));
    }
    let chances = ranks::chances(first.len(), second.len());
    let (rank, coverage) = ranks::cut(&chances)?;
    let (low, high) = (differences[rank], differences[differences.len() - 1 - rank]);
    // As if a t had made the interval: what a larger or smaller effect would have done is only asked of it roughly.
    let freedom = u64::try_from(first.len() + second.len() - 2).ok()?;
    let error = (high - low) / 2.0 / student::quantile(coverage, freedom);
    let claimed = Ratio::range(pairs, shift, low, high);
    let p_value = Some(ranks::two_sided(&differences, &chances));
    Some(Ratio { coverage: Some(coverage), p_value, error, freedom, ..claimed })
}

/// The ratio of trimmed means, by Yuen's form of Welch's t.
fn of_many(first: &[f64], second: &[f64]) -> Option<Ratio> {
    let pairs = first.len().min(second.len());
    let difference = Trimmed::of(second)?.minus(Trimmed::of(first)?);
    (pairs >= FEWEST_PAIRS && difference.error > 0.0).then(|| Ratio::of(pairs, difference))
}

/// The smallest ratio above 1 that comparisons such as these find nine times of ten, each with the floor (a ratio above
/// 1, or 1) that it must pass. `None` where none of them claims an interval.
///
/// A difference is found when the estimate passes both its interval's half-width and the floor. How often it does is
/// Student's t of the distance beyond that bar, in standard errors; the effect is the one at which the mean of these
/// chances is nine of ten.
///
/// That is a forecast: under the same noise, other comparisons found an effect of the size that 22 of them named 86 to 91
/// times of 100, over four figures and 6 to 15 trials, in the simulation of [`ratio`]. One comparison alone knows its
/// noise less well: an effect of the size that it named was found 66 to 81 times.
#[must_use]
pub fn smallest_visible(comparisons: &[(Ratio, f64)]) -> Option<f64> {
    let claimed: Vec<(f64, Ratio)> = comparisons
        .iter()
        .filter(|(ratio, _)| ratio.coverage.is_some())
        .map(|(ratio, floor)| (ratio.bar().max(floor.ln()), *ratio))
        .collect();
    let wanted = POWER * float(u64::try_from(claimed.len()).ok()?);
    let found =
        |effect: f64| claimed.iter().map(|(bar, ratio)| ratio.beyond(effect - bar)).sum::<f64>();
    let (mut low, mut high) = (0.0, 1.0);
    while found(high) < wanted {
        high *= 2.0;
        if high > LARGEST_EFFECT {
            return None;
        }
    }
    // Each round halves the bracket: 40 leave nothing that a table shows.
    for _ in 0..40 {
        let middle = f64::midpoint(low, high);
        if found(middle) < wanted { low = middle } else { high = middle }
    }
    (!claimed.is_empty()).then(|| high.exp())
}

/// The trimmed mean of the logarithms of pairs' ratios; `None` of too few.
pub(crate) fn trimmed_of_pairs(pairs: &[(f64, f64)]) -> Option<Trimmed> {
    let log_of = |(first, second): &(f64, f64)| Some(log(*second)? - log(*first)?);
    Trimmed::of(&pairs.iter().filter_map(log_of).collect::<Vec<f64>>())
}

/// How many times the second line is as steep as the first; `None` unless both surely rise.
///
/// A slope's relative error is its logarithm's error while it is small (the delta method): a slope counts where it is
/// more than three standard errors above zero, and has the degrees of freedom of its line.
pub(crate) fn ratio_of_slopes(first: &Line, second: &Line) -> Option<Ratio> {
    let log_of = |line: &Line| {
        let freedom = u64::try_from(line.points).ok()?.checked_sub(2).filter(|&left| left > 0)?;
        let (low, high) = line.slope_interval?;
        let error = (high - low) / 2.0 / student::quantile(WANTED_COVERAGE, freedom);
        let mean = log(line.slope).filter(|_| line.slope > 3.0 * error)?;
        Some(Trimmed { mean, error: error / line.slope, freedom })
    };
    let fewer = first.points.min(second.points);
    let difference = log_of(second)?.minus(log_of(first)?);
    (fewer >= FEWEST_PAIRS && difference.error > 0.0).then(|| Ratio::of(fewer, difference))
}

/// P that as many fall on one side of zero, by the toss of a coin for each that is not zero.
fn sign_test(values: &[f64]) -> f64 {
    let above = values.iter().filter(|value| **value > 0.0).count();
    let below = values.iter().filter(|value| **value < 0.0).count();
    let (fewer, all) = (above.min(below), above + below);
    let count = |n: usize| float(u64::try_from(n).unwrap_or(u64::MAX));
    let (mut chance, mut ways) = (0.0, (-count(all) * std::f64::consts::LN_2).exp());
    for heads in 0..=fewer {
        chance += 2.0 * ways;
        ways *= count(all - heads) / count(heads + 1);
    }
    chance.min(1.0)
}

/// The logarithm of what has one.
fn log(value: f64) -> Option<f64> {
    (value > 0.0 && value.is_finite()).then(|| value.ln())
}

impl Ratio {
    /// The first over the second.
    #[must_use]
    pub fn inverse(&self) -> Self {
        Self { ratio: self.ratio.recip(), low: self.high.recip(), high: self.low.recip(), ..*self }
    }

    /// The smallest ratio above 1 that a comparison with these pairs and this noise finds nine times of ten, where
    /// differences up to `floor` (a ratio above 1, or 1) are ties: [`smallest_visible`] of this one alone.
    /// `None` where no interval is claimed.
    #[must_use]
    pub fn smallest_visible(&self, floor: f64) -> Option<f64> {
        smallest_visible(&[(*self, floor)])
    }

    /// Half of its interval, as a logarithm.
    fn bar(&self) -> f64 {
        student::quantile(WANTED_COVERAGE, self.freedom) * self.error
    }

    /// How often an estimate of this noise falls less than `distance` below the truth.
    fn beyond(&self, distance: f64) -> f64 {
        if self.error > 0.0 {
            student::below(distance / self.error, self.freedom)
        } else {
            f64::from(u8::from(distance > 0.0))
        }
    }

    /// Whether the two differ by more than a floor (a ratio above 1, or 1).
    #[must_use]
    pub fn passes(&self, floor: f64) -> bool {
        self.ratio.ln().abs() > floor.ln()
    }

    fn of(pairs: usize, log: Trimmed) -> Self {
        let half = student::quantile(WANTED_COVERAGE, log.freedom) * log.error;
        Self {
            pairs,
            ratio: log.mean.exp(),
            low: (log.mean - half).exp(),
            high: (log.mean + half).exp(),
            coverage: Some(WANTED_COVERAGE),
            p_value: Some(student::two_sided(log.mean / log.error, log.freedom)),
            error: log.error,
            freedom: log.freedom,
        }
    }

    fn range(pairs: usize, median: f64, low: f64, high: f64) -> Self {
        let (low, ratio, high) = (low.exp(), median.exp(), high.exp());
        Self { pairs, ratio, low, high, coverage: None, p_value: None, error: 0.0, freedom: 1 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Pairs whose ratios are these.
    fn pairs(ratios: &[f64]) -> Vec<(f64, f64)> {
        ratios.iter().map(|ratio| (200.0, 200.0 * ratio)).collect()
    }

    const SIX: [f64; 6] = [1.04, 1.06, 1.05, 1.07, 1.03, 1.30];

    #[test]
    fn below_six_pairs_there_is_a_range_and_no_claim() {
        let few = ratio(&pairs(&SIX[..5])).unwrap();
        assert_eq!((few.pairs, few.coverage, few.p_value), (5, None, None));
        assert!((few.ratio - 1.05).abs() < 1e-12 && few.low < 1.031 && few.high > 1.069, "{few:?}");
        assert_eq!(few.smallest_visible(1.0), None);
        let few = independent(&SIX[..5], &SIX).unwrap();
        assert_eq!((few.pairs, few.coverage, few.p_value), (5, None, None));
    }

    #[test]
    fn one_wild_pair_of_six_hides_no_difference() {
        let six = ratio(&pairs(&SIX)).unwrap();
        assert_eq!(six.coverage, Some(WANTED_COVERAGE));
        assert!(six.low > 1.0 && six.high < 1.15 && six.p_value.unwrap() < 0.05, "{six:?}");
        let slow: Vec<f64> = SIX.iter().map(|value| value * 2.0).collect();
        let two = independent(&SIX, &slow).unwrap();
        // The least of the 36 ratios but five, with a chance of U <= 5 that the printed tables give as 0.0411.
        assert!(
            (two.low - 2.0 * 1.03 / 1.07).abs() < 1e-9 && (two.ratio - 2.0).abs() < 1e-9,
            "{two:?}"
        );
        assert!((two.coverage.unwrap() - (1.0 - 0.0411)).abs() < 1e-4, "{two:?}");
        // All of one side below all of the other: 2 of the 924 ways to split twelve.
        assert!((two.p_value.unwrap() - 2.0 / 924.0).abs() < 1e-12, "{two:?}");
    }

    #[test]
    fn a_hundred_trials_a_side_are_ranked_and_more_are_not_and_both_say_the_same() {
        let many = |count: u32| {
            (0..count).map(|at| 1.0 + f64::from(at % 13) / 100.0).collect::<Vec<f64>>()
        };
        for count in [100, 101] {
            let (values, slower) =
                (many(count), many(count).iter().map(|value| value * 1.1).collect::<Vec<f64>>());
            let found = independent(&values, &slower).unwrap();
            assert!((found.ratio - 1.1).abs() < 1e-3, "{found:?}");
            assert!(found.low > 1.08 && found.high < 1.12, "{found:?}");
            assert!((found.coverage.unwrap() - 0.95).abs() < 1e-3, "{found:?}");
        }
    }

    #[test]
    fn what_has_no_logarithm_is_left_out() {
        let mut values = pairs(&SIX);
        let before = ratio(&values);
        let hostile = [0.0, -1.0, f64::NAN, f64::INFINITY];
        values.extend(hostile.map(|bad| (bad, 1.0)));
        values.extend(hostile.map(|bad| (1.0, bad)));
        assert_eq!(ratio(&values), before);
        assert_eq!(ratio(&[(f64::NAN, 1.0)]), None);
        assert_eq!(ratio(&[]), None);
        assert_eq!(independent(&hostile, &[1.0]), None);
        assert_eq!(independent(&[1.0], &hostile), None);
    }

    #[test]
    fn counts_that_agree_to_the_last_digit_are_told_apart_by_counting() {
        let same = ratio(&pairs(&[1.0; 7])).unwrap();
        assert_eq!((same.low, same.high, same.p_value), (1.0, 1.0, Some(1.0)));
        let apart = ratio(&pairs(&[1.25; 7])).unwrap();
        assert!((apart.p_value.unwrap() - 2.0 / 128.0).abs() < 1e-12, "{apart:?}");
        let two_runs = independent(&[4.0; 6], &[5.0; 6]).unwrap();
        assert!((two_runs.p_value.unwrap() - 2.0 / 924.0).abs() < 1e-12, "{two_runs:?}");
        assert_eq!(independent(&[4.0; 6], &[4.0; 6]).unwrap().p_value, Some(1.0));
    }

    #[test]
    fn a_floor_raises_what_can_be_seen_and_hides_what_lies_below() {
        let six = ratio(&pairs(&SIX)).unwrap();
        let (bare, floored) =
            (six.smallest_visible(1.0).unwrap(), six.smallest_visible(1.2).unwrap());
        assert!(six.high / six.ratio < bare && bare < floored && floored > 1.2, "{bare} {floored}");
        assert!(six.passes(1.0) && six.passes(1.04) && !six.passes(1.1));
    }

    proptest! {
        #[test]
        fn interval_and_p_value_say_the_same_and_turn_round_with_the_sides(
            values in prop::collection::vec((1e-3..1e6, 1e-3..1e6), 6..20_usize)
        ) {
            let there = ratio(&values).unwrap();
            let turned: Vec<_> = values.iter().map(|(a, b)| (*b, *a)).collect();
            let back = ratio(&turned).unwrap();
            prop_assert!((there.ratio * back.ratio - 1.0).abs() < 1e-9);
            prop_assert!((there.low * back.high - 1.0).abs() < 1e-6);
            let one_is_outside = there.low > 1.0 || there.high < 1.0;
            let p = there.p_value.unwrap();
            // At the very edge the two may differ in their last digit.
            prop_assert!((p - 0.05).abs() < 1e-6 || one_is_outside == (p < 0.05), "{there:?}");
            prop_assert!(there.low <= there.ratio && there.ratio <= there.high);
        }
    }
}
