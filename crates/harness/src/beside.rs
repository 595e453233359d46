//! Other clients of the contestant under test: they ask from before the warm-up until after the window.

use std::thread::JoinHandle;
use std::time::Duration;

use load::{Load, Outcome, Pace, Slow, SlowKind, Stop, Target, Until, Warmup};
use record::stats::summary;
use record::trial::Beside;

use crate::plan;
use crate::settings::{self, count};
use crate::trial::Setup;

/// From one time to the next of a slow client: a request of some 43 bytes is whole before the server loses patience.
const TRICKLE_EVERY: Duration = Duration::from_millis(100);
/// A slow reader takes in ten times as much a second; a slow writer sends byte by byte.
const READ_BYTES: usize = 1_000;
const WRITE_BYTES: usize = 1;

/// Longer than any trial: they are told when it is over.
const UNTIL_TOLD: Duration = Duration::from_hours(24);

/// The neighbours of a trial, asking.
#[derive(Debug)]
pub(crate) struct Neighbours {
    stop: Stop,
    asking: JoinHandle<Result<Outcome, load::Error>>,
    record: Beside,
}

impl Neighbours {
    /// They ask the server that `load` is for.
    pub(crate) fn begin(
        record: Beside,
        planned: Option<&plan::Beside>,
        setup: &Setup,
        load: &Load,
    ) -> Self {
        let addr = load.target.addr();
        let target = Target::Http { host: addr.to_string(), addr, path: record.path.clone() };
        let connections = count(record.connections);
        let slow =
            planned.and_then(|beside| beside.slow).map(|slow| slow_clients(slow, connections));
        let own = Load {
            pace: record.rate.map_or(Pace::Closed, Pace::Rate),
            until: Until::Duration(UNTIL_TOLD),
            warmup: Warmup { max: Duration::ZERO, window: Duration::ZERO },
            timeout: load.timeout,
            cpus: setup.cpus.generator.iter().copied().take(1).collect(),
            seed: load.seed,
            expect: settings::right_answer(&record.path),
            // Beside the slow ones there is nobody who asks.
            active: slow.map(|_| 0),
            slow,
            ..Load::new(target, if slow.is_some() { 1 } else { connections })
        };
        let stop = Stop::new();
        let told = stop.clone();
        let asking = std::thread::spawn(move || load::run(&own, &mut |_| {}, &told));
        Self { stop, asking, record }
    }

    /// Tells them that it is over; what came of their requests.
    pub(crate) fn end(self) -> Beside {
        self.stop.request();
        let mut record = self.record;
        match self.asking.join() {
            Ok(Ok(outcome)) => note(&outcome, &mut record),
            // Not one of them was served: then nothing but that is known.
            Ok(Err(_)) | Err(_) => record.requests = Some(0),
        }
        record
    }
}

fn slow_clients(slow: plan::Slow, connections: usize) -> Slow {
    let (kind, bytes) = match slow {
        plan::Slow::Read => (SlowKind::Read, READ_BYTES),
        plan::Slow::Write => (SlowKind::Write, WRITE_BYTES),
    };
    Slow { connections, kind, bytes, every: TRICKLE_EVERY }
}

fn note(outcome: &Outcome, record: &mut Beside) {
    record.duration_s = Some(outcome.duration.as_secs_f64());
    record.requests = Some(outcome.requests);
    record.connections_served = u64::try_from(outcome.served).ok();
    record.errors =
        outcome.errors.iter().map(|(kind, count)| (kind.name().to_owned(), *count)).collect();
    record.latency_ns = summary(&outcome.latency);
    let Some(slow) = &outcome.slow else { return };
    record.requests = Some(slow.answered);
    record.cut_off = Some(slow.cut_off);
    record.trickling = Some(slow.trickling);
    // Which of them was answered is not counted.
    record.connections_served = None;
    record.errors =
        slow.errors.iter().map(|(kind, count)| (kind.name().to_owned(), *count)).collect();
}
