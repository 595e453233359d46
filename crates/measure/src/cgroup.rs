//! Limits of this process's control group, in either hierarchy, in both, or in none.
//!
//! The path of the group comes from /proc/self/cgroup, the place of the hierarchy from /proc/self/mountinfo. A limit binds
//! at every level, so the smallest on the way up counts. In a container whose cgroup namespace hides the
//! upper levels those cannot be read: what is reported is what can be seen.

use crate::cpus::parse_list;
use crate::root::Root;

/// The two hierarchies, and what this process can see of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cgroups {
    /// `v1`, `v2`, `v1 and v2`, or `none`.
    pub(crate) version: String,
    mounts: Vec<Mount>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Mount {
    /// Which part of the hierarchy is mounted.
    root: String,
    point: String,
    unified: bool,
    options: String,
    /// This process's own group; absent where it cannot be found below this mount.
    folder: Option<String>,
}

/// A limit and what is used of it, at the level where the least is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Quota {
    pub(crate) max: u64,
    pub(crate) used: u64,
    /// Where it is set.
    pub(crate) file: String,
}

/// CPU time that is allowed, at the level where it is least.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CpuQuota {
    /// CPUs' worth, in thousandths.
    pub(crate) milli: u64,
    /// Where it is set.
    pub(crate) file: String,
}

/// CPUs that are allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CpuSet {
    pub(crate) cpus: Vec<usize>,
    /// Where it is set.
    pub(crate) file: String,
}

impl Quota {
    pub(crate) fn left(&self) -> u64 {
        self.max.saturating_sub(self.used)
    }
}

impl Cgroups {
    pub(crate) fn read(root: &Root) -> Self {
        let mounted = root.read("/proc/self/mountinfo").unwrap_or_default();
        let mut mounts: Vec<Mount> = Vec::new();
        for mount in mounted.lines().filter_map(parse_mount) {
            // A mount hides what was mounted there before.
            mounts.retain(|earlier| earlier.point != mount.point);
            mounts.push(mount);
        }
        // What another mount covers is listed and cannot be reached.
        mounts.retain(|mount| root.path(&mount.point).is_dir());
        let groups = root.read("/proc/self/cgroup").unwrap_or_default();
        let groups: Vec<(String, String)> = groups.lines().filter_map(parse_group).collect();
        for mount in &mut mounts {
            let own = groups.iter().find(|(controllers, _)| mount.has(controllers));
            mount.folder = own.and_then(|(_, path)| mount.folder_of(path, root));
        }
        let legacy = mounts.iter().any(|mount| !mount.unified);
        let version = match (legacy, mounts.iter().any(|mount| mount.unified)) {
            (true, true) => "v1 and v2",
            (true, false) => "v1",
            (false, true) => "v2",
            (false, false) => "none",
        };
        Self { version: version.to_string(), mounts }
    }

    /// Processes and threads.
    pub(crate) fn pids(&self, root: &Root) -> Option<Quota> {
        let read = |folder: &String| {
            let file = format!("{folder}/pids.max");
            let max = limit(root, &file)?;
            let used = root.number(&format!("{folder}/pids.current")).unwrap_or(0);
            Some(Quota { max, used, file })
        };
        let folders = [self.folders("pids", false), self.folders("pids", true)].concat();
        folders.iter().filter_map(read).min_by_key(Quota::left)
    }

    /// Bytes. Cached files are not counted as used: the kernel drops them before it refuses memory.
    pub(crate) fn memory(&self, root: &Root) -> Option<Quota> {
        let read = |folder: &String, max: &str, usage: &str, cached: [&str; 2]| {
            let file = format!("{folder}/{max}");
            let max = limit(root, &file)?;
            let used: u64 = root.number(&format!("{folder}/{usage}")).unwrap_or(0);
            let stat = root.read(&format!("{folder}/memory.stat")).unwrap_or_default();
            let line = |name: &str| {
                stat.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok())
            };
            let cached: u64 = cached.into_iter().filter_map(line).sum();
            Some(Quota { max, used: used.saturating_sub(cached), file })
        };
        let (old, new) = (self.folders("memory", false), self.folders("memory", true));
        let old = old.iter().filter_map(|folder| {
            let cached = ["total_inactive_file ", "total_active_file "];
            read(folder, "memory.limit_in_bytes", "memory.usage_in_bytes", cached)
        });
        let new = new.iter().filter_map(|folder| {
            read(folder, "memory.max", "memory.current", ["inactive_file ", "active_file "])
        });
        old.chain(new).min_by_key(Quota::left)
    }

    /// CPU time; beyond it the group is stopped until the next period.
    pub(crate) fn cpu(&self, root: &Root) -> Option<CpuQuota> {
        let share = |quota: u64, period: u64| quota.checked_mul(1000)?.checked_div(period);
        let legacy = self.folders("cpu", false).into_iter().filter_map(|folder| {
            let file = format!("{folder}/cpu.cfs_quota_us");
            let period = root.number(&format!("{folder}/cpu.cfs_period_us"))?;
            Some(CpuQuota { milli: share(root.number(&file)?, period)?, file })
        });
        let unified = self.folders("cpu", true).into_iter().filter_map(|folder| {
            let file = format!("{folder}/cpu.max");
            let text = root.word(&file)?;
            let (quota, period) = text.split_once(' ')?;
            Some(CpuQuota { milli: share(quota.parse().ok()?, period.parse().ok()?)?, file })
        });
        legacy.chain(unified).min_by_key(|quota| quota.milli)
    }

    /// CPUs that the group may use. The kernel has already taken its ancestors and what is online into account.
    pub(crate) fn cpus(&self, root: &Root) -> Option<CpuSet> {
        let legacy = self.folders("cpuset", false).into_iter();
        let legacy = legacy.map(|folder| (format!("{folder}/cpuset.effective_cpus"), folder));
        let unified = self.folders("cpuset", true).into_iter();
        let unified = unified.map(|folder| (format!("{folder}/cpuset.cpus.effective"), folder));
        // A v2 group for which nobody enabled the controller has no file, and an ancestor's holds.
        let told: Vec<(Vec<usize>, String)> = legacy
            .chain(unified)
            .filter_map(|(file, folder)| Some((parse_list(&root.word(&file)?)?, folder)))
            .collect();
        let cpus = told.first()?.0.clone();
        // Groups below the one that was set show the same.
        let set = told.iter().take_while(|(same, _)| *same == cpus).last()?;
        Some(CpuSet { file: format!("{}/cpuset.cpus", set.1), cpus })
    }

    /// Folders of the group and of all its ancestors that are mounted, the group first.
    fn folders(&self, controller: &str, unified: bool) -> Vec<String> {
        let mount = self.mounts.iter().find(|mount| {
            mount.unified == unified && (unified || named(&mount.options, controller))
        });
        let Some((mount, folder)) = mount.and_then(|mount| Some((mount, mount.folder.clone()?)))
        else {
            return Vec::new();
        };
        let mut folder = folder;
        let mut folders = vec![folder.clone()];
        while folder.len() > mount.point.len() {
            folder.truncate(folder.rfind('/').unwrap_or(0));
            folders.push(folder.clone());
        }
        folders
    }
}

impl Mount {
    /// Whether a line of /proc/self/cgroup is about this hierarchy: it names its controllers, and none for the unified one.
    fn has(&self, controllers: &str) -> bool {
        match controllers {
            "" => self.unified,
            _ => !self.unified && controllers.split(',').all(|one| named(&self.options, one)),
        }
    }

    /// The folder of this process's group, which calls itself `path`.
    fn folder_of(&self, path: &str, root: &Root) -> Option<String> {
        let below = path.trim_end_matches('/');
        let above = self.root.split('/').filter(|part| *part == "..").count();
        if above > 0 {
            return self.search(above, below, root);
        }
        // A container without a cgroup namespace sees the host's path, but only its own part is mounted.
        let below = match self.root.as_str() {
            "/" => below,
            part => below.strip_prefix(part).unwrap_or(""),
        };
        Some(format!("{}{below}", self.point))
    }

    /// To a cgroup namespace that is younger than the mount its own group is `/` and the mount's root is `/..`, or further
    /// up. The names on the way are not told, but who is in a group is.
    fn search(&self, levels: usize, below: &str, root: &Root) -> Option<String> {
        let pid = root.word("/proc/self/stat")?.split(' ').next()?.to_owned();
        let mut folders = vec![self.point.clone()];
        for _ in 0..levels {
            let inside = |folder: &String| {
                let names = root.names(folder).into_iter();
                names.map(|name| format!("{folder}/{name}")).collect::<Vec<_>>()
            };
            folders = folders.iter().flat_map(inside).collect();
        }
        folders.into_iter().map(|folder| format!("{folder}{below}")).find(|folder| {
            let members = root.read(&format!("{folder}/cgroup.procs")).unwrap_or_default();
            members.lines().any(|member| member == pid)
        })
    }
}

/// Whether a list with commas has the word.
fn named(list: &str, word: &str) -> bool {
    list.split(',').any(|one| one == word)
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
    Some(Mount {
        root: root.into(),
        point: point.into(),
        unified,
        options: options.into(),
        folder: None,
    })
}

/// `8:pids:/user.slice`, `0::/user.slice`
fn parse_group(line: &str) -> Option<(String, String)> {
    let mut parts = line.splitn(3, ':').skip(1);
    Some((parts.next()?.to_string(), parts.next()?.to_string()))
}

#[cfg(test)]
mod tests;
