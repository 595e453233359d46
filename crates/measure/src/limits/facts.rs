//! The numbers behind the limits, read once.

use std::ffi::OsString;
use std::fmt::Display;
use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::cgroup::{Cgroups, CpuQuota, CpuSet, Quota};
use crate::cpus::parse_list;
use crate::kernel::field_bytes;
use crate::root::{Root, Writing};

/// Numbers below this are used once, at boot, and not again when the counter comes round.
pub(super) const RESERVED_PIDS: u64 = 300;
/// What `kernel.pid_max` cannot exceed on 64 bits (`PID_MAX_LIMIT` of include/linux/threads.h).
pub(super) const PIDS_MOST: u64 = 4_194_304;
/// The PID namespace that the machine booted with (`PROC_PID_INIT_INO` of `include/linux/proc_ns.h`).
const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";
/// Ports 1024 to 65535.
pub(super) const WIDEST_PORT_RANGE: u64 = 64_512;
/// Kernel parameters of which each network namespace has its own.
const PER_NAMESPACE: [&str; 8] = [
    "net.core.somaxconn",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_max_syn_backlog",
    "net.ipv4.tcp_max_tw_buckets",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_tw_reuse",
    "net.ipv4.tcp_wmem",
];
/// Bit of `CAP_SYS_RESOURCE`: may raise hard limits.
const CAP_SYS_RESOURCE: u32 = 24;
/// Bit of `CAP_SYS_ADMIN`.
const CAP_SYS_ADMIN: u32 = 21;

/// A limit of the process; unlimited is `u64::MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rlimit {
    pub(super) soft: u64,
    pub(super) hard: u64,
}

/// What is known of this machine and this process; absent where it is not told.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// Where remedies ask whether they would be allowed.
    root: Root,
    pub(super) uid: u32,
    pub(super) may_raise_hard_limits: bool,
    /// Root and the two capabilities are not held to `ulimit -u`.
    pub(super) exempt_from_nproc: bool,
    pub(super) nofile: Option<Rlimit>,
    pub(super) nproc: Option<Rlimit>,
    /// Processes and threads of this user; counted only where they are limited.
    pub(super) user_tasks_now: Option<u64>,
    pub(super) nr_open: Option<u64>,
    pub(super) file_max: Option<u64>,
    pub(super) files_now: Option<u64>,
    pub(super) pid_max: Option<u64>,
    /// From Linux 6.14 on each PID namespace has a `kernel.pid_max` of its own, below those above it, which it cannot see.
    /// Its name, where it is not the machine's first.
    pub(super) pid_namespace: Option<OsString>,
    pub(super) threads_max: Option<u64>,
    pub(super) tasks_now: Option<u64>,
    pub(super) max_map_count: Option<u64>,
    pub(super) io_uring_disabled: Option<u64>,
    /// System calls are filtered.
    pub(super) seccomp: bool,
    pub(super) somaxconn: Option<u64>,
    pub(super) port_range: Option<(u64, u64)>,
    pub(super) reserved_ports: u64,
    pub(super) conntrack_max: Option<u64>,
    pub(super) conntrack_now: Option<u64>,
    pub(super) memory_total: Option<u64>,
    pub(super) memory_available: Option<u64>,
    pub(super) swap_total: Option<u64>,
    pub(super) swap_free: Option<u64>,
    pub(super) cgroup_version: String,
    pub(super) group_pids: Option<Quota>,
    pub(super) group_memory: Option<Quota>,
    pub(super) group_cpu: Option<CpuQuota>,
    pub(super) group_cpus: Option<CpuSet>,
    pub(super) cpus_allowed: Vec<usize>,
}

impl Facts {
    pub(super) fn read(root: &Root) -> Self {
        let mut facts = Self { root: root.clone(), ..Self::default() };
        facts.read_process(root);
        facts.read_kernel(root);
        facts.read_network(root);
        facts.read_group(root);
        facts
    }

    fn read_process(&mut self, root: &Root) {
        let status = root.read("/proc/self/status").unwrap_or_default();
        let line =
            |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        // Of real, effective, saved and filesystem id the effective one decides what may be written.
        let uid = line("Uid:").and_then(|ids| ids.split_ascii_whitespace().nth(1)?.parse().ok());
        self.uid = uid.unwrap_or(u32::MAX);
        let capabilities =
            line("CapEff:").and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or(0);
        // Limits of a process are the machine's affair: root of a user namespace has no say in them.
        let namespaced = root.word("/proc/self/uid_map").is_some_and(|map| !is_identity(&map));
        let may = |bit: u32| !namespaced && capabilities >> bit & 1 == 1;
        self.may_raise_hard_limits = may(CAP_SYS_RESOURCE);
        self.exempt_from_nproc =
            (self.uid == 0 && !namespaced) || may(CAP_SYS_RESOURCE) || may(CAP_SYS_ADMIN);
        self.seccomp = line("Seccomp:") == Some("2");
        self.cpus_allowed = line("Cpus_allowed_list:").and_then(parse_list).unwrap_or_default();

        let limits = root.read("/proc/self/limits").unwrap_or_default();
        self.nofile = rlimit(&limits, "Max open files");
        self.nproc = rlimit(&limits, "Max processes");
        if !self.exempt_from_nproc && self.nproc.is_some_and(|nproc| nproc.soft < u64::MAX) {
            self.user_tasks_now = Some(tasks_of(root, self.uid));
        }
    }

    fn read_kernel(&mut self, root: &Root) {
        self.nr_open = root.number("/proc/sys/fs/nr_open");
        self.file_max = root.number("/proc/sys/fs/file-max");
        let files = root.word("/proc/sys/fs/file-nr");
        self.files_now = files.and_then(|text| text.split_ascii_whitespace().next()?.parse().ok());
        self.pid_max = root.number("/proc/sys/kernel/pid_max");
        let namespace = fs::read_link(root.path("/proc/self/ns/pid")).ok();
        self.pid_namespace =
            namespace.map(OsString::from).filter(|name| name != FIRST_PID_NAMESPACE);
        self.threads_max = root.number("/proc/sys/kernel/threads-max");
        // `0.08 0.10 0.09 2/88 8652`: running, and all there are.
        let load = root.word("/proc/loadavg");
        self.tasks_now =
            load.and_then(|text| text.split(' ').nth(3)?.split_once('/')?.1.parse().ok());
        self.io_uring_disabled = root.number("/proc/sys/kernel/io_uring_disabled");
        self.max_map_count = root.number("/proc/sys/vm/max_map_count");
        self.somaxconn = root.number("/proc/sys/net/core/somaxconn");
        let meminfo = root.read("/proc/meminfo").unwrap_or_default();
        self.memory_total = field_bytes(&meminfo, "MemTotal");
        self.memory_available = field_bytes(&meminfo, "MemAvailable");
        self.swap_total = field_bytes(&meminfo, "SwapTotal");
        self.swap_free = field_bytes(&meminfo, "SwapFree");
    }

    fn read_network(&mut self, root: &Root) {
        let range = root.word("/proc/sys/net/ipv4/ip_local_port_range");
        self.port_range = range.and_then(|text| {
            let mut ends = text.split_ascii_whitespace().map(str::parse);
            Some((ends.next()?.ok()?, ends.next()?.ok()?))
        });
        let reserved = root.word("/proc/sys/net/ipv4/ip_local_reserved_ports").unwrap_or_default();
        self.reserved_ports =
            self.port_range.map_or(0, |(low, high)| ports_within(&reserved, low, high));
        self.conntrack_max = root.number("/proc/sys/net/netfilter/nf_conntrack_max");
        self.conntrack_now = root.number("/proc/sys/net/netfilter/nf_conntrack_count");
    }

    fn read_group(&mut self, root: &Root) {
        let groups = Cgroups::read(root);
        self.group_pids = groups.pids(root);
        self.group_memory = groups.memory(root);
        self.group_cpu = groups.cpu(root);
        self.group_cpus = groups.cpus(root);
        self.cgroup_version = groups.version;
    }

    /// Ports that one source address has towards one destination.
    pub(super) fn ports(&self) -> Option<u64> {
        let (low, high) = self.port_range?;
        Some((high + 1).saturating_sub(low + self.reserved_ports))
    }

    pub(super) fn files_left(&self) -> Option<u64> {
        Some(self.file_max?.saturating_sub(self.files_now.unwrap_or(0)))
    }

    /// Absent where nothing is tracked: the module is there, but no rule of the firewall uses it.
    pub(super) fn tracked_left(&self) -> Option<u64> {
        let now = self.conntrack_now.filter(|now| *now > 0)?;
        Some(self.conntrack_max.filter(|max| *max > 0)?.saturating_sub(now))
    }

    pub(super) fn pids_left(&self) -> Option<u64> {
        Some(self.pid_max?.saturating_sub(RESERVED_PIDS + self.tasks_now.unwrap_or(0)))
    }

    pub(super) fn user_tasks_left(&self) -> Option<u64> {
        Some(self.nproc?.soft.saturating_sub(self.user_tasks_now?))
    }

    /// A command, and who may run it.
    pub(super) fn command(&self, command: &str) -> String {
        if self.uid == 0 { command.to_string() } else { format!("{command} (as root)") }
    }

    /// The command that sets a kernel parameter; where it would fail, who else can do it.
    pub(super) fn sysctl(&self, name: &str, value: impl Display) -> String {
        let value = value.to_string();
        let quote = if value.contains(' ') { "'" } else { "" };
        let setting = format!("{name}={quote}{value}{quote}");
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        let elsewhere = if PER_NAMESPACE.contains(&name) {
            format!("start it with docker run --sysctl {setting}")
        } else {
            format!("sysctl -w {setting} on its host")
        };
        match self.refused(&path) {
            Some(why) => format!("not from inside this container: {why}; {elsewhere}"),
            None => self.command(&format!("sysctl -w {setting}")),
        }
    }

    /// [`Self::sysctl`] where it can be done from here, as root at least.
    pub(super) fn sysctl_here(&self, name: &str, value: impl Display) -> Option<String> {
        let refused = self.refused(&format!("/proc/sys/{}", name.replace('.', "/")));
        refused.is_none().then(|| self.sysctl(name, value))
    }

    /// [`Self::sysctl`] where it would allow more than now; none where it allows that much already or is not told.
    pub(super) fn lift(&self, name: &str, now: Option<u64>, goal: u64) -> Option<String> {
        now.filter(|now| *now < goal).map(|_| self.sysctl(name, goal))
    }

    /// The command that writes to a file of the control group; `instead` is what lifts it from outside.
    pub(super) fn write(&self, path: &str, value: &str, instead: &str) -> String {
        match self.refused(path) {
            Some(why) => format!("not from inside this container: {why}; {instead}"),
            None => self.command(&format!("echo {value} > {path}")),
        }
    }

    /// Why not even root of this place may write to the file; what belongs to root is no refusal.
    fn refused(&self, path: &str) -> Option<String> {
        match self.root.writing(path) {
            Writing::ReadOnly => Some(format!("`{path}` is read-only")),
            Writing::Denied if self.uid == 0 => Some(format!("its root may not write `{path}`")),
            Writing::Denied | Writing::Allowed | Writing::Absent => None,
        }
    }
}

/// `0 0 4294967295`: not in a user namespace, or in one that changes nothing.
fn is_identity(uid_map: &str) -> bool {
    uid_map.split_ascii_whitespace().eq(["0", "0", "4294967295"])
}

/// `Max open files            1024                 524288               files`
fn rlimit(limits: &str, name: &str) -> Option<Rlimit> {
    let mut words =
        limits.lines().find_map(|line| line.strip_prefix(name))?.split_ascii_whitespace();
    let mut number = || match words.next()? {
        "unlimited" => Some(u64::MAX),
        digits => digits.parse().ok(),
    };
    Some(Rlimit { soft: number()?, hard: number()? })
}

/// Reserved ports (`8080,9000-9010`) that fall into the range.
fn ports_within(reserved: &str, low: u64, high: u64) -> u64 {
    let ranges = reserved.split(',').filter_map(|word| {
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        Some((first.trim().parse::<u64>().ok()?, last.trim().parse::<u64>().ok()?))
    });
    ranges.map(|(first, last)| (last.min(high) + 1).saturating_sub(first.max(low))).sum()
}

/// Processes and threads that belong to a user.
fn tasks_of(root: &Root, uid: u32) -> u64 {
    let processes = root
        .names("/proc")
        .into_iter()
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    let own = processes.filter(|pid| {
        fs::metadata(root.path(&format!("/proc/{pid}"))).is_ok_and(|metadata| metadata.uid() == uid)
    });
    own.map(|pid| u64::try_from(root.names(&format!("/proc/{pid}/task")).len()).unwrap_or(0)).sum()
}
