//! Just enough HTML reading for tests of a page that we write ourselves.

#![allow(dead_code, reason = "each test uses the part that it needs")]

use std::collections::BTreeMap;
use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use record::Run;
use serde_json::Value;

/// The page without plotly's own script, which nobody here wrote, and with each chart's JSON inside its figure.
pub(crate) fn own(html: &str) -> String {
    let start = "<script type=\"text/plain\" id=\"plotly\">";
    let (before, rest) = html.split_once(start).expect("plotly is embedded");
    let (_, after) = rest.split_once("</script>").expect("its script ends");
    assert!(!after.contains(start), "plotly is embedded once");
    let (page, rest) = before
        .split_once("<script type=\"text/plain\" id=\"charts\">")
        .expect("charts are embedded");
    let (packed, _) = rest.split_once("</script>").expect("their script ends");
    let charts: BTreeMap<String, String> =
        serde_json::from_str(&unpacked(packed)).expect("charts are JSON");
    let mut figures = page.split("<figure class=\"chart\" id=\"");
    let mut own = figures.next().unwrap_or_default().to_owned();
    for figure in figures {
        let id = figure.split_once('"').expect("an id ends").0;
        let (figure, rest) = figure.split_once("</figure>").expect("a figure ends");
        let json = charts.get(id).unwrap_or_else(|| panic!("`{id}` is drawn from something"));
        own.push_str("<figure class=\"chart\" id=\"");
        own.push_str(figure);
        own.push_str("<script type=\"application/json\">");
        own.push_str(json);
        own.push_str("</script></figure>");
        own.push_str(rest);
    }
    own.push_str(after);
    own
}

/// What the page carries packed for its script.
pub(crate) fn unpacked(packed: &str) -> String {
    let bytes = STANDARD.decode(packed).expect("it is base64");
    let mut text = String::new();
    let mut decoder = flate2::read::GzDecoder::new(bytes.as_slice());
    decoder.read_to_string(&mut text).expect("it is gzip");
    text
}

/// The figures that the page hands out.
pub(crate) fn data(page: &str) -> Value {
    let packed = part(page, "<script type=\"text/plain\" class=\"data\">", "</script>");
    let packed = packed.split_once('>').expect("a tag ends").1.trim_end_matches("</script>");
    serde_json::from_str(&unpacked(packed)).expect("it is JSON")
}

/// Those of one of the record's cells.
pub(crate) fn figures<'data>(data: &'data Value, cell: &record::Cell<'_>) -> &'data Value {
    let is_it = |found: &&Value| {
        found["model"] == cell.model
            && found["experiment"] == cell.experiment
            && found["service"] == cell.service
            && found["variant"] == cell.variant
            && found["connections"] == cell.connections
    };
    let cells = data["cells"].as_array().expect("there are cells");
    &cells.iter().find(is_it).expect("every cell is handed out")["figures"]
}

/// A page of one run, without plotly's own script.
pub(crate) fn page(run: Run) -> String {
    own(&report::render(&[run], None).expect("a run can be rendered"))
}

/// From where `start` begins to where `end` ends.
pub(crate) fn part<'page>(page: &'page str, start: &str, end: &str) -> &'page str {
    let from = page.find(start).unwrap_or_else(|| panic!("`{start}` is on the page"));
    let length = page[from..].find(end).unwrap_or_else(|| panic!("`{end}` follows `{start}`"));
    &page[from..from + length + end.len()]
}

/// The cell of a table with this id.
pub(crate) fn cell<'page>(page: &'page str, id: &str) -> &'page str {
    part(page, &format!("<td id=\"{id}\""), "</td>")
}

/// An attribute of the first tag of a fragment.
pub(crate) fn attribute<'page>(fragment: &'page str, name: &str) -> Option<&'page str> {
    let tag = &fragment[..fragment.find('>')?];
    let (_, value) = tag.split_once(&format!(" {name}="))?;
    match value.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').map(|(value, _)| value),
        None => value.split(' ').next(),
    }
}

/// The ids of a page, sorted; none may stand twice.
pub(crate) fn unique_ids(page: &str) -> Vec<&str> {
    let mut ids = attributes(page, "id");
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "an id is used twice");
    ids
}

/// Every value of an attribute on the page.
pub(crate) fn attributes<'page>(page: &'page str, name: &str) -> Vec<&'page str> {
    let start = format!(" {name}=\"");
    page.match_indices(&start)
        .filter_map(|(at, start)| page[at + start.len()..].split_once('"').map(|(value, _)| value))
        .collect()
}

/// The words of a fragment, as a reader sees them.
pub(crate) fn text(fragment: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for character in fragment.chars() {
        match character {
            '<' => inside = true,
            '>' => {
                inside = false;
                text.push(' ');
            }
            _ if !inside => text.push(character),
            _ => {}
        }
    }
    let text = text
        .replace("&#60;", "<")
        .replace("&#62;", ">")
        .replace("&#34;", "\"")
        .replace("&#39;", "'")
        .replace("&#38;", "&");
    text.split([' ', '\n']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The words of a fragment whose markup stands inside words, as in highlighted source.
pub(crate) fn verbatim(fragment: &str) -> String {
    let plain = fragment.replace("<i class=", "\u{1}").replace("</i>", "");
    let mut parts = plain.split('\u{1}');
    let first = parts.next().unwrap_or_default().to_owned();
    let rest = parts.map(|part| part.split_once('>').map_or(part, |(_, text)| text));
    text(&rest.fold(first, |all, part| all + part))
}

/// A table as lines of cells, those that lead or are not ranked marked.
pub(crate) fn grid(table: &str) -> String {
    let rows = table.split("<tr").skip(1).map(|row| {
        let cells = row.split("<td").flat_map(|part| part.split("<th")).skip(1);
        // What is left of the opening tag belongs to no cell.
        let marked = cells.map(|cell| {
            let cell = format!("<td {cell}");
            let class = attribute(&cell, "class").unwrap_or_default();
            let mark = ["lead", "unranked"]
                .into_iter()
                .find(|mark| class.split(' ').any(|word| word == *mark));
            format!("{}{}", mark.map(|mark| format!("[{mark}] ")).unwrap_or_default(), text(&cell))
        });
        marked.collect::<Vec<_>>().join(" | ")
    });
    rows.collect::<Vec<_>>().join("\n")
}
