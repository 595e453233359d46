//! Limits of this process's control group, in either hierarchy, in both, or in none.
//!
//! The path of the group comes from /proc/self/cgroup, the place of the hierarchy from /proc/self/mountinfo. A limit binds
//! at every level, so the smallest on the way up counts. In a container whose cgroup namespace hides the
//! upper levels those cannot be read: what is reported is what can be seen.

use crate::root::Root;

/// The two hierarchies, and what this process can see of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cgroups {
    /// `v1`, `v2`, `v1 and v2`, or `none`.
    pub(crate) version: String,
    mounts: Vec<Mount>,
    /// (controllers, path): `("pids", "/user.slice")`; no controllers for the unified hierarchy.
    groups: Vec<(String, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Mount {
    /// Which part of the hierarchy is mounted.
    root: String,
    point: String,
    unified: bool,
    options: String,
}

/// A limit and what is used of it, at the level where the least is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quota {
    pub(crate) max: u64,
    pub(crate) used: u64,
}

impl Quota {
    pub(crate) fn left(self) -> u64 {
        self.max.saturating_sub(self.used)
    }
}

impl Cgroups {
    pub(crate) fn read(root: &Root) -> Self {
        let mounts: Vec<Mount> = root
            .read("/proc/self/mountinfo")
            .unwrap_or_default()
            .lines()
            .filter_map(parse_mount)
            .collect();
        let groups = root
            .read("/proc/self/cgroup")
            .unwrap_or_default()
            .lines()
            .filter_map(parse_group)
            .collect();
        let legacy = mounts.iter().any(|mount| !mount.unified);
        let version = match (legacy, mounts.iter().any(|mount| mount.unified)) {
            (true, true) => "v1 and v2",
            (true, false) => "v1",
            (false, true) => "v2",
            (false, false) => "none",
        };
        Self { version: version.to_string(), mounts, groups }
    }

    /// Processes and threads.
    pub(crate) fn pids(&self, root: &Root) -> Option<Quota> {
        let read = |folder: &String| {
            let max = limit(root, &format!("{folder}/pids.max"))?;
            Some(Quota { max, used: root.number(&format!("{folder}/pids.current")).unwrap_or(0) })
        };
        let folders = [self.folders("pids", false), self.folders("pids", true)].concat();
        folders.iter().filter_map(read).min_by_key(|quota| quota.left())
    }

    /// Bytes. Cached files are not counted as used: the kernel drops them before it refuses memory.
    pub(crate) fn memory(&self, root: &Root) -> Option<Quota> {
        let read = |folder: &String, max: &str, usage: &str, cached: [&str; 2]| {
            let max = limit(root, &format!("{folder}/{max}"))?;
            let used: u64 = root.number(&format!("{folder}/{usage}")).unwrap_or(0);
            let stat = root.read(&format!("{folder}/memory.stat")).unwrap_or_default();
            let line = |name: &str| {
                stat.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok())
            };
            let cached: u64 = cached.into_iter().filter_map(line).sum();
            Some(Quota { max, used: used.saturating_sub(cached) })
        };
        let (old, new) = (self.folders("memory", false), self.folders("memory", true));
        let old = old.iter().filter_map(|folder| {
            let cached = ["total_inactive_file ", "total_active_file "];
            read(folder, "memory.limit_in_bytes", "memory.usage_in_bytes", cached)
        });
        let new = new.iter().filter_map(|folder| {
            read(folder, "memory.max", "memory.current", ["inactive_file ", "active_file "])
        });
        old.chain(new).min_by_key(|quota| quota.left())
    }

    /// CPUs' worth of time, in thousandths.
    pub(crate) fn cpu_milli(&self, root: &Root) -> Option<u64> {
        let share = |quota: u64, period: u64| quota.checked_mul(1000)?.checked_div(period);
        let legacy = self.folders("cpu", false).into_iter().filter_map(|folder| {
            let quota = root.number::<u64>(&format!("{folder}/cpu.cfs_quota_us"))?;
            share(quota, root.number(&format!("{folder}/cpu.cfs_period_us"))?)
        });
        let unified = self.folders("cpu", true).into_iter().filter_map(|folder| {
            let text = root.word(&format!("{folder}/cpu.max"))?;
            let (quota, period) = text.split_once(' ')?;
            share(quota.parse().ok()?, period.parse().ok()?)
        });
        legacy.chain(unified).min()
    }

    /// Folders of the group and of all its ancestors that are mounted, the group first.
    fn folders(&self, controller: &str, unified: bool) -> Vec<String> {
        let named = |list: &str| list.split(',').any(|one| one == controller);
        let group = self
            .groups
            .iter()
            .find(|(list, _)| if unified { list.is_empty() } else { named(list) });
        let mount = self
            .mounts
            .iter()
            .find(|mount| mount.unified == unified && (unified || named(&mount.options)));
        let (Some((_, path)), Some(mount)) = (group, mount) else { return Vec::new() };
        // A container without a cgroup namespace sees the host's path, but only its own part is mounted.
        let below = match mount.root.as_str() {
            "/" => path.as_str(),
            part => path.strip_prefix(part).unwrap_or(""),
        };
        let mut folder = format!("{}{}", mount.point, below.trim_end_matches('/'));
        let mut folders = vec![folder.clone()];
        while folder.len() > mount.point.len() {
            folder.truncate(folder.rfind('/').unwrap_or(0));
            folders.push(folder.clone());
        }
        folders
    }
}

/// v2 says `max` for no limit, v1 a number near 2^63.
fn limit(root: &Root, path: &str) -> Option<u64> {
    root.number::<u64>(path).filter(|max| *max < 1 << 62)
}

/// `31 23 0:28 / /sys/fs/cgroup/pids rw,relatime shared:9 - cgroup cgroup rw,pids`
fn parse_mount(line: &str) -> Option<Mount> {
    let (place, kind) = line.split_once(" - ")?;
    let mut place = place.split(' ').skip(3);
    let (root, point) = (place.next()?, place.next()?);
    let mut kind = kind.split(' ');
    let unified = match kind.next()? {
        "cgroup" => false,
        "cgroup2" => true,
        _ => return None,
    };
    let options = kind.nth(1).unwrap_or_default();
    Some(Mount { root: root.into(), point: point.into(), unified, options: options.into() })
}

/// `8:pids:/user.slice`, `0::/user.slice`
fn parse_group(line: &str) -> Option<(String, String)> {
    let mut parts = line.splitn(3, ':').skip(1);
    Some((parts.next()?.to_string(), parts.next()?.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::fake::Machine;

    const V1: &str = "27 1 254:0 / / rw - ext4 /dev/vda rw\n39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids\n\
                      35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      36 31 0:33 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n";
    const V2: &str =
        "31 23 0:28 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";

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
        assert_eq!(groups.pids(&machine.root()), Some(Quota { max: 500, used: 20 }));
        assert_eq!(groups.memory(&machine.root()), None, "2^63 is v1's way to say none");
        assert_eq!(groups.cpu_milli(&machine.root()), Some(1500));
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
            .with(
                "/sys/fs/cgroup/a/memory.stat",
                "anon 1\ninactive_file 40000\nactive_file 10000\n",
            )
            .with("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
        let groups = Cgroups::read(&machine.root());
        assert_eq!(groups.version, "v2");
        assert_eq!(groups.pids(&machine.root()), Some(Quota { max: 300, used: 100 }));
        let memory = groups.memory(&machine.root()).unwrap();
        assert_eq!(memory.left(), 100_000, "the parent has less left, though its limit is higher");
        assert_eq!(groups.cpu_milli(&machine.root()), None);
    }

    #[test]
    fn a_container_that_sees_the_hosts_path_reads_its_own_mount() {
        let mount = "31 23 0:28 /docker/abc /sys/fs/cgroup/pids ro - cgroup cgroup rw,pids\n";
        let machine = Machine::new()
            .with("/proc/self/mountinfo", mount)
            .with("/proc/self/cgroup", "8:pids:/docker/abc\n")
            .with("/sys/fs/cgroup/pids/pids.max", "64\n");
        let groups = Cgroups::read(&machine.root());
        assert_eq!(groups.pids(&machine.root()), Some(Quota { max: 64, used: 0 }));
    }

    #[test]
    fn a_machine_without_cgroups_has_no_limit() {
        let machine = Machine::new();
        let groups = Cgroups::read(&machine.root());
        assert_eq!(groups.version, "none");
        assert_eq!((groups.pids(&machine.root()), groups.memory(&machine.root())), (None, None));
    }
}
