//! `HdrHistogram`'s log format, version 1.3: a line a trial, its tag the cell, its values nanoseconds.
//!
//! ```text
//! #[Histogram log format version 1.3]
//! #[StartTime: 1700000000.000 (seconds since epoch)]
//! #[BaseTime: 1700000000.000 (seconds since epoch)]
//! "StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"
//! Tag=sweep/http/100/mio-loop,4.262,1.000,2.769,HISTFAAAA...
//! ```
//!
//! Those tools merge the lines of a tag, which gives the cell's curve; so only the trials that enter medians are
//! written. A line's time is when its trial began, its maximum is in milliseconds, as `c10k-load --hdr` has it.

use std::fmt::Write as _;

use anyhow::ensure;
use record::run::{Cell, Run, Timestamp};
use record::stats::{self, float};
use record::trial::Trial;

use super::Exported;

const LEGEND: &str =
    r#""StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram""#;
const NS_PER_MS: f64 = 1e6;
const MS_PER_S: f64 = 1e3;

pub(super) fn text_of(run: &Run) -> anyhow::Result<Exported> {
    let mut exported = Exported::default();
    let mut lines = Vec::new();
    for cell in run.cells() {
        let tag = tag(&cell);
        for trial in cell.counted() {
            match line(&tag, trial) {
                Ok(line) => lines.push(line),
                Err(error) => {
                    let note = format!("{tag} {} is left out: {error:#}", trial.repeat);
                    exported.notes.push(note);
                }
            }
        }
    }
    let left = run.trials.len() - lines.len() - exported.notes.len();
    if left > 0 {
        exported.notes.push(format!("{left} trials that enter no median are left out"));
    }
    // A log is read in the order of time.
    lines.sort_by(|a, b| a.started_s.total_cmp(&b.started_s));
    let base_s = lines.first().map(|line| line.started_s);
    ensure!(base_s.is_some(), "no trial of this run has a histogram that counts");
    let base_s = base_s.unwrap_or_default();
    let text = &mut exported.text;
    writeln!(text, "#[c10k export of {}]", run.name())?;
    writeln!(text, "#[Histogram log format version 1.3]")?;
    writeln!(text, "#[StartTime: {base_s:.3} (seconds since epoch)]")?;
    writeln!(text, "#[BaseTime: {base_s:.3} (seconds since epoch)]")?;
    writeln!(text, "{LEGEND}")?;
    for line in lines {
        writeln!(text, "Tag={},{:.3},{}", line.tag, line.started_s - base_s, line.rest)?;
    }
    Ok(exported)
}

struct Line {
    tag: String,
    /// Since the epoch.
    started_s: f64,
    /// Length, maximum and histogram.
    rest: String,
}

fn line(tag: &str, trial: &Trial) -> anyhow::Result<Line> {
    let started: Timestamp = trial.started_at.parse()?;
    let milliseconds = u64::try_from(started.as_millisecond())?;
    let encoded = trial.histogram.as_deref().unwrap_or_default();
    let histogram = stats::decode(encoded)?;
    let max_ms = float(histogram.max()) / NS_PER_MS;
    let length_s = trial.duration_s.unwrap_or_default();
    Ok(Line {
        tag: tag.to_owned(),
        started_s: float(milliseconds) / MS_PER_S,
        rest: format!("{length_s:.3},{max_ms:.3},{}", stats::encode(&histogram)),
    })
}

/// The cell, without what ends a tag.
fn tag(cell: &Cell<'_>) -> String {
    let variant = Some(cell.variant).filter(|variant| *variant != "default");
    let connections = cell.connections.to_string();
    let parts = [cell.experiment, cell.service, &connections, cell.model];
    let tag = parts.into_iter().chain(variant).collect::<Vec<_>>().join("/");
    tag.replace(|c: char| c == ',' || c.is_whitespace(), "_")
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use hdrhistogram::Histogram;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    use super::*;

    fn trial(repeat: u32, started_at: &str, values: &[u64]) -> Trial {
        let mut histogram = Histogram::<u64>::new(3).unwrap();
        for value in values {
            histogram.record(*value).unwrap();
        }
        Trial {
            experiment: "sweep".into(),
            model: "mio-loop".into(),
            service: "http".into(),
            connections: 100,
            variant: "default".into(),
            repeat,
            started_at: started_at.into(),
            duration_s: Some(2.0),
            histogram: Some(stats::encode(&histogram)),
            ..Trial::default()
        }
    }

    #[test]
    fn the_log_is_read_by_the_format_s_own_reader() {
        let later = trial(1, "2025-03-04T05:06:10.500Z", &[1_000, 3_000_000]);
        let first = trial(2, "2025-03-04T05:06:07.000Z", &[2_000]);
        let broken = Trial { histogram: Some("?".into()), ..trial(3, "2025-03-04T05:06:07Z", &[]) };
        let run = Run { trials: vec![later, first, broken], ..Run::default() };
        let exported = text_of(&run).unwrap();
        assert_eq!(exported.notes.len(), 1, "{:?}", exported.notes);
        assert!(exported.notes[0].starts_with("sweep/http/100/mio-loop 3 is left out"));

        let mut read = Vec::new();
        for entry in IntervalLogIterator::new(exported.text.as_bytes()) {
            let LogEntry::Interval(line) = entry.unwrap() else { continue };
            let bytes =
                base64::engine::general_purpose::STANDARD.decode(line.encoded_histogram()).unwrap();
            let histogram: Histogram<u64> =
                Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap();
            assert_eq!(line.tag().unwrap().as_str(), "sweep/http/100/mio-loop");
            assert_eq!(line.duration().as_secs(), 2);
            read.push((line.start_timestamp().as_millis(), histogram.len(), line.max()));
        }
        let max_ms = 3_000_319.0 / NS_PER_MS;
        assert_eq!(
            read.iter().map(|line| (line.0, line.1)).collect::<Vec<_>>(),
            [(0, 1), (3_500, 2)]
        );
        assert!((read[1].2 - max_ms).abs() < 0.001, "{read:?}");
    }

    #[test]
    fn a_run_without_a_histogram_is_refused() {
        assert!(text_of(&Run::default()).is_err());
    }
}
