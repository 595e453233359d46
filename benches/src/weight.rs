//! What processes weigh: all that grows with their units, as far as the kernel tells it by process.

use measure::tree::Tree;

/// Memory of some processes at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weight {
    /// Proportional set size and page tables.
    pages_bytes: u64,
    threads: u64,
}

impl Weight {
    /// Of the calling process.
    ///
    /// # Panics
    /// When /proc cannot be read.
    #[must_use]
    pub fn of_this_process() -> Self {
        Self::of([std::process::id()])
    }

    /// Of these processes together; pages that they share are divided among them.
    ///
    /// # Panics
    /// When /proc cannot be read, or a process has ended.
    #[must_use]
    pub fn of(pids: impl IntoIterator<Item = u32>) -> Self {
        let mut tree = Tree::of_pids(pids.into_iter().collect());
        let pages_bytes = tree.pss_bytes().expect("one's own processes may be read");
        let threads = tree.threads().expect("one's own processes may be read");
        let tables: u64 = tree.pids().iter().map(|pid| page_tables_bytes(*pid)).sum();
        Self { pages_bytes: pages_bytes + tables, threads }
    }

    /// What was added since; nothing, if they are lighter now.
    #[must_use]
    pub fn since(self, earlier: Self) -> u64 {
        let threads = self.threads.saturating_sub(earlier.threads);
        self.pages_bytes.saturating_sub(earlier.pages_bytes) + threads * kernel_stack_bytes()
    }
}

fn page_tables_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    kibibytes(&status, "VmPTE:") * 1024
}

/// The kernel's stack of one thread: all of them, by the threads of the machine. Both are in /proc; absent is 0.
fn kernel_stack_bytes() -> u64 {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let all = kibibytes(&read("/proc/meminfo"), "KernelStack:") * 1024;
    // `0.1 0.2 0.3 running/all last_pid`
    let load = read("/proc/loadavg");
    let threads = load.split_whitespace().nth(3).and_then(|word| word.split_once('/'));
    threads.and_then(|(_, all)| all.parse().ok()).map_or(0, |threads: u64| all / threads.max(1))
}

fn kibibytes(text: &str, field: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_touched_is_weighed_and_a_kernel_stack_is_some_pages() {
        let before = Weight::of_this_process();
        let touched = vec![1_u8; 8 << 20];
        let grown = Weight::of_this_process().since(before);
        // Other tests come and go in this process.
        assert!(grown >= 7 << 20, "{grown}");
        drop(std::hint::black_box(touched));
        let stack = kernel_stack_bytes();
        assert!((4096..=65536).contains(&stack), "{stack}");
    }
}
