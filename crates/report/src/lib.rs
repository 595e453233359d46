//! Records to one self-contained HTML page: readable with no JavaScript, better with it, and without any network.
//!
//! Data flows one way: [`record::Run`] to cells, cells to tables, charts and sentences, all of them to one template.
//! No figure is typed by hand: whatever the page says was computed from the trials here.

mod across;
mod answer;
mod axis;
mod baseline;
mod cells;
mod charts;
mod checks;
mod choice;
mod claims;
mod conformance;
mod data;
mod disturbed;
mod doubts;
mod environment;
mod experiments;
mod extras;
mod family;
mod figure;
mod format;
mod growth;
mod guides;
mod highlight;
mod limits;
mod metric;
mod multiples;
mod packed;
mod page;
mod part;
mod percentiles;
mod price;
mod ranking;
mod slim;
mod sources;
mod stability;
mod tables;
mod trust;
mod twins;
mod verdict;
mod walls;
mod words;

use std::path::Path;

use anyhow::{Context, Result, ensure};
use askama::Template;
use record::Run;

pub use extras::{Command, Extras, Filed, Hyperfine};

/// The page for these runs, as HTML; with a baseline, each of them stands beside it, too.
///
/// # Errors
/// Without a run, and where plotly's script is not found inside its crate.
pub fn render(runs: &[Run], baseline: Option<&Run>) -> Result<String> {
    render_with(runs, baseline, &Extras::default())
}

/// As [`render`], with what was measured beside the runs.
///
/// # Errors
/// As [`render`].
pub fn render_with(runs: &[Run], baseline: Option<&Run>, extras: &Extras) -> Result<String> {
    ensure!(!runs.is_empty(), "no run to report; name a folder under `results/`");
    let page = page::Page::new(runs, baseline, extras, packed::plotly()?).render();
    page.map(slim::slimmed).context("failed to fill in the page's template")
}

/// Writes the page for these runs to `out`, whole or not at all.
///
/// # Errors
/// As [`render`], and where `out` cannot be written.
pub fn write(runs: &[Run], baseline: Option<&Run>, extras: &Extras, out: &Path) -> Result<()> {
    let html = render_with(runs, baseline, extras)?;
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
