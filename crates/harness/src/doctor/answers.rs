//! Whether each model can hold a number of connections here: as a run would try it, or shared out over processes.

use measure::limits::{DESCRIPTORS_OF_A_PROCESS, LimitHit, Need, Now};
use serde::Serialize;

use crate::need;
use crate::registry::{Model, Registry};

/// Most that `serve --processes` takes.
const SERVER_PROCESSES_MOST: u64 = 256;
/// What a process of the generator keeps for itself.
const GENERATOR_DESCRIPTORS: u64 = 100;
/// The runtimes that cannot do without `io_uring`.
const ON_IO_URING: [&str; 2] = ["compio", "monoio"];

/// Whether a model can hold the connections that were asked about.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    pub(super) model: String,
    pub(super) connections: u64,
    /// As `c10k run` does it: one process of the generator, and of a server that does not fork by its nature.
    pub(super) can: bool,
    /// Shared out by hand; absent where that is not needed or does not help.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) shared_out: Option<Processes>,
    /// What stops it, the first to be met first.
    pub(super) limits: Vec<LimitHit>,
    /// How many it serves at a time, where it says so of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) serves_at_most: Option<u64>,
}

/// Processes of both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Processes {
    /// `c10k serve MODEL --processes`.
    pub(super) server: u64,
    /// `c10k-load --processes`, which it chooses itself.
    pub(super) generator: u64,
}

/// One for each model, in report order. Limits are read once, for all of them.
pub(super) fn of_all(
    registry: &Registry,
    connections: u64,
    server_cpus: usize,
    generator_threads: usize,
) -> Vec<Answer> {
    let now = Now::read();
    let without_ring = now.without_ring();
    let answer = |model: &Model| {
        let ring = without_ring.clone().filter(|_| ON_IO_URING.contains(&model.runtime.as_str()));
        let cell =
            Cell { model, connections, workers: model.workers_on(server_cpus), generator_threads };
        cell.answer(ring, &|need| now.hits(need))
    };
    registry.models.iter().map(answer).collect()
}

/// A model and how many connections it is to hold.
struct Cell<'a> {
    model: &'a Model,
    connections: u64,
    workers: Option<u64>,
    generator_threads: usize,
}

impl Cell<'_> {
    /// `hits` says which limits a need meets.
    fn answer(&self, ring: Option<LimitHit>, hits: &dyn Fn(&Need) -> Vec<LimitHit>) -> Answer {
        let whole =
            need::of_cell(self.model, self.connections, self.workers, self.generator_threads);
        let mut limits: Vec<LimitHit> = ring.into_iter().collect();
        // Without its ring no number of processes helps.
        let helpless = !limits.is_empty();
        limits.extend(hits(&whole));
        let can = limits.is_empty();
        let shared_out = if can || helpless { None } else { self.share(&whole, hits) };
        let most = self.model.serves_at_most(self.workers);
        Answer {
            model: self.model.name.clone(),
            connections: self.connections,
            can,
            shared_out,
            limits,
            serves_at_most: most.filter(|most| *most < self.connections),
        }
    }

    /// The fewest processes with which nothing stops it.
    fn share(&self, whole: &Need, hits: &dyn Fn(&Need) -> Vec<LimitHit>) -> Option<Processes> {
        // The generator's share is the same whatever the server does.
        let alone = Need { generator_descriptors: whole.generator_descriptors, ..Need::default() };
        let generator = match hits(&alone).into_iter().find(|hit| hit.limit == "nofile") {
            Some(hit) => {
                self.connections.div_ceil(hit.have.checked_sub(GENERATOR_DESCRIPTORS)?.max(1))
            }
            None => 1,
        };
        let most = if self.model.event_driven { SERVER_PROCESSES_MOST } else { 1 };
        (1..=most)
            .map(|server| Processes { server, generator })
            .find(|processes| hits(&self.shared(whole, *processes)).is_empty())
    }

    /// What it takes when both sides are shared out. A parent of several holds nothing but itself.
    fn shared(&self, whole: &Need, Processes { server, generator }: Processes) -> Need {
        // The kernel deals connections by a hash: a tenth of the room is for those who get more than their share.
        let uneven = |count: u64| match server {
            1 => count,
            _ => count.div_ceil(server).saturating_mul(10).div_ceil(9),
        };
        let own = uneven(self.connections);
        let one = need::of_cell(self.model, own, self.workers, self.generator_threads);
        let parents = u64::from(server > 1) + u64::from(generator > 1);
        Need {
            generator_descriptors: self.connections.div_ceil(generator) + DESCRIPTORS_OF_A_PROCESS,
            server_descriptors: one.server_descriptors,
            processes: whole.processes.saturating_add(server - 1 + generator - 1 + parents),
            threads: whole
                .threads
                .saturating_add(self.workers.unwrap_or(1) * (server - 1) + generator - 1),
            maps: one.maps,
            accept_queue: one.accept_queue,
            ..*whole
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine with that many descriptors a process and maps a process, and nothing else in the way.
    fn machine(nofile: u64, maps: u64) -> impl Fn(&Need) -> Vec<LimitHit> {
        move |need| {
            let hit = |limit: &str, have, need| LimitHit {
                limit: limit.into(),
                have,
                need,
                message: String::new(),
                remedy: String::new(),
            };
            let descriptors = need.generator_descriptors.max(need.server_descriptors);
            let all =
                [hit("nofile", nofile, descriptors), hit("vm.max_map_count", maps, need.maps)];
            all.into_iter().filter(|hit| hit.have < hit.need).collect()
        }
    }

    fn answer(model: &str, connections: u64, ring: Option<LimitHit>) -> Answer {
        let registry = Registry::embedded();
        let model = registry.get(model).unwrap();
        let cell = Cell { model, connections, workers: model.workers_on(1), generator_threads: 1 };
        cell.answer(ring, &machine(20_000, 65_530))
    }

    #[test]
    fn what_one_process_cannot_hold_an_event_driven_model_shares_out() {
        let many = answer("mio-loop", 50_000, None);
        assert!(!many.can && many.limits[0].limit == "nofile");
        // 19,936 a process, of which a tenth is for uneven hashing; 19,900 for the generator.
        assert_eq!(many.shared_out, Some(Processes { server: 3, generator: 3 }));
        let few = answer("mio-loop", 10_000, None);
        assert!(few.can && few.shared_out.is_none());
    }

    #[test]
    fn what_forks_by_its_nature_needs_help_for_the_generator_alone() {
        let forked = answer("process-per-connection", 25_000, None);
        assert_eq!(forked.shared_out, Some(Processes { server: 1, generator: 2 }));
        let threads = answer("thread-per-connection", 25_000, None);
        assert!(!threads.can && threads.shared_out.is_none());
        assert_eq!(threads.limits.len(), 2, "descriptors first, then maps: {threads:?}");
    }

    #[test]
    fn maps_are_shared_out_as_descriptors_are() {
        let cell = |hits: &dyn Fn(&Need) -> Vec<LimitHit>| {
            let registry = Registry::embedded();
            let model = registry.get("coroutines").unwrap();
            let cell = Cell { model, connections: 60_000, workers: Some(1), generator_threads: 1 };
            cell.answer(None, hits).shared_out
        };
        assert_eq!(cell(&machine(100_000, 65_530)), Some(Processes { server: 3, generator: 1 }));
        assert_eq!(cell(&machine(100_000, 200_000)), None, "nothing stops it as it is");
    }

    #[test]
    fn without_its_ring_a_model_does_not_start_in_any_number_of_processes() {
        let ring = LimitHit {
            limit: "io_uring".into(),
            have: 0,
            need: 1,
            message: "needs io_uring".into(),
            remedy: "allow it".into(),
        };
        let refused = answer("monoio-cores", 50_000, Some(ring));
        assert_eq!(refused.limits[0].limit, "io_uring");
        assert!(!refused.can && refused.shared_out.is_none());
    }
}
