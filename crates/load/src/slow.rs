//! Slow clients beside the others: what they are to do, and what became of them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::ErrorKind;

/// Connections beside the others that ask or read a few bytes at a time, over and over: what a bad network or an
/// attacker looks like to a server. They are counted apart, and never in a latency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slow {
    /// How many, at least 1; [`Load::connections`](crate::Load::connections) are others.
    pub connections: usize,
    /// What they are slow at.
    pub kind: SlowKind,
    /// Bytes at a time, at least 1.
    pub bytes: usize,
    /// From one time to the next of the same connection, at least 1 ms. The connections take turns.
    pub every: Duration,
}

/// What a slow client is slow at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SlowKind {
    /// Reading: it asks at once, and has a small receive buffer. Ask for an answer that is larger than the server's send
    /// buffer and this one, or the server will not notice.
    Read,
    /// Writing: its request comes a few bytes at a time; it reads at once.
    Write,
    /// Both.
    Both,
}

impl SlowKind {
    pub(crate) fn reads(self) -> bool {
        self != Self::Write
    }

    pub(crate) fn writes(self) -> bool {
        self != Self::Read
    }
}

/// What became of the slow connections, from the end of the step before to the end of the window.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SlowSeen {
    /// As asked for.
    pub connections: usize,
    /// Handshakes that were completed; one that was cut off is opened again when its turn comes.
    pub opened: u64,
    /// Verified answers.
    pub answered: u64,
    /// Connections that the server ended without a right answer: closed, reset, or refused with an error such as 408.
    pub cut_off: u64,
    /// Connections that were open when the window closed.
    pub trickling: u64,
    /// Times that they were late by a whole round and went on from there: they were slower than asked.
    pub fell_behind: u64,
    /// Answers that were wrong, connections that were lost and handshakes that failed, by kind.
    pub errors: BTreeMap<ErrorKind, u64>,
}

impl SlowSeen {
    pub(crate) fn error(&mut self, kind: ErrorKind) {
        *self.errors.entry(kind).or_default() += 1;
    }

    /// An answer, with what is wrong with it.
    pub(crate) fn answer(&mut self, fault: Option<ErrorKind>, keep_alive: bool) {
        match fault {
            None => self.answered += 1,
            Some(kind) => {
                self.error(kind);
                self.cut_off += u64::from(!keep_alive);
            }
        }
    }

    /// Adds what another thread saw of its share.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.opened += other.opened;
        self.answered += other.answered;
        self.cut_off += other.cut_off;
        self.trickling += other.trickling;
        self.fell_behind += other.fell_behind;
        for (kind, times) in &other.errors {
            *self.errors.entry(*kind).or_default() += times;
        }
    }
}

/// What is wrong with slow clients, and what to give instead.
pub(crate) fn faults(slow: Option<Slow>) -> [(bool, &'static str); 3] {
    let is = |wrong: fn(&Slow) -> bool| slow.as_ref().is_some_and(wrong);
    [
        (is(|slow| slow.connections == 0), "no slow connections; give at least 1"),
        (is(|slow| slow.bytes == 0), "slow connections of 0 bytes at a time; give at least 1"),
        (
            is(|slow| slow.every < Duration::from_millis(1)),
            "slow connections that are not slow; give at least 1ms from one time to the next",
        ),
    ]
}
