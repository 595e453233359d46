//! The figures of a fault: what those lost who had no part in it, and for how long.

use record::Trial;
use record::stats::float;
use record::trial::Fault;

use super::{Metric, metric, ms};

/// All of them. They stand in the verdict beside what everybody else feels.
pub(super) static FAULT: [&Metric; 5] =
    [&LOST_CONNECTIONS, &LOST_REQUESTS, &SHUT_OUT, &NEXT_ANSWER, &FULL_SERVICE];

/// Witnesses who keep their connection rest as long after each answer.
const KEEPERS_REST_MS: f64 = 2.0;
/// Those who open one for each request.
const NEWCOMERS_REST_MS: f64 = 5.0;

fn of(trial: &Trial) -> Option<&Fault> {
    trial.fault.as_ref()
}

static LOST_CONNECTIONS: Metric = metric(
    "fault-connections",
    "Connections lost",
    "",
    "connections of witnesses and measured clients that broke; not that whose handler panicked, and not the crowd",
    |trial| of(trial)?.connections_lost.map(float),
)
.exact();
static LOST_REQUESTS: Metric = metric(
    "fault-requests",
    "Requests lost",
    "",
    "requests of witnesses and measured clients without a right answer; a witness asks again at once",
    |trial| of(trial)?.requests_lost.map(float),
)
.exact();
static SHUT_OUT: Metric = metric(
    "fault-shut-out",
    "Shut out",
    "connections",
    "of the crowd that took all descriptors, those without an answer when it was released",
    |trial| of(trial)?.shut_out.map(float),
)
.exact();
static NEXT_ANSWER: Metric = metric(
    "fault-next-answer",
    "Next answer",
    "ms",
    "from the end of the fault to the first right answer to a request that any witness sent after it",
    |trial| of(trial)?.next_answer_ns.map(ms),
)
.lower()
.resolution(KEEPERS_REST_MS);
static FULL_SERVICE: Metric = metric(
    "fault-full-service",
    "Full service",
    "ms",
    "from the end of the fault until each witness had a right answer to a request sent after it and after its last loss",
    |trial| of(trial)?.full_service_ns.map(ms),
)
.lower()
.resolution(NEWCOMERS_REST_MS);
