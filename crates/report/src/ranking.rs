//! Who is best by one figure, and who cannot be told apart from the best.

use record::Flag;
use record::stats::Spread;

use crate::cells::Cell;
use crate::metric::{Better, Metric, RATE};

/// The ranked cells of a table by one figure, best first.
pub(crate) struct Ranking<'group, 'run> {
    pub(crate) ranked: Vec<(&'group Cell<'run>, Spread)>,
    /// Cells that the generator held back: whoever leads the others leads nothing.
    pub(crate) held_back: Vec<&'group Cell<'run>>,
    better: Better,
    metric: &'group Metric,
    /// How far two entries of one model differ by chance, as a ratio of 1 or more.
    floor: f64,
}

impl<'group, 'run> Ranking<'group, 'run> {
    /// `None` where the figure has no better and worse; `floor` as [`crate::twins::floor`] gives it.
    pub(crate) fn new(
        metric: &'group Metric,
        cells: &[&'group Cell<'run>],
        floor: Option<f64>,
    ) -> Option<Self> {
        let better = metric.better?;
        // Whoever was offered more answered more.
        if metric.id == RATE.id && cells.iter().any(|cell| cell.is_paced()) {
            return None;
        }
        let mut ranked: Vec<_> = cells
            .iter()
            .filter(|cell| cell.unranked(metric).is_none())
            .filter_map(|&cell| Some((cell, resolved(cell.spread(metric)?, metric))))
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
        Some(Self { ranked, held_back, better, metric, floor: floor.unwrap_or(1.0) })
    }

    /// The best and all that tie with it: their spreads overlap, they look the same in the digits shown, or they differ by
    /// no more than two entries of one model do. Nobody where that cannot be said.
    pub(crate) fn leaders(&self) -> Vec<&(&'group Cell<'run>, Spread)> {
        if !self.settles() {
            return Vec::new();
        }
        let best = self.ranked.first();
        let with_best = |(_, spread): &&(&Cell, Spread)| {
            best.is_some_and(|(_, best)| {
                let (less, more) = (spread.median.min(best.median), spread.median.max(best.median));
                (spread.low <= best.high && best.low <= spread.high)
                    || (less > 0.0 && more / less <= self.floor)
                    || self.metric.text(less) == self.metric.text(more)
            })
        };
        self.ranked.iter().filter(with_best).collect()
    }

    /// Whether there is anything to lead: two or more to compare, all with a spread, none held back by the generator.
    pub(crate) fn settles(&self) -> bool {
        self.ranked.len() > 1
            && self.held_back.is_empty()
            && self.ranked.iter().all(|(_, spread)| spread.repeats > 1)
    }

    /// `lowest` or `highest`.
    pub(crate) fn superlative(&self) -> &'static str {
        match self.better {
            Better::Lower => "lowest",
            Better::Higher => "highest",
        }
    }
}

/// A spread without what is too small to be told apart.
pub(crate) fn resolved(spread: Spread, metric: &Metric) -> Spread {
    let least = |value: f64| {
        if value.abs() < metric.resolution { metric.resolution } else { value }
    };
    Spread {
        median: least(spread.median),
        low: least(spread.low),
        high: least(spread.high),
        ..spread
    }
}
