//! An actor per connection: what happens to it are messages in its mailbox, and nobody else touches what it owns.
//!
//! ```text
//! supervisor: accept --spawns--> actor 1, actor 2 ...; hears of the end of each, and reports those that failed
//!
//!   socket --Ready------------+
//!    clock --Expired, Waited--+--> mailbox of actor 1: read > answer > write ... until a step has to wait
//!  threads --Computed, Waited-+
//! ```
//!
//! An actor waits for its mailbox and for nothing else; a worker that has no message to deliver waits in epoll.
//!
//! ```text
//! Ready --> Read --the socket has bytes--> the service answers --> Write --the socket takes them--> Read ...
//!            |                                  |       ^
//!            |                                  |       +--Waited, Computed-- Wait, Block, Compute <-+
//!            +--Expired--> 408                  +----------------------------------------------------+
//! ```

use std::any::Any;
use std::io;
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::thread;
use std::time::Instant;

use contract::{Block, Digest, READ_SIZE, ServeOptions, Service, Step, Workers};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::TcpStream;

use self::port::Timer;

mod port;
mod supervisor;

pub(crate) fn serve(listener: TcpListener, options: &ServeOptions) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(options.workers_or(Workers::Cpus))
        .max_blocking_threads(options.blocking_threads.get())
        .enable_all()
        .build()?;
    listener.set_nonblocking(true)?;
    let ended = runtime.block_on(supervisor::supervise(listener, *options));
    // Without it, the runtime's end would wait for the blocking calls of requests that are past saving.
    runtime.shutdown_background();
    ended.map_err(io::Error::other)
}

/// The behaviour of every connection; what one owns is its state.
struct Connection;

enum Message {
    /// The socket has bytes, or room for some.
    Ready,
    /// The head should have been complete by then.
    Expired(Instant),
    /// A wait or a blocking call is over.
    Waited,
    Computed(Digest),
    /// A call on another thread did.
    Panicked(Box<dyn Any + Send>),
}

impl Actor for Connection {
    type Msg = Message;
    /// None once it is over: ractor hands the last state to the supervisor, and the socket would stay open until then.
    type State = Option<Conversation>;
    type Arguments = (TcpStream, ServeOptions);

    async fn pre_start(
        &self,
        myself: ActorRef<Message>,
        (stream, options): Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        myself.cast(Message::Ready)?;
        Ok(Some(Conversation {
            stream,
            service: Service::new(&options),
            block: options.block,
            state: Step::Read { deadline: None },
            waker: port::waker(&myself, || Message::Ready),
            timer: None,
        }))
    }

    async fn handle(
        &self,
        myself: ActorRef<Message>,
        message: Message,
        conversation: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        if conversation.as_mut().is_some_and(|one| one.resume(message, &myself).is_ready()) {
            *conversation = None;
            myself.stop(None);
        }
        Ok(())
    }
}

struct Conversation {
    stream: TcpStream,
    service: Service,
    block: Block,
    /// The step that waits for a message.
    state: Step,
    /// Sends `Ready`.
    waker: Waker,
    /// Sends `Expired`, while a head is incomplete.
    timer: Option<Timer<Message>>,
}

impl Conversation {
    /// Goes on after a message, unless that comes too late: the connection then waits for another.
    fn resume(&mut self, message: Message, myself: &ActorRef<Message>) -> Poll<io::Result<()>> {
        match (message, self.state) {
            (Message::Ready, Step::Read { .. } | Step::Write) => {}
            (Message::Expired(due), Step::Read { deadline }) if deadline == Some(due) => {
                self.service.expired();
            }
            (Message::Waited, Step::Wait(_) | Step::Block(_)) => self.service.waited(),
            (Message::Computed(digest), Step::Compute(_)) => self.service.computed(digest),
            // The actor fails with the call that it made.
            (Message::Panicked(panic), _) => resume_unwind(panic),
            _ => return Poll::Pending,
        }
        self.converse(myself)
    }

    /// Performs steps until one has to wait for a message, or until the connection is over. A turn that is too long is
    /// ended by the runtime's budget: the socket then claims not to be ready, and sends `Ready` at once.
    fn converse(&mut self, myself: &ActorRef<Message>) -> Poll<io::Result<()>> {
        let mut port = Context::from_waker(&self.waker);
        loop {
            self.state = self.service.step();
            match self.state {
                Step::Read { deadline } => {
                    if read(&mut self.stream, &mut self.service, &mut port)?.is_pending() {
                        if self.timer.as_ref().map(|timer| timer.due) != deadline {
                            let timer = |due| Timer::start(myself, due, Message::Expired(due));
                            self.timer = deadline.map(timer);
                        }
                        return Poll::Pending;
                    }
                }
                Step::Write => {
                    let stream = Pin::new(&mut self.stream);
                    let count = ready!(stream.poll_write(&mut port, self.service.output()))?;
                    self.service.wrote(count);
                }
                Step::Wait(duration) => {
                    drop(myself.send_after(duration, || Message::Waited));
                    return Poll::Pending;
                }
                Step::Block(duration) => {
                    let sleep = move || {
                        thread::sleep(duration);
                        Message::Waited
                    };
                    port::call(self.block, myself, sleep, Message::Panicked);
                    return Poll::Pending;
                }
                Step::Compute(work) => {
                    let compute = move || Message::Computed(work.run());
                    port::call(self.block, myself, compute, Message::Panicked);
                    return Poll::Pending;
                }
                Step::Shutdown => ready!(Pin::new(&mut self.stream).poll_shutdown(&mut port))?,
                Step::Close => return Poll::Ready(Ok(())),
            }
        }
    }
}

/// Reads into the service. The buffer is on the worker's stack, not in the actor: a connection that waits for bytes
/// holds no memory for them.
fn read(
    stream: &mut TcpStream,
    service: &mut Service,
    port: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    let mut buffer = [MaybeUninit::uninit(); READ_SIZE];
    let mut buffer = ReadBuf::uninit(&mut buffer);
    ready!(Pin::new(stream).poll_read(port, &mut buffer))?;
    service.received(buffer.filled());
    Poll::Ready(Ok(()))
}

#[cfg(test)]
mod tests;
