//! What is heard from a contestant: its announcement, its end, its last words.

use std::io::{self, BufRead as _, BufReader, Read};
use std::process::Child;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

/// Enough for a panic message and what led to it.
const LAST_WORDS_BYTES: usize = 2048;

/// A line that is longer is no announcement.
const ANNOUNCEMENT_BYTES: u64 = 256;

/// Between two looks at something that nobody announces.
const LOOK: Duration = Duration::from_millis(1);

/// What a contestant does while it starts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The first line of its standard output.
    Line(String),
    /// Its standard output closed without one.
    EndOfOutput,
    /// The process ended.
    Exited,
}

/// The threads that listen to a contestant; they end with it.
#[derive(Debug)]
pub(crate) struct Watch {
    ended: Arc<Gate>,
    words: Arc<Words>,
}

impl Watch {
    /// Listens to a process that was just started with piped outputs.
    pub(crate) fn over(
        child: &mut Child,
        on_exit: impl FnOnce() + Send + 'static,
    ) -> io::Result<(Self, Receiver<Event>)> {
        let (sender, events) = channel();
        let watch = Self { ended: Arc::default(), words: Arc::default() };
        let pid = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());

        let (ended, exit_sender) = (Arc::clone(&watch.ended), sender.clone());
        named("watch-exit").spawn(move || {
            await_exit(pid);
            ended.open();
            on_exit();
            tell(&exit_sender, Event::Exited);
        })?;
        if let Some(stdout) = stdout {
            named("watch-stdout").spawn(move || read_announcement(stdout, &sender))?;
        }
        if let Some(stderr) = stderr {
            let words = Arc::clone(&watch.words);
            named("watch-stderr").spawn(move || words.keep_last(stderr))?;
        }
        Ok((watch, events))
    }

    /// Whether the process has ended; it may not be reaped yet.
    pub(crate) fn has_ended(&self) -> bool {
        *locked(&self.ended.open)
    }

    /// Waits for the end of the process; false when the time is over first.
    pub(crate) fn ends_within(&self, patience: Duration) -> bool {
        self.ended.wait(patience)
    }

    /// The last that the process wrote to its standard error, to be appended to a message: empty when there was nothing.
    pub(crate) fn last_words(&self) -> String {
        // Its end closes the pipe, and the reader then needs a moment; a stray child may hold it open for ever.
        self.words.complete.wait(Duration::from_millis(200));
        let bytes = locked(&self.words.tail);
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> =
            text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        if lines.is_empty() {
            String::new()
        } else {
            format!("; its last words were `{}`", lines.join(" / "))
        }
    }
}

/// Looks again and again until it holds; false when the time is over first.
pub(crate) fn until(patience: Duration, holds: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    while !holds() {
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(LOOK);
    }
    true
}

fn named(name: &str) -> thread::Builder {
    thread::Builder::new().name(name.into())
}

/// Leaves the process for its owner to reap, who alone may free its pid.
fn await_exit(pid: Pid) {
    while waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(Errno::EINTR) {}
}

/// Nobody listens any more once the contestant has announced itself.
fn tell(sender: &Sender<Event>, event: Event) {
    drop(sender.send(event));
}

/// One line, then whatever follows is thrown away so that the contestant never blocks on a full pipe.
fn read_announcement(stdout: impl Read, sender: &Sender<Event>) {
    let mut stdout = BufReader::new(stdout);
    let mut line = Vec::new();
    let read = stdout.by_ref().take(ANNOUNCEMENT_BYTES).read_until(b'\n', &mut line);
    let event = match read {
        Ok(length) if length > 0 => {
            Event::Line(String::from_utf8_lossy(&line).trim_end().to_owned())
        }
        Ok(_) | Err(_) => Event::EndOfOutput,
    };
    tell(sender, event);
    drop(io::copy(&mut stdout, &mut io::sink()));
}

/// The tail of a stream.
#[derive(Debug, Default)]
struct Words {
    tail: Mutex<Vec<u8>>,
    complete: Gate,
}

impl Words {
    /// Reads to the end; holds no more than the tail, whatever a contestant in distress writes.
    fn keep_last(&self, mut stderr: impl Read) {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = stderr.read(&mut buffer) {
            let mut tail = locked(&self.tail);
            tail.extend_from_slice(&buffer[..length]);
            let excess = tail.len().saturating_sub(LAST_WORDS_BYTES);
            drop(tail.drain(..excess));
        }
        self.complete.open();
    }
}

/// Closed, then open for ever.
#[derive(Debug, Default)]
struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn open(&self) {
        *locked(&self.open) = true;
        self.opened.notify_all();
    }

    fn wait(&self, patience: Duration) -> bool {
        let waited = self.opened.wait_timeout_while(locked(&self.open), patience, |open| !*open);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// A panic elsewhere leaves a flag or a tail as it was: both are whole at any time.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
