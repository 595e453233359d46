//! Machines made up in a folder: rich, poor, contained. Here: what stops a cell on them.

mod words;

use super::facts::Facts;
use super::preflight::{LimitHit, Need, hits};
use super::{Limit, Tried, list};
use crate::root::fake::Machine;

/// An ordinary user on an ordinary machine.
fn machine() -> Machine {
    Machine::new()
        .with(
            "/proc/self/status",
            "Uid:\t1000\t1000\t1000\t1000\nCapEff:\t0000000000000000\nCpus_allowed_list:\t0-1\n",
        )
        .with(
            "/proc/self/limits",
            "Max processes   100   200   processes\nMax open files   1024   524288   files\n",
        )
        .with("/proc/sys/fs/nr_open", "1048576\n")
        .with("/proc/sys/fs/file-max", "100000\n")
        .with("/proc/sys/fs/file-nr", "480\t0\t100000\n")
        .with("/proc/sys/kernel/pid_max", "32768\n")
        .with("/proc/sys/kernel/threads-max", "192730\n")
        .with("/proc/loadavg", "0.08 0.10 0.09 2/88 8652\n")
        .with("/proc/sys/vm/max_map_count", "65530\n")
        .with("/proc/meminfo", "MemTotal: 2097152 kB\nMemAvailable: 1048576 kB\n")
        .with("/proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n")
        .with("/proc/sys/net/core/somaxconn", "128\n")
        .with("/sys/devices/system/cpu/online", "0-1\n")
}

/// Root, with every capability but the one that raises hard limits, where `nofile` is 20,000.
fn contained_root(machine: Machine) -> Machine {
    machine
        .with(
            "/proc/self/status",
            "Uid:\t0\t0\t0\t0\nCapEff:\t000001fffeffffff\nCpus_allowed_list:\t0-1\n",
        )
        .with(
            "/proc/self/limits",
            "Max processes   100   100   processes\nMax open files   20000   20000   files\n",
        )
}

fn first(machine: &Machine, need: Need) -> Option<LimitHit> {
    hits(&Facts::read(&machine.root()), &need).into_iter().next()
}

fn listed(machine: &Machine, name: &str) -> Limit {
    let root = machine.root();
    let tried = Tried {
        tracepoints: Err("cannot count; run as root, or mount tracefs".to_string()),
        io_uring: Err("Operation not permitted".to_string()),
    };
    list::limits(&Facts::read(&root), &root, &tried)
        .into_iter()
        .find(|limit| limit.name == name)
        .unwrap()
}

#[test]
fn a_small_cell_is_stopped_by_nothing() {
    let need = Need {
        connections: 100,
        generator_descriptors: 164,
        server_descriptors: 164,
        processes: 2,
        threads: 4,
        maps: 100,
        memory_bytes: 1 << 20,
        ports_per_source: 100,
        accept_queue: 100,
    };
    assert_eq!(first(&machine(), need), None);
}

#[test]
fn a_million_descriptors_name_the_limit_the_need_and_the_way_out() {
    let need = Need { generator_descriptors: 1_000_064, ..Need::default() };
    let hit = first(&contained_root(machine()), need).unwrap();
    assert_eq!((hit.limit.as_str(), hit.have, hit.need), ("nofile", 20_000, 1_000_064));
    assert_eq!(hit.message, "needs 1000064 descriptors in one process, nofile allows 20000");
    assert!(
        hit.remedy.starts_with(
            "raise it with ulimit -n 1000064 (hard limit 20000: needs CAP_SYS_RESOURCE"
        ),
        "{hit}"
    );

    let user = first(&machine(), need).unwrap();
    assert!(user.to_string().contains("(hard limit 524288: needs root)"), "{user}");
}

#[test]
fn the_accept_queue_holds_one_more_than_the_backlog() {
    let need = |accept_queue| Need { accept_queue, ..Need::default() };
    assert_eq!(first(&machine(), need(129)), None);
    let hit = first(&machine(), need(130)).unwrap();
    assert_eq!((hit.limit.as_str(), hit.have, hit.need), ("net.core.somaxconn", 129, 130));
}

#[test]
fn below_the_hard_limit_the_user_can_raise_it_alone() {
    let hit = first(&machine(), Need { server_descriptors: 10_064, ..Need::default() }).unwrap();
    assert_eq!(hit.remedy, "raise it with ulimit -n 10064");
}

#[test]
fn a_free_root_must_raise_nr_open_first() {
    let machine = contained_root(machine()).with(
        "/proc/self/status",
        "Uid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff\nCpus_allowed_list:\t0\n",
    );
    let hit = first(&machine, Need { server_descriptors: 2_000_000, ..Need::default() }).unwrap();
    assert_eq!(hit.remedy, "sysctl -w fs.nr_open=2000000 and then raise it with ulimit -n 2000000");
}

#[test]
fn both_ends_of_a_connection_are_open_files() {
    let hit = first(&machine(), Need { connections: 50_000, ..Need::default() }).unwrap();
    assert_eq!((hit.limit.as_str(), hit.have, hit.need), ("fs.file-max", 99_520, 100_000));
    assert_eq!(hit.remedy, "sysctl -w fs.file-max=100480 (as root)");
}

#[test]
fn ports_run_out_for_each_source_address() {
    let hit = first(&machine(), Need { ports_per_source: 30_000, ..Need::default() }).unwrap();
    assert_eq!((hit.have, hit.need), (28_232, 30_000));
    assert!(
        hit.remedy.contains("2 source addresses") && hit.remedy.contains("1024 65535"),
        "{hit}"
    );
    let hit = first(&machine(), Need { ports_per_source: 1_000_000, ..Need::default() }).unwrap();
    assert!(
        hit.remedy.contains("36 source addresses") && !hit.remedy.contains("65535"),
        "no range is that wide: {hit}"
    );

    let reserved =
        machine().with("/proc/sys/net/ipv4/ip_local_reserved_ports", "100-200,40000-40231,60999\n");
    let hit = first(&reserved, Need { ports_per_source: 28_000, ..Need::default() }).unwrap();
    assert_eq!(hit.have, 28_232 - 233);
}

#[test]
fn threads_are_counted_with_processes_and_those_that_run_already() {
    let need = Need { processes: 2, threads: 33_000, ..Need::default() };
    let root = contained_root(machine());
    let hit = first(&root, need).unwrap();
    assert_eq!((hit.limit.as_str(), hit.have), ("kernel.pid_max", 32_768 - 300 - 88));
    assert_eq!(hit.remedy, "sysctl -w kernel.pid_max=33390");
    // 32,768 - 300 - 88 = 32,380 is just enough.
    assert_eq!(first(&root, Need { threads: 32_380, ..Need::default() }), None);
}

#[test]
fn ulimit_u_binds_users_and_not_root() {
    let need = Need { threads: 150, ..Need::default() };
    // Nobody of this user runs in a made-up /proc, so all 100 are left.
    let hit = first(&machine(), need).unwrap();
    assert_eq!((hit.limit.as_str(), hit.have), ("nproc", 100));
    assert!(hit.remedy.contains("ulimit -u 150"), "{hit}");
    assert_eq!(first(&contained_root(machine()), need), None);
}

#[test]
fn a_containers_pids_limit_comes_before_the_machines() {
    let mount = "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
    let contained = contained_root(machine())
        .with("/proc/self/mountinfo", mount)
        .with("/proc/self/cgroup", "0::/box\n")
        .with("/sys/fs/cgroup/box/pids.max", "64\n")
        .with("/sys/fs/cgroup/box/pids.current", "10\n")
        .with("/sys/fs/cgroup/box/memory.max", "536870912\n");
    let hit = first(&contained, Need { processes: 100, ..Need::default() }).unwrap();
    assert_eq!((hit.limit.as_str(), hit.have), ("cgroup pids.max", 54));
    let hit = first(&contained, Need { memory_bytes: 600 << 20, ..Need::default() }).unwrap();
    assert_eq!((hit.limit.as_str(), hit.have), ("cgroup memory", 512 << 20));
    assert_eq!(listed(&contained, "cgroup pids.max").value, "64 (10 used)");
    assert_eq!(listed(&contained, "cgroup").value, "v2");
}

#[test]
fn maps_and_memory_stop_a_cell_too() {
    let hit = first(&machine(), Need { maps: 80_062, ..Need::default() }).unwrap();
    assert_eq!((hit.limit.as_str(), hit.have), ("vm.max_map_count", 65_530));
    let hit = first(&machine(), Need { memory_bytes: 2 << 30, ..Need::default() }).unwrap();
    assert_eq!((hit.limit.as_str(), hit.have), ("memory available", 1 << 30));
}

#[test]
fn tracking_counts_only_where_something_is_tracked() {
    let need = Need { connections: 300, ..Need::default() };
    let idle = machine()
        .with("/proc/sys/net/netfilter/nf_conntrack_max", "256\n")
        .with("/proc/sys/net/netfilter/nf_conntrack_count", "0\n");
    assert_eq!(first(&idle, need), None);
    let busy = idle.with("/proc/sys/net/netfilter/nf_conntrack_count", "6\n");
    let hit = first(&busy, need).unwrap();
    assert_eq!((hit.limit.as_str(), hit.have), ("net.netfilter.nf_conntrack_max", 250));
}

#[test]
fn a_machine_that_tells_nothing_stops_nothing_and_says_unknown() {
    let silent = Machine::new();
    let need = Need {
        connections: 1,
        server_descriptors: 1,
        processes: 1,
        maps: 1,
        memory_bytes: 1,
        ..Need::default()
    };
    assert_eq!(first(&silent, need), None);
    for name in ["nofile", "kernel.pid_max", "memory available", "CPUs", "vm.max_map_count"] {
        let limit = listed(&silent, name);
        assert_eq!(limit.value, "unknown", "{name}");
        assert!(limit.caps.contains("there is no `/"), "{limit:?}");
        assert!(!limit.caps.contains(" 0"), "an unknown limit stops nothing at 0: {limit:?}");
    }
}

#[test]
fn no_remedy_asks_for_more_pids_than_a_kernel_can_have() {
    let hit =
        first(&contained_root(machine()), Need { threads: 5_000_000, ..Need::default() }).unwrap();
    assert!(hit.remedy.contains("no setting allows more than 4194304"), "{hit}");
}

#[test]
fn raising_the_soft_limit_is_seen_by_the_next_preflight() {
    let hard = super::raise_descriptors().unwrap();
    assert_eq!(super::raise_descriptors().unwrap(), hard, "once more changes nothing");
    let facts = Facts::read(&crate::root::Root::machine());
    assert_eq!(facts.nofile.unwrap().soft, hard);
}
