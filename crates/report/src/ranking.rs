//! Who is best by one figure, and who cannot be told apart from the best.

use record::Flag;
use record::stats::Spread;

use crate::cells::Cell;
use crate::metric::{Better, Metric};

/// The ranked cells of a table by one figure, best first.
pub(crate) struct Ranking<'group, 'run> {
    pub(crate) ranked: Vec<(&'group Cell<'run>, Spread)>,
    /// Cells that the generator held back: whoever leads the others leads nothing.
    pub(crate) held_back: Vec<&'group Cell<'run>>,
    better: Better,
}

impl<'group, 'run> Ranking<'group, 'run> {
    /// `None` where the figure has no better and worse.
    pub(crate) fn new(metric: &Metric, cells: &[&'group Cell<'run>]) -> Option<Self> {
        let better = metric.better?;
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
        Some(Self { ranked, held_back, better })
    }

    /// The best and all whose spreads overlap its own; nobody where that cannot be said.
    pub(crate) fn leaders(&self) -> Vec<&(&'group Cell<'run>, Spread)> {
        if !self.settles() {
            return Vec::new();
        }
        let best = self.ranked.first();
        let with_best = |(_, spread): &&(&Cell, Spread)| {
            best.is_some_and(|(_, best)| spread.low <= best.high && best.low <= spread.high)
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
