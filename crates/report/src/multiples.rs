//! Small multiples: each model's line over all others in grey, where one chart of them all would be a tangle.
//!
//! Drawn here and not by a script, so that they are there without one, and on paper.

use std::fmt::Write as _;

use crate::axis;
use crate::format;
use crate::verdict::Label;

/// Lines that one chart can still tell apart.
const LINES_MAX: usize = 12;
/// A drawing's size, in its own units.
const WIDTH: f64 = 200.0;
const HEIGHT: f64 = 96.0;
const EDGE: f64 = 5.0;

/// A grid of drawings with the same axes.
pub(crate) struct Multiples {
    /// Of the grey lines, which every drawing uses.
    pub(crate) id: String,
    pub(crate) title: String,
    /// What the axes hold, in words.
    pub(crate) axes: String,
    pub(crate) grey: String,
    pub(crate) lines: Vec<Drawn>,
}

/// One model's line.
pub(crate) struct Line {
    pub(crate) label: Label,
    /// Both positive: the axes are logarithmic.
    pub(crate) points: Vec<(f64, f64)>,
    /// Where it ends, in words.
    pub(crate) last: String,
}

/// One drawing.
pub(crate) struct Drawn {
    pub(crate) label: Label,
    pub(crate) path: String,
    pub(crate) last: String,
}

/// The grid; `None` where a single chart will do, or where nothing can be drawn.
pub(crate) fn multiples(
    id: String,
    title: String,
    x: &str,
    y: &str,
    lines: Vec<Line>,
) -> Option<Multiples> {
    let points = || lines.iter().flat_map(|line| &line.points);
    if lines.len() <= LINES_MAX || !lines.iter().any(|line| line.points.len() > 1) {
        return None;
    }
    let x_range = axis::range(points().map(|point| point.0))?;
    let y_range = axis::range(points().map(|point| point.1))?;
    let place = |value: f64, range: axis::Range, length: f64| {
        EDGE + (value.log10() - range.low) / (range.high - range.low) * (length - 2.0 * EDGE)
    };
    let path = |line: &Line| {
        let mut path = String::new();
        for (number, (x, y)) in line.points.iter().enumerate() {
            let (x, y) = (place(*x, x_range, WIDTH), HEIGHT - place(*y, y_range, HEIGHT));
            let command = if number == 0 { 'M' } else { 'L' };
            write!(path, "{command}{x:.1} {y:.1}").expect("writing to a string does not fail");
        }
        path
    };
    let ends = |of: fn(&(f64, f64)) -> f64| {
        let (low, high) =
            points().map(of).fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
                (low.min(value), high.max(value))
            });
        format!("{} to {}", format::significant(low), format::significant(high))
    };
    let axes = format!(
        "Across: {x}, {}. Up: {y}, {}. Both logarithmic, the same for all.",
        ends(|point| point.0),
        ends(|point| point.1)
    );
    let grey = lines.iter().map(path).collect();
    let lines = lines
        .into_iter()
        .map(|line| Drawn { path: path(&line), label: line.label, last: line.last })
        .collect();
    Some(Multiples { id, title, axes, grey, lines })
}
