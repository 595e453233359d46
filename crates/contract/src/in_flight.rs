//! How many requests are in flight in this process: what a stopping server must finish.
//!
//! In flight means: first byte of a request read, last byte of its answer not yet written. [`Service`](crate::Service)
//! keeps the count, so that no model needs to. It is sharded by thread: a single counter would be one cache line that
//! all cores of a shared-nothing model fight over, and the suite would measure that.

use std::cell::Cell;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

const SHARDS: usize = 64;

/// A counter with a cache line of its own (two, since CPUs prefetch lines in pairs).
#[repr(align(128))]
struct Shard(AtomicI64);

static COUNTS: [Shard; SHARDS] = [const { Shard(AtomicI64::new(0)) }; SHARDS];
static NEXT_SHARD: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static MY_SHARD: Cell<usize> = Cell::new(NEXT_SHARD.fetch_add(1, Ordering::Relaxed) % SHARDS);
}

/// Requests in flight in this process, over all threads.
///
/// Async-signal-safe: it only loads atomics.
#[must_use]
pub fn count() -> i64 {
    COUNTS.iter().map(|shard| shard.0.load(Ordering::SeqCst)).sum()
}

/// One connection's part in the count: busy or not.
#[derive(Debug)]
pub(crate) struct InFlight {
    shard: u8,
    busy: bool,
}

impl InFlight {
    pub(crate) fn new() -> Self {
        let shard = MY_SHARD.with(Cell::get);
        Self { shard: u8::try_from(shard).expect("there are 64 shards"), busy: false }
    }

    pub(crate) fn set(&mut self, busy: bool) {
        if self.busy != busy {
            self.busy = busy;
            COUNTS[usize::from(self.shard)]
                .0
                .fetch_add(if busy { 1 } else { -1 }, Ordering::SeqCst);
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.set(false);
    }
}
