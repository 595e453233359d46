//! What was seen.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer as _, V2DeflateSerializer};
use serde::{Deserialize, Serialize, Serializer};

use crate::error::ErrorKind;
use crate::number::{count, float, ns};
use crate::options::Pace;
use crate::slow::SlowSeen;

/// What a run measured. Unless it says otherwise, a figure is of the window.
///
/// The window opens when every active connection has sent again after the pause, so that the closed loop is in its
/// steady state from the first nanosecond (with [`Until::Requests`](crate::Until::Requests) and in open loops: at the
/// resume). The edges lie outside it: resume and end of the drain.
#[derive(Clone, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a finding of its own, not a state")]
#[non_exhaustive]
pub struct Outcome {
    /// The pace of this step, which is the load's own unless there were several.
    #[serde(skip)]
    pub pace: Pace,
    /// Length of the window; shorter than asked when interrupted.
    #[serde(rename = "duration_s", serialize_with = "seconds")]
    pub duration: Duration,
    /// Verified answers.
    pub requests: u64,
    /// Answers, right or wrong, between the edges: from resume to the end of the drain.
    /// What an observer reads at the edges is divided by this.
    pub requests_between_edges: u64,
    /// Requests sent over the whole run, warm-up and learning included.
    pub requests_sent: u64,
    /// Errors by kind over the whole run, opening and warm-up included.
    pub errors: BTreeMap<ErrorKind, u64>,
    /// Errors of the window alone, of any kind.
    pub errors_in_window: u64,
    /// Requests that were unanswered when the window closed, and in open loops those due and not sent.
    pub censored: u64,
    /// How long those had waited since they were due, ns: their latency is at least that.
    #[serde(rename = "unanswered_ns", serialize_with = "distribution")]
    pub unanswered: Histogram<u64>,
    /// From the intended start of a request to the last byte of its answer, ns; verified answers only.
    #[serde(rename = "latency_ns", serialize_with = "distribution")]
    pub latency: Histogram<u64>,
    /// From the send of a request to the last byte of its answer, ns; verified answers only.
    #[serde(rename = "service_time_ns", serialize_with = "distribution")]
    pub service_time: Histogram<u64>,
    /// Sum over the verified answers of the time that their requests were in flight inside the window, ns.
    pub in_window_ns: u64,
    /// Requests in flight when the window opened.
    pub in_flight_start: InFlight,
    /// Requests in flight when the window closed.
    pub in_flight_end: InFlight,
    /// Whether a connection always asked again as soon as it was answered: no think time, no churn.
    pub always_asking: bool,
    /// Requests that a connection may have in flight.
    pub pipeline: usize,
    /// Body bytes of the verified answers.
    pub body_bytes: u64,
    /// Connections asked for.
    pub connections: usize,
    /// Connections open before anything was asked.
    pub established: usize,
    /// Connections that were to send.
    pub active: usize,
    /// Active connections with at least one verified answer.
    pub served: usize,
    /// Connections that broke and were opened again, over the whole run.
    pub reopened: u64,
    /// Connections that broke and could not be opened again, over the whole run.
    pub dead: u64,
    /// What became of the slow connections; `None` when there were to be none.
    pub slow: Option<SlowSeen>,
    /// Verified answers for each active connection.
    pub connection_requests: ConnectionRequests,
    /// Jain's fairness index over the active connections, 1/n to 1; `None` without an answer.
    pub jain_index: Option<f64>,
    /// Time to open all connections.
    #[serde(rename = "open_s", serialize_with = "seconds")]
    pub open_time: Duration,
    /// From the beginning of a connection's handshake to its end, ns; every one of the run, later ones too.
    #[serde(rename = "connect_ns", serialize_with = "distribution")]
    pub connect_time: Histogram<u64>,
    /// Handshakes begun over the whole run: for the opening, after a break, and with churn for each request.
    pub connects: u64,
    /// With [`Load::greet`](crate::Load::greet): connections that got their first answer while all were opened.
    pub greeted: usize,
    /// From the beginning of the opening to the last of these answers; `None` without one.
    #[serde(rename = "greeted_s", serialize_with = "maybe_seconds")]
    pub greeted_time: Option<Duration>,
    /// From the beginning of a connection's handshake to its first answer, ns; of the greeted ones.
    #[serde(rename = "greeting_ns", serialize_with = "distribution")]
    pub greeting: Histogram<u64>,
    /// Time to close all connections in the end; after the last step, and `None` before.
    #[serde(rename = "close_s", serialize_with = "maybe_seconds")]
    pub close_time: Option<Duration>,
    /// Length of the warm-up.
    #[serde(rename = "warmup_s", serialize_with = "seconds")]
    pub warmup_time: Duration,
    /// Whether the warm-up ended because two windows agreed, not because its time was up.
    pub warmup_converged: bool,
    /// CPU time of the generator's threads between the edges, ns.
    pub generator_cpu_ns: u64,
    /// Share of its CPUs that the generator needed inside the window, 0 to 1: what it used, less what it polled.
    pub generator_cpu_share: f64,
    /// Open loops: share of its CPUs that the generator spent polling for the moment of the next request, with nothing
    /// else to do. A timer would be later than that; the time is free as soon as there is work.
    pub generator_polled_share: f64,
    /// Times that a thread of the generator lost its CPU to something else inside the window, although it had work: what
    /// is late by that is neither the server's doing nor the generator's.
    pub generator_preempted: u64,
    /// Processes that sent.
    pub processes: usize,
    /// Threads that sent, over all processes.
    pub threads: usize,
    /// The generator was the bottleneck: it needed more than 90 % of its CPUs, or, in an open loop, one request in a
    /// hundred went out more than 1 ms late although a connection was free. A slow server never raises this.
    pub saturated: bool,
    /// Open loops: from when a request was due until it was sent, ns; the spread around the schedule, waiting for a
    /// free connection included.
    #[serde(rename = "send_lateness_ns", serialize_with = "maybe_distribution")]
    pub send_lateness: Option<Histogram<u64>>,
    /// Open loops: as `send_lateness`, but from when a connection was free where that came later: the generator's part.
    #[serde(rename = "send_lateness_while_free_ns", serialize_with = "maybe_distribution")]
    pub send_lateness_while_free: Option<Histogram<u64>>,
    /// Open loops: how late requests were sent although a connection was free, p99.
    pub late_while_free_ns_p99: Option<u64>,
    /// What a right answer was held to be.
    pub expected: String,
    /// Ended by [`Stop`](crate::Stop) inside the window.
    pub interrupted: bool,
    /// What taints the figures, in plain words.
    pub warnings: Vec<String>,
}

/// Requests in flight at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InFlight {
    /// How many.
    pub count: u64,
    /// Sum of the times since they were sent, ns; at the end of a window no more than the window is long.
    pub age_ns: u64,
    /// Of these, on connections with at least one verified answer in the window.
    pub served_count: u64,
    /// Their part of `age_ns`.
    pub served_age_ns: u64,
}

/// Verified answers for each active connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the names are the field's own")]
pub struct ConnectionRequests {
    pub min: u64,
    pub p50: u64,
    pub max: u64,
}

/// Nothing measured.
impl Default for Outcome {
    fn default() -> Self {
        let empty = crate::tally::histogram;
        Self {
            pace: Pace::Closed,
            duration: Duration::ZERO,
            requests: 0,
            requests_between_edges: 0,
            requests_sent: 0,
            errors: BTreeMap::new(),
            errors_in_window: 0,
            censored: 0,
            unanswered: empty(),
            latency: empty(),
            service_time: empty(),
            in_window_ns: 0,
            in_flight_start: InFlight::default(),
            in_flight_end: InFlight::default(),
            pipeline: 1,
            body_bytes: 0,
            connections: 0,
            established: 0,
            active: 0,
            served: 0,
            reopened: 0,
            dead: 0,
            slow: None,
            connection_requests: ConnectionRequests::default(),
            jain_index: None,
            open_time: Duration::ZERO,
            connect_time: empty(),
            connects: 0,
            greeted: 0,
            greeted_time: None,
            greeting: empty(),
            always_asking: true,
            close_time: None,
            warmup_time: Duration::ZERO,
            warmup_converged: false,
            generator_cpu_ns: 0,
            generator_cpu_share: 0.0,
            generator_polled_share: 0.0,
            generator_preempted: 0,
            processes: 1,
            threads: 0,
            saturated: false,
            send_lateness: None,
            send_lateness_while_free: None,
            late_while_free_ns_p99: None,
            expected: String::new(),
            interrupted: false,
            warnings: Vec::new(),
        }
    }
}

impl Outcome {
    /// Verified answers a second.
    #[must_use]
    pub fn requests_per_s(&self) -> f64 {
        let seconds = self.duration.as_secs_f64();
        if seconds > 0.0 { float(self.requests) / seconds } else { 0.0 }
    }

    /// The latency, ns, that this share of the requests had at most, if those that were unanswered at the end had been
    /// answered then; it is never better than that of the answers alone.
    #[must_use]
    pub fn latency_at_least(&self, quantile: f64) -> u64 {
        let mut all = self.latency.clone();
        // Both have the bounds of every histogram here; one of another's making may not.
        let added = all.add(&self.unanswered).is_ok();
        let of_all = if added { all.value_at_quantile(quantile) } else { 0 };
        of_all.max(self.latency.value_at_quantile(quantile))
    }

    /// All errors of the run, of any kind.
    #[must_use]
    pub fn errors_total(&self) -> u64 {
        self.errors.values().sum()
    }

    /// Little's law for a closed loop: the mean number of requests in flight on the connections that were served, over
    /// the number that should have been, `served` times the depth of the pipeline. Near 1 when the accounts close;
    /// `None` when nothing was served, or connections were at rest between their requests.
    #[must_use]
    pub fn little(&self) -> Option<f64> {
        let should_be = float(count(self.served)) * float(count(self.pipeline));
        let mean =
            float(self.in_window_ns + self.in_flight_end.served_age_ns) / float(ns(self.duration));
        (self.always_asking && should_be > 0.0 && !self.duration.is_zero())
            .then(|| mean / should_be)
    }
}

/// Not the histograms' hundred thousand counters.
impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut outcome = serde_json::to_value(self).map_err(|_| fmt::Error)?;
        for value in outcome.as_object_mut().into_iter().flat_map(|fields| fields.values_mut()) {
            if let Some(summary) = value.as_object_mut() {
                summary.remove("histogram");
            }
        }
        write!(f, "Outcome {outcome}")
    }
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

#[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
fn maybe_seconds<S: Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match duration {
        Some(duration) => serializer.serialize_some(&duration.as_secs_f64()),
        None => serializer.serialize_none(),
    }
}

#[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
fn maybe_distribution<S: Serializer>(
    histogram: &Option<Histogram<u64>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match histogram {
        Some(histogram) => distribution(histogram, serializer),
        None => serializer.serialize_none(),
    }
}

/// A histogram in JSON: what people look for, and the whole of it for programs.
#[derive(Serialize)]
struct Distribution {
    min: u64,
    mean: f64,
    p50: u64,
    p90: u64,
    p99: u64,
    p999: u64,
    max: u64,
    /// `HdrHistogram` V2, compressed, base64: what its log format holds.
    histogram: String,
}

/// `null` for an empty histogram: nothing was measured, which is not zero.
fn distribution<S: Serializer>(
    histogram: &Histogram<u64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    if histogram.is_empty() {
        return serializer.serialize_none();
    }
    let mut bytes = Vec::new();
    V2DeflateSerializer::new()
        .serialize(histogram, &mut bytes)
        .map_err(serde::ser::Error::custom)?;
    let distribution = Distribution {
        min: histogram.min(),
        mean: histogram.mean(),
        p50: histogram.value_at_quantile(0.5),
        p90: histogram.value_at_quantile(0.9),
        p99: histogram.value_at_quantile(0.99),
        p999: histogram.value_at_quantile(0.999),
        max: histogram.max(),
        histogram: base64::engine::general_purpose::STANDARD.encode(bytes),
    };
    serializer.serialize_some(&distribution)
}
