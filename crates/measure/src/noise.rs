//! Who else used the CPUs: the hypervisor (steal) and other processes.
//!
//! /proc/stat counts in ticks of 10 ms, so a share over a window of 3 s is good to about one part in 300.

use std::collections::BTreeMap;
use std::io;

use nix::unistd::{SysconfVar, sysconf};

use crate::root::{Root, float};

/// What one CPU did since boot, in ns (of tick resolution).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "units stand last in names")]
struct Cpu {
    /// User, nice, system, interrupts: guests are within user.
    busy_ns: u64,
    /// Idle and waiting for a disk.
    idle_ns: u64,
    /// Ready to run, but the hypervisor gave the CPU to another.
    steal_ns: u64,
}

/// What every CPU did since boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CpuTimes {
    cpus: BTreeMap<usize, Cpu>,
}

/// What a set of CPUs did between two moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuUse {
    /// All of it: busy, idle and stolen.
    pub elapsed_ns: u64,
    /// User, system and interrupts, of whichever process.
    pub busy_ns: u64,
    /// Taken by the hypervisor.
    pub steal_ns: u64,
}

impl CpuTimes {
    /// Reads /proc/stat.
    pub fn read() -> io::Result<Self> {
        Self::read_from(&Root::machine())
    }

    pub(crate) fn read_from(root: &Root) -> io::Result<Self> {
        let tick_ns = tick_ns();
        let cpus = root
            .read("/proc/stat")?
            .lines()
            .filter_map(|line| line.strip_prefix("cpu"))
            .filter_map(|line| parse_line(line, tick_ns))
            .collect();
        Ok(Self { cpus })
    }

    /// The CPUs that the kernel reported, in order.
    #[must_use]
    pub fn cpus(&self) -> Vec<usize> {
        self.cpus.keys().copied().collect()
    }

    /// What `cpus` did since `earlier`; none when one of them is unknown or no tick has passed.
    #[must_use]
    pub fn since(&self, earlier: &Self, cpus: &[usize]) -> Option<CpuUse> {
        let mut total = CpuUse { elapsed_ns: 0, busy_ns: 0, steal_ns: 0 };
        for cpu in cpus {
            let (now, then) = (self.cpus.get(cpu)?, earlier.cpus.get(cpu)?);
            // Idle may step back by a tick when a remote CPU is caught between two states.
            let busy_ns = now.busy_ns.saturating_sub(then.busy_ns);
            let steal_ns = now.steal_ns.saturating_sub(then.steal_ns);
            total.busy_ns += busy_ns;
            total.steal_ns += steal_ns;
            total.elapsed_ns += busy_ns + steal_ns + now.idle_ns.saturating_sub(then.idle_ns);
        }
        (total.elapsed_ns > 0).then_some(total)
    }

    /// Share of all CPU time since boot that the hypervisor took, 0 to 1.
    #[must_use]
    pub fn steal_share_since_boot(&self) -> Option<f64> {
        let nothing = Self { cpus: self.cpus.keys().map(|cpu| (*cpu, Cpu::default())).collect() };
        self.since(&nothing, &self.cpus()).map(|used| used.steal_share())
    }
}

impl CpuUse {
    /// Share taken by the hypervisor, 0 to 1.
    #[must_use]
    pub fn steal_share(&self) -> f64 {
        float(self.steal_ns) / float(self.elapsed_ns)
    }

    /// Share used by anybody, 0 to 1.
    #[must_use]
    pub fn busy_share(&self) -> f64 {
        float(self.busy_ns) / float(self.elapsed_ns)
    }

    /// Share used by others than those whose CPU time is known (contestant and generator), 0 to 1.
    ///
    /// Ticks are coarser than the exact clocks behind `known_cpu_ns`: below none it is none.
    #[must_use]
    pub fn other_share(&self, known_cpu_ns: u64) -> f64 {
        float(self.busy_ns.saturating_sub(known_cpu_ns)) / float(self.elapsed_ns)
    }
}

/// Clock rates of `cpus` now, in kHz; an error on machines (most virtual ones) that do not tell.
pub fn frequencies_khz(cpus: &[usize]) -> io::Result<Vec<u64>> {
    frequencies_from(&Root::machine(), cpus)
}

fn frequencies_from(root: &Root, cpus: &[usize]) -> io::Result<Vec<u64>> {
    cpus.iter()
        .map(|cpu| {
            let path = format!("/sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_cur_freq");
            root.number(&path).ok_or_else(|| {
                io::Error::new(
                    io::ErrorKind::Unsupported,
                    format!("the frequency of CPU {cpu} is not told: no `{path}`"),
                )
            })
        })
        .collect()
}

/// `0 1234 0 567 ...`: the number of the CPU and its ticks. The line of the sum has no number and is left out.
fn parse_line(line: &str, tick_ns: u64) -> Option<(usize, Cpu)> {
    let number = line.split_ascii_whitespace().next().filter(|_| !line.starts_with(' '))?;
    let mut ticks = [0_u64; 8];
    for (slot, word) in ticks.iter_mut().zip(line.split_ascii_whitespace().skip(1)) {
        *slot = word.parse().ok()?;
    }
    let [user, nice, system, idle, disk, hard_irq, soft_irq, steal] = ticks;
    let cpu = Cpu {
        busy_ns: (user + nice + system + hard_irq + soft_irq) * tick_ns,
        idle_ns: (idle + disk) * tick_ns,
        steal_ns: steal * tick_ns,
    };
    Some((number.parse().ok()?, cpu))
}

/// Length of a tick as /proc shows it: 10 ms on every Linux that reports 100 Hz.
pub(crate) fn tick_ns() -> u64 {
    let hertz =
        sysconf(SysconfVar::CLK_TCK).ok().flatten().and_then(|hertz| u64::try_from(hertz).ok());
    1_000_000_000 / hertz.filter(|hertz| *hertz > 0).unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::fake::Machine;

    fn times(stat: &str) -> CpuTimes {
        CpuTimes::read_from(&Machine::new().with("/proc/stat", stat).root()).unwrap()
    }

    const BEFORE: &str = "cpu  300 0 300 1400 0 0 0 0 0 0\ncpu0 100 0 100 800 0 0 0 0 0 0\n\
                          cpu1 200 0 200 600 0 0 0 0 0 0\nintr 12 3\n";
    const AFTER: &str = "cpu  0 0 0 0 0 0 0 0 0 0\ncpu0 110 5 110 840 10 5 10 10 0 0\n\
                         cpu1 200 0 200 700 0 0 0 0 0 0\nintr 12 3\n";

    #[test]
    fn shares_are_of_the_cpus_asked_for_and_no_others() {
        let (before, after) = (times(BEFORE), times(AFTER));
        let first = after.since(&before, &[0]).unwrap();
        // cpu0: 40 ticks busy, 50 idle, 10 stolen.
        assert_eq!(first.busy_ns, 40 * tick_ns());
        assert!((first.busy_share() - 0.4).abs() < 1e-9);
        assert!((first.steal_share() - 0.1).abs() < 1e-9);
        assert!((first.other_share(30 * tick_ns()) - 0.1).abs() < 1e-9);
        let both = after.since(&before, &[0, 1]).unwrap();
        assert!((both.steal_share() - 0.05).abs() < 1e-9);
    }

    #[test]
    fn more_known_than_busy_is_nobody_else() {
        let used = times(AFTER).since(&times(BEFORE), &[1]).unwrap();
        assert!(used.other_share(u64::MAX).abs() < 1e-9);
    }

    #[test]
    fn an_unknown_cpu_gives_no_share() {
        assert_eq!(times(AFTER).since(&times(BEFORE), &[0, 7]), None);
        assert_eq!(times(AFTER).since(&times(AFTER), &[0]), None, "no time has passed");
    }

    #[test]
    fn steal_since_boot_covers_all_cpus() {
        let share = times(AFTER).steal_share_since_boot().unwrap();
        // 10 ticks of cpu0's 1100 and cpu1's 1100.
        assert!((share - 10.0 / 2200.0).abs() < 1e-9, "{share}");
    }

    #[test]
    fn an_untold_frequency_is_an_error_that_says_so() {
        let machine = Machine::new()
            .with("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "3400000\n");
        assert_eq!(frequencies_from(&machine.root(), &[0]).unwrap(), [3_400_000]);
        let error = frequencies_from(&machine.root(), &[0, 1]).unwrap_err();
        assert!(error.to_string().contains("CPU 1"), "{error}");
    }

    #[test]
    fn this_machine_reports_its_cpus() {
        assert!(!CpuTimes::read().unwrap().cpus().is_empty());
    }
}
