//! What a page of thousands of figures does without: the addresses of figures that nothing on it links to, which its
//! script finds by row and column, and the end tags of cells and rows, which HTML lets one leave out, with the line breaks
//! before the next.

use std::collections::HashSet;

/// Up to so many figures a page is left as it is.
const FIGURES_MAX: usize = 10_000;
/// What a figure with an address begins with.
const FIGURE: &str = "<td id=\"";
/// Of cells and rows. A parser supplies the end, since what follows in a table cannot be within: the standard calls the end
/// tags optional.
const TAGS: [&str; 3] = ["td", "th", "tr"];

/// The page; where it has too many figures, without what nobody misses.
pub(crate) fn slimmed(page: String) -> String {
    if page.matches(FIGURE).count() <= FIGURES_MAX {
        return page;
    }
    let thin = without_idle_addresses(&page);
    TAGS.iter().fold(thin, |page, tag| {
        page.replace(&format!("</{tag}>"), "").replace(&format!("\n<{tag}"), &format!("<{tag}"))
    })
}

fn without_idle_addresses(page: &str) -> String {
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
        let figure = |place: usize| format!("<td id=\"v.{place}\" class=\"n\">1</td>\n");
        let figures = |count| (0..count).map(figure).collect::<Vec<_>>().concat();
        let page =
            |count| format!("<a href=\"#v.7\">seven</a><tr id=\"v\">{}</tr>", figures(count));
        assert_eq!(slimmed(page(FIGURES_MAX)), page(FIGURES_MAX));
        let thin = slimmed(page(FIGURES_MAX + 1));
        let ids: Vec<&str> =
            thin.split(" id=\"").skip(1).map(|part| part.split('"').next().unwrap()).collect();
        assert_eq!(ids, ["v", "v.7"]);
        assert_eq!(thin.matches("<td class=\"n\">1").count(), FIGURES_MAX);
        assert!(!thin.contains("</t") && !thin.contains("\n<"), "they are optional");
    }
}
