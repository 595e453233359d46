//! How the world outside speaks to an actor. Erlang calls it a port: what happens there is a message in the mailbox.
//!
//! ```text
//! socket: is ready, for one that has asked --+
//! clock:  it is time ------------------------+--> mailbox
//! thread: the call has returned or panicked -+
//! ```
//!
//! No task stands between a socket and its actor, to wait and to forward: the socket's own waker sends the message.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Instant;

use contract::Block;
use ractor::concurrency::JoinHandle;
use ractor::{ActorRef, Message, MessagingErr};

struct Port<M> {
    actor: ActorRef<M>,
    ready: fn() -> M,
}

impl<M: Message> Wake for Port<M> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    /// An actor that has ended waits for nothing.
    fn wake_by_ref(self: &Arc<Self>) {
        drop(self.actor.cast((self.ready)()));
    }
}

/// For the sockets of an actor: once for each time that one was not ready, it sends `ready`.
pub(super) fn waker<M: Message>(actor: &ActorRef<M>, ready: fn() -> M) -> Waker {
    Arc::new(Port { actor: actor.clone(), ready }).into()
}

/// Sends a message when it is due, unless it is dropped before.
pub(super) struct Timer<M> {
    pub(super) due: Instant,
    sender: JoinHandle<Result<(), MessagingErr<M>>>,
}

impl<M: Message> Timer<M> {
    pub(super) fn start(actor: &ActorRef<M>, due: Instant, message: M) -> Self {
        let left = due.saturating_duration_since(Instant::now());
        Self { due, sender: actor.send_after(left, || message) }
    }
}

impl<M> Drop for Timer<M> {
    fn drop(&mut self) {
        self.sender.abort();
    }
}

/// Has `call` made; what it returns is sent, or what `panicked` makes of its panic. Inline, a call holds its worker, and
/// every actor that this worker would have run.
pub(super) fn call<M: Message>(
    block: Block,
    actor: &ActorRef<M>,
    call: impl FnOnce() -> M + Send + 'static,
    panicked: fn(Box<dyn Any + Send>) -> M,
) {
    let actor = actor.clone();
    let send = move || {
        let message = catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(panicked);
        drop(actor.cast(message));
    };
    match block {
        Block::Inline => send(),
        Block::Offload => drop(tokio::task::spawn_blocking(send)),
    }
}
