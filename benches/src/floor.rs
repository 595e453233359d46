//! The floor: one bare epoll loop on each side, that models and generator are held against.
//!
//! ```text
//! generator (one thread)                  server (one thread)
//!   write a prebuilt request  ---------->  epoll_wait, read, look for the end of the head
//!   epoll_wait, read, count   <----------  write a prebuilt answer
//! ```
//!
//! Each side does one read and one write a request, and one `epoll_ctl` a connection. Neither parses, verifies or
//! records: whatever a model or a generator costs beyond this is its own. The answer is the service's, byte for byte.

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

pub mod load;
pub mod server;

mod sys;

/// Bytes offered to one read, as in every model.
const READ_SIZE: usize = contract::READ_SIZE;

/// Takes every descriptor that the system allows: the soft limit is often 1,024.
pub fn raise_descriptor_limit() -> io::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?)
}
