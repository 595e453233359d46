//! The plotly side of charts: traces, axes and layout, each made the same way everywhere.

use plotly::common::{
    DashType, ErrorData, ErrorType, Font, HoverInfo, Label, Line, Marker, MarkerSymbol, Mode,
    Position,
};
use plotly::configuration::{DisplayModeBar, ModeBarButtonName};
use plotly::layout::{Axis, AxisRange, AxisType, CategoryOrder, DragMode, HoverMode, Margin};
use plotly::{Configuration, Layout, Plot, Scatter};
use record::stats::Spread;
use serde::Serialize;

use super::Point;
use crate::axis::{self, Range};
use crate::family::{GRID, INK, MUTED, PAPER};

/// Margins of the drawing area; plotly's buttons stand in the upper one, always so where nothing can hover.
pub(super) const TOP_PX: usize = 30;
pub(super) const BOTTOM_PX: usize = 46;

/// As the page around the charts has it.
const FONTS: &str = "system-ui, sans-serif";

/// How a model is drawn.
#[derive(Clone)]
pub(super) struct Style {
    pub(super) colour: &'static str,
    /// The symbol as a letter.
    pub(super) mark: &'static str,
    pub(super) symbol: MarkerSymbol,
    pub(super) dash: DashType,
}

impl Style {
    /// The symbol in front of a name, as plotly's own markup.
    pub(super) fn letter(&self) -> String {
        format!("<span style=\"color:{}\">{}</span> ", self.colour, self.mark)
    }

    pub(super) fn line(&self) -> Line {
        Line::new().color(self.colour).dash(self.dash.clone()).width(2.0)
    }

    /// Hollow marks are those that must not be compared.
    pub(super) fn marker(&self, hollow: impl IntoIterator<Item = bool>) -> Marker {
        let fill = |hollow: bool| if hollow { PAPER.0 } else { self.colour };
        Marker::new()
            .symbol(self.symbol.clone())
            .size(9)
            .color_array(hollow.into_iter().map(fill).collect::<Vec<_>>())
            .line(Line::new().color(self.colour).width(1.5))
    }

    /// From the median to both ends of its interval or range.
    pub(super) fn error(&self, spreads: &[Spread]) -> ErrorData {
        ErrorData::new(ErrorType::Data)
            .symmetric(false)
            .array(spreads.iter().map(|spread| spread.high - spread.median).collect())
            .array_minus(spreads.iter().map(|spread| spread.median - spread.low).collect())
            .color(self.colour)
            .thickness(1.2)
            .width(4)
    }
}

/// A name without the markup that plotly would act on.
pub(crate) fn plain(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Hover texts of points, in place of plotly's own.
pub(super) fn hovering<'a, X, Y>(
    trace: Box<Scatter<X, Y>>,
    name: &str,
    points: impl IntoIterator<Item = &'a Point>,
) -> Box<Scatter<X, Y>>
where
    X: Serialize + Clone + 'static,
    Y: Serialize + Clone + 'static,
{
    let hover = points.into_iter().map(|point| point.hover.clone()).collect();
    trace.name(name).hover_info(HoverInfo::Text).hover_text_array(hover)
}

/// A model's name at the end of its line; of the same legend group, so that it hides with the line.
///
/// The page's script finds these by `meta` and drops them where there is no room.
pub(super) fn label(x: f64, y: f64, text: &str, group: &str) -> Box<Scatter<f64, f64>> {
    Scatter::new(vec![x], vec![y])
        .mode(Mode::Text)
        .text_array(vec![format!("  {text}")])
        .text_position(Position::MiddleRight)
        .text_font(font(12, INK.0))
        .hover_info(HoverInfo::Skip)
        .clip_on_axis(false)
        .legend_group(group)
        .meta("label")
}

/// What [`label`] needs beside the drawing area, at the width of an average letter.
pub(super) fn label_margin_px<'a>(labels: impl Iterator<Item = &'a String>) -> usize {
    // Six and a half pixels a letter.
    32 + 13 * labels.map(|label| label.chars().count().min(40)).max().unwrap_or(0) / 2
}

pub(super) fn font(size: usize, colour: &'static str) -> Font {
    Font::new().family(FONTS).size(size).color(colour)
}

/// A log axis with these ticks.
pub(super) fn log_axis(range: Range, ticks: Vec<f64>, texts: Vec<String>) -> Axis {
    Axis::new()
        .type_(AxisType::Log)
        .range(AxisRange::new(range.low, range.high))
        .tick_values(ticks)
        .tick_text(texts)
        .grid_color(GRID.0)
        .zero_line(false)
        .tick_font(font(12, MUTED.0))
}

/// The axis of a figure.
pub(super) fn value_axis(range: Range) -> Axis {
    let (ticks, texts) = axis::ticks(range);
    log_axis(range, ticks, texts)
}

/// The axis of models, from the bottom up.
pub(super) fn name_axis(names: Vec<String>) -> Axis {
    Axis::new()
        .type_(AxisType::Category)
        .category_order(CategoryOrder::Array)
        .category_array(names)
        .grid_color(GRID.0)
        .auto_margin(true)
        .tick_font(font(12, INK.0))
}

/// Layout and settings that all charts share.
pub(super) fn finish(mut plot: Plot, x: Axis, y: Axis, (top_px, right_px): (usize, usize)) -> Plot {
    plot.set_layout(
        Layout::new()
            .x_axis(x)
            .y_axis(y)
            .auto_size(true)
            .margin(Margin::new().left(64).right(right_px).top(top_px).bottom(BOTTOM_PX))
            .paper_background_color(PAPER.0)
            .plot_background_color(PAPER.0)
            .font(font(12, INK.0))
            .hover_mode(HoverMode::Closest)
            .hover_label(
                Label::new()
                    .background_color(PAPER.0)
                    .border_color(MUTED.0)
                    .font(font(13, INK.0))
                    .align("left"),
            )
            .drag_mode(DragMode::Zoom)
            // One legend for all charts of a group stands above them, in HTML, since plotly's own cannot be reached by keyboard.
            .show_legend(false),
    );
    plot.set_configuration(
        Configuration::new()
            .responsive(true)
            .display_logo(false)
            .typeset_math(false)
            .display_mode_bar(DisplayModeBar::Hover)
            .mode_bar_buttons_to_remove(vec![
                ModeBarButtonName::Select2d,
                ModeBarButtonName::Lasso2d,
                ModeBarButtonName::AutoScale2d,
            ]),
    );
    plot
}

/// A plot as JSON that no name inside can end the script element with.
pub(super) fn json(plot: &Plot) -> String {
    script_safe(&plot.to_json())
}

/// JSON knows `\u003c` as `<`; HTML does not.
pub(crate) fn script_safe(json: &str) -> String {
    json.replace('<', "\\u003c")
}
