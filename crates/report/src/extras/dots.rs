//! A dot and its interval for each row, on one logarithmic axis: drawn here, so that it is there without a script.

use record::bench::Interval;

use crate::axis;

use super::time;

/// The drawing's own units.
pub(crate) const WIDTH: f64 = 120.0;

/// One group's dots.
pub(crate) struct Dots {
    /// The axis in words.
    pub(crate) axis: String,
    /// Place of the dot, of its interval's ends, one of each row.
    pub(crate) places: Vec<[String; 3]>,
}

/// Dots of all rows; `None` where a log axis can show none.
pub(crate) fn dots(rows: impl Iterator<Item = Interval>) -> Option<Dots> {
    let rows: Vec<Interval> = rows.collect();
    let range = axis::range(rows.iter().flat_map(|row| [row.low, row.point, row.high]))?;
    let place = |value: f64| {
        let share = (value.max(f64::MIN_POSITIVE).log10() - range.low) / (range.high - range.low);
        format!("{:.1}", share.clamp(0.0, 1.0) * WIDTH)
    };
    Some(Dots {
        axis: format!(
            "axis {} to {}, log",
            time(10f64.powf(range.low)),
            time(10f64.powf(range.high))
        ),
        places: rows.iter().map(|row| [row.point, row.low, row.high].map(place)).collect(),
    })
}
