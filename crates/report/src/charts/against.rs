//! One figure against another: latency against the offered rate, latency against the rate, cost against lines of code.

use record::Machine;
use record::stats::{Spread, float};

use super::{
    Chart, MARKS_HEIGHT_PX, Point, Series, curves, draw, heading, hover, lines_height_px, plain,
    scattered, style,
};
use crate::across::offered as offered_rate;
use crate::axis;
use crate::cells::{Cell, Group};
use crate::metric::{CPU, Metric, P50, P99, RATE};
use crate::{format, tables};

/// What is drawn against the offered rate.
const AGAINST_OFFERED: [&Metric; 3] = [&P50, &P99, &RATE];

/// The hockey stick: the groups of an experiment and service, which differ in the rate that they offer.
pub(crate) fn offered(groups: &[&Group<'_>], machine: &Machine) -> Vec<Chart> {
    let Some(first) = groups.first() else { return Vec::new() };
    let chart = |metric: &&'static Metric| {
        let cells = |model: &str| -> Vec<(f64, &Cell<'_>)> {
            let mut cells: Vec<_> = groups
                .iter()
                .flat_map(|group| group.of(model))
                .filter_map(|cell| Some((offered_rate(cell)?, cell)))
                .collect();
            cells.sort_by(|a, b| a.0.total_cmp(&b.0));
            cells
        };
        let mut models: Vec<&str> =
            groups.iter().flat_map(|group| group.models.iter().copied()).collect();
        models.sort_by_key(|model| (machine.place(model), *model));
        models.dedup();
        let series = models.into_iter().map(|model| series(model, machine, cells(model), metric));
        let about = About {
            id: format!("chart.offered.{}.{}", first.id, metric.id),
            title: heading(metric),
            against: "offered requests/s",
            of: tables::title(first),
            table: format!("table.{}", first.id),
        };
        draw_chart(about, series.collect(), Labels::AtEnds)
    };
    AGAINST_OFFERED.iter().filter_map(chart).collect()
}

/// Latency against the rate that was reached, a line from few connections to many.
pub(crate) fn rate_and_latency(group: &Group<'_>, machine: &Machine) -> Option<Chart> {
    let series = group.models.iter().map(|model| {
        let cells =
            group.of(model).filter_map(|cell| Some((cell.spread(&RATE)?.median, cell))).collect();
        series(model, machine, cells, &P99)
    });
    let about = About {
        id: format!("chart.{}.rate-and-latency", group.id),
        title: heading(&P99),
        against: "requests/s",
        of: tables::title(group),
        table: format!("table.{}", group.id),
    };
    (group.connections.len() > 1 && !["memory", "wall"].contains(&group.experiment))
        .then(|| draw_chart(about, series.collect(), Labels::AtEnds))
        .flatten()
}

/// What the code costs against what it takes to read it.
pub(crate) fn effort(group: &Group<'_>, machine: &Machine) -> Option<Chart> {
    let connections = group.common_connections()?;
    let series = group.at(connections).map(|cell| {
        let lines = machine.contestant(cell.model).and_then(|contestant| contestant.server_lines);
        let cells = lines.map(|lines| (float(lines), cell)).into_iter().collect();
        series(cell.model, machine, cells, &CPU)
    });
    let about = About {
        id: format!("chart.effort.{}", group.id),
        title: heading(&CPU),
        against: "lines of the server's page",
        of: format!("{}, at {}", tables::title(group), tables::connections_in_words(connections)),
        table: format!("v.{}.{connections}", group.id),
    };
    draw_chart(about, series.collect(), Labels::AtMarks)
}

fn series(model: &str, machine: &Machine, cells: Vec<(f64, &Cell<'_>)>, metric: &Metric) -> Series {
    let point = |(x, cell): (f64, &Cell<'_>)| {
        let spread: Spread = cell.spread(metric)?;
        (x > 0.0 && spread.median > 0.0).then(|| Point {
            x,
            spread,
            hover: hover(cell, &tables::connections_in_words(cell.connections), metric, &spread),
            hollow: cell.unranked(metric).is_some(),
            linked: cell.unranked.is_none(),
        })
    };
    Series {
        label: plain(model),
        style: style(model, machine),
        points: cells.into_iter().filter_map(point).collect(),
    }
}

struct About {
    id: String,
    title: String,
    against: &'static str,
    of: String,
    table: String,
}

/// Where the models' names stand.
enum Labels {
    /// In a column beside the ends of lines.
    AtEnds,
    /// Beside single marks.
    AtMarks,
}

fn draw_chart(about: About, mut series: Vec<Series>, labels: Labels) -> Option<Chart> {
    series.retain(|series| !series.points.is_empty());
    let points = || series.iter().flat_map(|series| &series.points);
    let range = axis::range(
        points().flat_map(|point| [point.spread.low, point.spread.median, point.spread.high]),
    )?;
    let across = axis::range(points().map(|point| point.x))?;
    let (ticks, texts) = axis::ticks(across);
    let x_axis = draw::log_axis(across, ticks, texts).title(about.against);
    let (plot, height_px) = match labels {
        Labels::AtEnds => (curves(&series, x_axis, range), lines_height_px(series.len())),
        Labels::AtMarks => (scattered(&series, x_axis, across, range), MARKS_HEIGHT_PX),
    };
    Some(Chart {
        id: about.id,
        alt: format!(
            "{} against {} for {}: {}",
            about.title,
            about.against,
            format::plural(series.len(), "model"),
            about.of
        ),
        title: format!("{} against {}", about.title, about.against),
        note: String::new(),
        table: about.table,
        height_px,
        json: draw::json(&plot),
    })
}
