//! What the list says of made-up machines.

use super::super::preflight::Need;
use super::{contained_root, first, listed, machine};
use crate::root::Writing;
use crate::root::fake::Machine;

#[test]
fn a_pid_namespace_says_that_it_does_not_see_what_holds_outside() {
    let of = |namespace: &str| {
        let machine = machine().with("/proc/self/ns/user", "");
        std::os::unix::fs::symlink(namespace, machine.root().path("/proc/self/ns/pid")).unwrap();
        listed(&machine, "kernel.pid_max").caps
    };
    assert!(of("pid:[4026532190]").contains("outside this PID namespace"));
    assert!(!of("pid:[4026531836]").contains("namespace"), "the first one has nothing outside");
}

#[test]
fn each_limit_says_what_it_caps_in_plain_words() {
    let machine = machine();
    assert_eq!(
        listed(&machine, "vm.max_map_count").caps,
        "threads of one process stop at 16,367 (4 maps each)"
    );
    let nofile = listed(&machine, "nofile");
    assert_eq!(nofile.value, "1024 (hard 524288)");
    assert!(
        nofile
            .caps
            .starts_with("connections of one process stop at 524,224 (64 kept for itself); c10k"),
        "{nofile:?}"
    );
    assert!(listed(&machine, "net.ipv4.ip_local_port_range").caps.ends_with("stop at 28,232"));
    assert!(listed(&machine, "net.core.somaxconn").caps.ends_with("a backlog of 4096 becomes 128"));
    assert_eq!(listed(&machine, "CPUs").caps, "server on CPUs 1, generator on CPUs 0");
    assert_eq!(listed(&machine, "memory available").value, "1.0 GiB of 2.0 GiB");
    assert_eq!(listed(&machine, "tracepoints").remedy.unwrap(), "run as root, or mount tracefs");
    assert_eq!(listed(&machine, "governor").value, "absent");
}

#[test]
fn a_hard_limit_is_raised_by_whoever_may() {
    let nofile = |machine: &Machine| listed(machine, "nofile").remedy.unwrap();
    let user = machine().with("/proc/self/limits", "Max open files   1024   1024   files\n");
    assert!(nofile(&user).starts_with("ulimit -n 1048576 (as root)"), "{}", nofile(&user));
    let contained = contained_root(machine());
    assert!(
        nofile(&contained).starts_with("not from here: root lacks the machine's CAP_SYS_RESOURCE")
    );
    let free = contained.with("/proc/self/status", "Uid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff\n");
    assert_eq!(nofile(&free), "ulimit -n 1048576");
    let low = free.with("/proc/sys/fs/nr_open", "20000\n");
    assert_eq!(nofile(&low), "sysctl -w fs.nr_open=1048576 and then ulimit -n 1048576");
    // In a user namespace all capabilities are there, and none of them counts.
    let namespaced = low.with("/proc/self/uid_map", "         0       1000          1\n");
    assert!(nofile(&namespaced).starts_with("not from here"), "{}", nofile(&namespaced));
    assert!(listed(&namespaced, "nproc").caps.ends_with("stop at 100"));
}

#[test]
fn what_allows_enough_already_has_no_remedy_that_would_lower_it() {
    let roomy = machine()
        .with("/proc/sys/fs/nr_open", "1073741816\n")
        .with("/proc/sys/fs/file-max", "9223372036854775807\n")
        .with("/proc/sys/kernel/pid_max", "4194304\n")
        .with("/proc/sys/vm/max_map_count", "2147483642\n")
        .with("/proc/sys/net/core/somaxconn", "65535\n");
    for name in
        ["fs.nr_open", "fs.file-max", "kernel.pid_max", "vm.max_map_count", "net.core.somaxconn"]
    {
        assert_eq!(listed(&roomy, name).remedy, None, "{name}");
    }
}

#[test]
fn what_cannot_be_written_here_says_who_can() {
    let sealed = contained_root(machine()).writing(Writing::ReadOnly);
    assert_eq!(
        listed(&sealed, "vm.max_map_count").remedy.unwrap(),
        "not from inside this container: `/proc/sys/vm/max_map_count` is read-only; \
         sysctl -w vm.max_map_count=1048576 on its host"
    );
    let somaxconn = listed(&sealed, "net.core.somaxconn").remedy.unwrap();
    assert!(somaxconn.ends_with("start it with docker run --sysctl net.core.somaxconn=4096"));
    let range = listed(&sealed, "net.ipv4.ip_local_port_range").remedy.unwrap();
    assert_eq!(range, "use more source addresses (127.0.0.2 and on)");
    let hit = first(&sealed, Need { maps: 80_062, ..Need::default() }).unwrap();
    assert!(hit.remedy.starts_with("not from inside this container"), "{hit}");

    let denied = contained_root(machine()).writing(Writing::Denied);
    let remedy = listed(&denied, "vm.max_map_count").remedy.unwrap();
    assert!(remedy.contains("its root may not write"), "{remedy}");
    let user = machine().writing(Writing::Denied);
    let remedy = listed(&user, "vm.max_map_count").remedy.unwrap();
    assert_eq!(remedy, "sysctl -w vm.max_map_count=1048576 (as root)");
}

#[test]
fn a_control_group_is_lifted_in_its_own_file_or_from_outside() {
    let contained = contained_root(machine())
        .with("/proc/self/mountinfo", "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
        .with("/proc/self/cgroup", "0::/box/inner\n")
        .with("/sys/fs/cgroup/box/inner/pids.max", "max\n")
        .with("/sys/fs/cgroup/box/pids.max", "64\n")
        .with("/sys/fs/cgroup/box/pids.current", "10\n")
        .with("/sys/fs/cgroup/box/cpu.max", "150000 100000\n")
        .with("/sys/fs/cgroup/box/inner/cpuset.cpus.effective", "0\n");
    let pids = listed(&contained, "cgroup pids.max");
    assert_eq!(pids.remedy.unwrap(), "echo max > /sys/fs/cgroup/box/pids.max");
    let hit = first(&contained, Need { processes: 100, ..Need::default() }).unwrap();
    assert_eq!(hit.remedy, "echo 110 > /sys/fs/cgroup/box/pids.max");
    let quota = listed(&contained, "cgroup CPU quota");
    assert_eq!((quota.value.as_str(), quota.remedy.is_some()), ("1.500 CPUs", true));
    let cpuset = listed(&contained, "cgroup cpuset");
    assert_eq!((cpuset.value.as_str(), cpuset.caps.as_str()), ("0", "CPUs 1 are out of reach"));
    assert_eq!(cpuset.remedy.unwrap(), "echo 0-1 > /sys/fs/cgroup/box/inner/cpuset.cpus");
    let sealed = contained.writing(Writing::ReadOnly);
    let remedy = listed(&sealed, "cgroup pids.max").remedy.unwrap();
    assert!(remedy.ends_with("is read-only; start it with docker run --pids-limit N"), "{remedy}");
}

#[test]
fn an_affinity_mask_is_widened_as_far_as_the_control_group_lets_it() {
    let status = "Uid:\t1000\t1000\t1000\t1000\nCpus_allowed_list:\t1\n";
    let pinned = machine().with("/proc/self/status", status);
    let cpus = listed(&pinned, "CPUs");
    assert_eq!(
        (cpus.value.as_str(), cpus.remedy.as_deref()),
        ("2 online, 1 allowed (1)", Some("taskset -c 0-1"))
    );
    assert!(cpus.caps.contains("share CPU 1"), "{cpus:?}");
    let confined = pinned
        .with("/proc/self/mountinfo", "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
        .with("/proc/self/cgroup", "0::/\n")
        .with("/sys/fs/cgroup/cpuset.cpus.effective", "1\n");
    assert_eq!(listed(&confined, "CPUs").remedy, None, "the mask is not what holds it back");
}

#[test]
fn what_cannot_be_read_or_understood_is_unknown_and_says_why() {
    let damaged = machine()
        .with("/proc/sys/vm/max_map_count", "plenty\n")
        .with("/proc/sys/net/ipv4/tcp_mem", "1 2\n")
        .with("/proc/sys/net/ipv4/ip_local_port_range", "60999\n")
        .with("/proc/sys/net/netfilter/nf_conntrack_max", "\n")
        .with("/proc/self/limits", "Max open files   few   many   files\n");
    for (name, begins) in [
        ("vm.max_map_count", "plenty"),
        ("net.ipv4.tcp_mem", "1 2"),
        ("net.ipv4.ip_local_port_range", "60999"),
        ("net.netfilter.nf_conntrack_max", ""),
        ("nofile", "Max open files"),
    ] {
        let limit = listed(&damaged, name);
        assert_eq!(limit.value, "unknown", "{limit:?}");
        assert!(limit.caps.contains(&format!("begins with `{begins}")), "{limit:?}");
    }
    let root = damaged.root();
    std::fs::create_dir_all(root.path("/proc/sys/net/ipv4/tcp_tw_reuse")).unwrap();
    let unreadable = listed(&damaged, "net.ipv4.tcp_tw_reuse");
    assert!(
        unreadable.caps.contains("cannot read `/proc/sys/net/ipv4/tcp_tw_reuse`"),
        "{unreadable:?}"
    );
}

#[test]
fn settings_that_shape_results_say_how() {
    let cpu = "/sys/devices/system/cpu";
    let machine = machine()
        .with(&format!("{cpu}/smt/control"), "on\n")
        .with(&format!("{cpu}/cpu0/topology/thread_siblings_list"), "0-1\n")
        .with(&format!("{cpu}/cpu1/topology/thread_siblings_list"), "0-1\n")
        .with(&format!("{cpu}/cpu0/cpufreq/scaling_governor"), "powersave\n")
        .with(&format!("{cpu}/intel_pstate/no_turbo"), "0\n")
        .with("/sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n")
        .with("/sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n")
        .with("/proc/sys/net/ipv4/tcp_tw_reuse", "0\n")
        .with("/proc/sys/net/ipv4/tcp_syncookies", "0\n")
        .with("/proc/sys/net/ipv4/tcp_max_syn_backlog", "2048\n")
        .with("/proc/sys/net/ipv4/tcp_rmem", "4096\t131072\t6291456\n")
        .with("/proc/sys/vm/overcommit_memory", "2\n")
        .with("/proc/sys/kernel/randomize_va_space", "0\n")
        .with("/proc/meminfo", "SwapTotal: 2048 kB\nSwapFree: 1024 kB\n");
    for (name, value, caps, remedy) in [
        ("SMT", "on: 0-1", "never split", "echo off > "),
        ("governor", "powersave", "follows the load", "cpupower frequency-set -g performance"),
        ("turbo", "on", "heat", "cpupower set --turbo-boost 0"),
        ("clock source", "hpet", "a system call", "echo tsc > "),
        ("transparent huge pages", "always", "whole huge pages", "echo madvise > "),
        ("net.ipv4.tcp_tw_reuse", "0", "28,232 connections a minute", "tcp_tw_reuse=2"),
        ("net.ipv4.tcp_max_syn_backlog", "2048", "stop at 1,536; then SYNs", "backlog=16384"),
        ("vm.overcommit_memory", "2", "CommitLimit", "overcommit_memory=0"),
        ("kernel.randomize_va_space", "0", "same memory layout", "va_space=2"),
        ("swap", "2.0 MiB (1.0 MiB free)", "weigh nothing in PSS", "swapoff -a"),
    ] {
        let limit = listed(&machine, name);
        assert_eq!(limit.value, value, "{limit:?}");
        assert!(limit.caps.contains(caps), "{limit:?}");
        assert!(limit.remedy.as_ref().is_some_and(|said| said.contains(remedy)), "{limit:?}");
    }
    let buffers = listed(&machine, "net.ipv4.tcp_rmem");
    assert!(buffers.caps.ends_with("begins at 128.0 KiB and grows to 6.0 MiB"), "{buffers:?}");
    let cookies = machine.with("/proc/sys/net/ipv4/tcp_syncookies", "1\n");
    let backlog = listed(&cookies, "net.ipv4.tcp_max_syn_backlog");
    assert!(backlog.caps.starts_with("nothing while") && backlog.remedy.is_none(), "{backlog:?}");
}

#[test]
fn a_refused_ring_names_the_parameter_or_the_filter() {
    let ring = |machine: &Machine| listed(machine, "io_uring");
    let off = machine().with("/proc/sys/kernel/io_uring_disabled", "2\n");
    assert!(ring(&off).remedy.unwrap().starts_with("sysctl -w kernel.io_uring_disabled=0"));
    let filtered = off
        .with("/proc/sys/kernel/io_uring_disabled", "0\n")
        .with("/proc/self/status", "Uid:\t0\t0\t0\t0\nSeccomp:\t2\n");
    assert!(ring(&filtered).remedy.unwrap().contains("seccomp profile"));
    let silent = ring(&machine());
    assert_eq!((silent.value.as_str(), silent.remedy), ("does not work", None));
    assert!(silent.caps.ends_with("do not start: Operation not permitted"));
}

#[test]
fn this_machine_is_listed_whole_and_every_limit_explains_itself() {
    let limits = crate::limits::read();
    for limit in &limits {
        assert!(!limit.value.is_empty() && !limit.caps.is_empty(), "{limit:?}");
        assert!(!limit.group.is_empty(), "{limit:?}");
    }
    let mut names: Vec<&str> = limits.iter().map(|limit| limit.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), limits.len(), "a limit is listed twice");
}
