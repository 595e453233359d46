//! How long a trial should take: a guess, said before a run begins, that progress corrects by experience.

use std::time::Duration;

use crate::order::Planned;
use crate::plan::Task;
use crate::registry::Model;

/// To start a contestant, to weigh it, to stop it.
const START_AND_END: Duration = Duration::from_millis(100);

/// To open a connection and to close it, where an event loop has it, and where the kernel makes a thread or a process.
const CONNECTION_US: [u64; 2] = [60, 300];

/// How long that trial of that model should take, where nothing stops it.
#[must_use]
pub fn of(planned: &Planned<'_>, model: &Model) -> Duration {
    let (experiment, connections) = (planned.experiment, planned.connections);
    if let Some(task) = &experiment.client {
        return START_AND_END + 2 * client(task, connections, model);
    }
    let each = CONNECTION_US[usize::from(!model.event_driven)];
    let open_and_close = Duration::from_micros(connections.saturating_mul(each));
    // It mostly ends before it must.
    let warmup = experiment.warmup(model, connections) / 2;
    START_AND_END + open_and_close + warmup + experiment.window(model, connections)
}

/// A client runs to its end, once alone and once looked at.
fn client(task: &Task, fetches: u64, model: &Model) -> Duration {
    let waits_ms = |path: &String| path.strip_prefix("/wait/")?.parse::<u64>().ok();
    let ms = match task {
        Task::Fetch(paths) => {
            let longest = paths.iter().filter_map(waits_ms).max().unwrap_or(0);
            let one_at_a_time = model.serves_at_most(None) == Some(1);
            longest.saturating_mul(if one_at_a_time { fetches } else { 1 })
        }
        idiom => idiom.sleeps_ms().and_then(|sleeps| sleeps.iter().max().copied()).unwrap_or(0),
    };
    Duration::from_millis(ms)
}
