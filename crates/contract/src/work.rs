//! Computing of a known amount: iterations, never a spin until a deadline.

/// A number of iterations to compute, `Send + 'static` so that a model may run it on any thread.
///
/// The amount is fixed when the request is read. A spin until a deadline would measure the clock: twenty of them on
/// one CPU would all end on time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "work that is not run answers nothing"]
pub struct Work {
    iterations: u64,
}

/// What [`Work::run`] computed; goes into the answer, so that the work cannot be optimised away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(pub u64);

impl Work {
    /// Work of that many iterations; one iteration is a few dependent arithmetic operations, about a nanosecond.
    pub fn new(iterations: u64) -> Self {
        Self { iterations }
    }

    /// Computes on the calling thread until done.
    #[must_use]
    pub fn run(self) -> Digest {
        // xorshift64: every iteration needs the one before, so that neither vector units nor the optimiser shorten it.
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..self.iterations {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
        }
        Digest(std::hint::black_box(state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_work_has_the_same_digest_and_other_work_another() {
        assert_eq!(Work::new(1_000).run(), Work::new(1_000).run());
        assert_ne!(Work::new(1_000).run(), Work::new(1_001).run());
    }
}
