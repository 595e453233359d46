//! What goes over the pipes between the generator and its child processes: one JSON object a line.

use std::io::{self, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};
use crate::http::Known;
use crate::open::{Closed, Opened};
use crate::options::Load;
use crate::worker::{Part, Word};

/// The first line to a child: its share of the load.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) load: Load,
    /// Its number, from 0.
    pub(crate) process: usize,
    /// Whether there is an open loop among the steps.
    pub(crate) any_open: bool,
    /// The right answers to each request; nothing for an echo.
    pub(crate) right: Vec<Known>,
}

/// Every later line to a child.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    Word(Word),
    EndWarmUp,
    OpenWindow { at_ns: u64 },
    Stop,
}

/// A line from a child.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Saying {
    Gauge { established: u64, answers: u64, errors: u64, in_flight: u64 },
    Slice(crate::interval::Slice),
    Opened(Vec<Opened>),
    Paused,
    Settled,
    Measured(Vec<Part>),
    Closed(Vec<Closed>),
    Failed(Failure),
}

/// An error on its way to the parent.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Failure {
    Limit { kind: ErrorKind, connection: usize, total: usize, reason: String, remedy: String },
    Interrupted,
    Other(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Limit { kind, connection, total, reason, remedy } => {
                Self::Limit { kind, connection, total, reason, remedy }
            }
            Error::Interrupted => Self::Interrupted,
            other => Self::Other(other.to_string()),
        }
    }
}

impl Failure {
    /// The error of child `process`.
    pub(crate) fn into_error(self, process: usize) -> Error {
        match self {
            Self::Limit { kind, connection, total, reason, remedy } => {
                Error::Limit { kind, connection, total, reason, remedy }
            }
            Self::Interrupted => Error::Interrupted,
            Self::Other(what) => Error::Process { number: process + 1, what },
        }
    }
}

/// Writes one line, in one go.
pub(crate) fn write_line(out: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    out.write_all(&line)?;
    out.flush()
}

pub(crate) fn read_line<T: DeserializeOwned>(line: &str) -> io::Result<T> {
    Ok(serde_json::from_str(line)?)
}

/// A histogram as text, every count of it: `HdrHistogram` V2, base64.
pub(crate) mod histogram {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use hdrhistogram::Histogram;
    use hdrhistogram::serialization::{Deserializer as V2Reader, Serializer as _, V2Serializer};
    use serde::{Deserialize, Deserializer, Serialize as _, Serializer, de, ser};

    pub(crate) fn serialize<S: Serializer>(
        histogram: &Histogram<u64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut bytes = Vec::new();
        V2Serializer::new().serialize(histogram, &mut bytes).map_err(ser::Error::custom)?;
        STANDARD.encode(bytes).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Histogram<u64>, D::Error> {
        let bytes =
            STANDARD.decode(String::deserialize(deserializer)?).map_err(de::Error::custom)?;
        V2Reader::new().deserialize(&mut bytes.as_slice()).map_err(de::Error::custom)
    }
}

/// The same for one that may not be there.
pub(crate) mod maybe_histogram {
    use hdrhistogram::Histogram;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Wrapped(#[serde(with = "super::histogram")] Histogram<u64>);

    #[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
    pub(crate) fn serialize<S: Serializer>(
        histogram: &Option<Histogram<u64>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        histogram.clone().map(Wrapped).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Histogram<u64>>, D::Error> {
        Ok(Option::<Wrapped>::deserialize(deserializer)?.map(|Wrapped(histogram)| histogram))
    }
}

/// Bytes as base64: as a list of numbers they would be four times as long.
pub(crate) mod bytes {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serialize as _, Serializer, de};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        STANDARD.encode(bytes).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::Tally;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_a_child_counted_arrives_as_it_was(
            latencies_ns in proptest::collection::vec(0_u64..5_000_000_000_000, 0..200),
            verified: Vec<u64>,
        ) {
            let mut tally = Tally::new(true);
            for (place, latency_ns) in latencies_ns.iter().enumerate() {
                tally.error(ErrorKind::ALL[place % ErrorKind::ALL.len()], 1, true);
                tally.sent_late(1, place.try_into().unwrap(), *latency_ns);
                tally.connect_time.saturating_record(*latency_ns);
            }
            let part = Part { verified, ..Part::of(tally) };
            let mut line = Vec::new();
            write_line(&mut line, &Saying::Measured(vec![part.clone()])).unwrap();
            let text = std::str::from_utf8(&line).unwrap();
            prop_assert_eq!(text.lines().count(), 1);
            let Saying::Measured(parts) = read_line(text).unwrap() else {
                panic!("another message");
            };
            prop_assert_eq!(&parts[0].verified, &part.verified);
            prop_assert_eq!(&parts[0].tally.connect_time, &part.tally.connect_time);
            prop_assert_eq!(&parts[0].tally.send_lateness, &part.tally.send_lateness);
            prop_assert_eq!(parts[0].tally.errors(), part.tally.errors());
        }
    }
}
