//! The rank sum: of two sides, how often one of the second lies below one of the first.

use super::WANTED_COVERAGE;

/// P that just so many of all differences lie below zero, by chance alone, from none on: Mann and Whitney, Annals of
/// Mathematical Statistics 18 (1947), 50-60.
///
/// The ways are the coefficients of the product of (1 - x^(n + i)) / (1 - x^i), i from 1 to m.
pub(super) fn chances(first: usize, second: usize) -> Vec<f64> {
    let mut ways = vec![0.0; first * second + 1];
    ways[0] = 1.0;
    for step in 1..=first {
        for at in (second + step..ways.len()).rev() {
            ways[at] -= ways[at - second - step];
        }
        for at in step..ways.len() {
            ways[at] += ways[at - step];
        }
    }
    let all: f64 = ways.iter().sum();
    ways.into_iter().map(|ways| ways / all).collect()
}

/// The most differences that may be cut from each end, and the coverage that is left.
pub(super) fn cut(chances: &[f64]) -> Option<(usize, f64)> {
    let mut missed = 0.0;
    let coverages = chances.iter().map(|chance| {
        missed += 2.0 * chance;
        1.0 - missed
    });
    coverages.enumerate().take_while(|(_, coverage)| *coverage >= WANTED_COVERAGE).last()
}

/// P that chance alone puts as few on one side of zero; ties count half, rounded against a difference.
pub(super) fn two_sided(differences: &[f64], chances: &[f64]) -> f64 {
    let below = differences.iter().filter(|difference| **difference < 0.0).count();
    let above = differences.iter().filter(|difference| **difference > 0.0).count();
    let ties = differences.len() - below - above;
    let fewer = below.min(above) + ties.div_ceil(2);
    (2.0 * chances.iter().take(fewer + 1).sum::<f64>()).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chances_are_those_of_counting_every_split() {
        // Of the 6 ways to split four in two and two, one each gives 0, 1, 3 and 4 differences below zero, and two give 2.
        let sixths = chances(2, 2).iter().map(|chance| chance * 6.0).collect::<Vec<f64>>();
        for (found, counted) in sixths.iter().zip([1.0, 1.0, 2.0, 1.0, 1.0]) {
            assert!((found - counted).abs() < 1e-12, "{sixths:?}");
        }
    }

    #[test]
    fn a_hundred_on_each_side_lose_nothing_to_rounding() {
        let chances = chances(100, 100);
        assert!(chances.iter().take(5_001).all(|chance| *chance > 0.0));
        // Normal by then: 5,000 less 1.96 sqrt(100 x 100 x 201 / 12).
        let (rank, coverage) = cut(&chances).unwrap();
        assert!(
            (4_195..=4_201).contains(&rank) && (coverage - 0.95).abs() < 1e-3,
            "{rank} {coverage}"
        );
    }
}
