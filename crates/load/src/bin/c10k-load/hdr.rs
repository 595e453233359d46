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
//! With several steps each has a comment that says what it offered, and tags of its own, so that a reader can tell them
//! apart:
//!
//! ```text
//! #[Step 2: 5000 requests/s]
//! Tag=step-2,4.016,1.000,2.769,HISTFAAAA...
//! Tag=step-2-service-time,4.016,1.000,2.701,HISTFAAAA...
//! ```
//!
//! Histograms are compressed V2, values in nanoseconds; the maximum is in milliseconds, as those tools expect of
//! nanoseconds. The crate `hdrhistogram` writes such logs too, but neither the format's version nor the legend.

use std::io::{self, Write};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer as _, V2DeflateSerializer};
use load::Interval;
use load::words::float;

use crate::output::Step;

const LEGEND: &str =
    r#""StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram""#;
/// The maximum of an interval is written in milliseconds.
const NS_PER_MS: f64 = 1e6;

/// Writes a log of intervals: latency, and in open loops the time from the send as `service-time`.
pub(crate) struct HdrLog<W> {
    out: W,
    serializer: V2DeflateSerializer,
    /// When the first window opened.
    began: Instant,
    /// From then until the step's own window opened.
    offset: Duration,
    step: Step,
    /// Reused for each line.
    bytes: Vec<u8>,
}

impl<W: Write> HdrLog<W> {
    /// Begins with the moment from which the intervals count, when the first window opens.
    pub(crate) fn begin(mut out: W, url: &str, at: SystemTime) -> io::Result<Self> {
        let seconds = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        writeln!(out, "#[Logged by c10k-load {} of {url}]", env!("CARGO_PKG_VERSION"))?;
        writeln!(out, "#[Histogram log format version 1.3]")?;
        writeln!(out, "#[StartTime: {seconds:.3} (seconds since epoch)]")?;
        writeln!(out, "#[BaseTime: {seconds:.3} (seconds since epoch)]")?;
        writeln!(out, "{LEGEND}")?;
        let serializer = V2DeflateSerializer::new();
        let (began, offset, step) = (Instant::now(), Duration::ZERO, Step::default());
        Ok(Self { out, serializer, began, offset, step, bytes: Vec::new() })
    }

    /// The window of a step opens.
    pub(crate) fn step(&mut self, step: Step) -> io::Result<()> {
        self.step = step;
        self.offset = self.began.elapsed();
        if step.is_only() {
            return Ok(());
        }
        match step.rate() {
            Some(rate) => writeln!(self.out, "#[Step {}: {rate:.1} requests/s]", step.number),
            None => writeln!(self.out, "#[Step {}: closed loop]", step.number),
        }
    }

    /// One interval, flushed, so that it can be followed.
    pub(crate) fn interval(&mut self, interval: &Interval) -> io::Result<()> {
        let (latency, service_time) = match (self.step.is_only(), self.step.number) {
            (true, _) => (String::new(), "Tag=service-time,".to_owned()),
            (false, n) => (format!("Tag=step-{n},"), format!("Tag=step-{n}-service-time,")),
        };
        self.line(&latency, interval, &interval.latency)?;
        if self.step.rate().is_some() {
            self.line(&service_time, interval, &interval.service_time)?;
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
            (self.offset + interval.start).as_secs_f64(),
            interval.length.as_secs_f64(),
            STANDARD.encode(&self.bytes)
        )
    }
}
