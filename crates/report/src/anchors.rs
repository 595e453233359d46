//! Addresses of figures: in a page of thousands only those that something on it links to; its script finds the others by
//! their row and their column.

use std::collections::HashSet;

/// Beyond so many figures their addresses, some sixty bytes each, weigh too much.
const FIGURES_MAX: usize = 10_000;
/// What a figure with an address begins with.
const FIGURE: &str = "<td id=\"";

/// The page, without the addresses that nothing needs where there are too many.
pub(crate) fn thinned_out(page: String) -> String {
    if page.matches(FIGURE).count() <= FIGURES_MAX {
        return page;
    }
    let links = page.split("href=\"#").skip(1).filter_map(|link| link.split_once('"'));
    let linked: HashSet<&str> = links.map(|(id, _)| id).collect();
    let mut thin = String::with_capacity(page.len());
    let mut parts = page.split(FIGURE);
    thin.push_str(parts.next().unwrap_or_default());
    for part in parts {
        match part.split_once('"') {
            Some((id, rest)) if !linked.contains(id) => thin.extend(["<td", rest]),
            _ => thin.extend([FIGURE, part]),
        }
    }
    thin
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_too_many_figures_only_those_that_are_linked_keep_their_address() {
        let figure = |place: usize| format!("<td id=\"v.{place}\" class=\"n\">1</td>");
        let figures = |count| (0..count).map(figure).collect::<Vec<_>>().concat();
        let page =
            |count| format!("<a href=\"#v.7\">seven</a><tr id=\"v\">{}</tr>", figures(count));
        assert_eq!(thinned_out(page(FIGURES_MAX)), page(FIGURES_MAX));
        let thin = thinned_out(page(FIGURES_MAX + 1));
        let ids: Vec<&str> =
            thin.split(" id=\"").skip(1).map(|part| part.split('"').next().unwrap()).collect();
        assert_eq!(ids, ["v", "v.7"]);
        assert_eq!(thin.matches("<td class=\"n\">1</td>").count(), FIGURES_MAX);
    }
}
