//! The ring of a worker: its sizes, and what to say when the kernel refuses it.

use std::io::{self, ErrorKind};
use std::num::NonZero;

use compio::driver::ProactorBuilder;
use compio::runtime::Runtime;
use contract::READ_SIZE;

/// Tasks that run until the kernel is entered again. The default of 61 costs a quarter more at ten thousand connections.
const TASKS: usize = 128;
/// Submissions that fit until then: a task submits an operation, now and then with a cancellation.
const SUBMISSIONS: u32 = 256;
/// Completions until the kernel must put some aside: ten thousand connections have one operation each.
const COMPLETIONS: u32 = 16 * 1024;
/// Read buffers, 16 KiB each: the kernel takes one when bytes have come, and the task that they are for gives it back,
/// so that a turn's tasks need one each.
const BUFFERS: NonZero<u16> = NonZero::new(128).expect("128 is not zero");

/// A runtime on a ring of its own, which only this thread enters.
pub(crate) fn runtime() -> io::Result<Runtime> {
    let mut ring = ProactorBuilder::new();
    ring.capacity(SUBMISSIONS).cqsize(COMPLETIONS);
    // Completions wait until this thread asks for them, instead of interrupting it.
    ring.single_issuer(true).defer_taskrun(true);
    ring.buffer_pool_size(BUFFERS).buffer_pool_buffer_len(READ_SIZE);
    let mut runtime = Runtime::builder();
    runtime.with_proactor(ring).event_interval(TASKS).build().map_err(|error| refused(&error))
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
