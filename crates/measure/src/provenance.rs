//! Which machine, kernel, compiler and revision the figures are from.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::cgroup::Cgroups;
use crate::cpus;
use crate::kernel::field_bytes;
use crate::limits::{self, Limit};
use crate::noise::{CpuTimes, frequencies_khz};
use crate::root::Root;
use crate::settings;

/// Kernel settings that shape results, as paths below /proc/sys.
const SYSCTLS: [&str; 26] = [
    "fs/epoll/max_user_watches",
    "fs/file-max",
    "fs/nr_open",
    "kernel/io_uring_disabled",
    "kernel/perf_event_paranoid",
    "kernel/pid_max",
    "kernel/randomize_va_space",
    "kernel/sched_autogroup_enabled",
    "kernel/threads-max",
    "net/core/busy_poll",
    "net/core/default_qdisc",
    "net/core/netdev_max_backlog",
    "net/core/somaxconn",
    "net/ipv4/ip_local_port_range",
    "net/ipv4/tcp_congestion_control",
    "net/ipv4/tcp_fin_timeout",
    "net/ipv4/tcp_max_syn_backlog",
    "net/ipv4/tcp_max_tw_buckets",
    "net/ipv4/tcp_mem",
    "net/ipv4/tcp_rmem",
    "net/ipv4/tcp_syncookies",
    "net/ipv4/tcp_tw_reuse",
    "net/ipv4/tcp_wmem",
    "vm/max_map_count",
    "vm/overcommit_memory",
    "vm/swappiness",
];

/// Everything that a reader needs to judge or repeat a run; absent where the machine does not tell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Name of the host.
    pub host: Option<String>,
    /// Kernel name, release and version, as `uname -srv` prints them.
    pub kernel: Option<String>,
    /// `x86_64`, `aarch64`, ...
    pub architecture: Option<String>,
    /// Distribution, from os-release.
    pub os: Option<String>,
    /// CPU model.
    pub cpu_model: Option<String>,
    /// CPUs online.
    pub cpus_online: Option<usize>,
    /// CPUs that this process may use, as a list: `0-1`.
    pub cpus_allowed: Option<String>,
    /// `on`, `off`, `notsupported`, ...
    pub smt: Option<String>,
    /// Frequency governor; virtual machines have none.
    pub governor: Option<String>,
    /// `on` or `off`, where it can be told.
    pub turbo: Option<String>,
    /// Each vulnerability and what the kernel does about it.
    pub mitigations: BTreeMap<String, String>,
    /// `tsc`, `kvm-clock`, ...
    pub clock_source: Option<String>,
    /// The hypervisor's name; `unnamed` for a virtual machine that hides it; none on bare metal.
    pub hypervisor: Option<String>,
    /// Share of all CPU time since boot that the hypervisor took, 0 to 1.
    pub steal_share_since_boot: Option<f64>,
    /// Memory of the machine.
    pub memory_bytes: Option<u64>,
    /// `always`, `madvise` or `never`.
    pub transparent_huge_pages: Option<String>,
    /// `v1`, `v2`, `v1 and v2`, or `none`.
    pub cgroup_version: Option<String>,
    /// The kernel settings that shape results, by their sysctl names.
    pub sysctls: BTreeMap<String, String>,
    /// What `c10k doctor` prints.
    pub limits: Vec<Limit>,
    /// `rustc -vV`, of the toolchain that builds in the working tree.
    pub rustc: Option<String>,
    /// Commit of the working tree.
    pub git_revision: Option<String>,
    /// Whether tracked files differ from it or untracked ones are there, `results/` and `report/` aside.
    pub git_dirty: Option<bool>,
    /// In plain words: what is absent, and why.
    pub missing: Vec<String>,
}

/// Reads all of it. `tree` is the working tree: git and rustc are asked there, and their absence is no error.
#[must_use]
pub fn machine(tree: &Path) -> Provenance {
    let mut provenance = read_from(&Root::machine());
    provenance.limits = limits::read();
    match cpus::current_affinity() {
        Ok(allowed) => {
            // Trials record it; why they cannot is said once.
            let told = frequencies_khz(&allowed);
            provenance.missing.extend(told.err().map(|error| error.to_string()));
            provenance.cpus_allowed = Some(cpus::list(&allowed));
        }
        Err(error) => provenance.missing.push(format!("cpus_allowed: {error}")),
    }
    provenance.host = kept(&mut provenance.missing, "host", host());
    provenance.rustc =
        kept(&mut provenance.missing, "rustc", said(Command::new("rustc").arg("-vV"), tree));
    let revision = said(git().args(["rev-parse", "HEAD"]), tree);
    provenance.git_revision = kept(&mut provenance.missing, "git_revision", revision);
    let status =
        ["status", "--porcelain", "--", ":/", ":(top,exclude)results", ":(top,exclude)report"];
    let dirty = said(git().args(status), tree).map(|lines| !lines.is_empty());
    provenance.git_dirty = kept(&mut provenance.missing, "git_dirty", dirty);
    provenance
}

/// What files tell.
fn read_from(root: &Root) -> Provenance {
    let meminfo = root.read("/proc/meminfo").unwrap_or_default();
    let cpuinfo = root.read("/proc/cpuinfo").unwrap_or_default();
    let online =
        root.word("/sys/devices/system/cpu/online").and_then(|list| cpus::parse_list(&list));
    let kernel = ["ostype", "osrelease", "version"]
        .map(|name| root.word(&format!("/proc/sys/kernel/{name}")));
    let mut provenance = Provenance {
        kernel: kernel.into_iter().collect::<Option<Vec<_>>>().map(|words| words.join(" ")),
        architecture: Some(std::env::consts::ARCH.to_string()),
        os: os(root),
        cpu_model: cpu_model(&cpuinfo),
        cpus_online: online.map(|online| online.len()),
        smt: settings::smt(root),
        governor: settings::governor(root),
        turbo: settings::turbo(root),
        mitigations: settings::mitigations(root),
        clock_source: settings::clock_source(root),
        hypervisor: settings::hypervisor(root),
        steal_share_since_boot: CpuTimes::read_from(root)
            .ok()
            .and_then(|times| times.steal_share_since_boot()),
        memory_bytes: field_bytes(&meminfo, "MemTotal"),
        transparent_huge_pages: settings::huge_pages(root),
        cgroup_version: Some(Cgroups::read(root).version),
        sysctls: SYSCTLS.into_iter().filter_map(|path| sysctl(root, path)).collect(),
        ..Provenance::default()
    };
    let told = [
        ("kernel", &provenance.kernel),
        ("cpu_model", &provenance.cpu_model),
        ("smt", &provenance.smt),
        ("governor", &provenance.governor),
        ("turbo", &provenance.turbo),
        ("clock_source", &provenance.clock_source),
    ];
    let absent = told.into_iter().filter(|(_, value)| value.is_none());
    provenance.missing =
        absent.map(|(name, _)| format!("{name}: this machine does not tell")).collect();
    provenance
}

/// `net.core.somaxconn`, `4096`: tabs inside become blanks.
fn sysctl(root: &Root, path: &str) -> Option<(String, String)> {
    let value = root.word(&format!("/proc/sys/{path}"))?;
    Some((path.replace('/', "."), value.split_ascii_whitespace().collect::<Vec<_>>().join(" ")))
}

/// x86 has one line for it; elsewhere the parts must do.
fn cpu_model(cpuinfo: &str) -> Option<String> {
    let value = |name: &str| {
        let line = cpuinfo
            .lines()
            .find(|line| line.split(':').next().is_some_and(|key| key.trim() == name))?;
        Some(line.split_once(':')?.1.trim().to_string())
    };
    value("model name").or_else(|| {
        Some(format!("implementer {} part {}", value("CPU implementer")?, value("CPU part")?))
    })
}

fn os(root: &Root) -> Option<String> {
    let release = root.read("/etc/os-release").ok()?;
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(name.trim_matches('"').to_string())
}

fn host() -> Result<String, String> {
    let name = nix::unistd::gethostname().map_err(|error| error.to_string())?;
    Ok(name.to_string_lossy().into_owned())
}

/// Looking at a working tree must not lock it against the user's own git.
fn git() -> Command {
    let mut git = Command::new("git");
    git.env("GIT_OPTIONAL_LOCKS", "0");
    git
}

/// What a program prints, or why it does not.
fn said(command: &mut Command, tree: &Path) -> Result<String, String> {
    let output = command.current_dir(tree).output().map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_string())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_string())
    }
}

/// The value, or its absence with the reason.
fn kept<T>(missing: &mut Vec<String>, name: &str, read: Result<T, String>) -> Option<T> {
    read.map_err(|reason| missing.push(format!("{name}: {reason}"))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::fake::Machine;

    /// Runs git in a folder with no configuration but its own.
    fn run_git(folder: &Path, arguments: &[&str]) {
        let mut command = git();
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
        command.args(["-c", "user.name=t", "-c", "user.email=t@example.org"]).args(arguments);
        said(&mut command, folder).unwrap();
    }

    #[test]
    fn a_recorded_result_does_not_make_the_tree_dirty_and_a_changed_source_does() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["results", "report", "crates/report"] {
            std::fs::create_dir_all(at(name)).unwrap();
        }
        std::fs::write(at("crates/report/lib.rs"), "1").unwrap();
        run_git(folder.path(), &["init", "--quiet"]);
        run_git(folder.path(), &["add", "."]);
        run_git(folder.path(), &["commit", "--quiet", "--message", "first"]);
        let clean = machine(folder.path());
        assert_eq!(clean.git_dirty, Some(false));
        assert_eq!(clean.git_revision.unwrap().len(), 40);

        std::fs::write(at("results/trials.jsonl"), "1").unwrap();
        std::fs::write(at("report/index.html"), "1").unwrap();
        assert_eq!(machine(folder.path()).git_dirty, Some(false));
        std::fs::write(at("crates/report/lib.rs"), "2").unwrap();
        // Asked from a folder below, the answer is still about the whole tree.
        assert_eq!(machine(&at("results")).git_dirty, Some(true));
    }

    #[test]
    fn outside_a_working_tree_git_is_absent_with_its_reason() {
        let folder = tempfile::tempdir().unwrap();
        let provenance = machine(folder.path());
        assert_eq!((provenance.git_revision, provenance.git_dirty), (None, None));
        assert!(
            provenance.missing.iter().any(|line| line.starts_with("git_dirty: ")),
            "{:?}",
            provenance.missing
        );
    }

    #[test]
    fn files_are_read_where_they_are_and_absent_where_they_are_not() {
        let machine = Machine::new()
            .with("/proc/sys/kernel/ostype", "Linux\n")
            .with("/proc/sys/kernel/osrelease", "6.18.0\n")
            .with("/proc/sys/kernel/version", "#1 SMP\n")
            .with("/proc/cpuinfo", "processor\t: 0\nmodel name\t: Some CPU\n")
            .with("/proc/meminfo", "MemTotal: 1024 kB\n")
            .with("/proc/sys/net/ipv4/tcp_mem", "1\t2\t3\n")
            .with("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n")
            .with("/etc/os-release", "ID=debian\nPRETTY_NAME=\"Debian 13\"\n");
        let provenance = read_from(&machine.root());
        assert_eq!(provenance.kernel.as_deref(), Some("Linux 6.18.0 #1 SMP"));
        assert_eq!(provenance.cpu_model.as_deref(), Some("Some CPU"));
        assert_eq!(provenance.memory_bytes, Some(1024 * 1024));
        assert_eq!(provenance.sysctls["net.ipv4.tcp_mem"], "1 2 3");
        assert_eq!(provenance.transparent_huge_pages.as_deref(), Some("madvise"));
        assert_eq!(provenance.os.as_deref(), Some("Debian 13"));
        assert_eq!(provenance.governor, None);
        assert!(provenance.missing.iter().any(|line| line.starts_with("governor: ")));
        assert!(!provenance.sysctls.contains_key("net.core.somaxconn"));
    }
}
