//! Settings of the machine that `doctor` shows and a record keeps: each absent where the machine does not tell.

use std::collections::BTreeMap;

use crate::cpus::{list, parse_list};
use crate::root::Root;

const CPU: &str = "/sys/devices/system/cpu";

/// The frequency governors in use, once each.
pub(crate) fn governor(root: &Root) -> Option<String> {
    let cpus = root.names(CPU).into_iter().filter(|name| name.starts_with("cpu"));
    let mut all: Vec<String> = cpus
        .filter_map(|cpu| root.word(&format!("{CPU}/{cpu}/cpufreq/scaling_governor")))
        .collect();
    all.sort();
    all.dedup();
    (!all.is_empty()).then(|| all.join(","))
}

/// `on` or `off`, from either driver.
pub(crate) fn turbo(root: &Root) -> Option<String> {
    let told = |file: &str, on: &str, off: &str| {
        let word = root.word(&format!("{CPU}/{file}"))?;
        if word == on { Some("on") } else { (word == off).then_some("off") }
    };
    let on = told("intel_pstate/no_turbo", "0", "1").or_else(|| told("cpufreq/boost", "1", "0"));
    on.map(str::to_string)
}

/// `on`, `off`, `notsupported`, ...
pub(crate) fn smt(root: &Root) -> Option<String> {
    root.word(&format!("{CPU}/smt/control"))
}

/// Where the clock source is told.
pub(crate) const CLOCK_SOURCE: &str =
    "/sys/devices/system/clocksource/clocksource0/current_clocksource";

pub(crate) fn clock_source(root: &Root) -> Option<String> {
    root.word(CLOCK_SOURCE)
}

/// Where transparent huge pages are told; without them the file is not there.
pub(crate) const HUGE_PAGES: &str = "/sys/kernel/mm/transparent_hugepage/enabled";

/// `always`, `madvise` or `never`: the choice in brackets.
pub(crate) fn huge_pages(root: &Root) -> Option<String> {
    let choices = root.word(HUGE_PAGES)?;
    Some(choices.split_once('[')?.1.split_once(']')?.0.to_string())
}

/// CPUs that share a core, core by core: `0,4`, `1,5`; none where no two do or the machine does not tell.
pub(crate) fn siblings(root: &Root) -> Vec<String> {
    let cpus = root.names(CPU).into_iter().filter(|name| name.starts_with("cpu"));
    let mut cores: Vec<Vec<usize>> = cpus
        .filter_map(|cpu| {
            parse_list(&root.word(&format!("{CPU}/{cpu}/topology/thread_siblings_list"))?)
        })
        .filter(|core| core.len() > 1)
        .collect();
    cores.sort();
    cores.dedup();
    cores.iter().map(|core| list(core)).collect()
}

/// Where vulnerabilities are told.
pub(crate) const VULNERABILITIES: &str = "/sys/devices/system/cpu/vulnerabilities";

/// Each vulnerability that concerns this CPU, and what the kernel does about it.
pub(crate) fn mitigations(root: &Root) -> BTreeMap<String, String> {
    root.names(VULNERABILITIES)
        .into_iter()
        .filter_map(|name| Some((root.word(&format!("{VULNERABILITIES}/{name}"))?, name)))
        .filter(|(state, _)| state != "Not affected")
        .map(|(state, name)| (name, state))
        .collect()
}

/// The hypervisor's name; `unnamed` when only the CPU says that there is one; none where nothing says so.
pub(crate) fn hypervisor(root: &Root) -> Option<String> {
    const VIRTUAL: [&str; 9] = [
        "KVM",
        "QEMU",
        "VMware",
        "VirtualBox",
        "Xen",
        "Virtual Machine",
        "Amazon EC2",
        "Google Compute Engine",
        "Firecracker",
    ];
    let flagged = root.read("/proc/cpuinfo").unwrap_or_default().lines().any(|line| {
        line.starts_with("flags") && line.split_ascii_whitespace().any(|flag| flag == "hypervisor")
    });
    let named = root.word("/sys/hypervisor/type").or_else(|| {
        let words = ["sys_vendor", "product_name"]
            .map(|file| root.word(&format!("/sys/class/dmi/id/{file}")));
        let words = words.into_iter().flatten().collect::<Vec<_>>().join(" ");
        (flagged || VIRTUAL.iter().any(|name| words.contains(name)))
            .then_some(words)
            .filter(|words| !words.is_empty())
    });
    named.or_else(|| flagged.then(|| "unnamed".to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::fake::Machine;

    #[test]
    fn a_virtual_machine_without_a_name_is_still_one() {
        let machine = Machine::new()
            .with("/proc/cpuinfo", "model name\t: X\nflags\t\t: fpu hypervisor sse\n");
        assert_eq!(hypervisor(&machine.root()).as_deref(), Some("unnamed"));
        let named = machine.with("/sys/class/dmi/id/sys_vendor", "QEMU\n");
        assert_eq!(hypervisor(&named.root()).as_deref(), Some("QEMU"));
    }

    #[test]
    fn a_vendor_of_real_machines_is_no_hypervisor() {
        let machine = Machine::new()
            .with("/proc/cpuinfo", "flags\t: fpu sse\n")
            .with("/sys/class/dmi/id/sys_vendor", "Dell Inc.\n");
        assert_eq!(hypervisor(&machine.root()), None);
    }

    #[test]
    fn either_driver_tells_about_turbo() {
        let intel = Machine::new().with("/sys/devices/system/cpu/intel_pstate/no_turbo", "1\n");
        assert_eq!(turbo(&intel.root()).as_deref(), Some("off"));
        let other = Machine::new().with("/sys/devices/system/cpu/cpufreq/boost", "1\n");
        assert_eq!(turbo(&other.root()).as_deref(), Some("on"));
        assert_eq!(turbo(&Machine::new().root()), None);
        let garbage = other.with("/sys/devices/system/cpu/cpufreq/boost", "maybe\n");
        assert_eq!(turbo(&garbage.root()), None);
    }

    #[test]
    fn governors_are_named_once_and_unaffected_cpus_have_no_mitigation() {
        let machine = Machine::new()
            .with("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n")
            .with("/sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "powersave\n")
            .with("/sys/devices/system/cpu/vulnerabilities/meltdown", "Not affected\n")
            .with(
                "/sys/devices/system/cpu/vulnerabilities/retbleed",
                "Mitigation: untrained return thunk\n",
            );
        assert_eq!(governor(&machine.root()).as_deref(), Some("powersave"));
        let mitigations = mitigations(&machine.root());
        assert_eq!(mitigations.len(), 1);
        assert_eq!(mitigations["retbleed"], "Mitigation: untrained return thunk");
    }
}
