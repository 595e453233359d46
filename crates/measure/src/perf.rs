//! System calls and context switches on the server's CPUs, counted by the kernel while the window is open.
//!
//! A tracepoint on a CPU counts for whichever process runs there: one thread or ten thousand processes, at the same
//! negligible cost, threads that come and go in mid-window included. The price is that it counts others' too: whoever else
//! was on these CPUs is in both counts, and only the share of CPU that others took ([`crate::noise::CpuUse::other_share`])
//! says that somebody was.

use std::ffi::{CStr, c_char};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::unistd::getegid;
use perf_event::events::Tracepoint;
use perf_event::{Builder, Counter};
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::ioctl::{IntegerSetter, Opcode, ioctl, opcode};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};

use crate::root::Root;

/// Every system call is entered once.
const SYSCALLS: &str = "raw_syscalls/sys_enter";
/// Every switch from one thread (or the idle one) to another.
const SWITCHES: &str = "sched/sched_switch";
/// A CPU that wakes from idle switches too; only switches away from a thread are a thread's.
const NOT_FROM_IDLE: &CStr = c"prev_pid != 0";

/// Counters on a set of CPUs, for all processes; closed on drop.
pub struct Counters {
    syscalls: Vec<Counter>,
    switches: Vec<Counter>,
}

/// What was counted between enabling and disabling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// System calls entered, 64-bit and 32-bit alike.
    pub syscalls: u64,
    /// Switches away from a thread, voluntary or not.
    pub context_switches: u64,
}

impl Counters {
    /// Opens both counters on each of `cpus`, disabled and at zero.
    ///
    /// The error says what to allow: root or `CAP_PERFMON`, or `perf_event_paranoid` and a readable tracefs.
    pub fn on_cpus(cpus: &[usize]) -> io::Result<Self> {
        let tracefs = Tracefs::find(&Root::machine())?;
        let (syscalls, switches) = (tracefs.id(SYSCALLS)?, tracefs.id(SWITCHES)?);
        let mut counters = Self { syscalls: Vec::new(), switches: Vec::new() };
        for cpu in cpus {
            counters.syscalls.push(open(syscalls, *cpu).map_err(|error| refused(*cpu, &error))?);
            let counter = open(switches, *cpu).map_err(|error| refused(*cpu, &error))?;
            set_filter(&counter, NOT_FROM_IDLE)?;
            counters.switches.push(counter);
        }
        Ok(counters)
    }

    /// Starts counting: at the opening edge of the window.
    pub fn enable(&mut self) -> io::Result<()> {
        self.all().try_for_each(Counter::enable)
    }

    /// Stops counting: at the closing edge.
    pub fn disable(&mut self) -> io::Result<()> {
        self.all().try_for_each(Counter::disable)
    }

    /// Back to zero, for another window.
    pub fn reset(&mut self) -> io::Result<()> {
        self.all().try_for_each(Counter::reset)
    }

    /// What was counted so far, over all CPUs.
    pub fn read(&mut self) -> io::Result<Counts> {
        Ok(Counts {
            syscalls: sum(&mut self.syscalls)?,
            context_switches: sum(&mut self.switches)?,
        })
    }

    fn all(&mut self) -> impl Iterator<Item = &mut Counter> {
        self.syscalls.iter_mut().chain(&mut self.switches)
    }
}

impl fmt::Debug for Counters {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Counters on {} CPUs", self.syscalls.len())
    }
}

fn sum(counters: &mut [Counter]) -> io::Result<u64> {
    counters.iter_mut().map(Counter::read).sum()
}

fn open(tracepoint: u64, cpu: usize) -> io::Result<Counter> {
    Builder::new(Tracepoint::with_id(tracepoint))
        .any_pid()
        .one_cpu(cpu)
        // The library leaves the kernel out by default, and it is the kernel that enters a system call.
        .include_kernel()
        .include_hv()
        .build()
}

/// `perf_event_open` answers EACCES or EPERM for want of a permission, ENOENT or ENOSYS for want of the feature.
fn refused(cpu: usize, error: &io::Error) -> io::Error {
    let paranoid: Option<i32> = Root::machine().number("/proc/sys/kernel/perf_event_paranoid");
    let paranoid = paranoid.map_or_else(
        || "absent: a kernel without perf events".to_string(),
        |level| level.to_string(),
    );
    let message = format!(
        "cannot count system calls on CPU {cpu}: {error} (perf_event_paranoid is {paranoid}); run as root or with \
         CAP_PERFMON, or allow it with sysctl -w kernel.perf_event_paranoid=0"
    );
    io::Error::new(error.kind(), message)
}

/// Where the kernel tells the numbers of its tracepoints.
enum Tracefs {
    /// Mounted somewhere.
    At(String),
    /// A mount of our own, attached nowhere and gone when this is dropped.
    Detached(OwnedFd),
}

impl Tracefs {
    fn find(root: &Root) -> io::Result<Self> {
        for folder in ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"] {
            if root.read(&format!("{folder}/events/{SYSCALLS}/id")).is_ok() {
                return Ok(Self::At(root.path(folder).display().to_string()));
            }
        }
        detached_mount()
            .map(Self::Detached)
            .map_err(|error| unreadable(root, getegid().as_raw(), error))
    }

    fn id(&self, tracepoint: &str) -> io::Result<u64> {
        let path = format!("events/{tracepoint}/id");
        let mut text = String::new();
        let read = match self {
            Self::At(folder) => File::open(format!("{folder}/{path}"))
                .and_then(|mut file| file.read_to_string(&mut text)),
            Self::Detached(mount) => {
                openat(mount, &path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
                    .map_err(io::Error::from)
                    .and_then(|file| File::from(file).read_to_string(&mut text))
            }
        };
        read.map_err(|error| {
            let message = format!(
                "this kernel does not tell the tracepoint `{tracepoint}`: {error}; it needs CONFIG_FTRACE_SYSCALLS"
            );
            io::Error::new(error.kind(), message)
        })?;
        text.trim().parse().map_err(|_| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("the number of tracepoint `{tracepoint}` is `{text}`"),
            )
        })
    }
}

/// Its files belong to root alone, whatever the mode of the mount, unless it is mounted for a group.
fn unreadable(root: &Root, group: u32, errno: Errno) -> io::Error {
    let error = io::Error::from(errno);
    if errno == Errno::NODEV {
        let message =
            format!("this kernel has no tracefs ({error}); it needs CONFIG_FTRACE_SYSCALLS");
        return io::Error::new(error.kind(), message);
    }
    let mounts = root.read("/proc/self/mounts").unwrap_or_default();
    let mounted = mounts.lines().any(|line| line.starts_with("tracefs /sys/kernel/tracing "));
    let mount = if mounted {
        format!("mount -o remount,gid={group},mode=750 /sys/kernel/tracing")
    } else {
        format!("mount -t tracefs -o gid={group},mode=750 tracefs /sys/kernel/tracing")
    };
    let message = format!(
        "cannot read the numbers of tracepoints: tracefs is not mounted where this user can read it, and mounting it \
         privately failed ({error}); run as root, or as root: {mount} && sysctl -w kernel.perf_event_paranoid=0"
    );
    io::Error::new(error.kind(), message)
}

/// Root of a machine where nobody mounted tracefs can still read it, and leaves no mount behind.
fn detached_mount() -> rustix::io::Result<OwnedFd> {
    let context = fsopen("tracefs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(context.as_fd())?;
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())
}

/// Counts only events that match, by the kernel's own filter language; no safe interface offers it.
#[expect(unsafe_code, reason = "an ioctl that takes a string")]
fn set_filter(counter: &Counter, filter: &CStr) -> io::Result<()> {
    // `PERF_EVENT_IOC_SET_FILTER` is declared as _IOW('$', 6, char *), and takes that pointer itself.
    const SET_FILTER: Opcode = opcode::write::<*const c_char>(b'$', 6);
    // SAFETY: the descriptor is open for as long as `counter` is borrowed, and the kernel only reads the string, up to its
    // NUL, before the call returns.
    unsafe {
        let descriptor = BorrowedFd::borrow_raw(counter.as_raw_fd());
        ioctl(
            descriptor,
            IntegerSetter::<SET_FILTER>::new_pointer(filter.as_ptr().cast_mut().cast()),
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpus::current_affinity;
    use crate::root::fake::Machine;

    #[test]
    fn calls_are_counted_while_enabled_or_the_error_names_what_to_allow() {
        let allowed = current_affinity().unwrap();
        let mut counters = match Counters::on_cpus(&allowed) {
            Ok(counters) => counters,
            Err(error) => {
                eprintln!("SKIPPED: tracepoints are not allowed here: {error}");
                let said = error.to_string();
                assert!(
                    ["run as root", "CONFIG_FTRACE_SYSCALLS"]
                        .iter()
                        .any(|remedy| said.contains(remedy)),
                    "{said}"
                );
                return;
            }
        };
        assert_eq!(
            counters.read().unwrap(),
            Counts::default(),
            "nothing is counted before enabling"
        );
        counters.enable().unwrap();
        for _ in 0..1000 {
            rustix::thread::sched_yield();
        }
        std::thread::spawn(|| ()).join().unwrap();
        counters.disable().unwrap();
        let counted = counters.read().unwrap();
        assert!(counted.syscalls >= 1000, "{counted:?}");
        assert!(counted.context_switches >= 1, "{counted:?}");
        rustix::thread::sched_yield();
        assert_eq!(counters.read().unwrap(), counted, "nothing is counted after disabling");
        counters.reset().unwrap();
        assert_eq!(counters.read().unwrap(), Counts::default());
    }

    #[test]
    fn a_mounted_tracefs_is_preferred_wherever_it_is() {
        for folder in ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"] {
            let machine = Machine::new().with(&format!("{folder}/events/{SYSCALLS}/id"), "351\n");
            let tracefs = Tracefs::find(&machine.root()).unwrap();
            assert_eq!(tracefs.id(SYSCALLS).unwrap(), 351);
            let error = tracefs.id(SWITCHES).unwrap_err().to_string();
            assert!(error.contains("sched/sched_switch") && error.contains("CONFIG_"), "{error}");
        }
    }

    #[test]
    fn a_tracefs_that_may_not_be_read_is_remounted_and_one_that_is_not_there_is_mounted() {
        let denied = Errno::PERM;
        let mounts = "tracefs /sys/kernel/tracing tracefs rw 0 0\n";
        let mounted =
            unreadable(&Machine::new().with("/proc/self/mounts", mounts).root(), 7, denied)
                .to_string();
        assert!(
            mounted.contains("mount -o remount,gid=7,mode=750 /sys/kernel/tracing"),
            "{mounted}"
        );
        let nowhere = unreadable(&Machine::new().root(), 7, denied).to_string();
        assert!(
            nowhere.contains("mount -t tracefs -o gid=7,mode=750 tracefs /sys/kernel/tracing"),
            "{nowhere}"
        );
        let lacking = unreadable(&Machine::new().root(), 0, Errno::NODEV).to_string();
        assert!(
            lacking.ends_with("; it needs CONFIG_FTRACE_SYSCALLS"),
            "no right helps: {lacking}"
        );
    }

    #[test]
    fn a_cpu_that_does_not_exist_is_an_error() {
        assert!(Counters::on_cpus(&[9_999_999]).is_err());
    }
}
