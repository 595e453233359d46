//! Noise as it was recorded, to draw simulated trials from.
//!
//! A residual is how far a trial's logarithm lies from the median of its cell, stretched by sqrt(n / (n - 1)) since that
//! median is drawn from the same n trials. A comparison draws two models of one run and stays with them; a pair of
//! trials draws one recorded repeat and takes both models' residuals of it, so that whatever slowed the machine down in
//! that repeat falls on both as it did. Repeats come again, since six are few: each residual is moved by a normal step of
//! the usual width for n values (0.9 min(sd, IQR / 1.34) n^-1/5: Silverman, Density Estimation (1986), 3.31), or draws
//! would repeat to the last digit. Which of the two is first is the toss of a coin: the true ratio is then exactly 1.

use std::collections::BTreeMap;

use record::compare::{Metric, Place};
use record::run::Run;
use record::stats::{float, median};

/// Fewer repeats than these say too little about noise.
const FEWEST_REPEATS: usize = 6;

/// splitmix64: the same sequence on every machine.
#[derive(Clone, Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Uniform in [0, 1).
    fn roll(&mut self) -> f64 {
        float(self.next() >> 11) / float(1 << 53)
    }

    /// A whole number below `end`.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end.max(1)).unwrap_or(1)).unwrap_or(0)
    }

    /// Standard normal: Box and Muller.
    fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.roll()).ln()).sqrt() * (std::f64::consts::TAU * self.roll()).cos()
    }
}

/// One model's residuals, by repeat, and the width of the step that smooths them.
#[derive(Clone, Debug)]
struct Entry {
    residuals: Vec<f64>,
    width: f64,
}

/// The residuals of one figure at one place of one run.
#[derive(Clone, Debug)]
pub(crate) struct Noise {
    /// `RUN experiment service connections`.
    pub(crate) name: String,
    entries: Vec<Entry>,
}

impl Noise {
    /// The noise of a figure at every place of a run that has enough models and repeats.
    pub(crate) fn of(run: &Run, metric: &Metric) -> Vec<Self> {
        let mut places = BTreeMap::<Place, Vec<BTreeMap<u32, f64>>>::new();
        for cell in run.cells() {
            let logs: BTreeMap<u32, f64> = cell
                .counted()
                .into_iter()
                .filter_map(|trial| Some((trial.repeat, (metric.of)(trial)?.ln())))
                .filter(|(_, log)| log.is_finite())
                .collect();
            places.entry(Place::of(&cell)).or_default().push(logs);
        }
        let noise = |(place, mut cells): (Place, Vec<BTreeMap<u32, f64>>)| {
            let repeats = cells.iter().map(BTreeMap::len).max().unwrap_or(0);
            // Only models with all repeats: a pair of trials is of one repeat.
            cells.retain(|logs| logs.len() == repeats);
            let entries: Vec<Entry> = cells.iter().filter_map(Entry::of).collect();
            let Place { experiment, service, connections, .. } = place;
            let name = format!("{} {experiment} {service} {connections}", run.name());
            (entries.len() > 1 && repeats >= FEWEST_REPEATS).then_some(Self { name, entries })
        };
        places.into_iter().filter_map(noise).collect()
    }

    /// Two models that a comparison stays with.
    pub(crate) fn two(&self, dice: &mut Dice) -> Two<'_> {
        let first = dice.below(self.entries.len());
        let step = 1 + dice.below(self.entries.len() - 1);
        Two(&self.entries[first], &self.entries[(first + step) % self.entries.len()])
    }

    /// All models of a run: for each repeat a recorded one, with every model's noise of it.
    pub(crate) fn run(&self, models: usize, repeats: usize, dice: &mut Dice) -> Vec<Vec<f64>> {
        let chosen: Vec<&Entry> =
            (0..models).map(|_| &self.entries[dice.below(self.entries.len())]).collect();
        let of_repeat = |dice: &mut Dice| {
            let repeat = dice.below(self.entries[0].residuals.len());
            chosen.iter().map(|entry| entry.at(repeat, dice)).collect()
        };
        (0..repeats).map(|_| of_repeat(dice)).collect()
    }
}

impl Entry {
    fn of(logs: &BTreeMap<u32, f64>) -> Option<Self> {
        let values: Vec<f64> = logs.values().copied().collect();
        let (centre, n) = (median(&values)?, float(u64::try_from(values.len()).ok()?));
        let stretch = (n / (n - 1.0)).sqrt();
        let residuals: Vec<f64> = values.iter().map(|log| (log - centre) * stretch).collect();
        let mean = residuals.iter().sum::<f64>() / n;
        let squares: f64 = residuals.iter().map(|residual| (residual - mean).powi(2)).sum();
        let width =
            0.9 * (squares / (n - 1.0)).sqrt().min(quartiles(&residuals)? / 1.34) * n.powf(-0.2);
        Some(Self { residuals, width })
    }

    fn at(&self, repeat: usize, dice: &mut Dice) -> f64 {
        self.residuals[repeat] + self.width * dice.normal()
    }
}

/// Two models of one run.
pub(crate) struct Two<'noise>(&'noise Entry, &'noise Entry);

impl Two<'_> {
    /// Pairs of trials whose true ratio is 1.
    pub(crate) fn pairs(&self, count: usize, dice: &mut Dice) -> Vec<(f64, f64)> {
        let pair = |dice: &mut Dice| {
            let repeat = dice.below(self.0.residuals.len());
            let (a, b) = (self.0.at(repeat, dice).exp(), self.1.at(repeat, dice).exp());
            if dice.roll() < 0.5 { (a, b) } else { (b, a) }
        };
        (0..count).map(|_| pair(dice)).collect()
    }

    /// Trials of the first model in two runs, whose true ratio is 1.
    pub(crate) fn runs(&self, count: usize, dice: &mut Dice) -> (Vec<f64>, Vec<f64>) {
        let trial = |dice: &mut Dice| {
            let repeat = dice.below(self.0.residuals.len());
            self.0.at(repeat, dice).exp()
        };
        let first = (0..count).map(|_| trial(dice)).collect();
        (first, (0..count).map(|_| trial(dice)).collect())
    }
}

/// The distance of the quartiles, between values by proportion.
fn quartiles(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    let at = |quarters: usize| {
        let (place, rest) =
            (last * quarters / 4, float(u64::try_from(last * quarters % 4).ok()?) / 4.0);
        let next = sorted[(place + 1).min(last)];
        Some(sorted[place] + (next - sorted[place]) * rest)
    };
    Some(at(3)? - at(1)?)
}
