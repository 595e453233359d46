//! Kernel memory, whole machine: what sockets, stacks and page tables take outside any process.
//!
//! Read it *before* a [`Tree`](crate::tree::Tree) of many processes: looking into /proc/PID makes the kernel
//! keep an inode and a directory entry for each, which then stand in the slab.

use std::io;

use crate::root::Root;

/// Kernel memory at one moment, from /proc/meminfo; absent where the kernel does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KernelMemory {
    /// `Slab`: sockets of both sides, among others.
    pub slab_bytes: Option<u64>,
    /// `KernelStack`: 16 KiB for each thread on `x86_64`.
    pub kernel_stack_bytes: Option<u64>,
    /// `PageTables`.
    pub page_table_bytes: Option<u64>,
}

/// What was added between two moments; negative when memory was given back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KernelMemoryDelta {
    /// See [`KernelMemory::slab_bytes`].
    pub slab_bytes: Option<i64>,
    /// See [`KernelMemory::kernel_stack_bytes`].
    pub kernel_stack_bytes: Option<i64>,
    /// See [`KernelMemory::page_table_bytes`].
    pub page_table_bytes: Option<i64>,
}

impl KernelMemory {
    /// Reads /proc/meminfo.
    pub fn read() -> io::Result<Self> {
        Self::read_from(&Root::machine())
    }

    fn read_from(root: &Root) -> io::Result<Self> {
        let meminfo = root.read("/proc/meminfo")?;
        Ok(Self {
            slab_bytes: field_bytes(&meminfo, "Slab"),
            kernel_stack_bytes: field_bytes(&meminfo, "KernelStack"),
            page_table_bytes: field_bytes(&meminfo, "PageTables"),
        })
    }

    /// What was added since `earlier`.
    #[must_use]
    pub fn minus(&self, earlier: &Self) -> KernelMemoryDelta {
        KernelMemoryDelta {
            slab_bytes: difference(self.slab_bytes, earlier.slab_bytes),
            kernel_stack_bytes: difference(self.kernel_stack_bytes, earlier.kernel_stack_bytes),
            page_table_bytes: difference(self.page_table_bytes, earlier.page_table_bytes),
        }
    }
}

/// One line of /proc/meminfo (`Slab:   120712 kB`), in bytes.
pub(crate) fn field_bytes(meminfo: &str, name: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(':')))?;
    let kibibytes: u64 = line.split_ascii_whitespace().nth(1)?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

fn difference(now: Option<u64>, earlier: Option<u64>) -> Option<i64> {
    let now = i64::try_from(now?).ok()?;
    Some(now - i64::try_from(earlier?).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::fake::Machine;

    const MEMINFO: &str = "MemTotal: 24684096 kB\nSlab:             120712 kB\nSReclaimable: 96920 kB\n\
                           KernelStack:        1404 kB\nPageTables:         2076 kB\nSecPageTables: 9 kB\n";

    #[test]
    fn meminfo_is_read_in_bytes() {
        let machine = Machine::new().with("/proc/meminfo", MEMINFO);
        let memory = KernelMemory::read_from(&machine.root()).unwrap();
        assert_eq!(memory.slab_bytes, Some(120_712 * 1024));
        assert_eq!(memory.kernel_stack_bytes, Some(1404 * 1024));
        assert_eq!(memory.page_table_bytes, Some(2076 * 1024));
    }

    #[test]
    fn a_line_that_is_not_there_is_absent_and_never_zero() {
        let machine = Machine::new().with("/proc/meminfo", "Slab: 8 kB\n");
        let memory = KernelMemory::read_from(&machine.root()).unwrap();
        assert_eq!(memory.kernel_stack_bytes, None);
        let delta = memory.minus(&KernelMemory { slab_bytes: Some(9 * 1024), ..memory });
        assert_eq!(delta.slab_bytes, Some(-1024));
        assert_eq!(delta.kernel_stack_bytes, None);
    }

    #[test]
    fn a_machine_without_proc_is_an_error_that_names_the_file() {
        let error = KernelMemory::read_from(&Machine::new().root()).unwrap_err();
        assert!(error.to_string().contains("/proc/meminfo"), "{error}");
    }

    #[test]
    fn this_machine_has_kernel_stacks() {
        assert!(KernelMemory::read().unwrap().kernel_stack_bytes.unwrap() > 0);
    }
}
