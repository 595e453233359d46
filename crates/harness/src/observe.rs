//! What is read at the edges of the window, while the load is paused: nothing of it runs inside.
//!
//! ```text
//! start   opening edge                       closing edge
//!   |      tree, CPU times, counters on        counters off, CPU times, kernel, TCP, tree
//!   |         |<------------ window ------------>|
//!   |<------- kernel memory, TCP counters ------>|
//! ```

use std::io;

use load::{Event, Observer};
use measure::kernel::KernelMemory;
use measure::noise::{CpuTimes, CpuUse, frequencies_khz};
use measure::perf::{Counters, Counts};
use measure::probe;
use measure::tcp::TcpCounters;
use measure::tree::{Delta, Memory, Snapshot, Tree};

/// What the machine said before the contestant was started.
#[derive(Debug)]
pub(crate) struct Before {
    kernel: Figure<KernelMemory>,
    tcp: Figure<TcpCounters>,
}

/// A figure, or why there is none.
type Figure<T> = Result<T, String>;

impl Before {
    pub(crate) fn read() -> Self {
        Self {
            kernel: figure("kernel memory", KernelMemory::read()),
            tcp: figure("TCP counters", TcpCounters::read()),
        }
    }
}

/// Reads the edges; tells `progress` of every event.
pub(crate) struct Edges<'a> {
    group: u32,
    server_cpus: Vec<usize>,
    /// Whether nobody asks the contestant at the edges.
    quiet: bool,
    counters: Figure<Counters>,
    opening: Option<Edge>,
    closing: Option<Edge>,
    kernel: Option<Figure<KernelMemory>>,
    tcp: Option<Figure<TcpCounters>>,
    progress: &'a mut (dyn FnMut(Event) + Send),
}

struct Edge {
    tree: Figure<Snapshot>,
    cpus: Figure<CpuTimes>,
    /// Of the harness and all its loads, those of other processes aside.
    own_cpu_ns: Figure<u64>,
    probe_ns: Option<Figure<f64>>,
    /// Absent where the machine tells none: it says so once, in its own warnings.
    khz: Option<u64>,
}

/// What the window cost; each absent figure has left a warning.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) tree: Option<Delta>,
    pub(crate) at_close: Option<Snapshot>,
    pub(crate) counts: Option<Counts>,
    pub(crate) cpus: Option<CpuUse>,
    /// What the harness used itself: generator, other clients and witnesses are its threads.
    pub(crate) own_cpu_ns: Option<u64>,
    pub(crate) kernel: Option<measure::kernel::KernelMemoryDelta>,
    pub(crate) tcp: Option<TcpCounters>,
    pub(crate) observation_cpu_ns: Option<u64>,
    /// A round trip of the probe, the mean of both edges; absent where others ask at the edges.
    pub(crate) probe_ns: Option<f64>,
    pub(crate) server_cpu_khz: Option<u64>,
    pub(crate) warnings: Vec<String>,
}

impl<'a> Edges<'a> {
    /// Counts on `server_cpus`, which must be the contestant's alone: a tracepoint counts whoever runs there. `quiet`
    /// unless somebody asks the contestant at the edges, too.
    pub(crate) fn of(
        group: u32,
        server_cpus: &[usize],
        generator_cpus: &[usize],
        quiet: bool,
        progress: &'a mut (dyn FnMut(Event) + Send),
    ) -> Self {
        let shared = server_cpus.iter().any(|cpu| generator_cpus.contains(cpu));
        let counters = if shared {
            Err("system calls: the contestant shares its CPU with the generator; allow a second CPU".into())
        } else {
            figure("system calls", Counters::on_cpus(server_cpus))
        };
        let server_cpus = server_cpus.to_vec();
        Self {
            group,
            server_cpus,
            quiet,
            counters,
            opening: None,
            closing: None,
            kernel: None,
            tcp: None,
            progress,
        }
    }

    fn open(&mut self) {
        let (probe_ns, khz) = (self.probe(), self.khz());
        let tree = self.snapshot(Memory::Skip);
        let (cpus, own_cpu_ns) = (figure("CPU times", CpuTimes::read()), own_cpu_ns());
        self.opening = Some(Edge { tree, cpus, own_cpu_ns, probe_ns, khz });
        self.with_counters(Counters::enable);
    }

    fn close(&mut self) {
        self.with_counters(Counters::disable);
        let (cpus, own_cpu_ns) = (figure("CPU times", CpuTimes::read()), own_cpu_ns());
        // Before the tree: looking into /proc/PID adds to the slab.
        self.kernel = Some(figure("kernel memory", KernelMemory::read()));
        self.tcp = Some(figure("TCP counters", TcpCounters::read()));
        let (probe_ns, khz) = (self.probe(), self.khz());
        let tree = self.snapshot(Memory::Weigh);
        self.closing = Some(Edge { tree, cpus, own_cpu_ns, probe_ns, khz });
    }

    fn snapshot(&self, memory: Memory) -> Figure<Snapshot> {
        let read = Tree::of_group(self.group).and_then(|mut tree| tree.snapshot(memory));
        figure("CPU time, context switches and memory of the contestant", read)
    }

    /// The contestant is idle at quiet edges, so that the probe finds its CPU free; with others it would measure those.
    fn probe(&self) -> Option<Figure<f64>> {
        let probe = || figure("speed of the server's CPU", probe::round_trip_ns(&self.server_cpus));
        self.quiet.then(probe)
    }

    /// Right after the probe, which has kept these CPUs awake.
    fn khz(&self) -> Option<u64> {
        let khz = frequencies_khz(&self.server_cpus).ok()?;
        khz.iter().sum::<u64>().checked_div(u64::try_from(khz.len()).ok()?)
    }

    fn with_counters(&mut self, act: impl FnOnce(&mut Counters) -> io::Result<()>) {
        if let Ok(counters) = &mut self.counters
            && let Err(error) = act(counters)
        {
            self.counters = figure("system calls", Err(error));
        }
    }

    /// What came of it; `server_cpus` and `generator_cpus` together are the trial's CPUs.
    pub(crate) fn seen(self, before: &Before, cpus: &[usize]) -> Seen {
        let mut seen = Seen::default();
        let mut missing = Warnings(Vec::new());
        let (Some(opening), Some(closing)) = (self.opening, self.closing) else {
            seen.warnings
                .push("the window did not open and close: nothing was read at its edges".into());
            return seen;
        };
        let mut counters = missing.take(self.counters);
        seen.counts = counters
            .as_mut()
            .and_then(|counters| missing.take(figure("system calls", counters.read())));
        seen.kernel = missing.difference(self.kernel, &before.kernel, KernelMemory::minus);
        seen.tcp = missing.difference(self.tcp, &before.tcp, TcpCounters::minus);
        let mut probe = |edge: Option<Figure<f64>>| edge.and_then(|figure| missing.take(figure));
        let probes = probe(opening.probe_ns).zip(probe(closing.probe_ns));
        seen.probe_ns = probes.map(|(then, now)| f64::midpoint(then, now));
        let own = missing.take(opening.own_cpu_ns).zip(missing.take(closing.own_cpu_ns));
        seen.own_cpu_ns = own.map(|(then, now)| now.saturating_sub(then));
        seen.server_cpu_khz =
            opening.khz.zip(closing.khz).map(|(then, now)| u64::midpoint(then, now));
        let times = missing.take(opening.cpus).zip(missing.take(closing.cpus));
        seen.cpus = times.and_then(|(then, now)| now.since(&then, cpus));

        let trees = missing.take(opening.tree).zip(missing.take(closing.tree));
        if let Some((then, now)) = trees {
            let delta = now.since(&then);
            seen.observation_cpu_ns = Some(then.observation_cpu_ns + now.observation_cpu_ns);
            let said = [&then.missing, &now.missing, &delta.missing].into_iter().flatten().cloned();
            missing.0.extend(said);
            seen.tree = Some(delta);
            seen.at_close = Some(now);
        }
        missing.0.dedup();
        seen.warnings = missing.0;
        seen
    }
}

impl Observer for Edges<'_> {
    fn event(&mut self, event: Event) {
        match event {
            Event::WindowOpens => self.open(),
            Event::WindowCloses => self.close(),
            _ => {}
        }
        (self.progress)(event);
    }
}

/// Why figures are absent.
struct Warnings(Vec<String>);

impl Warnings {
    fn take<T>(&mut self, figure: Figure<T>) -> Option<T> {
        figure.map_err(|why| self.0.push(why)).ok()
    }

    fn difference<T, D>(
        &mut self,
        now: Option<Figure<T>>,
        then: &Figure<T>,
        minus: impl FnOnce(&T, &T) -> D,
    ) -> Option<D> {
        match (now?, then) {
            (Ok(now), Ok(then)) => Some(minus(&now, then)),
            (Err(why), _) => {
                self.0.push(why);
                None
            }
            (Ok(_), Err(why)) => {
                self.0.push(why.clone());
                None
            }
        }
    }
}

fn own_cpu_ns() -> Figure<u64> {
    figure("CPU time of the harness", Tree::of_pids(vec![std::process::id()]).cpu_ns())
}

fn figure<T>(what: &str, read: io::Result<T>) -> Figure<T> {
    read.map_err(|error| format!("{what}: {error}"))
}
