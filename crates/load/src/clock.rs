//! The two clocks: time that passes, and time that this thread used; and how often it lost its CPU.

use rustix::time::{ClockId, Timespec, clock_gettime};

/// Now, in nanoseconds since some moment before the process began; never goes back. Costs about 27 ns, no system call.
pub(crate) fn now_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::Monotonic))
}

/// CPU time that the calling thread has used, user and system, in nanoseconds.
pub(crate) fn thread_cpu_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::ThreadCPUTime))
}

/// How often the calling thread was taken off its CPU although it had work: something else ran there.
pub(crate) fn thread_preemptions() -> u64 {
    use nix::sys::resource::{UsageWho, getrusage};
    // The kernel knows it of every thread.
    let usage = getrusage(UsageWho::RUSAGE_THREAD);
    usage.map_or(0, |usage| usage.involuntary_context_switches().unsigned_abs())
}

fn nanoseconds(time: Timespec) -> u64 {
    // Neither clock is ever negative.
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// For the timeout of a wait.
pub(crate) fn timespec(ns: u64) -> Timespec {
    let part = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    Timespec { tv_sec: part(ns / 1_000_000_000), tv_nsec: part(ns % 1_000_000_000) }
}
