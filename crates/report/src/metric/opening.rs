//! The figures of opening connections, and of opening all at once.

use record::stats::float;

use super::{CPU, MEMORY, Metric, PSS, metric};

/// The verdict on accepting.
pub(super) static STORM: [&Metric; 8] =
    [&OPENED, &GREETED, &ALL_GREETED, &OVERFLOWS, &SYNS, &CPU, &MEMORY, &PSS];

/// What is drawn of accepting.
pub(super) static STORM_CURVES: [&Metric; 4] = [&ALL_GREETED, &OPENED, &CPU, &MEMORY];

pub(crate) static OPENED: Metric = metric(
    "opened",
    "Time to open",
    "ms",
    "from the first connect to the last connection open",
    |trial| trial.open_ms,
)
.lower();
pub(crate) static GREETED: Metric = metric(
    "greeted",
    "Greeted",
    "connections",
    "connections that asked as soon as they were open, and got an answer",
    |trial| trial.connections_greeted.map(float),
)
.higher()
.exact();
pub(crate) static ALL_GREETED: Metric = metric(
    "all-greeted",
    "All answered",
    "ms",
    "from the first connect to the last first answer",
    |trial| trial.all_greeted_ms,
)
.lower();
pub(crate) static OVERFLOWS: Metric = metric(
    "overflows",
    "Listen overflows",
    "",
    "times that the accept queue was full when a handshake was to end",
    |trial| trial.tcp.listen_overflows.map(float),
)
.exact();
pub(crate) static SYNS: Metric = metric(
    "syns",
    "SYNs sent again",
    "",
    "after 1, 3 or 7 s, since the first was dropped",
    |trial| trial.tcp.syn_retransmits.map(float),
)
.exact();
