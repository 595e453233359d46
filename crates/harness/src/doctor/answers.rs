//! Whether each model can hold a number of connections here: as a run would try it, or shared out over processes.

use measure::limits::{LimitHit, Need, Now};
use serde::Serialize;

use crate::need::{self, Processes};
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
    /// In one process of the generator, and of a server that does not fork by its nature.
    pub(super) can: bool,
    /// Shared out as `c10k run` does it by itself where its plan says `many_processes`; absent where that is not needed or
    /// does not help.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) in_processes: Option<Processes>,
    /// Shared out by hand over the fewest processes; absent where that is not needed or does not help.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) by_hand: Option<Processes>,
    /// What stops it, the first to be met first.
    pub(super) limits: Vec<LimitHit>,
    /// How many it serves at a time, where it says so of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) serves_at_most: Option<u64>,
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
        let cell = Cell {
            model,
            connections,
            workers: model.workers_on(server_cpus),
            generator_threads,
            of_run: Processes::of_run(connections),
        };
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
    /// What a run would take.
    of_run: Processes,
}

impl Cell<'_> {
    /// `hits` says which limits a need meets.
    fn answer(&self, ring: Option<LimitHit>, hits: &dyn Fn(&Need) -> Vec<LimitHit>) -> Answer {
        let whole = self.need(Processes::ONE);
        let mut limits: Vec<LimitHit> = ring.into_iter().collect();
        // Without its ring no number of processes helps.
        let helpless = !limits.is_empty();
        limits.extend(hits(&whole));
        let can = limits.is_empty();
        let fits = |processes: &Processes| hits(&self.need(*processes)).is_empty();
        let worth = !can && !helpless;
        let of_run = Some(self.of_run).filter(|_| worth && self.model.event_driven);
        let most = self.model.serves_at_most(self.workers);
        Answer {
            model: self.model.name.clone(),
            connections: self.connections,
            can,
            in_processes: of_run.filter(fits),
            by_hand: if worth { self.share(&whole, hits) } else { None },
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
            .find(|processes| hits(&self.need(*processes)).is_empty())
    }

    fn need(&self, processes: Processes) -> Need {
        let Self { model, connections, workers, generator_threads, .. } = *self;
        need::of_cell(model, connections, workers, processes, generator_threads)
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
        cell(model, connections).answer(ring, &machine(20_000, 65_530))
    }

    /// Its run takes five processes of a server and four of the generator.
    fn cell(model: &Model, connections: u64) -> Cell<'_> {
        let of_run = Processes { server: 5, generator: 4 };
        let workers = model.workers_on(1);
        Cell { model, connections, workers, generator_threads: 1, of_run }
    }

    #[test]
    fn what_one_process_cannot_hold_an_event_driven_model_shares_out() {
        let many = answer("mio-loop", 50_000, None);
        assert!(!many.can && many.limits[0].limit == "nofile");
        // 19,936 a process, of which a tenth is for uneven hashing; 19,900 for the generator.
        assert_eq!(many.by_hand, Some(Processes { server: 3, generator: 3 }));
        assert_eq!(
            many.in_processes,
            Some(Processes { server: 5, generator: 4 }),
            "as its run does"
        );
        let few = answer("mio-loop", 10_000, None);
        assert!(few.can && few.in_processes.is_none() && few.by_hand.is_none());
        let more = answer("mio-loop", 200_000, None);
        assert!(more.in_processes.is_none(), "five do not hold them: {more:?}");
        assert!(more.by_hand.is_some_and(|processes| processes.server > 5), "{more:?}");
    }

    #[test]
    fn what_forks_by_its_nature_needs_help_for_the_generator_alone() {
        let forked = answer("process-per-connection", 25_000, None);
        assert_eq!(forked.by_hand, Some(Processes { server: 1, generator: 2 }));
        assert_eq!(forked.in_processes, None, "a run starts one generator for it");
        let threads = answer("thread-per-connection", 25_000, None);
        assert!(!threads.can && threads.by_hand.is_none());
        assert_eq!(threads.limits.len(), 2, "descriptors first, then maps: {threads:?}");
    }

    #[test]
    fn maps_are_shared_out_as_descriptors_are() {
        let answer = |hits: &dyn Fn(&Need) -> Vec<LimitHit>| {
            let registry = Registry::embedded();
            cell(registry.get("coroutines").unwrap(), 60_000).answer(None, hits)
        };
        let stopped = answer(&machine(100_000, 65_530));
        assert_eq!(stopped.by_hand, Some(Processes { server: 3, generator: 1 }));
        assert!(stopped.in_processes.is_some(), "{stopped:?}");
        assert!(answer(&machine(100_000, 200_000)).can, "nothing stops it as it is");
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
        assert!(!refused.can && refused.in_processes.is_none() && refused.by_hand.is_none());
    }
}
