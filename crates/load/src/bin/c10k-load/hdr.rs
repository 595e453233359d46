//! `--hdr`: the histogram of each second in `HdrHistogram`'s log format, for its own tools.
//!
//! ```text
//! #[Histogram log format version 1.3]
//! #[StartTime: 1700000000.000 (seconds since epoch)]
//! #[BaseTime: 1700000000.000 (seconds since epoch)]
//! "StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"
//! 0.000,1.000,2.769,HISTFAAAA...
//! Tag=service-time,0.000,1.000,2.701,HISTFAAAA...
//! ```
//!
//! Histograms are compressed V2, values in nanoseconds; the maximum is in milliseconds, as those tools expect of
//! nanoseconds. The crate `hdrhistogram` writes such logs too, but neither the format's version nor the legend.

use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer as _, V2DeflateSerializer};
use load::Interval;
use load::words::float;

const LEGEND: &str =
    r#""StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram""#;
/// The maximum of an interval is written in milliseconds.
const NS_PER_MS: f64 = 1e6;

/// Writes a log of intervals: latency without a tag, and in open loops the time from the send as `service-time`.
pub(crate) struct HdrLog<W> {
    out: W,
    serializer: V2DeflateSerializer,
    open_loop: bool,
    /// Reused for each line.
    bytes: Vec<u8>,
}

impl<W: Write> HdrLog<W> {
    /// Begins with the moment from which the intervals count.
    pub(crate) fn begin(
        mut out: W,
        url: &str,
        at: SystemTime,
        open_loop: bool,
    ) -> io::Result<Self> {
        let seconds = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        writeln!(out, "#[Logged by c10k-load {} of {url}]", env!("CARGO_PKG_VERSION"))?;
        writeln!(out, "#[Histogram log format version 1.3]")?;
        writeln!(out, "#[StartTime: {seconds:.3} (seconds since epoch)]")?;
        writeln!(out, "#[BaseTime: {seconds:.3} (seconds since epoch)]")?;
        writeln!(out, "{LEGEND}")?;
        Ok(Self { out, serializer: V2DeflateSerializer::new(), open_loop, bytes: Vec::new() })
    }

    /// One interval, flushed, so that it can be followed.
    pub(crate) fn interval(&mut self, interval: &Interval) -> io::Result<()> {
        self.line("", interval, &interval.latency)?;
        if self.open_loop {
            self.line("Tag=service-time,", interval, &interval.service_time)?;
        }
        self.out.flush()
    }

    fn line(
        &mut self,
        tag: &str,
        interval: &Interval,
        histogram: &Histogram<u64>,
    ) -> io::Result<()> {
        self.bytes.clear();
        self.serializer.serialize(histogram, &mut self.bytes).map_err(io::Error::other)?;
        let max_ms = if histogram.is_empty() { 0.0 } else { float(histogram.max()) / NS_PER_MS };
        writeln!(
            self.out,
            "{tag}{:.3},{:.3},{max_ms:.3},{}",
            interval.start.as_secs_f64(),
            interval.length.as_secs_f64(),
            STANDARD.encode(&self.bytes)
        )
    }
}
