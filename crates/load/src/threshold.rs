//! Thresholds: what a run must not do, said in a word, so that a script can fail on it.

use std::fmt;
use std::str::FromStr;

use crate::error::ErrorKind;
use crate::number::{count, float};
use crate::outcome::Outcome;
use crate::words::{grouped, time};

/// A condition under which a run has failed, such as `p99>10ms`, `errors>0.1%`, `rate<50000` or `served<100%`.
///
/// | what | value |
/// |---|---|
/// | `p50`, `p90`, `p99`, `p999`, `p99.99`, ..., `mean`, `max` | a time: `250us`, `10ms`, `1.5s` |
/// | `errors`, or the name of one kind: `timeout`, `reset`, ... | a number, or a share of the requests sent: `0.1%` |
/// | `unanswered` at the end of the window | a number, or a share of the requests that were due in it |
/// | `served` connections | a number, or a share of the active ones: `100%` |
/// | `rate`, `requests` | a number: `50000`, `50k`, `1.2m` (powers of 1000) |
///
/// Latency counts from the schedule. Requests that were unanswered at the end count as answered then, since their latency
/// is at least that: a server that stops answering does not become fast by it. Errors are those of the whole run.
///
/// ```
/// use load::{Outcome, Threshold};
///
/// let slow: Threshold = "p99 > 10ms".parse().unwrap();
/// let mut outcome = Outcome::default();
/// outcome.latency.record(12_000_000).unwrap();
/// assert_eq!(slow.missed(&outcome).unwrap(), "12.0 ms, 2.00 ms (20 %) over");
/// assert!("p99 > 10 apples".parse::<Threshold>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    metric: Metric,
    relation: Relation,
    limit: f64,
    /// Whether `limit` is a share and not a number.
    is_share: bool,
}

/// Why a text is no threshold; the message ends with what would be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ThresholdError(String);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Metric {
    /// Of the latency.
    Quantile(f64),
    Mean,
    Max,
    Errors,
    ErrorsOf(ErrorKind),
    Unanswered,
    Served,
    Rate,
    Requests,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Above,
    AtLeast,
    Below,
    AtMost,
}

/// Times, in ns; the longest suffix first.
const TIME_UNITS: [(&str, &str); 6] =
    [("ns", "e0"), ("us", "e3"), ("ms", "e6"), ("s", "e9"), ("m", "6e10"), ("h", "36e11")];

impl FromStr for Threshold {
    type Err = ThresholdError;

    fn from_str(text: &str) -> Result<Self, ThresholdError> {
        let fail = |why: &str| {
            ThresholdError(format!(
                "`{}` {why}; give such as p99>10ms, errors>0.1%, rate<50000 or served<100%",
                text.escape_debug()
            ))
        };
        let at = text.find(['<', '>']).ok_or_else(|| fail("compares nothing"))?;
        let (name, rest) = text.split_at(at);
        let (relation, value) = Relation::split(rest);
        let metric = Metric::named(name.trim()).ok_or_else(|| fail("names nothing measured"))?;
        let (limit, is_share) = metric
            .limit(value.trim())
            .ok_or_else(|| fail(&format!("does not compare with {}", metric.unit())))?;
        Ok(Self { metric, relation, limit, is_share })
    }
}

impl Relation {
    fn split(text: &str) -> (Self, &str) {
        let relations =
            [(">=", Self::AtLeast), ("<=", Self::AtMost), (">", Self::Above), ("<", Self::Below)];
        let found = relations
            .into_iter()
            .find_map(|(sign, relation)| text.strip_prefix(sign).map(|value| (relation, value)));
        found.expect("the text begins with one of the signs")
    }

    fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Above => value > limit,
            Self::AtLeast => value >= limit,
            Self::Below => value < limit,
            Self::AtMost => value <= limit,
        }
    }

    fn sign(self) -> &'static str {
        match self {
            Self::Above => ">",
            Self::AtLeast => ">=",
            Self::Below => "<",
            Self::AtMost => "<=",
        }
    }
}

impl Metric {
    fn named(name: &str) -> Option<Self> {
        let lower = name.to_ascii_lowercase();
        Some(match lower.as_str() {
            "mean" => Self::Mean,
            "max" => Self::Max,
            "errors" => Self::Errors,
            "unanswered" => Self::Unanswered,
            "served" => Self::Served,
            "rate" => Self::Rate,
            "requests" => Self::Requests,
            other => match other.strip_prefix('p') {
                Some(percent) => Self::Quantile(quantile(percent)?),
                None => Self::ErrorsOf(ErrorKind::ALL.into_iter().find(|k| k.name() == other)?),
            },
        })
    }

    /// The value to compare with, in ns, as a number or as a share of 1; and whether it is a share.
    fn limit(self, text: &str) -> Option<(f64, bool)> {
        match self {
            Self::Quantile(_) | Self::Mean | Self::Max => Some((time_ns(text)?, false)),
            Self::Errors | Self::ErrorsOf(_) | Self::Unanswered | Self::Served => {
                match text.strip_suffix('%') {
                    // As one decimal number, so that 0.1 % of 1,000 is one and no rounding comes between.
                    Some(percent) => Some((decimal(percent.trim_end(), "e-2")?, true)),
                    None => Some((decimal(text, "")?, false)),
                }
            }
            Self::Rate | Self::Requests => {
                let lower = text.to_ascii_lowercase();
                let number = match (lower.strip_suffix('k'), lower.strip_suffix('m')) {
                    (Some(thousands), _) => decimal(thousands, "e3")?,
                    (_, Some(millions)) => decimal(millions, "e6")?,
                    _ => decimal(&lower, "")?,
                };
                Some((number, false))
            }
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Self::Quantile(_) | Self::Mean | Self::Max => "a time and its unit",
            Self::Rate | Self::Requests => "a number",
            _ => "a number or a share",
        }
    }

    /// What was measured, and for a share what it is one of.
    fn measured(self, outcome: &Outcome) -> Option<(f64, u64)> {
        let errors = |kind| outcome.errors.get(&kind).copied().unwrap_or(0);
        let has_latency = !outcome.latency.is_empty() || !outcome.unanswered.is_empty();
        Some(match self {
            Self::Quantile(_) | Self::Mean | Self::Max if !has_latency => return None,
            Self::Quantile(quantile) => (float(outcome.latency_at_least(quantile)), 0),
            Self::Max => (float(outcome.latency_at_least(1.0)), 0),
            Self::Mean => (outcome.latency.mean(), 0),
            Self::Errors => (float(outcome.errors_total()), outcome.requests_sent),
            Self::ErrorsOf(kind) => (float(errors(kind)), outcome.requests_sent),
            Self::Unanswered => (
                float(outcome.censored),
                outcome.censored + outcome.requests + outcome.errors_in_window,
            ),
            Self::Served => (float(count(outcome.served)), count(outcome.active)),
            Self::Rate => (outcome.requests_per_s(), 0),
            Self::Requests => (float(outcome.requests), 0),
        })
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quantile(quantile) => {
                // Two digits before the point: p09 is not p9, which would be p90 to some.
                let percent = format!("{:09.6}", quantile * 100.0);
                write!(f, "p{}", percent.trim_end_matches('0').trim_end_matches('.'))
            }
            Self::Mean => f.write_str("mean"),
            Self::Max => f.write_str("max"),
            Self::Errors => f.write_str("errors"),
            Self::ErrorsOf(kind) => kind.fmt(f),
            Self::Unanswered => f.write_str("unanswered"),
            Self::Served => f.write_str("served"),
            Self::Rate => f.write_str("rate"),
            Self::Requests => f.write_str("requests"),
        }
    }
}

impl Threshold {
    /// What was measured and by how much it misses the threshold; `None` when it does not.
    #[must_use]
    pub fn missed(&self, outcome: &Outcome) -> Option<String> {
        let Some((value, whole)) = self.metric.measured(outcome) else {
            return Some("nothing was answered".to_owned());
        };
        let compared = if self.is_share { value / float(whole.max(1)) } else { value };
        self.relation.holds(compared, self.limit).then(|| {
            let is = self.words(value, compared, whole);
            let beyond = (compared - self.limit).abs();
            if beyond == 0.0 {
                return is;
            }
            let side = if compared > self.limit { "over" } else { "under" };
            format!("{is}, {} {side}", self.difference(beyond))
        })
    }

    fn words(&self, value: f64, compared: f64, whole: u64) -> String {
        match self.metric {
            _ if self.is_share => {
                let of = grouped(whole);
                format!("{} of {of} ({})", grouped(value), percent(compared))
            }
            _ => self.amount(value),
        }
    }

    fn difference(&self, beyond: f64) -> String {
        if self.is_share {
            return format!("{} points", percent(beyond).trim_end_matches(" %"));
        }
        let share = beyond / self.limit;
        let relative =
            if share.is_finite() { format!(" ({})", percent(share)) } else { String::new() };
        format!("{}{relative}", self.amount(beyond))
    }

    fn amount(&self, value: f64) -> String {
        match self.metric {
            Metric::Quantile(_) | Metric::Mean | Metric::Max => time(value),
            Metric::Rate => format!("{}/s", grouped(format!("{value:.0}"))),
            _ => grouped(format!("{value:.0}")),
        }
    }
}

/// As it may be written again.
impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.metric, self.relation.sign())?;
        match self.metric {
            Metric::Quantile(_) | Metric::Mean | Metric::Max => {
                let (ns, unit) = [(1e9, "s"), (1e6, "ms"), (1e3, "us")]
                    .into_iter()
                    .find(|(size, _)| self.limit >= *size)
                    .unwrap_or((1.0, "ns"));
                write!(f, "{}{unit}", self.limit / ns)
            }
            _ if self.is_share => write!(f, "{}%", self.limit * 100.0),
            _ => write!(f, "{}", self.limit),
        }
    }
}

/// `99`, `99.9` or `999`, which is 99.9, as a share of 1.
fn quantile(percent: &str) -> Option<f64> {
    let (whole, part) = match percent.split_once('.') {
        Some(parts) => parts,
        None if percent.len() > 2 => percent.split_at_checked(2)?,
        None => (percent, ""),
    };
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_short = whole.len() == 2 && part.len() <= 6;
    let share = || format!("0.{whole}{part}").parse().ok().filter(|share| *share > 0.0);
    (is_short && is_digits(whole) && is_digits(part)).then(share).flatten()
}

fn time_ns(text: &str) -> Option<f64> {
    let mut units = TIME_UNITS.into_iter();
    let (number, unit) = units.find_map(|(unit, size)| Some((text.strip_suffix(unit)?, size)))?;
    match unit.strip_prefix('e') {
        Some(_) => decimal(number.trim_end(), unit),
        None => Some(decimal(number.trim_end(), "")? * unit.parse::<f64>().ok()?),
    }
}

/// Digits with one point at most, and a power of ten; the nearest float to the number that they are together.
fn decimal(digits: &str, power: &str) -> Option<f64> {
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let has_digit = digits.bytes().any(|byte| byte.is_ascii_digit());
    if !is_plain || !has_digit {
        return None;
    }
    format!("{digits}{power}").parse().ok().filter(|number: &f64| number.is_finite())
}

/// Two significant digits, or as many as stand before the point.
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let decimals = match percent {
        _ if percent == 0.0 || percent >= 9.95 => 0,
        _ if percent >= 0.995 => 1,
        _ if percent >= 0.0995 => 2,
        _ => 4,
    };
    format!("{} %", grouped(format!("{percent:.decimals$}")))
}

#[cfg(test)]
mod tests;
