//! What a cell needs of the machine, for the preflight and for `doctor --connections`.

use measure::limits::{DESCRIPTORS_OF_A_PROCESS, MAPS_OF_A_PROCESS, MAPS_PER_THREAD, Need};
use record::trial::Settings;

use crate::registry::Model;
use crate::settings::count;

/// What a model needs to hold that many connections in one process.
#[must_use]
pub(crate) fn of_cell(
    model: &Model,
    connections: u64,
    workers: Option<u64>,
    generator_threads: usize,
) -> Need {
    let settings = Settings { workers, ..Settings::default() };
    of_trial(model, connections, &settings, generator_threads)
}

/// What a model needs to hold that many connections in as many processes as it is told to have.
#[must_use]
pub(crate) fn of_trial(
    model: &Model,
    connections: u64,
    settings: &Settings,
    generator_threads: usize,
) -> Need {
    let each = model.per_connection;
    let times = |count: u64| count.saturating_mul(connections);
    let workers = settings.workers.unwrap_or(1);
    let servers = settings.processes.unwrap_or(1).max(1);
    let generators = match settings.processes {
        Some(_) => u64::try_from(load::processes_for(count(connections))).unwrap_or(1),
        None => 1,
    };
    let share = |count: u64, processes: u64| {
        count.div_ceil(processes).saturating_add(DESCRIPTORS_OF_A_PROCESS)
    };
    let own_maps = workers.saturating_mul(MAPS_PER_THREAD);
    Need {
        connections,
        generator_descriptors: share(connections, generators),
        server_descriptors: share(times(each.fds), servers),
        processes: times(each.processes).saturating_add(servers).saturating_add(generators),
        threads: times(each.threads)
            .saturating_add(workers)
            .saturating_add(u64::try_from(generator_threads).unwrap_or(0)),
        maps: times(each.maps).saturating_add(own_maps).saturating_add(MAPS_OF_A_PROCESS),
        memory_bytes: times(each.memory_kib).saturating_mul(1024),
        // The generator takes as many source addresses as the connections need.
        ports_per_source: 0,
        accept_queue: model
            .serves_at_most(Some(workers))
            .filter(|_| model.rest_unaccepted)
            .map_or(0, |most| connections.saturating_sub(most)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Registry;

    fn need(model: &str, connections: u64) -> Need {
        let registry = Registry::embedded();
        let model = registry.get(model).unwrap();
        of_cell(model, connections, model.workers_on(1), 1)
    }

    #[test]
    fn each_model_needs_what_carries_its_connections() {
        assert!(need("process-per-connection", 1000).processes > 1000);
        assert!(
            need("process-per-connection", 1000).server_descriptors < 1000,
            "the parent closes its copies"
        );
        assert!(need("thread-per-connection", 1000).threads > 1000);
        assert!(need("thread-per-connection", 1000).maps > 4000);
        let tasks = need("tokio-tasks", 1000);
        assert!(tasks.server_descriptors > 1000 && tasks.processes < 10 && tasks.threads < 10);
    }

    #[test]
    fn whoever_accepts_no_more_than_it_serves_leaves_the_rest_to_the_accept_queue() {
        assert_eq!(need("sequential", 1000).accept_queue, 999);
        assert_eq!(
            need("thread-pool", 1000).accept_queue,
            0,
            "it accepts all and queues them itself"
        );
        assert_eq!(need("tokio-tasks", 1000).accept_queue, 0);
    }

    #[test]
    fn absurd_numbers_need_absurdly_much_and_do_not_overflow() {
        assert_eq!(need("process-per-connection", u64::MAX).processes, u64::MAX);
    }
}
