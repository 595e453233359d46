//! What a cell needs of the machine, for the preflight and for `doctor --connections`.

use measure::limits::{DESCRIPTORS_OF_A_PROCESS, MAPS_OF_A_PROCESS, MAPS_PER_THREAD, Need};
use record::trial::Settings;
use serde::Serialize;

use crate::registry::Model;
use crate::settings;

/// Processes of both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Processes {
    /// `serve --processes` of the contestant.
    pub(crate) server: u64,
    /// `--processes` of the generator.
    pub(crate) generator: u64,
}

impl Processes {
    /// One of each.
    pub(crate) const ONE: Self = Self { server: 1, generator: 1 };

    /// As many as a run takes for that many connections, where its plan lets it (`many_processes`).
    pub(crate) fn of_run(connections: u64) -> Self {
        Self { server: settings::processes(connections), ..Self::told(1, connections) }
    }

    /// With that many of the contestant; the generator knows for itself.
    fn told(server: u64, connections: u64) -> Self {
        let generator = load::processes_for(settings::count(connections));
        Self { server, generator: u64::try_from(generator).unwrap_or(1) }
    }
}

/// What a trial needs that is told those settings.
#[must_use]
pub(crate) fn of_trial(
    model: &Model,
    connections: u64,
    settings: &Settings,
    generator_threads: usize,
) -> Need {
    let told = settings.processes.map(|server| Processes::told(server, connections));
    let processes = told.unwrap_or(Processes::ONE);
    of_cell(model, connections, settings.workers, processes, generator_threads)
}

/// What a model needs to hold that many connections in those processes.
#[must_use]
pub(crate) fn of_cell(
    model: &Model,
    connections: u64,
    workers: Option<u64>,
    processes: Processes,
    generator_threads: usize,
) -> Need {
    let Processes { server, generator } = processes;
    let each = model.per_connection;
    let times = |count: u64| count.saturating_mul(connections);
    let workers = workers.unwrap_or(1);
    // The kernel deals connections by a hash: a tenth of the room is for those who get more than their share.
    let own = match server {
        0 | 1 => connections,
        _ => connections.div_ceil(server).saturating_mul(10).div_ceil(9),
    };
    let parents = u64::from(server > 1) + u64::from(generator > 1);
    let own_maps = workers.saturating_mul(MAPS_PER_THREAD);
    Need {
        connections,
        generator_descriptors: connections
            .div_ceil(generator.max(1))
            .saturating_add(DESCRIPTORS_OF_A_PROCESS),
        server_descriptors: each.fds.saturating_mul(own).saturating_add(DESCRIPTORS_OF_A_PROCESS),
        processes: times(each.processes).saturating_add(server + generator + parents),
        threads: times(each.threads)
            .saturating_add(workers.saturating_mul(server))
            .saturating_add(u64::try_from(generator_threads).unwrap_or(0)),
        maps: each
            .maps
            .saturating_mul(own)
            .saturating_add(own_maps)
            .saturating_add(MAPS_OF_A_PROCESS),
        memory_bytes: times(each.memory_kib).saturating_mul(1024),
        // The generator takes as many source addresses as the connections need.
        ports_per_source: 0,
        accept_queue: model
            .serves_at_most(Some(workers))
            .filter(|_| model.rest_unaccepted)
            .map_or(0, |most| own.saturating_sub(most)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Registry;

    fn need(model: &str, connections: u64) -> Need {
        let registry = Registry::embedded();
        let model = registry.get(model).unwrap();
        of_cell(model, connections, model.workers_on(1), Processes::ONE, 1)
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
    fn what_each_process_holds_is_its_share_and_a_tenth_more() {
        let registry = Registry::embedded();
        let of = |model: &str, server| {
            let model = registry.get(model).unwrap();
            let processes = Processes { server, generator: 2 };
            of_cell(model, 60_000, model.workers_on(1), processes, 1)
        };
        let (one, four) = (of("coroutines", 1), of("coroutines", 4));
        assert!(one.maps > 2 * 60_000 && one.server_descriptors > 60_000, "{one:?}");
        assert!((30_000..35_000).contains(&four.maps), "{four:?}");
        assert!((15_000..17_000).contains(&four.server_descriptors), "{four:?}");
        assert_eq!(four.processes, 4 + 2 + 2, "and a parent of each");
        assert_eq!(four.memory_bytes, one.memory_bytes, "the machine is one");
    }

    #[test]
    fn absurd_numbers_need_absurdly_much_and_do_not_overflow() {
        assert_eq!(need("process-per-connection", u64::MAX).processes, u64::MAX);
    }
}
