//! Which CPUs the contestant gets and which the generator, so that neither takes time from the other.
//!
//! ```text
//! allowed by the affinity mask --> cores (SMT siblings stay together) --> groups of one kind that share an L3
//!                                  each group is halved: first half generator, second half server
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use crate::root::Root;

/// Disjoint CPUs for the two sides, where the machine has two.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CpuSets {
    /// The contestant's, sorted.
    pub server: Vec<usize>,
    /// The generator's and the harness's, sorted.
    pub generator: Vec<usize>,
    /// What is not as it should be: a shared CPU, a shared core.
    pub warnings: Vec<String>,
}

/// Halves the CPUs that this process may use.
///
/// Siblings of one core are never split between the two sides (one core alone excepted, with a warning);
/// each group of cores with a common L3 cache is halved, so that messages between the sides stay in it.
/// So is each kind of core, where a machine has fast and slow ones, or one side would have all the fast ones.
/// Of an odd number of cores the generator gets one more, since its headroom must be proven.
pub fn plan() -> io::Result<CpuSets> {
    Ok(plan_from(&Root::machine(), &current_affinity()?))
}

/// Pins the calling thread, and what it will spawn or fork.
pub fn pin_current_thread(cpus: &[usize]) -> io::Result<()> {
    if cpus.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "cannot pin a thread to no CPU at all",
        ));
    }
    let mut set = CpuSet::new();
    for cpu in cpus {
        set.set(*cpu)?;
    }
    sched_setaffinity(Pid::from_raw(0), &set).map_err(|error| {
        io::Error::new(
            io::Error::from(error).kind(),
            format!("cannot pin to CPUs {}: {error}", list(cpus)),
        )
    })
}

/// The CPUs that the calling thread may use, sorted.
pub fn current_affinity() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(Pid::from_raw(0))?;
    Ok((0..CpuSet::count()).filter(|cpu| set.is_set(*cpu).unwrap_or(false)).collect())
}

/// The kernel's way to write CPUs: `0,2-3`.
#[must_use]
pub fn list(cpus: &[usize]) -> String {
    let mut sorted = cpus.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for cpu in sorted {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == cpu => *last = cpu,
            _ => ranges.push((cpu, cpu)),
        }
    }
    let words: Vec<String> = ranges
        .into_iter()
        .map(
            |(first, last)| {
                if first == last { first.to_string() } else { format!("{first}-{last}") }
            },
        )
        .collect();
    words.join(",")
}

/// The inverse of [`list`]; none when the text is not such a list.
pub(crate) fn parse_list(text: &str) -> Option<Vec<usize>> {
    let mut cpus = Vec::new();
    for word in text.trim().split(',').filter(|word| !word.is_empty()) {
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        // A damaged file must not make us fill the memory.
        if last >= CpuSet::count() {
            return None;
        }
        cpus.extend(first..=last);
    }
    Some(cpus)
}

pub(crate) fn plan_from(root: &Root, allowed: &[usize]) -> CpuSets {
    let mut sets = CpuSets::default();
    let groups = cores_by_cache_and_kind(root, allowed);
    let kinds: BTreeSet<Kind> = groups.keys().map(|(_, kind)| *kind).collect();
    match (allowed, groups.values().map(Vec::len).sum::<usize>()) {
        (_, 0) => {}
        (&[only], _) => {
            sets.server.push(only);
            sets.generator.push(only);
            sets.warnings.push(format!(
                "server and generator share CPU {only}, the only one allowed: every figure mixes the two; \
                 allow a second one with taskset"
            ));
        }
        (_, 1) => {
            let (generator, server) = allowed.split_at(allowed.len().div_ceil(2));
            sets.server.extend(server);
            sets.generator.extend(generator);
            sets.warnings.push(format!(
                "server and generator share one core: CPUs {} are its siblings; allow a second core with taskset",
                list(allowed)
            ));
        }
        _ => halve(groups, &mut sets),
    }
    if kinds.len() > 1 {
        sets.warnings.push(
            "this machine has fast and slow cores: a figure depends on which of them did the work; allow one kind \
             with taskset"
                .to_string(),
        );
    }
    sets.server.sort_unstable();
    sets.generator.sort_unstable();
    sets
}

/// How fast a CPU is beside the others: the kernel's capacity, 1,024 for the fastest.
type Kind = u32;
/// The group of a core: the first CPU of the L3 cache that it shares, and its kind.
type Group = (usize, Kind);

/// Cores (their CPUs) by group.
fn cores_by_cache_and_kind(root: &Root, allowed: &[usize]) -> BTreeMap<Group, Vec<Vec<usize>>> {
    // Intel names its slow cores before the kernel gives them a capacity.
    let slow = root.word("/sys/devices/cpu_atom/cpus").and_then(|text| parse_list(&text));
    let kind = |cpu: usize, base: &str| {
        root.number(&format!("{base}/cpu_capacity"))
            .unwrap_or_else(|| u32::from(!slow.iter().flatten().any(|one| *one == cpu)))
    };
    let mut groups: BTreeMap<Group, Vec<Vec<usize>>> = BTreeMap::new();
    for &cpu in allowed {
        let base = format!("/sys/devices/system/cpu/cpu{cpu}");
        let siblings = root.word(&format!("{base}/topology/thread_siblings_list"));
        let siblings = siblings.and_then(|text| parse_list(&text)).unwrap_or_else(|| vec![cpu]);
        let core: Vec<usize> =
            allowed.iter().copied().filter(|one| *one == cpu || siblings.contains(one)).collect();
        // Each core is entered once, by its first allowed CPU.
        if core.first() == Some(&cpu) {
            let group = (first_of_cache(root, &base), kind(cpu, &base));
            groups.entry(group).or_default().push(core);
        }
    }
    groups
}

/// The lowest CPU that shares the L3; where none is told, the package's number, then 0.
fn first_of_cache(root: &Root, base: &str) -> usize {
    let caches = root.names(&format!("{base}/cache"));
    caches
        .iter()
        .filter(|index| root.number::<u32>(&format!("{base}/cache/{index}/level")) == Some(3))
        .find_map(|index| {
            parse_list(&root.word(&format!("{base}/cache/{index}/shared_cpu_list"))?)?
                .first()
                .copied()
        })
        .or_else(|| root.number(&format!("{base}/topology/physical_package_id")))
        .unwrap_or(0)
}

/// Each group's first half to the generator; an odd core goes to the side with fewer CPUs, the generator first.
fn halve(groups: BTreeMap<Group, Vec<Vec<usize>>>, sets: &mut CpuSets) {
    for cores in groups.into_values() {
        let half = if sets.generator.len() <= sets.server.len() {
            cores.len().div_ceil(2)
        } else {
            cores.len() / 2
        };
        let (generator, server) = cores.split_at(half);
        sets.generator.extend(generator.iter().flatten());
        sets.server.extend(server.iter().flatten());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::fake::Machine;

    /// `(cpu, siblings, CPUs of its L3)`
    fn machine(cpus: &[(usize, &str, &str)]) -> Machine {
        cpus.iter().fold(Machine::new(), |machine, (cpu, siblings, cache)| {
            let base = format!("/sys/devices/system/cpu/cpu{cpu}");
            machine
                .with(&format!("{base}/topology/thread_siblings_list"), &format!("{siblings}\n"))
                .with(&format!("{base}/cache/index0/level"), "1\n")
                .with(&format!("{base}/cache/index0/shared_cpu_list"), &format!("{siblings}\n"))
                .with(&format!("{base}/cache/index3/level"), "3\n")
                .with(&format!("{base}/cache/index3/shared_cpu_list"), &format!("{cache}\n"))
        })
    }

    #[test]
    fn two_cpus_give_one_each() {
        let two = machine(&[(0, "0", "0-1"), (1, "1", "0-1")]);
        let sets = plan_from(&two.root(), &[0, 1]);
        assert_eq!((sets.server, sets.generator, sets.warnings.len()), (vec![1], vec![0], 0));
    }

    #[test]
    fn one_cpu_is_shared_with_a_warning() {
        let sets = plan_from(&machine(&[(3, "3", "3")]).root(), &[3]);
        assert_eq!((sets.server, sets.generator), (vec![3], vec![3]));
        assert!(sets.warnings[0].contains("share CPU 3"), "{:?}", sets.warnings);
    }

    #[test]
    fn siblings_of_one_core_are_split_only_when_there_is_no_other() {
        let sets = plan_from(&machine(&[(0, "0-1", "0-1"), (1, "0-1", "0-1")]).root(), &[0, 1]);
        assert_eq!((sets.server, sets.generator), (vec![1], vec![0]));
        assert!(sets.warnings[0].contains("share one core"), "{:?}", sets.warnings);

        let four =
            machine(&[(0, "0,2", "0-3"), (1, "1,3", "0-3"), (2, "0,2", "0-3"), (3, "1,3", "0-3")]);
        let sets = plan_from(&four.root(), &[0, 1, 2, 3]);
        assert_eq!((sets.server, sets.generator), (vec![1, 3], vec![0, 2]));
    }

    #[test]
    fn each_cache_is_halved_and_an_odd_core_balances_the_sides() {
        let six: Vec<(usize, String, &str)> =
            (0..6).map(|cpu| (cpu, cpu.to_string(), if cpu < 3 { "0-2" } else { "3-5" })).collect();
        let six: Vec<(usize, &str, &str)> =
            six.iter().map(|(cpu, own, cache)| (*cpu, own.as_str(), *cache)).collect();
        let sets = plan_from(&machine(&six).root(), &[0, 1, 2, 3, 4, 5]);
        assert_eq!((sets.generator, sets.server), (vec![0, 1, 3], vec![2, 4, 5]));
    }

    #[test]
    fn cpus_outside_the_affinity_mask_are_left_alone() {
        let four =
            machine(&[(0, "0-1", "0-3"), (1, "0-1", "0-3"), (2, "2-3", "0-3"), (3, "2-3", "0-3")]);
        let sets = plan_from(&four.root(), &[1, 2, 3]);
        assert_eq!((sets.generator, sets.server), (vec![1], vec![2, 3]));
    }

    #[test]
    fn four_threads_of_a_package_in_two_caches_are_halved_by_whole_cores() {
        // Two L3 of two cores with two threads each, numbered as Linux does: siblings far apart.
        let eight: Vec<(usize, String, &str)> = (0..8)
            .map(|cpu| {
                (
                    cpu,
                    format!("{},{}", cpu % 4, cpu % 4 + 4),
                    if cpu % 4 < 2 { "0-1,4-5" } else { "2-3,6-7" },
                )
            })
            .collect();
        let eight: Vec<(usize, &str, &str)> =
            eight.iter().map(|(cpu, core, cache)| (*cpu, core.as_str(), *cache)).collect();
        let machine = machine(&eight);
        let sets = plan_from(&machine.root(), &[0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!((sets.generator, sets.server), (vec![0, 2, 4, 6], vec![1, 3, 5, 7]));
        assert_eq!(sets.warnings, [""; 0]);
        // A cpuset that leaves one cache, and of one core a single thread.
        let sets = plan_from(&machine.root(), &[2, 6, 7]);
        assert_eq!((sets.generator, sets.server), (vec![2, 6], vec![7]));
    }

    #[test]
    fn fast_and_slow_cores_are_shared_out_evenly_with_a_warning() {
        let hybrid = || {
            machine(&[
                (0, "0-1", "0-5"),
                (1, "0-1", "0-5"),
                (2, "2-3", "0-5"),
                (3, "2-3", "0-5"),
                (4, "4", "0-5"),
                (5, "5", "0-5"),
            ])
        };
        let named = hybrid().with("/sys/devices/cpu_atom/cpus", "4-5\n");
        let weighed = (0..6).fold(hybrid(), |machine, cpu| {
            let capacity = if cpu < 4 { "1024\n" } else { "446\n" };
            machine.with(&format!("/sys/devices/system/cpu/cpu{cpu}/cpu_capacity"), capacity)
        });
        for machine in [named, weighed] {
            let sets = plan_from(&machine.root(), &[0, 1, 2, 3, 4, 5]);
            assert_eq!((sets.generator, sets.server), (vec![0, 1, 4], vec![2, 3, 5]));
            assert!(sets.warnings[0].contains("fast and slow cores"), "{:?}", sets.warnings);
            let sets = plan_from(&machine.root(), &[0, 1, 2, 3]);
            assert_eq!(sets.warnings, [""; 0], "of one kind alone nothing is said");
        }
    }

    #[test]
    fn a_damaged_topology_still_gives_each_side_a_cpu_of_its_own() {
        let damaged = machine(&[(0, "0-", "everything"), (1, "nobody", ""), (2, "7", "9999999")])
            .with("/sys/devices/system/cpu/cpu0/cpu_capacity", "fast\n");
        let sets = plan_from(&damaged.root(), &[0, 1, 2]);
        assert_eq!((sets.generator, sets.server), (vec![0, 1], vec![2]));
    }

    #[test]
    fn a_machine_that_tells_no_topology_is_halved_by_number() {
        let sets = plan_from(&Machine::new().root(), &[0, 1, 2, 3]);
        assert_eq!((sets.generator, sets.server), (vec![0, 1], vec![2, 3]));
    }

    #[test]
    fn lists_are_written_as_the_kernel_writes_them() {
        assert_eq!(list(&[3, 0, 2]), "0,2-3");
        assert_eq!(list(&[]), "");
        assert_eq!(parse_list("0,2-3\n"), Some(vec![0, 2, 3]));
        assert_eq!(parse_list("all"), None);
        assert_eq!(parse_list("0-99999999999"), None);
    }

    #[test]
    fn a_pinned_thread_may_use_what_it_was_pinned_to() {
        let before = current_affinity().unwrap();
        let one = vec![before[before.len() - 1]];
        let pinned = one.clone();
        let after = std::thread::spawn(move || {
            pin_current_thread(&pinned).and_then(|()| current_affinity())
        });
        assert_eq!(after.join().unwrap().unwrap(), one);
        assert_eq!(current_affinity().unwrap(), before, "only the thread that asked is pinned");
        assert!(pin_current_thread(&[]).is_err());
    }

    #[test]
    fn the_plan_for_this_machine_uses_allowed_cpus_only() {
        let (sets, allowed) = (plan().unwrap(), current_affinity().unwrap());
        assert!(
            sets.server.iter().chain(&sets.generator).all(|cpu| allowed.contains(cpu)),
            "{sets:?}"
        );
        assert!(!sets.server.is_empty() && !sets.generator.is_empty());
        if allowed.len() > 1 {
            assert!(sets.server.iter().all(|cpu| !sets.generator.contains(cpu)), "{sets:?}");
        }
    }
}
