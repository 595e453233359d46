//! What does a unit weigh that does nothing but wait? Bytes, not time.
//!
//! ```text
//! bench --starts--> itself, for one kind of unit: weigh, start 10,000, wait until all wait, weigh again --> record
//! ```
//!
//! Each kind has a process to itself, so that nobody uses what another freed. Counted are proportional set size and page
//! tables of that process and its children, and the kernel's stack of each thread; not counted are the kernel's other
//! notes of a thread or a process, some kilobytes each, which it keeps for the whole machine. Sockets and buffers are
//! not the mechanism's: the report has what a connection weighs.

use std::future::pending;
use std::io::{Read as _, Write as _, pipe};
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use benches::cli::{Mode, Selection};
use benches::effects::effect;
use benches::runtimes::{self, SMOL, STACK_BYTES, go};
use benches::weight::Weight;
use corosensei::Coroutine;
use corosensei::stack::DefaultStack;
use harness::criterion::{MEMORY, home};
use harness::workspace;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use record::bench::UnitMemory;

const COUNT: u64 = 10_000;
/// `pid_max` is 32,768 on most machines, and others need processes too.
const PROCESSES: u64 = 1_000;
/// Enough for every kind to need pages that it did not have.
const COUNT_SMOKE: u64 = 1_000;
const PROCESSES_SMOKE: u64 = 20;

/// What is lighter is no unit: the leanest runtime notes ten words of a task, and some of its tasks lie in pages that the
/// process had touched before.
const BYTES_LEAST: u64 = 64;

/// Then a unit that never waits fails the bench instead of hanging it.
const PATIENCE_S: u32 = 60;

/// Until one looks again whether all wait.
const MOMENT: Duration = Duration::from_millis(1);

const PARK: &str = "--helper-parks";

/// Units that have got as far as waiting.
static PARKED: AtomicU64 = AtomicU64::new(0);

fn parked() {
    PARKED.fetch_add(effect(), Ordering::Release);
}

fn all_parked(count: u64) -> bool {
    PARKED.load(Ordering::Acquire) == count
}

/// Starts tasks that wait for ever, and weighs them when all do.
macro_rules! tasks {
    ($count:expr, $spawn:expr, $sleep:expr) => {
        async move {
            let count: u64 = $count;
            let before = Weight::of_this_process();
            let tasks: Vec<_> = (0..count)
                .map(|_| {
                    $spawn(async {
                        parked();
                        pending::<()>().await;
                    })
                })
                .collect();
            while !all_parked(count) {
                // monoio would poll who only yields for ever, and the tasks never.
                $sleep(MOMENT).await;
            }
            let weight = Weight::of_this_process().since(before);
            drop(tasks);
            weight
        }
    };
}

/// Starts so many units, and says how many bytes they weigh together when all of them wait.
type Park = fn(count: u64) -> u64;

/// Says that its units wait, and has none: the control, which must be found out.
const CONTROL: (&str, Park) = ("none", |count| {
    let before = Weight::of_this_process();
    (0..count).for_each(|_| parked());
    assert!(all_parked(count));
    Weight::of_this_process().since(before)
});

const UNITS: [(&str, Park); 11] = [
    ("process", processes),
    ("thread", threads),
    // A stack that was made beforehand would not be weighed.
    ("green-thread-may", |count| runtimes::may_with(1, move || green_threads(count))),
    ("actor-ractor", |count| runtimes::tokio_threads(actors(count))),
    ("coroutine-corosensei", coroutines),
    ("task-tokio", |count| {
        runtimes::tokio_threads(tasks!(count, tokio::spawn, tokio::time::sleep))
    }),
    ("task-tokio-local", |count| {
        runtimes::tokio_local(tasks!(count, tokio::spawn, tokio::time::sleep))
    }),
    ("task-smol", |count| {
        runtimes::smol(tasks!(count, |task| SMOL.spawn(task), smol::Timer::after))
    }),
    ("task-async-std", |count| {
        runtimes::async_std(tasks!(count, async_std::task::spawn, async_std::task::sleep))
    }),
    ("task-compio", |count| {
        runtimes::compio(tasks!(count, compio::runtime::spawn, compio::time::sleep))
    }),
    ("task-monoio", |count| runtimes::monoio(tasks!(count, monoio::spawn, monoio::time::sleep))),
];

/// This process has one thread, so it may fork; each child says by a byte that it has got as far as waiting.
fn processes(count: u64) -> u64 {
    let (mut news, mut tell) = pipe().expect("a pipe is allowed");
    let mut children = Vec::new();
    let before = Weight::of_this_process();
    for _ in 0..count {
        let child = contract::fork::spawn(|| {
            let told = tell.write_all(&[1]);
            while told.is_ok() {
                thread::park();
            }
            1
        });
        children.push(child.expect("a thousand processes are allowed"));
    }
    drop(tell);
    let mut effects = vec![0; size(count)];
    news.read_exact(&mut effects).expect("every child says that it waits");
    let pids = children.iter().map(|child| child.as_raw().cast_unsigned());
    let weight = Weight::of(pids.chain([std::process::id()])).since(before);
    contract::fork::end_all(children);
    weight
}

fn threads(count: u64) -> u64 {
    let before = Weight::of_this_process();
    for _ in 0..count {
        let wait = || {
            parked();
            loop {
                thread::park();
            }
        };
        let thread = thread::Builder::new().stack_size(STACK_BYTES).spawn(wait);
        drop(thread.expect("ten thousand threads are allowed"));
    }
    while !all_parked(count) {
        thread::sleep(MOMENT);
    }
    Weight::of_this_process().since(before)
}

/// Called in a green thread.
fn green_threads(count: u64) -> u64 {
    let before = Weight::of_this_process();
    for _ in 0..count {
        drop(go(|| {
            parked();
            loop {
                may::coroutine::park();
            }
        }));
    }
    while !all_parked(count) {
        // Who only yields may be the next one again, for ever, while others wait in its worker's queue.
        may::coroutine::sleep(MOMENT);
    }
    Weight::of_this_process().since(before)
}

fn coroutines(count: u64) -> u64 {
    let before = Weight::of_this_process();
    let start = |_| {
        let stack = DefaultStack::new(STACK_BYTES).expect("ten thousand stacks are allowed");
        let mut coroutine: Coroutine<(), (), (), _> =
            Coroutine::with_stack(stack, |yielder, ()| {
                parked();
                yielder.suspend(());
            });
        coroutine.resume(());
        coroutine
    };
    let mut coroutines: Vec<_> = (0..count).map(start).collect();
    assert!(all_parked(count));
    let weight = Weight::of_this_process().since(before);
    for coroutine in &mut coroutines {
        coroutine.resume(());
    }
    weight
}

/// An actor with an empty mailbox.
struct Unit;

impl Actor for Unit {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        parked();
        Ok(())
    }
}

async fn actors(count: u64) -> u64 {
    let before = Weight::of_this_process();
    let mut actors = Vec::new();
    for _ in 0..count {
        actors.push(Actor::spawn(None, Unit, ()).await.expect("it starts"));
    }
    assert!(all_parked(count));
    Weight::of_this_process().since(before)
}

fn size(count: u64) -> usize {
    count.try_into().expect("a count fits")
}

/// Has this very binary start the units of one kind in a process of its own, which ends with them.
fn weigh(unit: &str, count: u64) -> anyhow::Result<u64> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([PARK, unit, &count.to_string()]).stderr(Stdio::inherit());
    // Waits for its end, so nothing is left behind.
    let output = command.output()?;
    anyhow::ensure!(output.status.success(), "the units of `{unit}` failed; see above");
    let printed = String::from_utf8(output.stdout)?;
    let bytes = printed.trim().parse().with_context(|| format!("not a weight: `{printed}`"))?;
    anyhow::ensure!(
        bytes >= count * BYTES_LEAST,
        "{count} units of `{unit}` weigh {bytes} bytes, so they were not there"
    );
    Ok(bytes)
}

fn record(unit: &str, count: u64, bytes_per_unit: f64) -> anyhow::Result<()> {
    let folder = home(&workspace::root()?).join("memory").join(unit).join("new");
    std::fs::create_dir_all(&folder)?;
    let memory = UnitMemory { unit: unit.into(), count, bytes_per_unit, measured_at: None };
    Ok(std::fs::write(folder.join(MEMORY), serde_json::to_vec(&memory)?)?)
}

#[expect(clippy::cast_precision_loss, clippy::as_conversions, reason = "bytes are far below 2^53")]
fn memory(selection: &Selection) -> anyhow::Result<()> {
    if selection.mode == Mode::Test {
        let (none, _) = CONTROL;
        // As many as are measured: of fewer, what the process itself grows by is more than it is divided by.
        let found_out = weigh(none, COUNT).is_err();
        anyhow::ensure!(found_out, "the bench would not notice that its units are gone");
    }
    for (unit, _) in UNITS {
        let id = format!("memory/{unit}");
        let count = match (selection.mode, unit) {
            _ if !selection.chooses(&id) => continue,
            (Mode::List, _) => {
                println!("{id}: benchmark");
                continue;
            }
            (Mode::Test, "process") => PROCESSES_SMOKE,
            (Mode::Test, _) => COUNT_SMOKE,
            (Mode::Measure, "process") => PROCESSES,
            (Mode::Measure, _) => COUNT,
        };
        let bytes = weigh(unit, count)?;
        let each = bytes as f64 / count as f64;
        println!("{id:<32}{each:>12.0} bytes per unit ({count} units)");
        if selection.records {
            record(unit, count, each)?;
        }
    }
    Ok(())
}

fn main() -> anyhow::Result<ExitCode> {
    let args: Vec<String> = std::env::args().collect();
    if let [_, role, unit, count] = args.as_slice()
        && role == PARK
    {
        // SIGALRM ends this process, and whoever started it says so.
        nix::unistd::alarm::set(PATIENCE_S);
        // The first weighing loads the pages that weigh, which would be the units'.
        let _: Weight = Weight::of_this_process();
        let mut units = UNITS.iter().chain([&CONTROL]);
        let (_, park) = units.find(|(name, _)| name == unit).context("no such unit")?;
        println!("{}", park(count.parse()?));
        return Ok(ExitCode::SUCCESS);
    }
    memory(&Selection::parse(args)?)?;
    Ok(ExitCode::SUCCESS)
}
