//! Who is best by one figure, and who cannot be told apart from the best: what the record's comparison says.

use record::Flag;
use record::compare::{Judgement, Ties, Verdict};
use record::stats::{Ratio, Spread};

use crate::cells::{Cell, Group};
use crate::format;
use crate::metric::{Better, Metric, RATE};
use crate::twins::percent;

/// The ranked cells of a table by one figure, best first.
pub(crate) struct Ranking<'group, 'run> {
    pub(crate) ranked: Vec<(&'group Cell<'run>, Spread)>,
    /// Cells that the generator held back: whoever leads the others leads nothing.
    pub(crate) held_back: Vec<&'group Cell<'run>>,
    /// Every two of them, judged together.
    pub(crate) ties: Ties,
    better: Better,
}

impl<'group, 'run> Ranking<'group, 'run> {
    /// The models of a group at so many connections; `None` where the figure has no better and worse.
    pub(crate) fn new(
        metric: &Metric,
        group: &'group Group<'run>,
        connections: u64,
    ) -> Option<Self> {
        let better = metric.better?;
        let cells: Vec<&Cell> = group.at(connections).collect();
        // Whoever was offered more answered more.
        if metric.id == RATE.id && cells.iter().any(|cell| cell.is_paced()) {
            return None;
        }
        let mut ranked: Vec<_> = cells
            .iter()
            .filter(|cell| cell.unranked(metric).is_none())
            .filter_map(|&cell| Some((cell, cell.spread(metric)?)))
            .collect();
        ranked.sort_by(|(_, a), (_, b)| match better {
            Better::Lower => a.median.total_cmp(&b.median),
            Better::Higher => b.median.total_cmp(&a.median),
        });
        let held_back = cells
            .iter()
            .copied()
            .filter(|cell| cell.unranked.is_none() && metric.needs_headroom)
            .filter(|cell| cell.carries(Flag::GeneratorBound) > 0)
            .collect();
        Some(Self { ranked, held_back, ties: group.ties(metric, connections), better })
    }

    /// The best and all that were compared with it and not told from it; nobody where that cannot be said.
    pub(crate) fn leaders(&self) -> Vec<&(&'group Cell<'run>, Spread)> {
        if !self.settles() {
            return Vec::new();
        }
        let tied = self.ties.with_best();
        self.ranked.iter().filter(|(cell, _)| tied.contains(&cell.model)).collect()
    }

    /// Why a model was not compared with the best; `None` where it was, and of the best itself.
    pub(crate) fn uncompared(&self, model: &str) -> Option<String> {
        match self.against_best(model)?.verdict {
            Verdict::NotCompared(why) => Some(why),
            Verdict::Different | Verdict::NoDifference => None,
        }
    }

    /// Whether there is anything to lead: somebody was compared with the best, and the generator held back nobody.
    pub(crate) fn settles(&self) -> bool {
        self.held_back.is_empty() && self.ranked.len() > 1 && self.unsettled().is_none()
    }

    /// Why the best was compared with nobody; `None` where it was.
    pub(crate) fn unsettled(&self) -> Option<String> {
        let others = self.ranked.iter().skip(1);
        let whys: Option<Vec<String>> =
            others.map(|(cell, _)| self.uncompared(cell.model)).collect();
        whys?.into_iter().next()
    }

    /// What can be said of a model and the best, the ratio being the model's over the best's; `None` of the best itself.
    pub(crate) fn against_best(&self, model: &str) -> Option<Judgement> {
        let (best, _) = self.ranked.first()?;
        self.ties.between(best.model, model)
    }

    /// `lowest` or `highest`.
    pub(crate) fn superlative(&self) -> &'static str {
        match self.better {
            Better::Lower => "lowest",
            Better::Higher => "highest",
        }
    }
}

/// `+4.1 % (+2.0 % to +6.3 %, 95 % interval of 8 pairs): different`, or why no difference is said.
pub(crate) fn judged(judgement: &Judgement, floor: Option<f64>) -> String {
    let said = match &judgement.verdict {
        Verdict::Different => "different".to_owned(),
        Verdict::NotCompared(why) => format!("not compared: {why}"),
        Verdict::NoDifference => format!("no difference: {}", why_none(judgement, floor)),
    };
    match &judgement.ratio {
        None => said,
        Some(ratio) => format!("{}: {said}", in_percent(ratio)),
    }
}

fn why_none(judgement: &Judgement, floor: Option<f64>) -> &'static str {
    let Some(ratio) = &judgement.ratio else { return "less than has any consequence" };
    if ratio.low <= 1.0 && ratio.high >= 1.0 {
        return "the interval holds none";
    }
    let away = ratio.ratio.max(1.0 / ratio.ratio);
    if floor.is_some_and(|floor| away <= floor) {
        return "two entries of one model differ as much";
    }
    "among so many comparisons chance alone may do it"
}

/// `+4.1 % (+2.0 % to +6.3 %, 95 % interval of 8 pairs)`.
pub(crate) fn in_percent(ratio: &Ratio) -> String {
    let (low, high) = (percent(ratio.low - 1.0), percent(ratio.high - 1.0));
    let basis = match ratio.coverage {
        Some(coverage) => format!("{} % interval", format::significant(coverage * 100.0)),
        None => "range".into(),
    };
    let pairs = format::plural(ratio.pairs, "pair");
    format!("{} ({low} to {high}, {basis} of {pairs})", percent(ratio.ratio - 1.0))
}
