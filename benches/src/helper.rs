//! The bench's own binary as a second process, told by its first argument what to be.
//!
//! ```text
//! bench (threads of many runtimes)          helper (one thread)
//!   "iterations units nap_us\n"  --pipe-->  forks units, waits for them, `iterations` times
//!   time, effects                <--pipe--  "ns effects\n"
//! ```
//!
//! Only a process with one thread may fork: in a child of any other, a lock that some thread held stays locked for ever.
//! A bench has the threads of every runtime that it has tried, so a helper forks in its place, from its first moment
//! single-threaded; it times the forks itself, so that the pipes are in no figure. `contract::fork` refuses otherwise.
//! A helper is killed and reaped when dropped, and ends by itself with its standard input.

use std::hint::black_box;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::effects;

const FORKER: &str = "--helper-forks";
const PONG: &str = "--helper-answers";

/// To be called first in a bench's `main`: if this process is to be a helper, it is one until it ends, and true returns.
///
/// # Panics
/// When the system refuses a process.
#[must_use]
pub fn is_this() -> bool {
    match std::env::args().nth(1).as_deref() {
        Some(FORKER) => fork_as_asked(),
        Some(PONG) => answer_bytes(),
        _ => return false,
    }
    true
}

/// A running helper.
#[derive(Debug)]
pub struct Helper {
    child: Child,
    /// What it reads.
    pub stdin: ChildStdin,
    /// What it writes.
    pub stdout: BufReader<ChildStdout>,
}

impl Helper {
    fn start(role: &str) -> Self {
        let own = std::env::current_exe().expect("a running program has a file");
        let mut command = Command::new(own);
        command.arg(role).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it is this very binary");
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        Self {
            child,
            stdin: stdin.expect("it is piped"),
            stdout: BufReader::new(stdout.expect("it is piped")),
        }
    }

    /// One that forks.
    #[must_use]
    pub fn forker() -> Self {
        Self::start(FORKER)
    }

    /// One that answers each byte by the next.
    #[must_use]
    pub fn answerer() -> Self {
        Self::start(PONG)
    }

    /// Has `units` processes forked and waited for, so many times; each naps first.
    ///
    /// # Panics
    /// When a process was refused or did not run.
    pub fn fork(&mut self, iterations: u64, units: u64, nap: Duration) -> Duration {
        let micros = nap.as_micros();
        writeln!(self.stdin, "{iterations} {units} {micros}").expect("the helper lives");
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("a pipe can be read");
        let [nanos, effects] = *numbers(&line) else { panic!("the helper ended; see above") };
        effects::checked(Duration::from_nanos(nanos), effects, iterations * units)
    }

    /// One round trip over its two pipes.
    ///
    /// # Panics
    /// When it is gone.
    #[must_use]
    pub fn round_trip(&mut self, byte: u8) -> u8 {
        self.stdin.write_all(&[byte]).expect("the helper lives");
        let mut answer = [0];
        // Not through the buffer, which asks for more than a byte: the same call, with a larger number.
        self.stdout.get_mut().read_exact(&mut answer).expect("the helper answers");
        answer[0]
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // One that has ended is what is wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn numbers(line: &str) -> Vec<u64> {
    line.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

fn fork_as_asked() {
    for line in io::stdin().lines() {
        let line = line.expect("a pipe can be read");
        let [iterations, units, micros] = *numbers(&line) else { panic!("not a task: `{line}`") };
        let nap = Duration::from_micros(micros);
        let mut children = Vec::new();
        let mut effects = 0;
        let start = Instant::now();
        for _ in 0..iterations {
            for _ in 0..units {
                children.push(contract::fork::spawn(|| child(nap)).expect("a process is allowed"));
            }
            let failed = contract::fork::wait_all(children.drain(..));
            effects += units - u64::try_from(failed).expect("a count fits");
        }
        println!("{} {effects}", start.elapsed().as_nanos());
    }
}

/// A child touches nothing of its parent's, and leaves by `_exit`; its status is its effect.
fn child(nap: Duration) -> i32 {
    if !nap.is_zero() {
        thread::sleep(nap);
    }
    black_box(0)
}

fn answer_bytes() {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let mut byte = [0];
    while input.read_exact(&mut byte).is_ok() {
        let next = [byte[0].wrapping_add(1)];
        // The bench that no longer reads has ended.
        if output.write_all(&next).and_then(|()| output.flush()).is_err() {
            return;
        }
    }
}
