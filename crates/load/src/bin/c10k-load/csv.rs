//! `--csv`: a line for each second, for spreadsheets and plotters.

use std::io::{self, Write};

use load::Interval;

use crate::output::Step;

/// Units last, so that no column needs a legend.
const COLUMNS: &str = "step,offered_per_s,start_s,length_s,requests,requests_per_s,p50_ns,p99_ns,max_ns,errors,in_flight\n";

/// Writes a table of intervals, those of the first step first; a step's seconds count from its own window. A closed loop
/// offers no rate. Latencies count from the schedule; a second without an answer has none.
pub(crate) struct Csv<W>(W);

impl<W: Write> Csv<W> {
    /// Begins with the names of the columns.
    pub(crate) fn begin(mut out: W) -> io::Result<Self> {
        out.write_all(COLUMNS.as_bytes())?;
        Ok(Self(out))
    }

    /// One line, flushed, so that it can be followed.
    pub(crate) fn interval(&mut self, step: Step, interval: &Interval) -> io::Result<()> {
        let latency = &interval.latency;
        let offered = step.rate().map_or(String::new(), |rate| format!("{rate:.1}"));
        let known = |value: u64| {
            if latency.is_empty() { String::new() } else { value.to_string() }
        };
        writeln!(
            self.0,
            "{},{offered},{:.3},{:.3},{},{:.1},{},{},{},{},{}",
            step.number,
            interval.start.as_secs_f64(),
            interval.length.as_secs_f64(),
            interval.requests,
            interval.requests_per_s(),
            known(latency.value_at_quantile(0.5)),
            known(latency.value_at_quantile(0.99)),
            known(latency.max()),
            interval.errors,
            interval.in_flight
        )?;
        self.0.flush()
    }
}
