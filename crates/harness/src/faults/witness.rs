//! Clients who tell what a fault costs everybody else: they ask for `/` all the time and note each answer and each loss.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::battery::wire::Wire;

/// Those who keep their connection, and those who open one for each request.
pub(super) const KEEPERS: usize = 4;
pub(super) const NEWCOMERS: usize = 2;

/// After an answer: short beside what is to be seen, long beside what it costs the server.
const KEEPER_RESTS: Duration = Duration::from_millis(2);
/// Longer, since where a connection is a process each request of a newcomer is a fork.
const NEWCOMER_RESTS: Duration = Duration::from_millis(5);

/// A request that is not answered in that time is lost, and its connection given up. Longer than any fault lasts: whoever
/// waits it out has lost time and no request.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// What one witness saw.
#[derive(Debug, Default)]
pub(super) struct Diary {
    /// Right answers: when each was asked for and when it was whole.
    answers: Vec<(Instant, Instant)>,
    /// When a request was found to be lost.
    losses: Vec<Instant>,
    /// When a connection that had been answered before was lost.
    broken: Vec<Instant>,
    /// Its connection, while it has one.
    local: Option<SocketAddr>,
}

/// All witnesses of a trial, asking.
#[derive(Debug)]
pub(super) struct Witnesses {
    told: Arc<AtomicBool>,
    all: Vec<(Arc<Mutex<Diary>>, JoinHandle<()>)>,
}

impl Witnesses {
    pub(super) fn begin(server: SocketAddr) -> Self {
        let told = Arc::new(AtomicBool::new(false));
        let witness = |number: usize| {
            let (diary, told) = (Arc::<Mutex<Diary>>::default(), Arc::clone(&told));
            let (own, keeps) = (Arc::clone(&diary), number < KEEPERS);
            (diary, thread::spawn(move || attend(server, keeps, &own, &told)))
        };
        let all = (0..KEEPERS + NEWCOMERS).map(witness).collect();
        Self { told, all }
    }

    /// The diary of one who keeps a connection: whoever serves that can be found by it.
    pub(super) fn first(&self) -> Arc<Mutex<Diary>> {
        Arc::clone(&self.all[0].0)
    }

    /// What they have seen of a fault so far.
    pub(super) fn seen(&self, begun: Instant, over: Instant) -> Seen {
        let open: Vec<MutexGuard<'_, Diary>> =
            self.all.iter().map(|(diary, _)| locked(diary)).collect();
        let diaries: Vec<&Diary> = open.iter().map(|diary| &**diary).collect();
        seen(&diaries, begun, over)
    }

    /// Lets them go.
    pub(super) fn end(self) {
        self.told.store(true, Ordering::Relaxed);
        for (_, witness) in self.all {
            // One that panicked has told what it saw until then.
            drop(witness.join());
        }
    }
}

pub(super) fn connection_of(diary: &Mutex<Diary>) -> Option<SocketAddr> {
    locked(diary).local
}

/// A panic elsewhere leaves a diary as it was: its entries are whole at any time.
fn locked(diary: &Mutex<Diary>) -> MutexGuard<'_, Diary> {
    diary.lock().unwrap_or_else(PoisonError::into_inner)
}

fn attend(server: SocketAddr, keeps: bool, diary: &Mutex<Diary>, told: &AtomicBool) {
    let mut wire: Option<Wire> = None;
    while !told.load(Ordering::Relaxed) {
        let (begun, known) = (Instant::now(), wire.is_some());
        let answered = ask(server, &mut wire);
        let mut diary = locked(diary);
        if answered.is_ok() {
            diary.answers.push((begun, Instant::now()));
        } else {
            wire = None;
            diary.losses.push(Instant::now());
            diary.broken.extend(known.then(Instant::now));
        }
        if !keeps {
            wire = None;
        }
        diary.local = wire.as_ref().and_then(|wire| wire.stream.local_addr().ok());
        drop(diary);
        thread::sleep(if keeps { KEEPER_RESTS } else { NEWCOMER_RESTS });
    }
}

fn ask(server: SocketAddr, wire: &mut Option<Wire>) -> anyhow::Result<()> {
    let wire = match wire {
        Some(wire) => wire,
        none => none.insert(Wire::open_within(server, PATIENCE)?),
    };
    wire.expect_service()
}

/// What a fault cost the witnesses.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Requests that were lost before it.
    pub(super) lost_before: usize,
    /// Requests that were lost since it began.
    pub(super) requests_lost: usize,
    /// Connections, answered before, that were lost since it began.
    pub(super) connections_lost: usize,
    /// From its end to the first right answer to a request sent after it, to anyone.
    pub(super) next_answer: Option<Duration>,
    /// From its end until each witness had a right answer to a request sent after it and after its own last loss.
    pub(super) full_service: Option<Duration>,
}

fn seen(diaries: &[&Diary], begun: Instant, over: Instant) -> Seen {
    let since = |times: &[Instant]| times.iter().filter(|time| **time >= begun).count();
    let first_after = |diary: &Diary, after: Instant| {
        let answer = diary.answers.iter().find(|(asked, _)| *asked >= after);
        answer.map(|(_, answered)| answered.duration_since(over))
    };
    let served_again = |diary: &&Diary| {
        let last_loss = diary.losses.last().copied().filter(|loss| *loss > over);
        first_after(diary, last_loss.unwrap_or(over))
    };
    let again: Option<Vec<Duration>> = diaries.iter().map(served_again).collect();
    Seen {
        lost_before: diaries.iter().map(|diary| diary.losses.len() - since(&diary.losses)).sum(),
        requests_lost: diaries.iter().map(|diary| since(&diary.losses)).sum(),
        connections_lost: diaries.iter().map(|diary| since(&diary.broken)).sum(),
        next_answer: diaries.iter().filter_map(|diary| first_after(diary, over)).min(),
        full_service: again.and_then(|again| again.into_iter().max()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A diary of answers (asked, answered), losses and broken connections, all in milliseconds since `start`.
    fn diary(start: Instant, answers: &[(u64, u64)], losses: &[u64], broken: &[u64]) -> Diary {
        let at = |ms: &u64| start + Duration::from_millis(*ms);
        Diary {
            answers: answers.iter().map(|(asked, answered)| (at(asked), at(answered))).collect(),
            losses: losses.iter().map(at).collect(),
            broken: broken.iter().map(at).collect(),
            local: None,
        }
    }

    #[test]
    fn service_is_full_when_the_last_of_those_who_lost_something_is_answered_again() {
        let start = Instant::now();
        let fault = start + Duration::from_millis(100);
        // Asked before the fault and answered after it: that tells nothing.
        let spared = diary(start, &[(90, 91), (99, 103), (105, 106), (120, 121)], &[], &[]);
        let hit = diary(start, &[(98, 99), (101, 102), (140, 143), (150, 151)], &[104], &[104]);
        let seen = seen(&[&spared, &hit], fault, fault);
        assert_eq!((seen.requests_lost, seen.connections_lost, seen.lost_before), (1, 1, 0));
        assert_eq!(seen.next_answer, Some(Duration::from_millis(2)));
        assert_eq!(
            seen.full_service,
            Some(Duration::from_millis(43)),
            "the second, after its loss"
        );
    }

    #[test]
    fn service_is_not_full_while_one_witness_waits_and_earlier_losses_are_not_the_faults() {
        let start = Instant::now();
        let begun = start + Duration::from_millis(100);
        let over = start + Duration::from_millis(200);
        let served = diary(start, &[(150, 151), (210, 211)], &[50], &[]);
        let waits = diary(start, &[(150, 151)], &[180, 230], &[180]);
        let seen = seen(&[&served, &waits], begun, over);
        assert_eq!((seen.lost_before, seen.requests_lost, seen.connections_lost), (1, 2, 1));
        assert_eq!(seen.next_answer, Some(Duration::from_millis(11)));
        assert_eq!(seen.full_service, None);
    }
}
