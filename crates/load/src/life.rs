//! How connections live: how they are opened, how long they are kept, how they rest.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::check::RATE_MAX;
use crate::options::{Load, Pace, Until};
use crate::target::Target;

/// How fast connections are opened.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Opening {
    /// As fast as the server accepts: no more than it has room for wait in its accept queue, so that no SYN is dropped.
    Gated,
    /// This many a second, whatever the server does.
    Rate(f64),
    /// All at once: the storm. What the server's queue does not hold is dropped, and tried again after 1, 3 and 7 s.
    Burst,
}

/// Who closes the connection of one request first, and so keeps it in `TIME_WAIT` for a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Churn {
    /// The server, asked by `Connection: close`; for HTTP alone. No port is kept from later connections.
    Server,
    /// The generator, which then runs through its ports: on an IPv4 loopback more sources are taken by themselves.
    Client,
    /// The generator, by a reset: nobody waits, and the server sees an error where it expects an end.
    Reset,
}

/// How long a connection rests between an answer and its next request. The first request comes after a random part of
/// it, so that the connections do not march in step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Think {
    /// Always so long.
    Constant(Duration),
    /// At random, exponentially distributed, so long in the mean.
    Exponential(Duration),
}

/// What is wrong with how a load's connections are to live, and what to give instead.
pub(crate) fn faults(load: &Load) -> [(bool, &'static str); 8] {
    let is_echo = matches!(load.target, Target::Echo { .. });
    let closed = load.pace == Pace::Closed;
    let rests = |rest: Think| match rest {
        Think::Constant(time) | Think::Exponential(time) => !time.is_zero(),
    };
    [
        (
            matches!(load.opening, Opening::Rate(rate) if !(rate > 0.0 && rate <= RATE_MAX)),
            "a ramp out of bounds; give more than 0 and at most 10,000,000 a second",
        ),
        (
            is_echo && load.churn == Some(Churn::Server),
            "an echo server waits for its client to close; let the client close or reset",
        ),
        (
            load.churn.is_some() && load.pipeline > 1,
            "a pipeline on connections of one request; give a depth of 1",
        ),
        (
            load.churn.is_some() && load.greet,
            "a greeting on connections of one request; give one of the two",
        ),
        (
            load.churn.is_some() && load.active() < load.connections,
            "idle connections among those of one request; make them all active",
        ),
        (
            load.think.is_some() && !closed,
            "think time in an open loop, where requests are due by the clock; give a closed one",
        ),
        (load.think.is_some_and(|think| !rests(think)), "a think time of 0; give at least 1us"),
        (
            load.active() == 0 && (!closed || matches!(load.until, Until::Requests(_))),
            "requests without an active connection; give at least one, or a duration",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Error, Stop};

    #[test]
    fn ways_of_life_that_contradict_each_other_are_refused() {
        let good = Load::new(Target::parse("http://127.0.0.1:9/").unwrap(), 4);
        let echo = Load::new(Target::parse("echo://127.0.0.1:9").unwrap(), 4);
        let think = Some(Think::Constant(Duration::from_millis(1)));
        let churn = Some(Churn::Client);
        let bad = [
            Load { opening: Opening::Rate(0.0), ..good.clone() },
            Load { churn: Some(Churn::Server), ..echo },
            Load { churn, pipeline: 2, ..good.clone() },
            Load { churn, greet: true, ..good.clone() },
            Load { churn, active: Some(2), ..good.clone() },
            Load { think, pace: Pace::Rate(5.0), ..good.clone() },
            Load { think: Some(Think::Exponential(Duration::ZERO)), ..good.clone() },
            Load { active: Some(0), until: Until::Requests(5), ..good.clone() },
            Load { active: Some(0), pace: Pace::Rate(5.0), ..good },
        ];
        for load in bad {
            let error = crate::run(&load, &mut |_| {}, &Stop::new()).unwrap_err();
            assert!(matches!(error, Error::Usage(_)), "{error}");
        }
    }
}
