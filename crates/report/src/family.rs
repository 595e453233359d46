//! A colour for each family and a mark for each model: told apart by colour-blind readers, and in print by the mark alone.

use plotly::common::{DashType, MarkerSymbol};

/// A family of models and its colours on light and dark ground.
///
/// Each colour has a contrast of 3 or more to its ground, and any two stay apart under protanopia, deuteranopia and tritanopia
/// as simulated by Machado et al. (2009): the least distance in Oklab is 0.058 on light and 0.091 on dark ground.
pub(crate) struct Family {
    /// As the registry writes it.
    pub(crate) name: &'static str,
    /// On white.
    pub(crate) light: &'static str,
    /// On near black.
    pub(crate) dark: &'static str,
}

/// The families of the registry; the last one takes whatever is not listed.
pub(crate) const FAMILIES: [Family; 9] = [
    Family { name: "blocking", light: "#8a2500", dark: "#c8741c" },
    Family { name: "readiness", light: "#2352a6", dark: "#6576ea" },
    Family { name: "callbacks", light: "#177b29", dark: "#2cc95a" },
    Family { name: "coroutines", light: "#9d8f37", dark: "#e6ea4a" },
    Family { name: "green threads", light: "#6f4bf2", dark: "#dd84fd" },
    Family { name: "async/await", light: "#a0066f", dark: "#dc2f90" },
    Family { name: "thread per core", light: "#019fd7", dark: "#8bf0f4" },
    Family { name: "actors", light: "#33170a", dark: "#895a3d" },
    Family { name: "other", light: "#6b7280", dark: "#9aa4b1" },
];

/// Where a family stands in [`FAMILIES`].
pub(crate) fn index(name: &str) -> usize {
    FAMILIES.iter().position(|family| family.name == name).unwrap_or(FAMILIES.len() - 1)
}

/// How charts draw the ground, words and lines: on light, on dark.
pub(crate) const PAPER: (&str, &str) = ("#fffffe", "#14181d");
/// Words in charts.
pub(crate) const INK: (&str, &str) = ("#1b2330", "#e7eaee");
/// Words of less weight.
pub(crate) const MUTED: (&str, &str) = ("#56606e", "#a3adba");
/// Grid lines.
pub(crate) const GRID: (&str, &str) = ("#e2e6eb", "#2b323b");

/// Every colour that charts are made with on light ground, and what replaces it on dark ground.
pub(crate) fn dark_for_light() -> impl Iterator<Item = (&'static str, &'static str)> {
    let families = FAMILIES.iter().map(|family| (family.light, family.dark));
    families.chain([PAPER, INK, MUTED, GRID])
}

/// Different marks; those of larger families come again.
const SHAPES: usize = 6;

/// Which mark the nth model of a family has.
pub(crate) fn shape(place: usize) -> usize {
    place % SHAPES
}

/// All marks, by shape.
pub(crate) fn marks() -> [&'static str; SHAPES] {
    std::array::from_fn(|shape| mark(shape).0)
}

/// The mark of the nth model of a family: in tables, in charts, and its line.
pub(crate) fn mark(place: usize) -> (&'static str, MarkerSymbol, DashType) {
    match shape(place) {
        0 => ("●", MarkerSymbol::Circle, DashType::Solid),
        1 => ("■", MarkerSymbol::Square, DashType::Dash),
        2 => ("◆", MarkerSymbol::Diamond, DashType::Dot),
        3 => ("▲", MarkerSymbol::TriangleUp, DashType::DashDot),
        4 => ("✚", MarkerSymbol::Cross, DashType::LongDash),
        _ => ("★", MarkerSymbol::Star, DashType::LongDashDot),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_colours_are_the_same_on_either_ground() {
        let (light, dark): (Vec<_>, Vec<_>) = dark_for_light().unzip();
        for colours in [light, dark] {
            let distinct: std::collections::BTreeSet<_> = colours.iter().collect();
            assert_eq!(distinct.len(), colours.len());
        }
    }

    #[test]
    fn a_family_that_nobody_knows_has_a_colour_too() {
        assert_eq!(FAMILIES[index("<script>")].name, "other");
        assert_eq!(FAMILIES[index("async/await")].name, "async/await");
    }

    /// Relative luminance and contrast as WCAG 2 defines them.
    fn contrast(one: &str, other: &str) -> f64 {
        let luminance = |colour: &str| -> f64 {
            let channel = |at: usize| {
                let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
                if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
        };
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    #[test]
    fn marks_and_words_stand_out_from_both_grounds() {
        for family in &FAMILIES {
            assert!(contrast(family.light, PAPER.0) >= 3.0, "{}", family.name);
            assert!(contrast(family.dark, PAPER.1) >= 3.0, "{}", family.name);
        }
        for words in [INK, MUTED] {
            assert!(contrast(words.0, PAPER.0) >= 4.5 && contrast(words.1, PAPER.1) >= 4.5);
        }
    }
}
