//! A straight line through measured points: memory against connections.

use super::{WANTED_COVERAGE, float, student};

/// A least-squares line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// Points that it was drawn through.
    pub points: usize,
    /// Growth of y per unit of x.
    pub slope: f64,
    /// y at x = 0.
    pub intercept: f64,
    /// 95 % interval of the slope by Student's t; absent with two points, which any line fits.
    pub slope_interval: Option<(f64, f64)>,
}

/// The least-squares line through points (x, y); `None` unless there are two different x.
/// Points that are not finite are left out.
#[must_use]
pub fn line(points: &[(f64, f64)]) -> Option<Line> {
    let points: Vec<_> =
        points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite()).collect();
    let count = u64::try_from(points.len()).ok()?;
    let n = float(count);
    let mean_x = points.iter().map(|(x, _)| x / n).sum::<f64>();
    let mean_y = points.iter().map(|(_, y)| y / n).sum::<f64>();
    let xx: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    let xy: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let slope = xy / xx;
    if !slope.is_finite() {
        return None;
    }
    let intercept = mean_y - slope * mean_x;
    let residue: f64 = points.iter().map(|(x, y)| (y - intercept - slope * x).powi(2)).sum();
    let slope_interval = count.checked_sub(2).filter(|&freedom| freedom > 0).map(|freedom| {
        let half =
            student::quantile(WANTED_COVERAGE, freedom) * (residue / float(freedom) / xx).sqrt();
        (slope - half, slope + half)
    });
    Some(Line { points: points.len(), slope, intercept, slope_interval })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-6 * b.abs().max(1.0)
    }

    #[test]
    fn a_slope_worked_by_hand_comes_out_with_its_interval() {
        // x' = -1.5 .. 1.5, xx = 5, xy = 8; residuals 0.6, -0.8, -0.2, 0.4; their squares 1.2 over 2 degrees of freedom.
        let line = line(&[(1.0, 2.0), (2.0, 2.2), (3.0, 4.4), (4.0, 6.6)]).unwrap();
        assert!(close(line.slope, 1.6) && close(line.intercept, -0.2), "{line:?}");
        let (low, high) = line.slope_interval.unwrap();
        let half = 4.302_653 * (1.2_f64 / 2.0 / 5.0).sqrt();
        assert!(close(low, 1.6 - half) && close(high, 1.6 + half), "{line:?}");
    }

    #[test]
    fn two_points_have_a_slope_and_no_interval() {
        let line = line(&[(100.0, 1_000.0), (10_000.0, 100_000.0)]).unwrap();
        assert!(close(line.slope, 10.0) && line.slope_interval.is_none(), "{line:?}");
    }

    #[test]
    fn one_number_of_connections_has_no_slope() {
        assert_eq!(line(&[]), None);
        assert_eq!(line(&[(100.0, 1.0)]), None);
        assert_eq!(line(&[(100.0, 1.0), (100.0, 2.0), (f64::NAN, 3.0)]), None);
    }

    proptest! {
        #[test]
        fn points_on_a_line_give_that_line(slope in -1e6..1e6, intercept in -1e9..1e9) {
            let points = [1.0, 10.0, 100.0, 1_000.0, 10_000.0].map(|x| (x, intercept + slope * x));
            let line = line(&points).unwrap();
            let (low, high) = line.slope_interval.unwrap();
            let slack = 1e-6 * (1.0 + f64::abs(slope) + f64::abs(intercept));
            prop_assert!((line.slope - slope).abs() < slack, "{line:?}");
            prop_assert!(high - low < slack, "{line:?}");
        }
    }
}
