//! How requests are offered: by the answers before them, or by the clock.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An offered rate: requests a second, or a share of what the model itself can do, such as `50%`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RateText", into = "RateText")]
pub enum Rate {
    /// Requests a second.
    PerSecond(f64),
    /// In percent of the model's ceiling, which the same run measures first.
    OfCeiling(f64),
}

/// The forms that a rate has in a file.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum RateText {
    PerSecond(f64),
    OfCeiling(String),
}

/// A server that is offered more is offered nonsense.
const PERCENT_MAX: f64 = 1_000.0;

impl TryFrom<RateText> for Rate {
    type Error = String;

    fn try_from(text: RateText) -> Result<Self, String> {
        match text {
            RateText::PerSecond(rate) if rate > 0.0 && rate <= 1e7 => Ok(Self::PerSecond(rate)),
            RateText::PerSecond(rate) => {
                Err(format!("a rate of `{rate}` cannot be offered; give 1 to 10,000,000 a second"))
            }
            RateText::OfCeiling(text) => {
                let percent = text.strip_suffix('%').and_then(|number| number.parse::<f64>().ok());
                let sound = percent.filter(|percent| *percent > 0.0 && *percent <= PERCENT_MAX);
                sound.map(Self::OfCeiling).ok_or_else(|| {
                    format!("`{text}` is no share of a ceiling; write `50%`, or a rate a second as a number")
                })
            }
        }
    }
}

impl From<Rate> for RateText {
    fn from(rate: Rate) -> Self {
        match rate {
            Rate::PerSecond(rate) => Self::PerSecond(rate),
            Rate::OfCeiling(percent) => Self::OfCeiling(format!("{percent}%")),
        }
    }
}

/// As it stands in the name of a variant.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PerSecond(rate) => write!(f, "rate-{rate}"),
            Self::OfCeiling(percent) => write!(f, "rate-{percent}%"),
        }
    }
}

/// How the requests of an offered rate lie in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arrivals {
    /// At random, as those of independent users.
    #[default]
    Poisson,
    /// At equal distances.
    Even,
}

/// What paces a trial's requests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Offer {
    /// The answers: each connection asks again as soon as it has one.
    Closed,
    /// The clock.
    Open(Rate),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Rates {
        rates: Vec<Rate>,
    }

    #[test]
    fn rates_and_shares_survive_their_form() {
        let rates: Rates = toml::from_str("rates = ['25%', '110%', '0.5%', 2000, 12.5]").unwrap();
        let shares = [25.0, 110.0, 0.5].map(Rate::OfCeiling);
        assert_eq!(rates.rates[..3], shares);
        assert_eq!(rates.rates[3..], [2000.0, 12.5].map(Rate::PerSecond));
        assert_eq!(toml::from_str::<Rates>(&toml::to_string(&rates).unwrap()).unwrap(), rates);
        assert_eq!(rates.rates[0].to_string(), "rate-25%");
    }

    #[test]
    fn what_cannot_be_offered_is_refused() {
        for bad in ["'50'", "'-5%'", "'0%'", "'x%'", "'1e9%'", "0", "-3", "1e9", "nan", "'NaN%'"] {
            assert!(toml::from_str::<Rates>(&format!("rates = [{bad}]")).is_err(), "{bad}");
        }
    }
}
