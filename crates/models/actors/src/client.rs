//! An actor per fetch: it stops when it has the answer, and its supervisor hears of that and keeps what it leaves.
//!
//! ```text
//! gatherer --spawns up to `concurrency`--> actor 1: connect > write > read ... --+
//!    ^                                     actor 2: connect > write > read ... --+
//!    +-------- its end, with its last state or why it failed, in its place ------+
//! ```

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::iter::Enumerate;
use std::num::NonZero;
use std::time::{Duration, Instant};
use std::vec;

use contract::{ClientStep, Exchange, Fetched, Idiom, IdiomOutcome, READ_SIZE, TIMER_PERIOD};
use ractor::{
    Actor, ActorId, ActorProcessingErr, ActorRef, RpcReplyPort, SpawnErr, SupervisionEvent, call,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

pub(crate) fn fetch(
    exchanges: Vec<Exchange>,
    concurrency: NonZero<usize>,
) -> io::Result<Vec<Fetched>> {
    let urls: Vec<String> = exchanges.iter().map(|exchange| exchange.url().to_owned()).collect();
    let ends = gather(Download, exchanges, concurrency.get());
    let ends = Runtime::new()?.block_on(ends).map_err(io::Error::other)?;
    Ok(urls.into_iter().zip(ends).map(|(url, end)| fetched(url, end)).collect())
}

/// An actor that failed has no answer to leave, and its exchange is gone with it.
fn fetched(url: String, end: End<Download>) -> Fetched {
    let failed = |why: String| Fetched { url, error: Some(why), ..Fetched::default() };
    match end {
        Ok(Some(fetched)) => fetched,
        Ok(None) => failed("its actor was stopped".into()),
        Err(why) => failed(why),
    }
}

/// Its state is what it leaves: the answer.
#[derive(Clone, Copy)]
struct Download;

impl Actor for Download {
    type Msg = Exchange;
    type State = Option<Fetched>;
    type Arguments = Exchange;

    async fn pre_start(
        &self,
        myself: ActorRef<Exchange>,
        exchange: Exchange,
    ) -> Result<Self::State, ActorProcessingErr> {
        myself.cast(exchange)?;
        Ok(None)
    }

    /// It expects no message but this one, so it may wait here, and need not in the mailbox as the server's does.
    async fn handle(
        &self,
        myself: ActorRef<Exchange>,
        exchange: Exchange,
        fetched: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        *fetched = Some(download(exchange).await);
        myself.stop(None);
        Ok(())
    }
}

async fn download(mut exchange: Exchange) -> Fetched {
    let result = match TcpStream::connect(exchange.connect_to()).await {
        Ok(stream) => converse(stream, &mut exchange).await,
        Err(error) => Err(error),
    };
    exchange.finish(result)
}

async fn converse(mut stream: TcpStream, exchange: &mut Exchange) -> io::Result<()> {
    let mut buffer = vec![0; READ_SIZE];
    loop {
        match exchange.step() {
            ClientStep::Write => {
                let count = stream.write(exchange.output()).await?;
                exchange.wrote(count);
            }
            ClientStep::Read => {
                let count = stream.read(&mut buffer).await?;
                exchange.received(&buffer[..count]);
            }
            ClientStep::Done => return Ok(()),
        }
    }
}

pub(crate) fn idiom(idiom: Idiom, sleeps: &[Duration]) -> io::Result<IdiomOutcome> {
    let sleeps = sleeps.iter().copied().enumerate();
    let each = sleeps.clone().map(|sleep| vec![sleep]).collect();
    let all = sleeps.len();
    Runtime::new()?
        .block_on(async {
            let mut outcome = IdiomOutcome::default();
            let ends = match idiom {
                Idiom::Sequential => gather(Sleeper, vec![sleeps.collect()], 1).await?,
                Idiom::Parallel => gather(Sleeper, each, all).await?,
                // One at a time: each actor is spawned by the end of the one before.
                Idiom::Chained => gather(Sleeper, each, 1).await?,
                Idiom::Timer => {
                    let (ticker, _) = Actor::spawn(None, Ticker, ()).await?;
                    let ends = gather(Sleeper, each, all).await?;
                    outcome.ticks = call!(ticker, Beat::Stop)?;
                    ends
                }
            };
            for sleeper in ends {
                outcome.finished.append(&mut sleeper?.ended);
            }
            outcome.finished.sort_by_key(|(_, at)| *at);
            Ok::<_, ActorProcessingErr>(outcome)
        })
        .map_err(io::Error::other)
}

/// Sleeps one after the other; nothing waits but a message that is sent after a while.
#[derive(Clone, Copy)]
struct Sleeper;

struct Sleeping {
    sleeps: vec::IntoIter<(usize, Duration)>,
    ended: Vec<(usize, Instant)>,
}

impl Actor for Sleeper {
    /// Which sleep has ended.
    type Msg = usize;
    type State = Sleeping;
    type Arguments = Vec<(usize, Duration)>;

    async fn pre_start(
        &self,
        myself: ActorRef<usize>,
        sleeps: Self::Arguments,
    ) -> Result<Sleeping, ActorProcessingErr> {
        let mut sleeping = Sleeping { sleeps: sleeps.into_iter(), ended: Vec::new() };
        sleeping.sleep(&myself);
        Ok(sleeping)
    }

    async fn handle(
        &self,
        myself: ActorRef<usize>,
        index: usize,
        sleeping: &mut Sleeping,
    ) -> Result<(), ActorProcessingErr> {
        sleeping.ended.push((index, Instant::now()));
        sleeping.sleep(&myself);
        Ok(())
    }
}

impl Sleeping {
    fn sleep(&mut self, myself: &ActorRef<usize>) {
        match self.sleeps.next() {
            Some((index, duration)) => drop(myself.send_after(duration, move || index)),
            None => myself.stop(None),
        }
    }
}

struct Ticker;

enum Beat {
    Tick,
    Stop(RpcReplyPort<Vec<Instant>>),
}

impl Actor for Ticker {
    type Msg = Beat;
    type State = Vec<Instant>;
    type Arguments = ();

    /// A late tick does not put off the next, so lateness shows as jitter and never adds up to drift.
    async fn pre_start(
        &self,
        myself: ActorRef<Beat>,
        (): (),
    ) -> Result<Vec<Instant>, ActorProcessingErr> {
        drop(myself.send_interval(TIMER_PERIOD, || Beat::Tick));
        Ok(Vec::new())
    }

    async fn handle(
        &self,
        myself: ActorRef<Beat>,
        beat: Beat,
        ticks: &mut Vec<Instant>,
    ) -> Result<(), ActorProcessingErr> {
        match beat {
            Beat::Tick => ticks.push(Instant::now()),
            Beat::Stop(reply) => {
                reply.send(std::mem::take(ticks))?;
                myself.stop(None);
            }
        }
        Ok(())
    }
}

/// What a child left: its last state, or why it failed.
type End<C> = Result<<C as Actor>::State, String>;

/// Has a child do each job, at most so many at once, and returns their ends in the jobs' order.
async fn gather<C: Actor + Copy>(
    child: C,
    jobs: Vec<C::Arguments>,
    at_once: usize,
) -> Result<Vec<End<C>>, ActorProcessingErr> {
    let (gatherer, _) = Actor::spawn(None, Gatherer { child, at_once }, jobs).await?;
    Ok(call!(gatherer, |reply| reply)?)
}

/// The supervisor of the children: one that fails costs no other its end.
struct Gatherer<C> {
    child: C,
    at_once: usize,
}

struct Gathering<C: Actor> {
    waiting: Enumerate<vec::IntoIter<C::Arguments>>,
    /// The job's place, by who does it.
    running: HashMap<ActorId, usize>,
    ends: BTreeMap<usize, End<C>>,
    reply: Option<RpcReplyPort<Vec<End<C>>>>,
}

impl<C: Actor + Copy> Actor for Gatherer<C> {
    /// Begin, and reply with the ends.
    type Msg = RpcReplyPort<Vec<End<C>>>;
    type State = Gathering<C>;
    type Arguments = Vec<C::Arguments>;

    async fn pre_start(
        &self,
        _: ActorRef<Self::Msg>,
        jobs: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        let (waiting, running) = (jobs.into_iter().enumerate(), HashMap::new());
        Ok(Gathering { waiting, running, ends: BTreeMap::new(), reply: None })
    }

    async fn handle(
        &self,
        myself: ActorRef<Self::Msg>,
        reply: Self::Msg,
        gathering: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        gathering.reply = Some(reply);
        Ok(self.begin(&myself, gathering).await?)
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Self::Msg>,
        event: SupervisionEvent,
        gathering: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        let (child, end) = match event {
            SupervisionEvent::ActorTerminated(child, Some(mut state), _) => {
                (child, state.take().map_err(|error| error.to_string()))
            }
            SupervisionEvent::ActorTerminated(child, None, why) => {
                (child, Err(why.unwrap_or_default()))
            }
            SupervisionEvent::ActorFailed(child, why) => (child, Err(why.to_string())),
            _ => return Ok(()),
        };
        if let Some(place) = gathering.running.remove(&child.get_id()) {
            gathering.ends.insert(place, end);
        }
        Ok(self.begin(&myself, gathering).await?)
    }
}

impl<C: Actor + Copy> Gatherer<C> {
    /// Begins as many as may run; replies when none does and none is left.
    async fn begin(
        &self,
        myself: &ActorRef<<Self as Actor>::Msg>,
        gathering: &mut Gathering<C>,
    ) -> Result<(), SpawnErr> {
        while gathering.running.len() < self.at_once
            && let Some((place, job)) = gathering.waiting.next()
        {
            let (child, _) = myself.spawn_linked(None, self.child, job).await?;
            gathering.running.insert(child.get_id(), place);
        }
        if gathering.running.is_empty()
            && let Some(reply) = gathering.reply.take()
        {
            let ends = std::mem::take(&mut gathering.ends);
            // Nobody waits for it any more when this fails.
            drop(reply.send(ends.into_values().collect()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
