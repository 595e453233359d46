//! The simulations: what an interval covers, what a comparison finds, what it finds where there is nothing.

use record::compare::{METRICS, Place, Ties, Verdict, floor_of, metric};
use record::machine::{ContestantRecord, Machine};
use record::run::Run;
use record::stats::{Ratio, float, independent, median, ratio, smallest_visible};
use record::trial::{Server, Trial, twin_of};
use serde::Serialize;

use super::methods::{Interval, PAIRED, UNPAIRED};
use super::noise::{Dice, Noise};

/// The effect that `standard` is to find: 5 % more.
pub(crate) const EFFECT: f64 = 1.05;

/// One way to an interval, at one number of repeats, under one figure's noise.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Coverage {
    pub(crate) metric: &'static str,
    /// Trials of one run, paired by repeat; or trials of two runs.
    pub(crate) paired: bool,
    pub(crate) repeats: usize,
    pub(crate) method: &'static str,
    /// What it prints, 0 to 1; absent where it claims nothing.
    pub(crate) printed: Option<f64>,
    /// How often it held the truth.
    pub(crate) covered: Option<f64>,
    /// How often it left 1 out when the truth was [`EFFECT`].
    pub(crate) found: Option<f64>,
    /// Median of upper over lower end, less 1.
    pub(crate) width: Option<f64>,
}

/// All ways to an interval beside each other, on the same draws.
pub(crate) fn coverage(
    (metric, noise): (&'static str, &[Noise]),
    (paired, repeats): (bool, usize),
    draws: usize,
    dice: &mut Dice,
) -> Vec<Coverage> {
    let names: Vec<&'static str> = if paired {
        PAIRED.iter().map(|(name, _)| *name).collect()
    } else {
        UNPAIRED.iter().map(|(name, _)| *name).collect()
    };
    let mut intervals: Vec<Vec<(f64, f64, f64)>> = vec![Vec::new(); names.len()];
    for draw in 0..draws {
        let two = noise[draw % noise.len()].two(dice);
        let found: Vec<Interval> = if paired {
            let pairs = two.pairs(repeats, dice);
            PAIRED.iter().map(|(_, method)| method(&pairs)).collect()
        } else {
            let (first, second) = two.runs(repeats, dice);
            UNPAIRED.iter().map(|(_, method)| method(&first, &second)).collect()
        };
        for (all, interval) in intervals.iter_mut().zip(found) {
            all.extend(interval);
        }
    }
    let of = |(method, all): (&'static str, &Vec<(f64, f64, f64)>)| {
        let claimed = all.first();
        let share = |held: &dyn Fn(f64, f64) -> bool| {
            claimed.map(|_| {
                share(all.iter().filter(|(low, high, _)| held(*low, *high)).count(), all.len())
            })
        };
        let widths: Vec<f64> = all.iter().map(|(low, high, _)| (high - low).exp_m1()).collect();
        Coverage {
            metric,
            paired,
            repeats,
            method,
            printed: claimed.map(|(_, _, printed)| *printed),
            covered: share(&|low, high| low <= 0.0 && 0.0 <= high),
            found: share(&|low, high| low + EFFECT.ln() > 0.0 || high + EFFECT.ln() < 0.0),
            width: median(&widths),
        }
    };
    names.into_iter().zip(&intervals).map(of).collect()
}

/// What A/A comparisons and small effects come to, at one number of repeats, under one figure's noise.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Verdicts {
    pub(crate) metric: &'static str,
    pub(crate) repeats: usize,
    /// Median A/A floor of two models entered twice, less 1.
    pub(crate) floor: Option<f64>,
    /// A/A comparisons beyond the floor, their interval aside.
    pub(crate) beyond_floor: f64,
    /// Comparisons of two entries of one run.
    pub(crate) paired: Said,
    /// Comparisons of two runs.
    pub(crate) of_runs: Said,
}

/// What comparisons said, as shares.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Said {
    /// Of A/A comparisons, "difference": beyond the floor, and by the interval.
    pub(crate) different: f64,
    /// Of comparisons whose truth is [`EFFECT`].
    pub(crate) found: f64,
    /// Of comparisons whose truth is what others under the same noise called the smallest visible, without a floor.
    pub(crate) visible: f64,
}

/// Comparisons that are printed together, and so say together what could be seen.
const TOGETHER: usize = 22;

/// Comparisons with a floor from two twins of the same noise.
pub(crate) fn verdicts(
    (metric, noise): (&'static str, &[Noise]),
    repeats: usize,
    draws: usize,
    dice: &mut Dice,
) -> Verdicts {
    let (mut floors, mut counts) = (Vec::new(), [0_usize; 7]);
    let (mut visible, mut visible_runs) = (1.0, 1.0);
    for draw in 0..draws {
        let noise = &noise[draw / TOGETHER % noise.len()];
        if draw % TOGETHER == 0 {
            let others =
                |dice: &mut Dice| (0..TOGETHER).map(|_| other(noise, repeats, dice)).unzip();
            let (paired, of_runs): (Vec<_>, Vec<_>) = others(dice);
            visible = smallest_visible(&paired).unwrap_or(1.0);
            visible_runs = smallest_visible(&of_runs).unwrap_or(1.0);
        }
        let twins = [noise.two(dice).pairs(repeats, dice), noise.two(dice).pairs(repeats, dice)];
        let floor = floor_of(&twins).unwrap_or(1.0);
        floors.push(floor - 1.0);
        let ((one, _), (of_runs, _)) = other(noise, repeats, dice);
        let answers = [
            one.passes(floor),
            differs(&one, 1.0, floor),
            differs(&one, EFFECT, floor),
            differs(&one, visible, 1.0),
            differs(&of_runs, 1.0, floor),
            differs(&of_runs, EFFECT, floor),
            differs(&of_runs, visible_runs, 1.0),
        ];
        for (count, answer) in counts.iter_mut().zip(answers) {
            *count += usize::from(answer);
        }
    }
    let [
        beyond_floor,
        paired_different,
        paired_found,
        paired_visible,
        runs_different,
        runs_found,
        runs_visible,
    ] = counts.map(|count| share(count, draws));
    Verdicts {
        metric,
        repeats,
        floor: median(&floors),
        beyond_floor,
        paired: Said { different: paired_different, found: paired_found, visible: paired_visible },
        of_runs: Said { different: runs_different, found: runs_found, visible: runs_visible },
    }
}

/// A comparison within a run and one of two runs, under the noise of two models and without a floor.
fn other(noise: &Noise, repeats: usize, dice: &mut Dice) -> ((Ratio, f64), (Ratio, f64)) {
    let two = noise.two(dice);
    let paired = ratio(&two.pairs(repeats, dice)).expect("drawn figures are above zero");
    let (a, b) = two.runs(repeats, dice);
    let of_runs = independent(&a, &b).expect("drawn figures are above zero");
    ((paired, 1.0), (of_runs, 1.0))
}

/// Whether a comparison would be called a difference if the truth were `effect` and not 1.
fn differs(found: &Ratio, effect: f64, floor: f64) -> bool {
    let by_interval = found.low * effect > 1.0 || found.high * effect < 1.0;
    by_interval && (found.ratio * effect).ln().abs() > floor.ln()
}

/// What a whole table of models comes to: all pairs, judged as `c10k compare` and the page judge them.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Tables {
    pub(crate) repeats: usize,
    pub(crate) models: usize,
    /// Of the pairs of models that are the same, those called different, where all are the same.
    pub(crate) false_when_all_same: f64,
    /// Of all pairs called different, those that are the same, where half of the models cost [`EFFECT`]; the mean over
    /// tables, none called counting as none wrong.
    pub(crate) false_discoveries: f64,
    /// Of the pairs that differ by [`EFFECT`], those called different.
    pub(crate) found: f64,
}

/// Tables of that many models: the first half as they are, the second half with the effect.
pub(crate) fn tables(
    noise: &[Noise],
    (models, repeats): (usize, usize),
    draws: usize,
    dice: &mut Dice,
) -> Tables {
    let (mut same, mut wrong, mut found) = (0.0, 0.0, 0.0);
    for draw in 0..draws {
        // Two more entries: the twins.
        let trials = noise[draw % noise.len()].run(models + 2, repeats, dice);
        let (different, _) = called(&table(&trials, models, 1.0), models);
        same += share(different, models * (models - 1) / 2);
        let (false_ones, true_ones) = called(&table(&trials, models, EFFECT), models);
        wrong += share(false_ones, (false_ones + true_ones).max(1));
        found += share(true_ones, models.div_ceil(2) * (models / 2));
    }
    let all = count(draws);
    Tables {
        repeats,
        models,
        false_when_all_same: same / all,
        false_discoveries: wrong / all,
        found: found / all,
    }
}

const CPU: &str = "cpu";

/// Pairs called different within a half of the models, and across the halves.
fn called(run: &Run, models: usize) -> (usize, usize) {
    let Some(metric) = metric(CPU) else { return (0, 0) };
    let place = Place {
        experiment: "sweep".into(),
        service: "http".into(),
        connections: 100,
        variant: "default".into(),
    };
    let ties = Ties::of(run, &place, metric);
    let (mut within, mut across) = (0, 0);
    for a in 0..models {
        for b in a + 1..models {
            let judged = ties.between(&name(a), &name(b));
            if judged.is_some_and(|judged| judged.verdict == Verdict::Different) {
                let halves = [a, b].map(|model| model < models.div_ceil(2));
                if halves[0] == halves[1] { within += 1 } else { across += 1 }
            }
        }
    }
    (within, across)
}

fn name(model: usize) -> String {
    format!("model-{model:02}")
}

/// A run with these logarithms of CPU per request, by repeat and model; the last two are the twins of the first two.
fn table(logs: &[Vec<f64>], models: usize, effect: f64) -> Run {
    let mut run = Run::default();
    let contestant = |model: usize| ContestantRecord {
        name: name(model),
        family: format!("family-{model}"),
        ..ContestantRecord::default()
    };
    run.machine =
        Machine { contestants: (0..models).map(contestant).collect(), ..Machine::default() };
    for (repeat, logs) in (1..).zip(logs) {
        for (entry, log) in logs.iter().enumerate() {
            let twin = entry >= models;
            let model = if twin { entry - models } else { entry };
            let raised = if model < models.div_ceil(2) { 1.0 } else { effect };
            run.trials.push(Trial {
                experiment: "sweep".into(),
                service: "http".into(),
                connections: 100,
                model: name(model),
                variant: if twin { twin_of("default") } else { "default".into() },
                repeat,
                attempt: 1,
                server: Server {
                    cpu_ns_per_request: Some(1e4 * log.exp() * raised),
                    ..Server::default()
                },
                ..Trial::default()
            });
        }
    }
    run
}

fn share(part: usize, all: usize) -> f64 {
    count(part) / count(all.max(1))
}

fn count(n: usize) -> f64 {
    float(u64::try_from(n).unwrap_or(u64::MAX))
}

/// The noise of those figures in those runs that have enough of it.
pub(crate) fn noises(runs: &[Run], ids: &[&str]) -> Vec<(&'static str, Vec<Noise>)> {
    let wanted = METRICS.iter().filter(|metric| ids.contains(&metric.id));
    let noise = wanted
        .map(|metric| (metric.id, runs.iter().flat_map(|run| Noise::of(run, metric)).collect()));
    noise.filter(|(_, noise): &(_, Vec<Noise>)| !noise.is_empty()).collect()
}
