//! The actor that all others are children of: it accepts connections, gives each an actor, and hears how that ends.
//!
//! ```text
//! listener --Accept--+                       +--> accept, spawn ... until nobody waits
//!    clock --Report--+--> mailbox -----------+--> report what has failed since
//!   actors --failed--+    (failures first)   +--> report it, unless one was reported a moment ago
//! ```

use std::panic;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use contract::{AfterAccept, ServeOptions, after_accept_error, drain};
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent, call};
use tokio::net::TcpListener;
use tokio::task;
use tokio::time::sleep;

use super::{Connection, port};

/// One line of complaint in this time: a supervisor that reports every failure fills a disk.
const REPORT_EVERY: Duration = Duration::from_secs(5);

pub(super) async fn supervise(
    listener: std::net::TcpListener,
    options: ServeOptions,
) -> Result<(), ActorProcessingErr> {
    let (supervisor, task) = Actor::spawn(None, Supervisor, (listener, options)).await?;
    limit_panic_messages(task.id());
    contract::announce()?;
    // It replies when SIGTERM has ended accepting. Should it fail, its connections end with it.
    call!(supervisor, Duty::Begin).map_err(|error| format!("the supervisor failed: {error}"))?;
    for nap in drain() {
        sleep(nap).await;
    }
    // Draining hears what the mailbox still holds, so that no failure is lost.
    Ok(supervisor.drain_and_wait(None).await?)
}

struct Supervisor;

enum Duty {
    /// Begin to accept; reply when SIGTERM has ended it.
    Begin(RpcReplyPort<()>),
    /// Somebody may wait to be accepted.
    Accept,
    /// It is time for the next report.
    Report,
}

struct Supervision {
    listener: TcpListener,
    options: ServeOptions,
    /// Sends `Accept`.
    waker: Waker,
    ended: Option<RpcReplyPort<()>>,
    failures: Failures,
}

impl Actor for Supervisor {
    type Msg = Duty;
    type State = Supervision;
    type Arguments = (std::net::TcpListener, ServeOptions);

    async fn pre_start(
        &self,
        myself: ActorRef<Duty>,
        (listener, options): Self::Arguments,
    ) -> Result<Supervision, ActorProcessingErr> {
        let listener = TcpListener::from_std(listener)?;
        let waker = port::waker(&myself, || Duty::Accept);
        Ok(Supervision { listener, options, waker, ended: None, failures: Failures::default() })
    }

    async fn handle(
        &self,
        myself: ActorRef<Duty>,
        duty: Duty,
        supervision: &mut Supervision,
    ) -> Result<(), ActorProcessingErr> {
        match duty {
            Duty::Begin(ended) => {
                supervision.ended = Some(ended);
                supervision.accept(&myself).await?;
            }
            Duty::Accept => supervision.accept(&myself).await?,
            Duty::Report => supervision.failures.report(&myself),
        }
        Ok(())
    }

    /// Without this method, the supervisor would end with the first child that does.
    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Duty>,
        event: SupervisionEvent,
        supervision: &mut Supervision,
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorFailed(connection, why) = event {
            supervision.failures.add(format!("{}: {why}", connection.get_id()), &myself);
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        myself: ActorRef<Duty>,
        supervision: &mut Supervision,
    ) -> Result<(), ActorProcessingErr> {
        supervision.failures.report(&myself);
        Ok(())
    }
}

impl Supervision {
    /// Until nobody waits, or the runtime's budget for one turn is used up; either way `Accept` is sent.
    async fn accept(&mut self, myself: &ActorRef<Duty>) -> Result<(), ActorProcessingErr> {
        loop {
            let accepted = self.listener.poll_accept(&mut Context::from_waker(&self.waker));
            let Poll::Ready(accepted) = accepted else { return Ok(()) };
            match accepted {
                Ok((stream, _)) => {
                    let arguments = (stream, self.options);
                    myself.spawn_linked(None, Connection, arguments).await?;
                }
                // SIGTERM's shutdown(2) reports a hang-up, for which the runtime wakes readers; `accept` then fails.
                Err(error) => match after_accept_error(&error) {
                    AfterAccept::Stop => {
                        self.ended.take().map(|ended| ended.send(())).transpose()?;
                        return Ok(());
                    }
                    AfterAccept::Retry => {}
                    AfterAccept::BackOff(pause) => {
                        drop(myself.send_after(pause, || Duty::Accept));
                        return Ok(());
                    }
                },
            }
        }
    }
}

/// The first is reported at once, those of the next seconds together.
#[derive(Default)]
struct Failures {
    unreported: u64,
    last: String,
    /// A `Report` is on its way.
    is_due: bool,
}

impl Failures {
    fn add(&mut self, failure: String, myself: &ActorRef<Duty>) {
        self.unreported += 1;
        self.last = failure;
        if !self.is_due {
            self.report(myself);
        }
    }

    fn report(&mut self, myself: &ActorRef<Duty>) {
        self.is_due = self.unreported > 0;
        if self.is_due {
            eprintln!("{} connections failed, the last, actor {}", self.unreported, self.last);
            self.unreported = 0;
            drop(myself.send_after(REPORT_EVERY, || Duty::Report));
        }
    }
}

/// The hook says where a panic happened, of the first in a while; the supervisor says how many connections it cost. Its
/// own panic nobody else would report.
fn limit_panic_messages(supervisor: task::Id) {
    let (print, last) = (panic::take_hook(), Mutex::new(None::<Instant>));
    panic::set_hook(Box::new(move |panic| {
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        let long_ago = last.is_none_or(|at| at.elapsed() >= REPORT_EVERY);
        if long_ago || task::try_id() == Some(supervisor) {
            *last = Some(Instant::now());
            print(panic);
        }
    }));
}
