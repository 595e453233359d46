//! Three files of a process, parsed by hand: at ten thousand processes anything else costs more than it tells.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read};

use crate::noise::tick_ns;
use crate::root::about;

/// Bytes that hold any of the files whole; longer ones make the buffer grow.
const BUFFER_BYTES: usize = 8192;

/// Buffers for path and text, reused for every file.
#[derive(Debug, Default)]
pub(super) struct Files {
    path: String,
    /// Grown once and never cleared: only the first `filled` bytes are the file's.
    buffer: Vec<u8>,
    filled: usize,
}

/// What /proc/PID/stat tells, of what is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    /// Ended, not yet waited for.
    pub(super) zombie: bool,
    pub(super) threads: u64,
    /// When the process began: tells it from a later one with the same number.
    pub(super) started_ticks: u64,
    /// CPU time of the children that it has waited for, and of theirs; in ticks of 10 ms.
    pub(super) reaped_cpu_ns: u64,
}

impl Files {
    pub(super) fn stat(&mut self, pid: u32) -> io::Result<Stat> {
        self.load(format_args!("/proc/{pid}/stat"))?;
        parse_stat(self.text()).ok_or_else(|| self.unexpected())
    }

    /// (voluntary, involuntary) of the first thread of a process: a shorter path than through its list of threads.
    pub(super) fn switches_of_first(&mut self, pid: u32) -> io::Result<(u64, u64)> {
        self.switches(format_args!("/proc/{pid}/status"))
    }

    /// (voluntary, involuntary) of one thread.
    pub(super) fn switches_of(&mut self, pid: u32, tid: u32) -> io::Result<(u64, u64)> {
        self.switches(format_args!("/proc/{pid}/task/{tid}/status"))
    }

    fn switches(&mut self, path: std::fmt::Arguments<'_>) -> io::Result<(u64, u64)> {
        self.load(path)?;
        let voluntary = field(self.text(), b"voluntary_ctxt_switches:");
        let involuntary = field(self.text(), b"nonvoluntary_ctxt_switches:");
        voluntary.zip(involuntary).ok_or_else(|| self.unexpected())
    }

    /// A zombie has no memory left, and is said to be gone.
    pub(super) fn pss_bytes(&mut self, pid: u32) -> io::Result<u64> {
        self.load(format_args!("/proc/{pid}/smaps_rollup"))?;
        field(self.text(), b"Pss:")
            .map(|kibibytes| kibibytes * 1024)
            .ok_or_else(|| self.unexpected())
    }

    /// Thread ids of a process.
    pub(super) fn threads(&mut self, pid: u32) -> io::Result<Vec<u32>> {
        self.name(format_args!("/proc/{pid}/task"));
        let entries = fs::read_dir(&self.path)?;
        Ok(entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
    }

    fn name(&mut self, path: std::fmt::Arguments<'_>) {
        self.path.clear();
        // Writing into a `String` cannot fail.
        let _ = self.path.write_fmt(path);
    }

    /// The whole file into the buffer. Errors keep their number, by which the caller knows that a process is gone.
    fn load(&mut self, path: std::fmt::Arguments<'_>) -> io::Result<()> {
        self.name(path);
        let mut file = File::open(&self.path).map_err(|error| self.denied(error))?;
        self.filled = 0;
        loop {
            if self.filled == self.buffer.len() {
                self.buffer.resize((self.filled * 2).max(BUFFER_BYTES), 0);
            }
            match file.read(&mut self.buffer[self.filled..]) {
                Ok(0) => return Ok(()),
                Ok(count) => self.filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.denied(error)),
            }
        }
    }

    /// The file that was loaded last.
    fn text(&self) -> &[u8] {
        &self.buffer[..self.filled]
    }

    /// Only a refusal is worth naming the file.
    fn denied(&self, error: io::Error) -> io::Error {
        if error.kind() == io::ErrorKind::PermissionDenied {
            about(&self.path, &error)
        } else {
            error
        }
    }

    fn unexpected(&self) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, format!("`{}` is not as expected", self.path))
    }
}

/// Fields 3 and on, after the command name: which may hold blanks, parentheses and line ends, so the last `)` counts.
fn parse_stat(text: &[u8]) -> Option<Stat> {
    let name_end = text.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(&text[name_end + 1..]).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    let mut number = |skipped: usize| fields.nth(skipped)?.parse::<u64>().ok();
    // From here field 4 is next: 16 and 17 are cutime and cstime, 20 num_threads, 22 starttime.
    let (reaped_user_ticks, reaped_system_ticks) = (number(12)?, number(0)?);
    let (threads, started_ticks) = (number(2)?, number(1)?);
    let reaped_cpu_ns = (reaped_user_ticks + reaped_system_ticks) * tick_ns();
    Some(Stat { zombie: matches!(state, "Z" | "X"), threads, started_ticks, reaped_cpu_ns })
}

/// The number of the line that begins with `name`.
fn field(text: &[u8], name: &[u8]) -> Option<u64> {
    let line = text.split(|byte| *byte == b'\n').find(|line| line.starts_with(name))?;
    let digits = line[name.len()..].trim_ascii_start();
    std::str::from_utf8(digits.split(|byte| !byte.is_ascii_digit()).next()?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_name_full_of_parentheses_does_not_shift_the_fields() {
        let text =
            "77 (a) S 1 (b\n) R 1 77 77 0 -1 4194560 1 2 3 4 5 6 70 8 20 0 3 0 12345 999 1 184467";
        let stat = parse_stat(text.as_bytes()).unwrap();
        assert_eq!(
            stat,
            Stat {
                zombie: false,
                threads: 3,
                started_ticks: 12_345,
                reaped_cpu_ns: 78 * tick_ns()
            }
        );
    }

    #[test]
    fn a_zombie_is_told_from_the_living() {
        let text = "77 (x) Z 1 77 77 0 -1 4194560 1 2 3 4 5 6 0 0 20 0 1 0 12345 0 0";
        assert!(parse_stat(text.as_bytes()).unwrap().zombie);
        assert_eq!(parse_stat(b"77 (x) S 1 77"), None, "a short line is no process");
    }

    #[test]
    fn the_switches_of_a_thread_are_not_mixed_up() {
        let text = b"Name:\tvoluntary_ctxt_switches: 9\nvoluntary_ctxt_switches:\t12\nnonvoluntary_ctxt_switches:\t34\n";
        assert_eq!(field(text, b"voluntary_ctxt_switches:"), Some(12));
        assert_eq!(field(text, b"nonvoluntary_ctxt_switches:"), Some(34));
        assert_eq!(field(b"Pss:                 123 kB\nPss_Dirty: 9 kB\n", b"Pss:"), Some(123));
        assert_eq!(field(text, b"Pss:"), None);
    }
}
