//! What can be known to be wrong with a load before anything is opened.

use std::time::Duration;

use crate::error::Error;
use crate::options::{Load, Pace, Until};
use crate::request::{check_alternatives, check_field};

/// Connections that an echo's stamp can tell apart.
const CONNECTIONS_MAX: usize = 1 << 24;
/// Requests in flight whose start is kept: 1 GiB.
const IN_FLIGHT_MAX: usize = 1 << 27;
const THREADS_MAX: usize = 1024;
const PROCESSES_MAX: usize = 1024;
const SIZE_MAX: usize = 1 << 30;
/// A hundred nanoseconds a request: what no machine does.
pub(crate) const RATE_MAX: f64 = 1e7;
/// Header fields to look for in each answer.
const FIELDS_MAX: usize = 32;
/// Each interval costs a histogram.
const INTERVAL_MIN: Duration = Duration::from_millis(10);

/// Refuses a load that contradicts itself or is beyond all bounds.
pub(crate) fn check(load: &Load) -> Result<(), Error> {
    let is_out_of_bounds = |rate: f64| !(rate > 0.0 && rate <= RATE_MAX);
    let family = |source: &std::net::IpAddr| source.is_ipv4() == load.target.addr().is_ipv4();
    let in_flight = load.connections.saturating_mul(load.pipeline);
    let no_warmup = load.warmup.max.is_zero();
    let faults = [
        (load.connections == 0, "no connections; give at least 1"),
        (load.all_connections() > CONNECTIONS_MAX, "too many connections; give at most 16,777,216"),
        (load.pipeline == 0, "a pipeline of depth 0; give at least 1"),
        (in_flight > IN_FLIGHT_MAX, "too many requests in flight; give at most 134,217,728"),
        (load.size == 0, "messages of 0 bytes; give at least 1"),
        (load.size > SIZE_MAX, "messages of more than 1 GiB; give shorter ones"),
        (load.threads == 0, "no threads; give at least 1"),
        (load.processes == 0, "no processes; give at least 1"),
        (load.processes > PROCESSES_MAX, "too many processes; give at most 1,024"),
        (load.threads.max(load.cpus.len()) > THREADS_MAX, "too many threads; give at most 1,024"),
        (load.timeout.is_zero(), "a timeout of 0; give at least 1ms"),
        (load.until == Until::Duration(Duration::ZERO), "a duration of 0; give at least 1ms"),
        (load.until == Until::Requests(0), "0 requests; give at least 1"),
        (
            load.expect_headers.len() > FIELDS_MAX,
            "too many header fields to expect; give at most 32",
        ),
        (
            load.interval.is_some_and(|interval| interval < INTERVAL_MIN),
            "intervals too short; give at least 10ms",
        ),
        (!no_warmup && load.warmup.window.is_zero(), "a warm-up window of 0; give at least 1ms"),
        (
            !load.sources.iter().all(family),
            "sources of another family than the target; give its own",
        ),
        (
            matches!(load.pace, Pace::Rate(rate) | Pace::Poisson(rate) if is_out_of_bounds(rate)),
            "a rate out of bounds; give more than 0 and at most 10,000,000 a second",
        ),
    ];
    let mut faults =
        faults.into_iter().chain(crate::life::faults(load)).chain(crate::slow::faults(load.slow));
    if let Some((_, why)) = faults.find(|(fault, _)| *fault) {
        return Err(Error::Usage(why.to_owned()));
    }
    load.expect_headers.iter().try_for_each(|(name, value)| check_field(name, value))?;
    check_alternatives(&load.target, &load.alternatives)?;
    load.request.check()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observer::Stop;
    use crate::run::run;
    use crate::target::Target;

    #[test]
    fn a_load_that_contradicts_itself_is_refused() {
        let target = Target::Echo { addr: "127.0.0.1:9".parse().unwrap() };
        let good = Load::new(target.clone(), 1);
        let bad = [
            Load::new(target, 0),
            Load { pipeline: 0, ..good.clone() },
            Load { size: 0, ..good.clone() },
            Load { threads: 0, ..good.clone() },
            Load { timeout: Duration::ZERO, ..good.clone() },
            Load { until: Until::Requests(0), ..good.clone() },
            Load { pace: Pace::Rate(0.0), ..good.clone() },
            Load { pace: Pace::Poisson(f64::NAN), ..good.clone() },
            Load { pace: Pace::Rate(1e12), ..good.clone() },
            Load { connections: usize::MAX, ..good.clone() },
            Load { connections: 10_000_000, pipeline: 1_000, ..good.clone() },
            Load { size: usize::MAX, ..good.clone() },
            Load { threads: usize::MAX, ..good.clone() },
            Load { processes: 0, ..good.clone() },
            Load { processes: usize::MAX, ..good.clone() },
            // A test is no program that can be its own child.
            Load { processes: 2, ..good.clone() },
            Load { interval: Some(Duration::from_millis(9)), ..good.clone() },
            Load { sources: vec!["::1".parse().unwrap()], ..good },
        ];
        for load in bad {
            let error = run(&load, &mut |_| {}, &Stop::new()).unwrap_err();
            assert!(matches!(error, Error::Usage(_)), "{error}");
        }
    }
}
