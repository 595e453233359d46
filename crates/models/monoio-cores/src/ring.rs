//! The ring of a worker: its sizes, its read buffers, and what to say when the kernel refuses it.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::rc::Rc;

use contract::READ_SIZE;
use io_uring::IoUring;
use monoio::time::TimeDriver;
use monoio::{IoUringDriver, Runtime, RuntimeBuilder};

/// Submissions until the kernel is entered; beyond them it is entered at once.
const SUBMISSIONS: u32 = 256;
/// Completions until the kernel must put some aside: ten thousand connections have one operation each.
const COMPLETIONS: u32 = 16 * 1024;
/// Read buffers that are kept, 16 KiB each.
const SPARE_BUFFERS: usize = 64;

/// A runtime on a ring of its own, which only this thread enters.
pub(crate) fn runtime() -> io::Result<Runtime<TimeDriver<IoUringDriver>>> {
    let mut ring = IoUring::builder();
    ring.setup_cqsize(COMPLETIONS);
    // Completions wait until this thread asks for them, instead of interrupting it.
    ring.setup_single_issuer().setup_defer_taskrun();
    RuntimeBuilder::<IoUringDriver>::new()
        .with_entries(SUBMISSIONS)
        .uring_builder(ring)
        .enable_timer()
        .build()
        .map_err(|error| refused(&error))
}

fn refused(error: &io::Error) -> io::Error {
    let remedy = match error.kind() {
        ErrorKind::PermissionDenied => {
            "; allow it with `sysctl kernel.io_uring_disabled=0`, or in the container's seccomp profile"
        }
        ErrorKind::Unsupported => "; use a kernel that is built with it",
        ErrorKind::InvalidInput => "; use Linux 6.1 or newer",
        _ => "",
    };
    io::Error::new(error.kind(), format!("failed to set up io_uring: {error}{remedy}"))
}

/// The read buffers of a worker, for whoever has something to read.
#[derive(Clone, Default)]
pub(crate) struct Buffers(Rc<RefCell<Vec<Vec<u8>>>>);

impl Buffers {
    pub(crate) fn take(&self) -> Vec<u8> {
        self.0.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(READ_SIZE))
    }

    pub(crate) fn give_back(&self, buffer: Vec<u8>) {
        let mut buffers = self.0.borrow_mut();
        if buffers.len() < SPARE_BUFFERS {
            buffers.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_was_refused_and_the_remedy() {
        for (errno, remedy) in
            [(1, "kernel.io_uring_disabled=0"), (38, "built with it"), (22, "6.1")]
        {
            let message = refused(&io::Error::from_raw_os_error(errno)).to_string();
            assert!(message.contains("io_uring") && message.contains(remedy), "{message}");
        }
    }
}
