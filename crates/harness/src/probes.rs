//! How fast the server's CPU is from trial to trial, by the probe beside each window. What differs from the trials just
//! before is noise; what differs from the run's beginning has drifted, alike for all that are measured within moments.

use std::collections::VecDeque;

use record::stats::median;
use record::{Flag, Trial};

/// The trials whose middle says how fast the CPU is now: it has changed for good once eleven in a row agree.
const RECENT: usize = 21;

/// How much slower the CPU may be, and as much quicker. A virtual machine's neighbours do that without any steal: over
/// 616 trials in a bad hour of one, the probe and the CPU per request of the same cell correlated by 0.6.
const RATIO_MAX: f64 = 1.25;

/// What the probe took beside the last trials, over what it took when the run began.
#[derive(Debug)]
pub(crate) struct Probes(VecDeque<f64>);

impl Probes {
    /// Before the first trial of a sitting.
    pub(crate) fn starting_at(ratio: Option<f64>) -> Self {
        Self(ratio.into_iter().collect())
    }

    /// Writes how a trial's probe compares with those of the trials before it, and raises the flags that say so.
    pub(crate) fn judge(&mut self, trial: &mut Trial) {
        let Some(ratio) = trial.machine.probe_ratio.filter(|ratio| ratio.is_normal()) else {
            return;
        };
        let recent = median(self.0.make_contiguous());
        trial.machine.probe_recent_ratio = recent.map(|recent| ratio / recent);
        let unusual = |ratio: f64| !(1.0 / RATIO_MAX..=RATIO_MAX).contains(&ratio);
        for (flag, ratio) in
            [(Flag::Noisy, trial.machine.probe_recent_ratio), (Flag::Drifted, Some(ratio))]
        {
            if ratio.is_some_and(unusual) && !trial.flags.contains(&flag) {
                trial.flags.push(flag);
            }
        }
        self.0.push_back(ratio);
        if self.0.len() > RECENT {
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The flags of trials whose probes took that much longer than when the run began.
    fn judged(ratios: &[f64]) -> Vec<Vec<Flag>> {
        let mut probes = Probes::starting_at(Some(1.0));
        let judge = |&ratio: &f64| {
            let mut trial = Trial::default();
            trial.machine.probe_ratio = Some(ratio);
            probes.judge(&mut trial);
            trial.flags
        };
        ratios.iter().map(judge).collect()
    }

    #[test]
    fn a_trial_unlike_those_before_it_is_noisy_slower_or_quicker() {
        let none: Vec<Flag> = Vec::new();
        assert_eq!(judged(&[1.0, 1.2, 0.85]), vec![none.clone(); 3]);
        let both = vec![Flag::Noisy, Flag::Drifted];
        assert_eq!(
            judged(&[1.0, 1.0, 1.6, 1.0]),
            [none.clone(), none.clone(), both.clone(), none.clone()]
        );
        assert_eq!(judged(&[1.0, 1.0, 0.7]), [none.clone(), none, both]);
    }

    #[test]
    fn what_lasts_is_drift_and_no_noise() {
        let mut ratios = vec![1.0; 30];
        ratios.extend([1.6; 30]);
        let flags = judged(&ratios);
        assert!(flags[30..41].iter().all(|flags| flags == &[Flag::Noisy, Flag::Drifted]));
        assert!(flags[41..].iter().all(|flags| flags == &[Flag::Drifted]));
        ratios.push(1.0);
        assert_eq!(judged(&ratios).last().unwrap(), &[Flag::Noisy], "back for a moment");
    }

    #[test]
    fn noise_is_flagged_once_and_who_has_no_probe_is_not_judged() {
        let mut probes = Probes::starting_at(None);
        let mut trial = Trial { flags: vec![Flag::Noisy], ..Trial::default() };
        probes.judge(&mut trial);
        assert_eq!((trial.flags.len(), trial.machine.probe_recent_ratio), (1, None));
        trial.machine.probe_ratio = Some(2.0);
        probes.judge(&mut trial);
        assert_eq!(trial.flags, [Flag::Noisy, Flag::Drifted]);
        probes.judge(&mut trial);
        assert_eq!(trial.machine.probe_recent_ratio, Some(1.0));
    }
}
