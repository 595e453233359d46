//! Log axes: a range that holds all marks, round ticks, and labels that do not cover one another.

use crate::format;

/// The ends of an axis, as plotly wants them: logarithms to base ten.
#[derive(Clone, Copy)]
pub(crate) struct Range {
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// Room for all positive values with some air; `None` where there is none.
pub(crate) fn range(values: impl IntoIterator<Item = f64>) -> Option<Range> {
    let logs = values.into_iter().filter(|value| value.is_finite() && *value > 0.0).map(f64::log10);
    let (low, high) = logs
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), log| (low.min(log), high.max(log)));
    if low > high {
        return None;
    }
    // A third of a decade at least: noise in the last digit must not fill the chart.
    let air = ((high - low) * 0.08).max((0.33 - (high - low)) / 2.0).max(0.02);
    Some(Range { low: low - air, high: high + air })
}

/// Round values inside a range, with their text.
pub(crate) fn ticks(range: Range) -> (Vec<f64>, Vec<String>) {
    let span = range.high - range.low;
    let mantissas: &[f64] = if span > 3.5 {
        &[1.0]
    } else if span > 1.7 {
        &[1.0, 3.0]
    } else if span > 0.8 {
        &[1.0, 2.0, 5.0]
    } else {
        &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0]
    };
    let mut values = Vec::new();
    let mut decade = range.low.floor();
    while decade <= range.high {
        for mantissa in mantissas {
            let log = decade + mantissa.log10();
            if log >= range.low && log <= range.high {
                values.push(mantissa * 10f64.powf(decade));
            }
        }
        decade += 1.0;
    }
    // Six decades or more: every other one.
    let step = if span > 7.0 { 2 } else { 1 };
    let values: Vec<f64> = values.into_iter().step_by(step).collect();
    let texts = values.iter().map(|&value| tick(value)).collect();
    (values, texts)
}

/// `0.01`, `5`, `20`, `10 000`, `1.5`: no digits that a tick does not need.
fn tick(value: f64) -> String {
    let text = format::significant(value);
    if text.contains('.') && !text.contains('e') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// Where labels go so that neighbours stay `gap`, their height, apart and none is cut off at the top, each as near to its
/// mark as that allows.
///
/// All in logarithms. Labels keep the order of their marks.
pub(crate) fn spread_labels(marks: &[f64], range: Range, gap: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..marks.len()).collect();
    order.sort_by(|&a, &b| marks[a].total_cmp(&marks[b]));
    let mut places = marks.to_vec();
    let mut floor = f64::NEG_INFINITY;
    for &label in &order {
        places[label] = places[label].max(floor);
        floor = places[label] + gap;
    }
    // What was pushed out at the top comes back down, pushing its neighbours; half the push is given back to centre a cluster.
    let mut ceiling = range.high - gap / 2.0;
    for &label in order.iter().rev() {
        let pushed = places[label] - marks[label];
        places[label] = (places[label] - pushed / 2.0).min(ceiling);
        ceiling = places[label] - gap;
    }
    // Nobody is pushed out at the bottom.
    let mut floor = range.low;
    for &label in &order {
        places[label] = places[label].max(floor);
        floor = places[label] + gap;
    }
    places
}

/// Heights for labels to the right of scattered marks, each as near to its mark as it can be without covering another
/// label or mark. A mark is (x, y), its label `widths` wide and `gap` high, all in logarithms and inside the range.
pub(crate) fn place_labels(
    marks: &[(f64, f64)],
    widths: &[f64],
    range: Range,
    gap: f64,
) -> Vec<f64> {
    let mut places: Vec<f64> = Vec::new();
    for (label, (&(x, y), &width)) in marks.iter().zip(widths).enumerate() {
        let is_free = |place: &f64| {
            let near = |other: f64| (other - place).abs() < gap * 0.95;
            let labels = marks.iter().zip(widths).zip(&places);
            let on_label = |((&(left, _), &wide), &other): ((&(f64, f64), &f64), &f64)| {
                near(other) && left < x + width && x < left + wide
            };
            let on_mark = |(mark, &(left, other)): (usize, &(f64, f64))| {
                mark != label && near(other) && left > x && left < x + width
            };
            (range.low + gap / 2.0..=range.high - gap / 2.0).contains(place)
                && !labels.into_iter().any(on_label)
                && !marks.iter().enumerate().any(on_mark)
        };
        let steps = (0..24).map(|step| if step % 2 == 0 { -step / 2 } else { (step + 1) / 2 });
        let mut tried = steps.map(|step| y + f64::from(step) * gap * 0.5);
        places.push(tried.find(is_free).unwrap_or(y));
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_marks_lie_inside_the_range() {
        let values = [0.03, 5.0, 7_000.0];
        let range = range(values).unwrap();
        assert!(values.iter().all(|value| value.log10() > range.low && value.log10() < range.high));
    }

    #[test]
    fn what_a_log_axis_cannot_show_gives_no_range() {
        assert!(range([0.0, -1.0, f64::NAN, f64::INFINITY]).is_none());
        assert!(range([]).is_none());
    }

    #[test]
    fn there_are_a_few_ticks_whatever_the_span() {
        for (low, high) in
            [(10.0, 10.0), (10.0, 11.0), (1.0, 30.0), (1.0, 900.0), (0.001, 1e5), (1e-12, 1e12)]
        {
            let range = range([low, high]).unwrap();
            let (values, texts) = ticks(range);
            assert!((1..=14).contains(&values.len()), "{low} to {high}: {texts:?}");
            assert_eq!(values.len(), texts.len());
        }
    }

    #[test]
    fn labels_keep_apart_and_in_order() {
        let range = Range { low: 0.0, high: 2.0 };
        let marks = [1.0, 1.01, 1.02, 1.99, 0.1];
        let places = spread_labels(&marks, range, 0.1);
        let mut order: Vec<usize> = (0..marks.len()).collect();
        order.sort_by(|&a, &b| marks[a].total_cmp(&marks[b]));
        for pair in order.windows(2) {
            assert!(places[pair[1]] - places[pair[0]] >= 0.1 - 1e-9, "{places:?}");
        }
        assert!(places.iter().all(|place| *place <= range.high));
    }

    #[test]
    fn labels_of_many_marks_at_the_bottom_stay_inside() {
        let range = Range { low: 0.0, high: 2.0 };
        let marks: Vec<f64> = (0..15).map(|mark| 0.05 + f64::from(mark) * 0.01).collect();
        let places = spread_labels(&marks, range, 0.1);
        assert!(places.iter().all(|place| (0.0..=2.0).contains(place)), "{places:?}");
        assert!(places.windows(2).all(|pair| pair[1] - pair[0] >= 0.1 - 1e-9), "{places:?}");
    }

    #[test]
    fn a_label_stays_at_its_mark_unless_another_is_there() {
        let marks = [(0.0, 1.0), (0.1, 1.0), (2.0, 1.0)];
        let range = Range { low: 0.0, high: 2.0 };
        let places = place_labels(&marks, &[0.5, 0.5, 0.5], range, 0.1);
        assert!(places[0].abs() > 1.04 || places[0] < 0.96, "the second mark stands there");
        assert!((places[1] - 1.0).abs() < 1e-9 || (places[1] - places[0]).abs() >= 0.095);
        assert!((places[2] - 1.0).abs() < 1e-9, "nothing is in the way");
    }
}
