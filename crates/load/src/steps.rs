//! Steps: paces that are held one after the other, over the same connections.

use crate::error::Error;
use crate::options::Pace;
use crate::outcome::Outcome;

/// One of the paces that are held one after the other; see [`run_steps`](crate::run_steps).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// This pace.
    Pace(Pace),
    /// A share of the ceiling, 0.5 for half: of the rate of the closed step before it, or if there is none, of one that
    /// is put in front of all.
    Share {
        /// More than 0; more than 1 asks for what the server did not give.
        of_ceiling: f64,
        /// Whether the requests arrive at random.
        poisson: bool,
    },
}

/// Largest share of a ceiling that makes sense to ask for.
const SHARE_MAX: f64 = 100.0;

impl Step {
    fn is_closed(self) -> bool {
        self == Self::Pace(Pace::Closed)
    }

    /// The pace, now that the earlier steps are over.
    pub(crate) fn pace(self, earlier: &[Outcome]) -> Result<Pace, Error> {
        let (of_ceiling, poisson) = match self {
            Self::Pace(pace) => return Ok(pace),
            Self::Share { of_ceiling, poisson } => (of_ceiling, poisson),
        };
        let ceiling = earlier.iter().rfind(|outcome| outcome.pace == Pace::Closed);
        let rate = ceiling.map_or(0.0, Outcome::requests_per_s) * of_ceiling;
        if rate <= 0.0 {
            let why = "the ceiling is 0: nothing was answered; look whether the server answers";
            return Err(Error::Usage(why.to_owned()));
        }
        Ok(if poisson { Pace::Poisson(rate) } else { Pace::Rate(rate) })
    }

    /// What taints a step beside what taints any.
    pub(crate) fn warning(self, earlier: &[Outcome]) -> Option<String> {
        let ceiling = earlier.iter().rfind(|outcome| outcome.pace == Pace::Closed)?;
        let is_tainted = matches!(self, Self::Share { .. }) && ceiling.saturated;
        is_tainted.then(|| {
            "this is a share of the generator's ceiling and not of the server's".to_owned()
        })
    }
}

/// The steps with the ceiling that they need, or what is wrong with them.
pub(crate) fn complete(steps: &[Step], rate_max: f64) -> Result<Vec<Step>, Error> {
    let is_wrong = |step: &Step| match *step {
        Step::Pace(Pace::Rate(rate) | Pace::Poisson(rate)) => !(rate > 0.0 && rate <= rate_max),
        Step::Pace(Pace::Closed) => false,
        Step::Share { of_ceiling, .. } => !(of_ceiling > 0.0 && of_ceiling <= SHARE_MAX),
    };
    if steps.is_empty() {
        return Err(Error::Usage("no steps; give at least one".to_owned()));
    }
    if steps.iter().any(is_wrong) {
        let why = "a step out of bounds; give rates of more than 0 and at most 10,000,000 a second, or shares of more \
                   than 0 and at most 10,000 %";
        return Err(Error::Usage(why.to_owned()));
    }
    let first_share = steps.iter().position(|step| matches!(step, Step::Share { .. }));
    let needs_ceiling =
        first_share.is_some_and(|share| !steps[..share].iter().any(|step| step.is_closed()));
    let ceiling = needs_ceiling.then_some(Step::Pace(Pace::Closed));
    Ok(ceiling.into_iter().chain(steps.iter().copied()).collect())
}

/// Whether requests are due by the clock in any of them.
pub(crate) fn any_open(steps: &[Step]) -> bool {
    steps.iter().any(|step| !step.is_closed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const HALF: Step = Step::Share { of_ceiling: 0.5, poisson: false };
    const CLOSED: Step = Step::Pace(Pace::Closed);

    #[test]
    fn shares_get_a_ceiling_in_front_unless_there_is_one() {
        assert_eq!(complete(&[HALF, HALF], 1e7).unwrap(), [CLOSED, HALF, HALF]);
        assert_eq!(complete(&[CLOSED, HALF], 1e7).unwrap(), [CLOSED, HALF]);
        let rate = Step::Pace(Pace::Rate(5.0));
        assert_eq!(complete(&[rate], 1e7).unwrap(), [rate]);
        assert!(any_open(&[CLOSED, HALF]) && !any_open(&[CLOSED]));
    }

    #[test]
    fn steps_out_of_bounds_are_refused() {
        for wrong in [0.0, -1.0, f64::NAN, 1e9] {
            assert!(complete(&[Step::Pace(Pace::Poisson(wrong))], 1e7).is_err());
            assert!(complete(&[Step::Share { of_ceiling: wrong, poisson: true }], 1e7).is_err());
        }
        assert!(complete(&[], 1e7).is_err());
    }

    #[test]
    fn a_share_is_of_the_last_ceiling() {
        let closed = |requests, saturated| Outcome {
            requests,
            saturated,
            duration: Duration::from_secs(1),
            ..Outcome::default()
        };
        let earlier = [closed(100, true), closed(300, false)];
        assert_eq!(HALF.pace(&earlier).unwrap(), Pace::Rate(150.0));
        assert_eq!(HALF.warning(&earlier), None);
        assert!(HALF.warning(&earlier[..1]).is_some());
        assert_eq!(CLOSED.warning(&earlier[..1]), None);
        assert!(HALF.pace(&[closed(0, false)]).is_err());
    }
}
