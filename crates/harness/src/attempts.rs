//! What was tried so far in a run: which trials are owed another attempt, and what the others say of a model's ceiling.

use std::collections::HashMap;

use record::Key;
use record::stats::median;
use record::trial::{Flag, Outcome, Trial};

use crate::order::Planned;

/// The attempts of a run, by trial.
#[derive(Debug, Default)]
pub(crate) struct Attempts(HashMap<Key, Vec<Attempt>>);

/// What matters of one attempt.
#[derive(Clone, Copy, Debug)]
struct Attempt {
    outcome: Outcome,
    noisy: bool,
    generator_bound: bool,
    requests_per_s: Option<f64>,
}

impl Attempts {
    pub(crate) fn of(trials: &[Trial]) -> Self {
        let mut attempts = Self::default();
        for trial in trials {
            attempts.note(trial);
        }
        attempts
    }

    pub(crate) fn note(&mut self, trial: &Trial) {
        self.0.entry(trial.key()).or_default().push(Attempt {
            outcome: trial.outcome,
            noisy: trial.flags.contains(&Flag::Noisy),
            generator_bound: trial.flags.contains(&Flag::GeneratorBound),
            requests_per_s: trial.requests_per_s,
        });
    }

    /// How often it was tried, interruptions included.
    pub(crate) fn count(&self, key: &Key) -> u32 {
        u32::try_from(self.at(key).len()).unwrap_or(u32::MAX)
    }

    /// Whether it must be tried (again): not yet measured, or only in noise and no oftener than that after the first time.
    pub(crate) fn owes(&self, key: &Key, retries: u32) -> bool {
        let often = u32::try_from(self.measured(key)).unwrap_or(u32::MAX);
        whole(self.at(key)).all(|attempt| attempt.noisy) && often <= retries
    }

    /// How often it was measured, interruptions left out.
    pub(crate) fn measured(&self, key: &Key) -> usize {
        whole(self.at(key)).count()
    }

    /// Attempts of all trials that noise has earned so far.
    pub(crate) fn retried(&self) -> usize {
        self.0.values().map(|attempts| whole(attempts).count().saturating_sub(1)).sum()
    }

    /// What the model can do in the same cell, requests a second: the median of its closed loops, the quiet ones where
    /// there are any.
    ///
    /// # Errors
    /// Why that is not known.
    pub(crate) fn ceiling(&self, planned: &Planned<'_>) -> Result<f64, String> {
        let variant = planned.experiment.ceiling_variant();
        let told: Vec<Attempt> = (1..=planned.experiment.repeats)
            .filter_map(|repeat| {
                let key = Key { variant: variant.clone(), repeat, ..planned.key() };
                let sound = self.at(&key).iter().filter(|attempt| attempt.outcome == Outcome::Ok);
                // The last of the quiet ones, else the last.
                sound.copied().max_by_key(|attempt| !attempt.noisy)
            })
            .collect();
        if told.is_empty() {
            return Err("its ceiling was not measured, of which this rate is a share".into());
        }
        let any_quiet = told.iter().any(|attempt| !attempt.noisy);
        let rates: Vec<f64> = told
            .iter()
            .filter(|attempt| !any_quiet || !attempt.noisy)
            .filter(|attempt| !attempt.generator_bound)
            .filter_map(|attempt| attempt.requests_per_s)
            .collect();
        median(&rates).ok_or_else(|| {
            "its ceiling is unknown, of which this rate is a share: the generator reached its own first; \
             give the generator more CPUs, or each request more work by `burn_ns`"
                .into()
        })
    }

    fn at(&self, key: &Key) -> &[Attempt] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }
}

/// Those that were not interrupted.
fn whole(attempts: &[Attempt]) -> impl Iterator<Item = &Attempt> {
    attempts.iter().filter(|attempt| attempt.outcome != Outcome::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::trials;
    use crate::plan::Plan;

    fn trial(outcome: Outcome, flags: &[Flag]) -> Trial {
        Trial { outcome, flags: flags.to_vec(), ..Trial::default() }
    }

    #[test]
    fn noise_earns_two_more_attempts_and_interruption_any_number() {
        let clean = trial(Outcome::Ok, &[Flag::GeneratorBound]);
        let noisy = trial(Outcome::Ok, &[Flag::Noisy]);
        let interrupted = trial(Outcome::Interrupted, &[Flag::Noisy]);
        let key = clean.key();
        let owes = |tried: &[&Trial]| {
            let tried: Vec<Trial> = tried.iter().map(|&trial| trial.clone()).collect();
            Attempts::of(&tried).owes(&key, 2)
        };
        assert!(owes(&[]));
        assert!(!owes(&[&clean]));
        assert!(owes(&[&noisy]) && owes(&[&noisy, &noisy]));
        assert!(!owes(&[&noisy, &clean]));
        assert!(!owes(&[&noisy, &noisy, &noisy]), "that is noise enough");
        assert!(owes(&[&interrupted, &interrupted, &interrupted, &noisy]));
        let failed = trial(Outcome::Died, &[]);
        assert!(!owes(&[&failed]), "a bad result earns nothing");
    }

    #[test]
    fn a_ceiling_is_the_median_of_quiet_trials_that_the_generator_did_not_hold_back() {
        let text = "profile = 'test'\nmodels = ['m']\n[[experiment]]\nname = 'rate'\nservices = ['http']\n\
                    connections = [10]\nrepeats = 4\nwarmup_s = 0\nduration_s = 1\nrates = ['50%']";
        let plan = Plan::parse(text).unwrap();
        let all = trials(&plan);
        let (told, asked) = (&all[..4], &all[4]);
        assert_eq!((told[0].variant.as_str(), asked.variant.as_str()), ("ceiling", "rate-50%"));
        let measured = |place: usize, rate: f64, outcome, flags: &[Flag]| {
            let Key { experiment, model, service, connections, variant, repeat } =
                told[place].key();
            let requests_per_s = Some(rate);
            Trial {
                experiment,
                model,
                service,
                connections,
                variant,
                repeat,
                requests_per_s,
                ..trial(outcome, flags)
            }
        };
        let mut attempts = Attempts::default();
        assert!(attempts.ceiling(asked).unwrap_err().contains("not measured"));
        attempts.note(&measured(0, 900.0, Outcome::Ok, &[Flag::GeneratorBound, Flag::Noisy]));
        assert!(attempts.ceiling(asked).unwrap_err().contains("burn_ns"));
        attempts.note(&measured(1, 10.0, Outcome::Ok, &[Flag::Noisy]));
        assert_eq!(attempts.ceiling(asked), Ok(10.0), "there is no quiet one yet");
        attempts.note(&measured(1, 100.0, Outcome::Ok, &[]));
        attempts.note(&measured(2, 300.0, Outcome::Ok, &[]));
        attempts.note(&measured(3, 5.0, Outcome::Died, &[]));
        assert_eq!(attempts.ceiling(asked), Ok(200.0));
    }
}
