//! Memory: of the control group, of the machine, promised and swapped.

use super::Limit;
use super::facts::Facts;
use super::list::{NOTHING_SEEN, binary, grouped, limit};
use crate::root::Root;
use crate::settings;

/// `THREAD_SIZE` of `x86_64` and `aarch64`.
const KERNEL_STACK_BYTES: u64 = 16 * 1024;

pub(super) fn group(facts: &Facts) -> Limit {
    let Some(memory) = &facts.group_memory else {
        return limit("cgroup memory", Some("none".to_string()), NOTHING_SEEN, None);
    };
    let without = if memory.file.ends_with("limit_in_bytes") { "-1" } else { "max" };
    limit(
        "cgroup memory",
        Some(format!("{} ({} used)", binary(memory.max), binary(memory.used))),
        "both sides and their kernel memory together; beyond it processes are killed",
        Some(facts.write(&memory.file, without, "start it with docker run --memory N")),
    )
}

pub(super) fn available(facts: &Facts) -> Limit {
    let total =
        facts.memory_total.map(|total| format!(" of {}", binary(total))).unwrap_or_default();
    let value = facts.memory_available.map(|available| format!("{}{total}", binary(available)));
    let threads = facts.memory_available.map(|bytes| bytes / KERNEL_STACK_BYTES);
    let caps = match threads {
        Some(threads) => format!(
            "both sides, stacks, sockets and page tables together; kernel stacks alone would take it at {} threads",
            grouped(threads)
        ),
        None => "both sides, stacks, sockets and page tables together".to_string(),
    };
    limit("memory available", value, caps, None)
}

pub(super) fn swap(facts: &Facts) -> Limit {
    let value = facts.swap_total.map(|total| match total {
        0 => "none".to_string(),
        _ => format!("{} ({} free)", binary(total), binary(facts.swap_free.unwrap_or(0))),
    });
    match facts.swap_total {
        Some(0) => {
            limit("swap", value, "nothing: whoever needs more memory than there is is killed", None)
        }
        Some(_) => {
            let caps = "pages that come back from it take milliseconds, and weigh nothing in PSS while they are out";
            limit("swap", value, caps, Some(facts.command("swapoff -a")))
        }
        None => limit("swap", value, "whether pages may be out on a disk", None),
    }
}

pub(super) fn overcommit(facts: &Facts, root: &Root) -> Limit {
    let name = "vm.overcommit_memory";
    let mode: Option<u64> = root.number("/proc/sys/vm/overcommit_memory");
    let (caps, remedy) = match mode {
        Some(0) => ("one request for far more memory than there is, and nothing else", None),
        Some(1) => ("nothing: memory is promised without counting", None),
        Some(2) => (
            "stacks count whole, touched or not: threads and coroutines stop at CommitLimit of /proc/meminfo",
            Some(facts.sysctl(name, 0)),
        ),
        _ => ("how much memory is promised", None),
    };
    limit(name, mode.map(|mode| mode.to_string()), caps, remedy)
}

pub(super) fn huge_pages(facts: &Facts, root: &Root) -> Limit {
    let name = "transparent huge pages";
    let path = settings::HUGE_PAGES;
    if root.lacks(path) {
        return limit(name, Some("absent".to_string()), "nothing: all pages are small", None);
    }
    let value = settings::huge_pages(root);
    let always = value.as_deref() == Some("always");
    let caps = if always {
        "heaps and stacks of 2 MiB and more may weigh whole huge pages of which little was touched"
    } else {
        "nothing: only who asks for huge pages gets them, and no contestant does"
    };
    let caps = if value.is_none() { "whether heaps weigh whole huge pages" } else { caps };
    let remedy = always.then(|| facts.command(&format!("echo madvise > {path}")));
    limit(name, value, caps, remedy)
}
