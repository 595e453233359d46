//! What is written to an echo: bytes that no other message has, made and checked without being kept.
//!
//! ```text
//! message = stamp (8 bytes) + a stretch of the tape, wound on from a place that the stamp names
//! ```
//!
//! The stamp differs for each connection and message number, so an answer that belongs to another request shows.

use crate::number::{count, index};
use crate::random::{Random, mix};

/// Odd and no power of two, so that blocks of a usual size that a server mixes up do not look alike.
const TAPE: usize = 4093;
/// Bits of the message number within a stamp; 24 are left for the connection.
const MESSAGE_BITS: u32 = 40;

/// Makes and checks the payloads of a run.
#[derive(Debug)]
pub(crate) struct Pattern {
    seed: u64,
    size: usize,
    /// `TAPE` random bytes, twice: a stretch of up to `TAPE` bytes is contiguous wherever it begins.
    tape: Vec<u8>,
}

impl Pattern {
    pub(crate) fn new(size: usize, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let once: Vec<u8> =
            (0..TAPE.div_ceil(8)).flat_map(|_| random.next().to_le_bytes()).take(TAPE).collect();
        Self { seed: random.next(), size, tape: once.repeat(2) }
    }

    /// Bytes of one message.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Appends message `message` of `connection` from `offset` on, up to a room of `room` bytes in all.
    pub(crate) fn append(
        &self,
        out: &mut Vec<u8>,
        connection: u64,
        message: u64,
        offset: usize,
        room: usize,
    ) {
        let end = self.size.min(offset + room.saturating_sub(out.len()));
        self.each_part(connection, message, offset, end, |part| {
            out.extend_from_slice(part);
            true
        });
    }

    /// Whether `bytes` are what stands in message `message` of `connection` from `offset` on.
    pub(crate) fn matches(
        &self,
        connection: u64,
        message: u64,
        offset: usize,
        bytes: &[u8],
    ) -> bool {
        let mut rest = bytes;
        self.each_part(connection, message, offset, offset + bytes.len(), |part| {
            let (head, tail) = rest.split_at(part.len());
            rest = tail;
            head == part
        })
    }

    /// Calls `part` with the pieces of a message from `from` to `to`, until it says no.
    fn each_part(
        &self,
        connection: u64,
        message: u64,
        from: usize,
        to: usize,
        mut part: impl FnMut(&[u8]) -> bool,
    ) -> bool {
        let stamp =
            mix(self.seed ^ (connection << MESSAGE_BITS | message & ((1 << MESSAGE_BITS) - 1)));
        let mut at = from;
        if at < 8 && at < to {
            let end = to.min(8);
            if !part(&stamp.to_le_bytes()[at..end]) {
                return false;
            }
            at = end;
        }
        while at < to {
            let place = (index(stamp % count(TAPE)) + at) % TAPE;
            let length = (to - at).min(TAPE);
            if !part(&self.tape[place..place + length]) {
                return false;
            }
            at += length;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn whole(pattern: &Pattern, connection: u64, message: u64) -> Vec<u8> {
        let mut out = Vec::new();
        pattern.append(&mut out, connection, message, 0, usize::MAX / 2);
        out
    }

    #[test]
    fn messages_of_eight_bytes_and_more_are_all_different() {
        for size in [8, 64] {
            let pattern = Pattern::new(size, 3);
            let messages: BTreeSet<_> =
                (0..100).flat_map(|c| (0..100).map(move |m| (c, m))).collect();
            let payloads: BTreeSet<_> =
                messages.iter().map(|(c, m)| whole(&pattern, *c, *m)).collect();
            assert_eq!(payloads.len(), messages.len());
        }
    }

    proptest! {
        #[test]
        fn pieces_written_and_read_at_any_offset_are_the_message(
            size in 1_usize..10_000, connection in 0_u64..20_000, message: u32, cut: prop::sample::Index, wrong: prop::sample::Index,
        ) {
            let pattern = Pattern::new(size, 1);
            let message = u64::from(message);
            let payload = whole(&pattern, connection, message);
            prop_assert_eq!(payload.len(), size);
            let cut = cut.index(size);
            let mut pieces = Vec::new();
            pattern.append(&mut pieces, connection, message, 0, cut);
            pattern.append(&mut pieces, connection, message, cut, size);
            prop_assert_eq!(&pieces, &payload);
            prop_assert!(pattern.matches(connection, message, 0, &payload[..cut]));
            prop_assert!(pattern.matches(connection, message, cut, &payload[cut..]));
            let mut damaged = payload.clone();
            damaged[wrong.index(size)] ^= 1;
            prop_assert!(!pattern.matches(connection, message, 0, &damaged));
        }
    }
}
