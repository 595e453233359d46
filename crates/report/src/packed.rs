//! What only the page's script reads, deflated and in base64: plotly alone would be three quarters of the page.

use std::io::Write as _;
use std::sync::OnceLock;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;

/// Plotly's script as the page carries it, and what its authors want said of it.
pub(crate) struct Plotly {
    /// Gzip in base64.
    pub(crate) packed: String,
    /// Version, authors and licence.
    pub(crate) notice: String,
}

/// Plotly's own script, packed once a process.
pub(crate) fn plotly() -> Result<&'static Plotly> {
    static PLOTLY: OnceLock<Option<Plotly>> = OnceLock::new();
    PLOTLY
        .get_or_init(|| {
            let scripts = plotly::Plot::offline_js_sources();
            let script = first_script(&scripts)?;
            Some(Plotly { packed: pack(script, Compression::default()), notice: notice(script) })
        })
        .as_ref()
        .context("plotly's script is not where its crate kept it")
}

/// A run's figures, or its charts.
pub(crate) fn pack_data(json: &str) -> String {
    pack(json, Compression::default())
}

/// Text as gzip in base64, for the page's `unpack`.
fn pack(text: &str, compression: Compression) -> String {
    let mut encoder = GzEncoder::new(Vec::new(), compression);
    let bytes = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish());
    STANDARD.encode(bytes.expect("writing to memory does not fail"))
}

/// What stands inside the first script element: plotly itself. The second is a formula renderer that the page does not need.
fn first_script(html: &str) -> Option<&str> {
    let (_, inside) = html.split_once("<script type=\"text/javascript\">")?;
    inside.split_once("</script>").map(|(script, _)| script)
}

/// The words of the comment that a script begins with.
fn notice(script: &str) -> String {
    let comment = script.trim_start().strip_prefix("/*").and_then(|rest| rest.split_once("*/"));
    let (comment, _) = comment.unwrap_or_default();
    let words = comment.split_whitespace().map(|word| word.trim_matches('*'));
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn what_is_packed_can_be_unpacked() {
        let text = "a chart, ".repeat(1_000);
        let packed = pack_data(&text);
        assert!(packed.len() < text.len() / 10);
        let mut unpacked = String::new();
        let bytes = STANDARD.decode(packed).unwrap();
        flate2::read::GzDecoder::new(bytes.as_slice()).read_to_string(&mut unpacked).unwrap();
        assert_eq!(unpacked, text);
    }

    #[test]
    fn plotly_comes_with_the_words_of_its_licence() {
        let notice = &plotly().unwrap().notice;
        assert!(notice.starts_with("plotly.js v") && notice.ends_with("MIT license"), "{notice}");
    }
}
