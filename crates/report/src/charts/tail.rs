//! Latency by percentile, the tail stretched out, since that is where models differ.

use plotly::common::Mode;
use plotly::{Plot, Scatter};
use record::Machine;
use record::stats::float;

use super::draw::{self, plain};
use super::{Chart, End, label_ends, lines_height_px, room_px, style};
use crate::axis;
use crate::percentiles::{Curve, PERCENTS, Percentiles};

/// The chart of one load: one of so many answers was slower than this.
pub(crate) fn percentile_chart(percentiles: &Percentiles, machine: &Machine) -> Option<Chart> {
    let curves = &percentiles.curves;
    let values =
        curves.iter().flat_map(|curve| curve.at.iter().flatten().copied().chain([curve.max]));
    let range = axis::range(values)?;
    let mut plot = Plot::new();
    for curve in curves {
        plot.add_trace(trace(curve, machine));
    }
    let most = curves.iter().map(|curve| float(curve.answers)).fold(100.0, f64::max);
    // All at the edge: curves end where their answers do, and a label there would cover another curve.
    let ends: Vec<End> = curves
        .iter()
        .filter(|curve| curve.max > 0.0)
        .map(|curve| {
            let style = style(&curve.model, machine);
            End::new(&plain(&curve.model), &style, (most, curve.max), curve.taint.is_empty())
        })
        .collect();
    let height_px = lines_height_px(ends.len());
    label_ends(&mut plot, &ends, range, height_px);
    let (ticks, texts) = percent_ticks(most);
    let x_axis = draw::log_axis(axis::range([1.25, most])?, ticks, texts)
        .title("share of answers that came sooner");
    Some(Chart {
        id: format!("chart.{}", percentiles.id),
        title: "Latency, ms".into(),
        alt: format!("Latency by percentile: {}", percentiles.title),
        note: String::new(),
        table: percentiles.id.clone(),
        height_px,
        json: draw::json(&draw::finish(plot, x_axis, draw::value_axis(range), room_px(&ends))),
    })
}

/// What hovering says: the words are the trace's own, so that no name is taken for a template.
const HOVER: &str =
    "<b>%{fullData.name}</b><br>%{customdata}: %{y:.3r} ms<br>%{meta}<extra></extra>";

fn trace(curve: &Curve, machine: &Machine) -> Box<Scatter<f64, f64>> {
    let (label, style) = (plain(&curve.model), style(&curve.model, machine));
    let mut points: Vec<(f64, f64, String)> = PERCENTS
        .iter()
        .zip(&curve.at)
        .filter_map(|(percent, ms)| {
            Some((100.0 / (100.0 - percent), (*ms)?, format!("p{percent}")))
        })
        .collect();
    points.push((float(curve.answers), curve.max, "slowest".into()));
    points.retain(|(_, ms, _)| *ms > 0.0);
    let names: Vec<String> = points.iter().map(|(.., name)| name.clone()).collect();
    let hollow = vec![!curve.taint.is_empty(); points.len()];
    let (x, y) = points.into_iter().map(|(x, y, _)| (x, y)).unzip();
    Scatter::new(x, y)
        .mode(Mode::LinesMarkers)
        .line(style.line())
        .marker(style.marker(hollow))
        .name(&label)
        .legend_group(&label)
        .custom_data(names)
        .meta(plain(&curve.taint))
        .hover_template(HOVER)
}

/// `50 %`, `90 %`, `99 %` and on, as far as there are answers.
fn percent_ticks(most: f64) -> (Vec<f64>, Vec<String>) {
    let mut ticks =
        vec![(2.0, "50 %".to_owned()), (10.0, "90 %".to_owned()), (100.0, "99 %".to_owned())];
    let (mut one_in, mut nines) = (1000.0, String::from("99.9"));
    while one_in <= most {
        ticks.push((one_in, format!("{nines} %")));
        one_in *= 10.0;
        nines.push('9');
    }
    ticks.into_iter().unzip()
}
