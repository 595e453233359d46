//! The mutual wait without a thread to hang: coroutines and callbacks on a scheduler of twenty lines.
//!
//! ```text
//! anybody whose wait is over? --yes--> run it
//!                             --no---> a deadline ahead? --yes--> sleep until then --> run those who waited for it
//!                                                        --no---> they wait for each other: detected
//! ```
//!
//! Such a scheduler knows that nothing can happen any more. One that also watches sockets cannot: it waits on.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use corosensei::{Coroutine, CoroutineResult};
use record::claims::LabLine;

use crate::lines::saying;
use crate::mutual_wait::{DEADLINE, Setup, report};

/// Messages that were sent, by the unit that sent them.
type Sent = Rc<[Cell<bool>; 2]>;

const DETECTED: &str = "the scheduler ran dry with both waiting, and says so";

/// The mutual line says that it was noticed, if it was.
fn with_detection(measure: impl Fn(Setup) -> (bool, Duration)) -> Vec<LabLine> {
    let mut lines = report(measure);
    for line in lines.iter_mut().filter(|line| line.variant == "mutual-wait") {
        let hung = line.figures.get("hung").copied().unwrap_or_default();
        line.figures.insert("detected".into(), hung);
        *line = saying(line.clone(), DETECTED);
    }
    lines
}

pub(crate) fn coroutines() -> Vec<LabLine> {
    with_detection(|setup| {
        let began = Instant::now();
        let sent = Sent::default();
        let unit = |own: usize| {
            let sent = Rc::clone(&sent);
            // It suspends itself until the other has sent; resumed earlier, its time was over.
            Coroutine::<(), (), ()>::new(move |yielder, ()| {
                if setup == Setup::OneFirst && own == 0 {
                    sent[own].set(true);
                }
                yielder.suspend(());
                sent[own].set(true);
            })
        };
        let mut waiting: Vec<(usize, _)> = (0..2).map(|own| (own, unit(own))).collect();
        for (_, unit) in &mut waiting {
            assert!(matches!(unit.resume(()), CoroutineResult::Yield(())), "it waits");
        }
        let mut over = false;
        while !waiting.is_empty() {
            let ready = waiting.iter().position(|(own, _)| over || sent[1 - own].get());
            match ready {
                Some(place) => {
                    let (_, mut unit) = waiting.swap_remove(place);
                    assert!(
                        matches!(unit.resume(()), CoroutineResult::Return(())),
                        "it waits no more"
                    );
                }
                None if setup == Setup::Deadline => {
                    thread::sleep(DEADLINE);
                    over = true;
                }
                None => break,
            }
        }
        (!waiting.is_empty(), began.elapsed())
    })
}

/// What runs when the other has sent, or the time is over.
type Callback = Box<dyn FnOnce()>;

pub(crate) fn callbacks() -> Vec<LabLine> {
    with_detection(|setup| {
        let began = Instant::now();
        let sent = Sent::default();
        let waiting: Rc<RefCell<Vec<(usize, Callback)>>> = Rc::default();
        for own in 0..2 {
            if setup == Setup::OneFirst && own == 0 {
                sent[own].set(true);
            }
            let sent = Rc::clone(&sent);
            waiting.borrow_mut().push((own, Box::new(move || sent[own].set(true))));
        }
        let mut over = false;
        loop {
            let ready = waiting.borrow().iter().position(|(own, _)| over || sent[1 - own].get());
            match ready {
                Some(place) => {
                    let (_, callback) = waiting.borrow_mut().swap_remove(place);
                    callback();
                }
                None if setup == Setup::Deadline && !over => {
                    thread::sleep(DEADLINE);
                    over = true;
                }
                None => break,
            }
        }
        let hung = !waiting.borrow().is_empty();
        (hung, began.elapsed())
    })
}
