//! Records to one self-contained HTML page: readable with no JavaScript, better with it, and without any network.
//!
//! Data flows one way: [`record::Run`] to cells, cells to tables, charts and sentences, all of them to one template.
//! No figure is typed by hand: whatever the page says was computed from the trials here.

mod answer;
mod axis;
mod cells;
mod charts;
mod conformance;
mod doubts;
mod environment;
mod family;
mod figure;
mod format;
mod metric;
mod page;
mod percentiles;
mod ranking;
mod sources;
mod tables;
mod verdict;
mod words;

use std::path::Path;

use anyhow::{Context, Result, ensure};
use askama::Template;
use record::Run;

/// The page for these runs, as HTML.
///
/// # Errors
/// Without a run, and where plotly's script is not found inside its crate.
pub fn render(runs: &[Run]) -> Result<String> {
    ensure!(!runs.is_empty(), "no run to report; name a folder under `results/`");
    let scripts = plotly::Plot::offline_js_sources();
    let plotly = script(&scripts).context("plotly's script is not where its crate kept it")?;
    page::Page::new(runs, plotly).render().context("failed to fill in the page's template")
}

/// Writes the page for these runs to `out`, whole or not at all.
///
/// # Errors
/// As [`render`], and where `out` cannot be written.
pub fn write(runs: &[Run], out: &Path) -> Result<()> {
    let html = render(runs)?;
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        std::fs::create_dir_all(folder).with_context(|| {
            format!(
                "failed to make the folder `{}`; name another file with `--out`",
                folder.display()
            )
        })?;
    }
    let mut part = out.as_os_str().to_owned();
    part.push(".part");
    let written = std::fs::write(&part, html).and_then(|()| std::fs::rename(&part, out));
    if written.is_err() {
        std::fs::remove_file(&part).ok();
    }
    written.with_context(|| {
        format!("failed to write the report to `{}`; name another file with `--out`", out.display())
    })
}

/// What stands inside the first script element: plotly itself. The second is a formula renderer that the page does not need.
fn script(html: &str) -> Option<&str> {
    let (_, inside) = html.split_once("<script type=\"text/javascript\">")?;
    inside.split_once("</script>").map(|(script, _)| script)
}
