//! The median of a few repeats, and how sure it is.

use super::float;

/// The coverage that an interval is to reach at least; six repeats are the fewest that can.
pub const WANTED_COVERAGE: f64 = 0.95;

/// The median of repeats with what is known of its spread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Repeats that count.
    pub repeats: usize,
    /// The median.
    pub median: f64,
    /// Lower end of the interval; of the range where `coverage` is absent.
    pub low: f64,
    /// Upper end of the interval; of the range where `coverage` is absent.
    pub high: f64,
    /// How often such an interval holds the true median, 0 to 1, exact for any distribution.
    /// Absent: too few repeats for an interval, so `low` and `high` are the range and claim nothing.
    pub coverage: Option<f64>,
}

/// The median; `None` of nothing. Values that are not finite are left out.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    middle(&sorted(values))
}

/// Median, interval and its achieved coverage; below six values the range alone.
/// `None` of nothing. Values that are not finite are left out.
#[must_use]
pub fn spread(values: &[f64]) -> Option<Spread> {
    let sorted = sorted(values);
    let (first, last) = (*sorted.first()?, *sorted.last()?);
    let (repeats, median) = (sorted.len(), middle(&sorted)?);
    Some(match order_statistics(repeats, WANTED_COVERAGE) {
        None => Spread { repeats, median, low: first, high: last, coverage: None },
        Some((rank, coverage)) => Spread {
            repeats,
            median,
            low: sorted[rank - 1],
            high: sorted[repeats - rank],
            coverage: Some(coverage),
        },
    })
}

/// The narrowest symmetric pair of order statistics that holds the median of any distribution with a probability of
/// at least `wanted`: the `rank`-th smallest and `rank`-th largest of `repeats`, and the probability achieved.
///
/// The true median lies outside when fewer than `rank` values fall on one side of it, and each falls there by the toss
/// of a coin: 1 - 2 P(Binomial(repeats, 1/2) < rank).
#[must_use]
pub fn order_statistics(repeats: usize, wanted: f64) -> Option<(usize, f64)> {
    let n = float(u64::try_from(repeats).unwrap_or(u64::MAX));
    let (mut best, mut missed) = (None, 0.0);
    // P(exactly `below` of them), by logarithm: 2^-n underflows beyond a thousand repeats.
    let mut ln_chance = -n * std::f64::consts::LN_2;
    let mut below = 0.0;
    for rank in 1..=repeats / 2 {
        missed += 2.0 * ln_chance.exp();
        let coverage = 1.0 - missed;
        if coverage < wanted {
            break;
        }
        best = Some((rank, coverage));
        ln_chance += f64::ln((n - below) / (below + 1.0));
        below += 1.0;
    }
    best
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    finite.sort_by(f64::total_cmp);
    finite
}

fn middle(sorted: &[f64]) -> Option<f64> {
    let half = sorted.len() / 2;
    let upper = *sorted.get(half)?;
    Some(if sorted.len().is_multiple_of(2) {
        f64::midpoint(sorted[half - 1], upper)
    } else {
        upper
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Any sequence will do that is the same on every machine: splitmix64, in [0, 1).
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self) -> f64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = self.0;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            float((mixed ^ (mixed >> 31)) >> 11) / float(1 << 53)
        }
    }

    /// Coverage in whole numbers: 2^n less twice the ways in which fewer than `rank` of `n` coins fall heads.
    fn exact_coverage(n: u32, rank: usize) -> f64 {
        let (mut missed, mut ways) = (0_u64, 1_u64);
        for heads in 0..u32::try_from(rank).unwrap() {
            missed += ways;
            ways = ways * u64::from(n - heads) / u64::from(heads + 1);
        }
        1.0 - 2.0 * float(missed) / float(1 << n)
    }

    #[test]
    fn below_six_repeats_there_is_a_range_and_no_interval() {
        for repeats in 0..6 {
            assert_eq!(order_statistics(repeats, WANTED_COVERAGE), None);
        }
        let few = spread(&[5.0, 1.0, 2.0]).unwrap();
        assert_eq!(few, Spread { repeats: 3, median: 2.0, low: 1.0, high: 5.0, coverage: None });
    }

    #[test]
    fn six_repeats_give_the_range_and_31_of_32() {
        let six = spread(&[6.0, 1.0, 3.0, 2.0, 5.0, 4.0]).unwrap();
        let same = |a: f64, b: f64| (a - b).abs() < 1e-12;
        assert!(six.coverage.is_some_and(|coverage| same(coverage, 31.0 / 32.0)), "{six:?}");
        assert!(same(six.median, 3.5) && same(six.low, 1.0) && same(six.high, 6.0), "{six:?}");
    }

    #[test]
    fn printed_coverage_is_the_binomial_one_and_the_interval_the_narrowest() {
        for n in 6..=60 {
            let (rank, coverage) =
                order_statistics(usize::try_from(n).unwrap(), WANTED_COVERAGE).unwrap();
            assert!((coverage - exact_coverage(n, rank)).abs() < 1e-12, "{n} repeats: {coverage}");
            assert!(coverage >= WANTED_COVERAGE, "{n} repeats: {coverage}");
            let narrower = exact_coverage(n, rank + 1);
            assert!(
                narrower < WANTED_COVERAGE || rank == usize::try_from(n / 2).unwrap(),
                "{n} repeats: {narrower}"
            );
        }
    }

    #[test]
    fn coverage_of_many_repeats_neither_underflows_nor_leaves_the_middle() {
        let (rank, coverage) = order_statistics(10_000, WANTED_COVERAGE).unwrap();
        assert!((0.95..0.952).contains(&coverage), "{coverage}");
        assert!((4_890..4_910).contains(&rank), "{rank}");
    }

    #[test]
    fn intervals_of_skewed_draws_hold_the_true_median_as_often_as_they_say() {
        let mut dice = Dice(1);
        let draws: u32 = 4_000;
        for repeats in [6, 9, 15, 30] {
            let mut held = 0;
            let mut said = 0.0;
            for _ in 0..draws {
                let values: Vec<f64> = (0..repeats).map(|_| -f64::ln(1.0 - dice.roll())).collect();
                let spread = spread(&values).unwrap();
                said = spread.coverage.unwrap();
                held += u32::from((spread.low..=spread.high).contains(&std::f64::consts::LN_2));
            }
            let found = f64::from(held) / f64::from(draws);
            assert!((found - said).abs() < 0.015, "{repeats} repeats: {found}, said {said}");
        }
    }

    #[test]
    fn what_is_not_finite_has_no_say() {
        assert_eq!(median(&[f64::NAN, 1.0, f64::INFINITY]), Some(1.0));
        assert_eq!(median(&[f64::NAN]), None);
        assert_eq!(spread(&[]), None);
    }

    #[test]
    fn a_median_of_huge_values_does_not_overflow() {
        assert_eq!(median(&[f64::MAX, f64::MAX]), Some(f64::MAX));
    }

    proptest! {
        #[test]
        fn the_median_lies_in_its_interval_and_the_order_of_repeats_is_nothing(
            mut values in prop::collection::vec(-1e9..1e9, 1..40_usize)
        ) {
            let spread_before = spread(&values).unwrap();
            prop_assert!(spread_before.low <= spread_before.median && spread_before.median <= spread_before.high);
            values.reverse();
            prop_assert_eq!(spread(&values).unwrap(), spread_before);
        }
    }
}
