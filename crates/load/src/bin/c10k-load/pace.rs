//! The part of the command line that says when requests are due: `--rate`, one or several.

use load::{Pace, Step};

/// `20000`, `1000,2000,5000`, or `25%,50%,75%,90%` of the ceiling.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rates(Vec<Rate>);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Rate {
    PerSecond(f64),
    OfCeiling(f64),
}

impl Rates {
    /// One step for each.
    pub(crate) fn steps(&self, poisson: bool) -> Vec<Step> {
        let step = |rate: &Rate| match *rate {
            Rate::PerSecond(rate) if poisson => Step::Pace(Pace::Poisson(rate)),
            Rate::PerSecond(rate) => Step::Pace(Pace::Rate(rate)),
            Rate::OfCeiling(of_ceiling) => Step::Share { of_ceiling, poisson },
        };
        self.0.iter().map(step).collect()
    }
}

pub(crate) fn rates(text: &str) -> Result<Rates, String> {
    let one = |part: &str| match part.strip_suffix('%') {
        Some(percent) => positive(percent).map(|percent| Rate::OfCeiling(percent / 100.0)),
        None => positive(part).map(Rate::PerSecond),
    };
    let rates: Option<Vec<Rate>> = text.split(',').map(one).collect();
    rates.map(Rates).ok_or_else(|| {
        "give requests a second, more than 0, or several: 1000,2000,5000 or 25%,50%,75%,90% of the ceiling".to_owned()
    })
}

/// A number a second.
pub(crate) fn positive(text: &str) -> Option<f64> {
    text.parse().ok().filter(|rate: &f64| rate.is_finite() && *rate > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_numbers_or_shares_and_may_be_several() {
        assert_eq!(rates("20000").unwrap().steps(false), [Step::Pace(Pace::Rate(20_000.0))]);
        assert_eq!(
            rates("1000,2e3").unwrap().steps(true),
            [Step::Pace(Pace::Poisson(1_000.0)), Step::Pace(Pace::Poisson(2_000.0))]
        );
        assert_eq!(
            rates("25%,90%").unwrap().steps(true),
            [0.25, 0.9].map(|of_ceiling| Step::Share { of_ceiling, poisson: true })
        );
        for wrong in ["", "0", "-1", "nan", "1,", "%", "0%", "1000/s", "inf"] {
            assert!(rates(wrong).is_err(), "{wrong}");
        }
    }
}
