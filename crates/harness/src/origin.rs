//! Where a run comes from: what goes into `machine.json`.

use std::collections::BTreeMap;
use std::path::Path;

use measure::cpus::{self, CpuSets};
use measure::provenance::{self, Provenance};
use record::machine::{LimitRecord, Machine};
use record::run::{Timestamp, utc};

use crate::models::contestant_record;
use crate::plan::Plan;
use crate::registry::Registry;
use crate::sources;
use crate::workspace::Profile;

/// The crates through which every request goes, beside the runtimes.
const SHARED_CRATES: [&str; 5] = ["hdrhistogram", "httparse", "nix", "rustix", "socket2"];

/// What the machine, the sources and the command line say.
#[derive(Debug)]
pub(crate) struct Origin {
    provenance: Provenance,
    /// The host's name, or what the user wants to see in its place.
    pub(crate) host_label: String,
}

impl Origin {
    pub(crate) fn of(root: &Path, host_label: Option<&str>) -> Self {
        let provenance = provenance::machine(root);
        let host_label = host_label.map(str::to_owned).or_else(|| provenance.host.clone());
        Self { host_label: host_label.unwrap_or_else(|| "host".into()), provenance }
    }

    /// The revision of the sources, cut for names; empty outside git.
    pub(crate) fn short_revision(&self) -> String {
        self.provenance.git_revision.as_deref().unwrap_or_default().chars().take(7).collect()
    }

    /// The whole revision.
    pub(crate) fn revision(&self) -> Option<&str> {
        self.provenance.git_revision.as_deref()
    }

    /// Whether the sources had uncommitted changes.
    pub(crate) fn dirty(&self) -> Option<bool> {
        self.provenance.git_dirty
    }

    /// The kernel's default congestion control.
    pub(crate) fn congestion_control(&self) -> Option<String> {
        self.provenance.sysctls.get("net.ipv4.tcp_congestion_control").cloned()
    }

    /// The record of all that.
    pub(crate) fn machine(
        &self,
        root: &Path,
        plan: &Plan,
        registry: &Registry,
        cpus: &CpuSets,
        profile: Profile,
        argv: Vec<String>,
    ) -> Machine {
        let it = self.provenance.clone();
        let listed = |name: &&crate::registry::Model| plan.models.contains(&name.name);
        let contestants = registry
            .models
            .iter()
            .filter(listed)
            .map(|model| contestant_record(root, model, cpus.server.len()));
        Machine {
            started_at: utc(Timestamp::now()),
            host_label: self.host_label.clone(),
            seed: plan.seed.unwrap_or_default(),
            profile: plan.profile.clone(),
            argv,
            git_revision: it.git_revision,
            git_dirty: it.git_dirty,
            // The first line names version and date; the others repeat them.
            rustc: it.rustc.and_then(|lines| lines.lines().next().map(str::to_owned)),
            build_profile: Some(profile.name().into()),
            crate_versions: crate_versions(registry),
            kernel: it.kernel,
            architecture: it.architecture,
            os: it.os,
            cpu_model: it.cpu_model,
            cpus: it.cpus_online.and_then(|count| u64::try_from(count).ok()),
            cpus_allowed: it.cpus_allowed,
            smt: it.smt,
            governor: it.governor,
            turbo: it.turbo,
            mitigations: it.mitigations,
            clock_source: it.clock_source,
            hypervisor: it.hypervisor,
            steal_share_since_boot: it.steal_share_since_boot,
            memory_bytes: it.memory_bytes,
            transparent_huge_pages: it.transparent_huge_pages,
            cgroup_version: it.cgroup_version,
            loopback_mtu: loopback_mtu(&it.limits),
            server_cpus: Some(cpus::list(&cpus.server)),
            generator_cpus: Some(cpus::list(&cpus.generator)),
            sysctls: it.sysctls,
            limits: it.limits.into_iter().map(limit_record).collect(),
            contestants: contestants.collect(),
            warnings: it.missing.into_iter().chain(cpus.warnings.iter().cloned()).collect(),
            ..Machine::default()
        }
    }
}

/// The command as it was given. Paths inside the workspace are relative to it, others keep their last part alone:
/// a record names no user's folders.
pub(crate) fn argv(root: &Path, args: impl Iterator<Item = String>) -> Vec<String> {
    let shown = |arg: String| {
        let path = Path::new(&arg);
        match (path.strip_prefix(root), path.file_name()) {
            (Ok(inside), _) => inside.display().to_string(),
            (_, Some(name)) if path.is_absolute() => format!(".../{}", name.to_string_lossy()),
            _ => arg,
        }
    };
    std::iter::once("c10k".into()).chain(args.map(shown)).collect()
}

fn limit_record(limit: measure::limits::Limit) -> LimitRecord {
    LimitRecord { name: limit.name, value: limit.value, caps: limit.caps, remedy: limit.remedy }
}

fn loopback_mtu(limits: &[measure::limits::Limit]) -> Option<u64> {
    let limit = limits.iter().find(|limit| limit.name.ends_with("MTU"))?;
    limit.value.split_whitespace().next()?.parse().ok()
}

fn crate_versions(registry: &Registry) -> BTreeMap<String, String> {
    let runtimes = registry.models.iter().map(|model| model.runtime.as_str());
    let names = runtimes.chain(SHARED_CRATES);
    names.filter_map(|name| Some((name.to_owned(), sources::locked_version(name)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_commands_name_no_folder_of_the_user() {
        let given = [
            "run",
            "--out",
            "/home/someone/results",
            "--plan",
            "/srv/tree/my.toml",
            "--models",
            "a,b",
        ];
        let argv = argv(Path::new("/srv/tree"), given.into_iter().map(str::to_owned));
        assert_eq!(
            argv,
            ["c10k", "run", "--out", ".../results", "--plan", "my.toml", "--models", "a,b"]
        );
    }
}
