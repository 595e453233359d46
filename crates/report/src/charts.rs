//! Charts: one figure against connections, drawn with its spread, labelled on the mark, coloured by family.
//!
//! Colours are those of light ground; the page's script replaces them on dark ground, see [`family::dark_for_light`].

mod against;
mod draw;
mod tail;

use plotly::common::{Mode, Position};
use plotly::layout::Axis;
use plotly::{Plot, Scatter};
use record::Machine;
use record::stats::{Spread, float};

use crate::axis::{self, Range};
use crate::cells::{Cell, Group};
use crate::figure::sentence;
use crate::metric::{self, Metric};
use crate::{family, format, tables, verdict};
pub(crate) use against::{effort, offered, rate_and_latency};
use draw::Style;
pub(crate) use draw::{plain, script_safe};
pub(crate) use tail::percentile_chart;

/// What stands above and below the drawing area of a chart.
const FRAME_PX: usize = draw::TOP_PX + draw::BOTTOM_PX;
/// Height of a row of single marks, and of the figure above the first of them.
const ROW_PX: usize = 34;
const FIGURE_PX: usize = 16;
/// Height of a chart of lines; of more labels than fit, theirs.
const LINES_HEIGHT_PX: usize = 330;
const LABEL_HEIGHT_PX: usize = 15;
/// Of a chart of single marks with their names.
const MARKS_HEIGHT_PX: usize = 420;
/// Numbers below an axis that stand side by side without being turned.
const NUMBERS_MAX: usize = 6;
/// Of an average letter, and of the drawing area of a chart that stands alone on a desktop.
const LETTER_WIDTH_PX: f64 = 6.6;
const SCATTER_WIDTH_PX: f64 = 740.0;

/// One chart and what stands around it.
pub(crate) struct Chart {
    pub(crate) id: String,
    pub(crate) title: String,
    /// For those who cannot see it.
    pub(crate) alt: String,
    /// What it leaves out, and why; empty where nothing is.
    pub(crate) note: String,
    /// The table with the same figures.
    pub(crate) table: String,
    pub(crate) height_px: usize,
    /// For plotly, safe inside a script element.
    pub(crate) json: String,
}

/// One mark.
struct Point {
    x: f64,
    spread: Spread,
    hover: String,
    /// Not to be compared with the others.
    hollow: bool,
    /// Part of the model's line: it served everybody.
    linked: bool,
}

/// One model's marks.
struct Series {
    label: String,
    style: Style,
    points: Vec<Point>,
}

/// The charts of a group.
pub(crate) fn charts(group: &Group<'_>, machine: &Machine) -> Vec<Chart> {
    metric::curves(group).iter().filter_map(|metric| chart(group, metric, machine)).collect()
}

fn chart(group: &Group<'_>, metric: &Metric, machine: &Machine) -> Option<Chart> {
    let mut left_out = 0;
    let series: Vec<Series> = group
        .models
        .iter()
        .map(|&model| Series {
            label: plain(model),
            style: style(model, machine),
            points: points(group, model, metric, &mut left_out),
        })
        .filter(|series| !series.points.is_empty())
        .collect();
    let extent = series.iter().flat_map(|series| &series.points);
    let range = axis::range(
        extent.flat_map(|point| [point.spread.low, point.spread.median, point.spread.high]),
    )?;
    let single = group.connections.len() == 1;
    let (plot, height_px) = if single {
        (dots(&series, metric, range), FRAME_PX + FIGURE_PX + ROW_PX * series.len())
    } else {
        let x_axis = connections_axis(group, &series, range);
        (curves(&series, x_axis, range), lines_height_px(series.len()))
    };
    let against = if single { String::new() } else { format!(" against {}", group.counts()) };
    let note = match left_out {
        0 => String::new(),
        n => format!(
            "{} of zero or less cannot stand on a log axis; the table has them.",
            format::plural(n, "median")
        ),
    };
    Some(Chart {
        id: format!("chart.{}.{}", group.id, metric.id),
        title: heading(metric),
        alt: format!(
            "{}{against} for {}: {}",
            metric.name,
            format::plural(series.len(), "model"),
            tables::title(group)
        ),
        note,
        table: format!("table.{}", group.id),
        height_px,
        json: draw::json(&plot),
    })
}

/// `CPU per request, µs`.
fn heading(metric: &Metric) -> String {
    if metric.unit.is_empty() {
        metric.name.to_owned()
    } else {
        format!("{}, {}", metric.name, metric.unit)
    }
}

fn style(model: &str, machine: &Machine) -> Style {
    let family = machine.contestant(model).map_or("", |contestant| contestant.family.as_str());
    let (mark, symbol, dash) = family::mark(verdict::place_in_family(model, machine));
    Style { colour: family::FAMILIES[family::index(family)].light, mark, symbol, dash }
}

fn points(group: &Group<'_>, model: &str, metric: &Metric, left_out: &mut usize) -> Vec<Point> {
    let mut points = Vec::new();
    for cell in group.of(model) {
        let Some(spread) = cell.spread(metric) else { continue };
        if spread.median <= 0.0 {
            *left_out += 1;
            continue;
        }
        points.push(Point {
            x: float(cell.connections),
            spread,
            hover: hover(cell, &group.amount(cell.connections), metric, &spread),
            hollow: cell.unranked(metric).is_some(),
            linked: cell.unranked.is_none(),
        });
    }
    points
}

fn hover(cell: &Cell<'_>, load: &str, metric: &Metric, spread: &Spread) -> String {
    let mut lines =
        vec![format!("<b>{}</b>, {load}", plain(cell.model)), plain(&sentence(metric, spread))];
    if let Some(served) = cell.served().filter(|_| cell.unranked.is_some()) {
        lines.push(format!("served {served}"));
    }
    lines.extend(cell.unranked(metric).map(|why| plain(&why)));
    lines.join("<br>")
}

/// One load: models below one another, the figure across.
fn dots(series: &[Series], metric: &Metric, range: Range) -> Plot {
    let mut plot = Plot::new();
    for series in series {
        let spreads: Vec<Spread> = series.points.iter().map(|point| point.spread).collect();
        let hollow = series.points.iter().map(|point| point.hollow);
        let trace = Scatter::new(
            spreads.iter().map(|spread| spread.median).collect(),
            vec![series.label.clone(); spreads.len()],
        )
        .mode(Mode::MarkersText)
        .text_array(spreads.iter().map(|spread| metric.text(spread.median)).collect())
        .text_position(Position::TopCenter)
        .text_font(draw::font(11, family::INK.0))
        .marker(series.style.marker(hollow))
        .error_x(series.style.error(&spreads))
        .clip_on_axis(false)
        .legend_group(&series.label);
        plot.add_trace(draw::hovering(trace, &series.label, &series.points));
    }
    let names: Vec<String> = series.iter().rev().map(|series| series.label.clone()).collect();
    let room = (draw::TOP_PX + FIGURE_PX, 24);
    draw::finish(plot, draw::value_axis(range), draw::name_axis(names), room)
}

/// Several loads: a line for each model, labelled at the edge, since lines end anywhere and a label there would cover others.
fn curves(series: &[Series], x_axis: Axis, range: Range) -> Plot {
    let points = series.iter().flat_map(|series| &series.points);
    let edge = points.map(|point| point.x).fold(0.0, f64::max);
    let ends = series.iter().filter_map(End::of).map(|end| End { x: edge, ..end });
    let ends: Vec<End> = ends.collect();
    let mut plot = marks(series);
    label_ends(&mut plot, &ends, range, lines_height_px(ends.len()));
    draw::finish(plot, x_axis, draw::value_axis(range), room_px(&ends))
}

/// Height of a chart whose labels stand below one another.
fn lines_height_px(labels: usize) -> usize {
    LINES_HEIGHT_PX.max(FRAME_PX + (labels + 1) * LABEL_HEIGHT_PX)
}

/// The share of a chart's drawing area that a label is high.
fn label_share(height_px: usize) -> f64 {
    let pixels = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
    pixels(LABEL_HEIGHT_PX) / pixels(height_px.saturating_sub(FRAME_PX).max(1))
}

/// Single marks, each labelled where it is.
fn scattered(series: &[Series], x_axis: Axis, across: Range, range: Range) -> Plot {
    let mut plot = marks(series);
    let ends: Vec<End> = series.iter().filter_map(End::of).collect();
    let logs: Vec<(f64, f64)> = ends.iter().map(|end| (end.x.log10(), end.y.log10())).collect();
    let letter = LETTER_WIDTH_PX / SCATTER_WIDTH_PX * (across.high - across.low);
    let widths = ends.iter().map(|end| {
        f64::from(u32::try_from(end.text.chars().count()).unwrap_or(u32::MAX)) * letter
            + 5.0 * letter
    });
    let gap = label_share(MARKS_HEIGHT_PX) * (range.high - range.low);
    let places = axis::place_labels(&logs, &widths.collect::<Vec<_>>(), range, gap);
    label(&mut plot, &ends, places);
    draw::finish(plot, x_axis, draw::value_axis(range), room_px(&ends))
}

/// Lines and marks of all models; those that are not ranked stand alone.
fn marks(series: &[Series]) -> Plot {
    let mut plot = Plot::new();
    for series in series {
        let (linked, alone): (Vec<&Point>, Vec<&Point>) =
            series.points.iter().partition(|point| point.linked);
        for (points, mode) in [(linked, Mode::LinesMarkers), (alone, Mode::Markers)] {
            if points.is_empty() {
                continue;
            }
            let spreads: Vec<Spread> = points.iter().map(|point| point.spread).collect();
            let trace = Scatter::new(
                points.iter().map(|point| point.x).collect(),
                spreads.iter().map(|spread| spread.median).collect(),
            )
            .mode(mode)
            .line(series.style.line())
            .marker(series.style.marker(points.iter().map(|point| point.hollow)))
            .error_y(series.style.error(&spreads))
            .legend_group(&series.label);
            plot.add_trace(draw::hovering(trace, &series.label, points));
        }
    }
    plot
}

/// A tick at each count that has a mark, a number at every other one of many; `fallback` where none can stand on a log axis.
fn connections_axis(group: &Group<'_>, series: &[Series], fallback: Range) -> Axis {
    let mut values: Vec<f64> =
        series.iter().flat_map(|series| &series.points).map(|point| point.x).collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    let step = if values.len() > NUMBERS_MAX { 2 } else { 1 };
    let text = |(place, &value): (usize, &f64)| {
        if place % step == 0 { format::counted(value) } else { String::new() }
    };
    let texts = values.iter().enumerate().map(text).collect();
    let range = axis::range(values.iter().copied()).unwrap_or(fallback);
    draw::log_axis(range, values, texts).title(group.counts())
}

/// Where a model's line ends, and what stands there.
struct End {
    group: String,
    /// The model's mark.
    letter: String,
    text: String,
    x: f64,
    y: f64,
}

impl End {
    /// Of a model's last mark.
    fn of(series: &Series) -> Option<Self> {
        let last = series.points.last()?;
        Some(Self::new(&series.label, &series.style, (last.x, last.spread.median), last.linked))
    }

    fn new(label: &str, style: &Style, (x, y): (f64, f64), ranked: bool) -> Self {
        let text = if ranked { label.to_owned() } else { format!("{label} ○") };
        Self { group: label.to_owned(), letter: style.letter(), text, x, y }
    }
}

/// Above a chart of lines or marks, and to the right, where their names are.
fn room_px(ends: &[End]) -> (usize, usize) {
    (draw::TOP_PX, draw::label_margin_px(ends.iter().map(|end| &end.text)))
}

/// The models' names beside the ends of their lines, moved apart where they would cover one another.
fn label_ends(plot: &mut Plot, ends: &[End], range: Range, height_px: usize) {
    let gap = label_share(height_px) * (range.high - range.low);
    let marks: Vec<f64> = ends.iter().map(|end| end.y.log10()).collect();
    label(plot, ends, axis::spread_labels(&marks, range, gap));
}

/// Each with its model's mark, since it may stand away from the line or the mark that it names.
fn label(plot: &mut Plot, ends: &[End], places: Vec<f64>) {
    for (end, place) in ends.iter().zip(places) {
        let text = format!("{}{}", end.letter, end.text);
        plot.add_trace(draw::label(end.x, 10f64.powf(place), &text, &end.group));
    }
}
