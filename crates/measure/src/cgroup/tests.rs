use super::*;
use crate::root::fake::Machine;

const V1: &str = "27 1 254:0 / / rw - ext4 /dev/vda rw\n39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids\n\
                  35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                  36 31 0:33 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n";
const V2: &str = "31 23 0:28 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";

#[test]
fn v1_limits_are_read_from_each_controllers_own_hierarchy() {
    let machine = Machine::new()
        .with("/proc/self/mountinfo", V1)
        .with("/proc/self/cgroup", "8:pids:/box\n4:memory:/\n3:cpu,cpuacct:/box\n0::/\n")
        .with("/sys/fs/cgroup/pids/box/pids.max", "500\n")
        .with("/sys/fs/cgroup/pids/box/pids.current", "20\n")
        .with("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")
        .with("/sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us", "150000\n")
        .with("/sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_period_us", "100000\n");
    let groups = Cgroups::read(&machine.root());
    assert_eq!(groups.version, "v1");
    let pids = groups.pids(&machine.root()).unwrap();
    assert_eq!((pids.max, pids.used), (500, 20));
    assert_eq!(pids.file, "/sys/fs/cgroup/pids/box/pids.max");
    assert_eq!(groups.memory(&machine.root()), None, "2^63 is v1's way to say none");
    let cpu = groups.cpu(&machine.root()).unwrap();
    assert_eq!(cpu.milli, 1500);
    assert_eq!(cpu.file, "/sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us");
}

#[test]
fn v2_limits_bind_at_every_level() {
    let machine = Machine::new()
        .with("/proc/self/mountinfo", V2)
        .with("/proc/self/cgroup", "0::/a/b\n")
        .with("/sys/fs/cgroup/a/b/pids.max", "max\n")
        .with("/sys/fs/cgroup/a/pids.max", "300\n")
        .with("/sys/fs/cgroup/a/pids.current", "100\n")
        .with("/sys/fs/cgroup/a/b/memory.max", "1000000\n")
        .with("/sys/fs/cgroup/a/memory.max", "2000000\n")
        .with("/sys/fs/cgroup/a/memory.current", "1950000\n")
        .with("/sys/fs/cgroup/a/memory.stat", "anon 1\ninactive_file 40000\nactive_file 10000\n")
        .with("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
    let groups = Cgroups::read(&machine.root());
    assert_eq!(groups.version, "v2");
    let pids = groups.pids(&machine.root()).unwrap();
    assert_eq!((pids.max, pids.used), (300, 100));
    let memory = groups.memory(&machine.root()).unwrap();
    assert_eq!(memory.left(), 100_000, "the parent has less left, though its limit is higher");
    assert_eq!(memory.file, "/sys/fs/cgroup/a/memory.max");
    assert_eq!(groups.cpu(&machine.root()), None, "`max` is no quota");
    let stopped = machine.with("/sys/fs/cgroup/a/cpu.max", "50000 100000\n");
    assert_eq!(groups.cpu(&stopped.root()).unwrap().milli, 500);
}

#[test]
fn a_cpuset_is_what_the_kernel_made_of_it_at_the_nearest_level_that_has_one() {
    let machine = Machine::new()
        .with("/proc/self/mountinfo", V2)
        .with("/proc/self/cgroup", "0::/a/b\n")
        .with("/sys/fs/cgroup/a/cpuset.cpus.effective", "0,2-3\n")
        .with("/sys/fs/cgroup/cpuset.cpus.effective", "0-7\n");
    let groups = Cgroups::read(&machine.root());
    let set = groups.cpus(&machine.root()).unwrap();
    assert_eq!(set.cpus, [0, 2, 3]);
    assert_eq!(set.file, "/sys/fs/cgroup/a/cpuset.cpus");
    let old = "35 31 0:32 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n";
    let machine = Machine::new()
        .with("/proc/self/mountinfo", old)
        .with("/proc/self/cgroup", "3:cpuset:/a\n")
        .with("/sys/fs/cgroup/cpuset/a/cpuset.effective_cpus", "1\n");
    let set = Cgroups::read(&machine.root()).cpus(&machine.root()).unwrap();
    assert_eq!((set.cpus, set.file.as_str()), (vec![1], "/sys/fs/cgroup/cpuset/a/cpuset.cpus"));
}

#[test]
fn damaged_files_set_no_limit_and_break_nothing() {
    let machine = Machine::new()
        .with("/proc/self/mountinfo", &format!("{V2}31 23\n - cgroup2\n"))
        .with("/proc/self/cgroup", "0::/a\nnonsense\n:\n")
        .with("/sys/fs/cgroup/a/pids.max", "many\n")
        .with("/sys/fs/cgroup/a/memory.max", "-7\n")
        .with("/sys/fs/cgroup/a/cpu.max", "100000 0\n")
        .with("/sys/fs/cgroup/a/cpuset.cpus.effective", "0-\n");
    let (root, groups) = (machine.root(), Cgroups::read(&machine.root()));
    assert_eq!((groups.pids(&root), groups.memory(&root)), (None, None));
    assert_eq!((groups.cpu(&root), groups.cpus(&root)), (None, None));
}

#[test]
fn a_container_that_sees_the_hosts_path_reads_its_own_mount() {
    let mount = "31 23 0:28 /docker/abc /sys/fs/cgroup/pids ro - cgroup cgroup rw,pids\n";
    let machine = Machine::new()
        .with("/proc/self/mountinfo", mount)
        .with("/proc/self/cgroup", "8:pids:/docker/abc\n")
        .with("/sys/fs/cgroup/pids/pids.max", "64\n");
    let groups = Cgroups::read(&machine.root());
    let pids = groups.pids(&machine.root()).unwrap();
    assert_eq!((pids.max, pids.used), (64, 0));
}

#[test]
fn a_group_that_its_own_namespace_does_not_name_is_found_by_who_is_in_it() {
    let mount = "31 23 0:28 /../.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
    let machine = Machine::new()
        .with("/proc/self/mountinfo", mount)
        .with("/proc/self/cgroup", "0::/\n")
        .with("/proc/self/stat", "77 (c10k) R 1\n")
        .with("/sys/fs/cgroup/a/other/cgroup.procs", "177\n7\n")
        .with("/sys/fs/cgroup/a/other/pids.max", "3\n")
        .with("/sys/fs/cgroup/a/own/cgroup.procs", "76\n77\n")
        .with("/sys/fs/cgroup/a/own/pids.max", "max\n")
        .with("/sys/fs/cgroup/a/pids.max", "64\n");
    let groups = Cgroups::read(&machine.root());
    let pids = groups.pids(&machine.root()).unwrap();
    assert_eq!((pids.max, pids.file.as_str()), (64, "/sys/fs/cgroup/a/pids.max"));
    let elsewhere = machine.with("/proc/self/stat", "78 (c10k) R 1\n");
    let groups = Cgroups::read(&elsewhere.root());
    assert_eq!(groups.pids(&elsewhere.root()), None, "no group is better than another's");
}

#[test]
fn what_another_mount_covers_is_not_there() {
    let covered = "32 31 0:36 /.. /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n\
                   33 31 0:37 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
    let alone = Machine::new()
        .with("/proc/self/mountinfo", covered)
        .with("/proc/self/cgroup", "8:pids:/\n4:memory:/\n");
    assert_eq!(Cgroups::read(&alone.root()).version, "none", "neither folder can be reached");
    let again = "64 31 0:36 / /sys/fs/cgroup/pids ro - cgroup cgroup rw,pids\n";
    let machine = Machine::new()
        .with("/proc/self/mountinfo", &format!("{covered}{again}"))
        .with("/proc/self/cgroup", "8:pids:/\n")
        .with("/sys/fs/cgroup/pids/pids.max", "500\n");
    let groups = Cgroups::read(&machine.root());
    assert_eq!(groups.pids(&machine.root()).map(|pids| pids.max), Some(500));
    assert_eq!(groups.version, "v1");
}

#[test]
fn a_machine_without_cgroups_has_no_limit() {
    let machine = Machine::new();
    let groups = Cgroups::read(&machine.root());
    assert_eq!(groups.version, "none");
    assert_eq!((groups.pids(&machine.root()), groups.memory(&machine.root())), (None, None));
}
