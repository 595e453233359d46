//! The trimmed mean and its standard error: a mean that one wild value in five on either side cannot carry away.

use super::float;

/// One in five values is cut from each end, in whole values: what is recommended where nothing is known of the noise.
const CUT_ONE_IN: usize = 5;

/// A trimmed mean, and what is known of its spread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Trimmed {
    /// Mean of what is kept.
    pub(crate) mean: f64,
    /// Its standard error.
    pub(crate) error: f64,
    /// Degrees of freedom of that error.
    pub(crate) freedom: u64,
}

impl Trimmed {
    /// The trimmed mean of finite values; `None` where fewer than two are kept.
    ///
    /// The error is that of the winsorized values, in which what was cut counts as the outermost kept (Tukey and
    /// `McLaughlin`, Sankhya A 25 (1963), 331-352; in the form of Yuen, Biometrika 61 (1974), 165-170).
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let cut = sorted.len() / CUT_ONE_IN;
        let kept = &sorted[cut..sorted.len() - cut];
        let freedom = count(kept).checked_sub(1).filter(|&freedom| freedom > 0)?;
        let (lowest, highest) = (*kept.first()?, *kept.last()?);
        let winsorized: Vec<f64> =
            sorted.iter().map(|value| value.clamp(lowest, highest)).collect();
        let centre = mean(&winsorized);
        let squares: f64 = winsorized.iter().map(|value| (value - centre).powi(2)).sum();
        // Equal values have no spread, whatever their mean loses in its last digit.
        let squares = if lowest < highest { squares } else { 0.0 };
        let error = (squares / (float(count(kept)) * float(freedom))).sqrt();
        Some(Self { mean: mean(kept), error, freedom })
    }

    /// The difference of two that know nothing of each other, its degrees of freedom by Welch and Satterthwaite,
    /// rounded down.
    pub(crate) fn minus(self, other: Self) -> Self {
        let (a, b) = (self.error.powi(2), other.error.powi(2));
        let freedom =
            (a + b).powi(2) / (a.powi(2) / float(self.freedom) + b.powi(2) / float(other.freedom));
        let most = self.freedom + other.freedom;
        let whole = (1..=most).take_while(|&whole| float(whole) <= freedom).last().unwrap_or(1);
        Self { mean: self.mean - other.mean, error: (a + b).sqrt(), freedom: whole }
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / float(count(values))
}

fn count(values: &[f64]) -> u64 {
    u64::try_from(values.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-12
    }

    #[test]
    fn six_values_worked_by_hand() {
        // Kept: 2, 3, 5, 6, mean 4. Winsorized: 2, 2, 3, 5, 6, 6, mean 4, squares 4+4+1+1+4+4 = 18, over 4 x 3.
        let trimmed = Trimmed::of(&[100.0, 2.0, 6.0, 5.0, 3.0, -7.0]).unwrap();
        assert!(close(trimmed.mean, 4.0) && close(trimmed.error, 1.5_f64.sqrt()), "{trimmed:?}");
        assert_eq!(trimmed.freedom, 3);
    }

    #[test]
    fn one_wild_value_in_five_changes_nothing_wherever_it_goes() {
        let with = |wild: f64| Trimmed::of(&[1.0, 2.0, 3.0, 4.0, wild]).unwrap();
        assert_eq!(with(10.0), with(1e300));
    }

    #[test]
    fn fewer_than_two_kept_have_no_error() {
        assert_eq!(Trimmed::of(&[]), None);
        assert_eq!(Trimmed::of(&[1.0]), None);
        assert!(Trimmed::of(&[1.0, 2.0]).is_some());
    }

    #[test]
    fn equal_errors_add_their_freedom_and_one_sided_error_keeps_its_own() {
        let quiet = Trimmed { mean: 1.0, error: 0.0, freedom: 3 };
        let loud = Trimmed { mean: 3.0, error: 0.5, freedom: 5 };
        let difference = loud.minus(loud);
        assert!(close(difference.error, 0.5_f64.sqrt()), "{difference:?}");
        assert_eq!(difference.freedom, 10);
        assert_eq!(loud.minus(quiet), Trimmed { mean: 2.0, error: 0.5, freedom: 5 });
        assert_eq!(quiet.minus(quiet).freedom, 1);
    }
}
