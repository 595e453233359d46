//! Stacks: each coroutine has one, and leaves it to those that come after it.

use std::cell::RefCell;
use std::io;

use corosensei::stack::DefaultStack;

/// The deepest that was seen is 24 KiB, a panic that prints its backtrace. What is not touched costs addresses alone:
/// 664 MiB of them for ten thousand stacks and the guard pages below, of 128 TiB. A conversation stays within one page.
const SIZE: usize = 64 * 1024;

/// A tenth of ten thousand connections. Mapping a stack anew takes two system calls and some microseconds, and keeping
/// it costs the pages that were touched: 4 MiB in all.
const MOST_SPARE: usize = 1024;

/// Stacks of coroutines that have ended.
#[derive(Default)]
pub(crate) struct Stacks(RefCell<Vec<DefaultStack>>);

impl Stacks {
    /// A stack that was used before, or a new one.
    ///
    /// # Errors
    /// The system refuses: a stack and its guard are two mappings, so that `vm.max_map_count` stops at half of itself.
    pub(crate) fn take(&self) -> io::Result<DefaultStack> {
        self.0.borrow_mut().pop().map_or_else(|| DefaultStack::new(SIZE), Ok)
    }

    /// Keeps a stack that is free, if there are not too many.
    pub(crate) fn put(&self, stack: DefaultStack) {
        let mut spare = self.0.borrow_mut();
        if spare.len() < MOST_SPARE {
            spare.push(stack);
        }
    }
    #[cfg(test)]
    pub(crate) fn spare(&self) -> usize {
        self.0.borrow().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_are_used_again_and_no_more_than_so_many_are_kept() {
        let stacks = Stacks::default();
        let taken: Vec<_> = (0..MOST_SPARE + 2).map(|_| stacks.take().unwrap()).collect();
        for stack in taken {
            stacks.put(stack);
        }
        assert_eq!(stacks.spare(), MOST_SPARE);
        drop(stacks.take().unwrap());
        assert_eq!(stacks.spare(), MOST_SPARE - 1);
    }
}
