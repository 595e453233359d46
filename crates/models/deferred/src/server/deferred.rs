//! A result that is not there yet, and the two paths on from it: one for success, one for error.
//!
//! ```text
//! operation --ok--> callback --ok--> callback --ok--+            +--ok--> ...
//!      |               |                |           +--> both ---+
//!      +---error-------+----error-------+--> errback -- or ok ---+--error--> ...
//! ```
//!
//! Each of them may return another deferred: what comes after then waits for that one's result. A callback that panics
//! takes the path of error.

use std::cell::{Cell, RefCell};
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;

/// What a panic becomes on its way down the path of error.
pub(crate) struct Panicked;

impl From<Panicked> for io::Error {
    fn from(_: Panicked) -> Self {
        Self::other("a callback panicked")
    }
}

type Listener<T, E> = Box<dyn FnOnce(Result<T, E>)>;

/// The side that waits for a result.
#[must_use = "an error that reaches a deferred without listeners reaches nobody"]
pub(crate) enum Deferred<T, E = io::Error> {
    /// Fired already: what is added to it is called at once.
    Now(Result<T, E>),
    /// Shared with its [`Promise`].
    Later(Rc<State<T, E>>),
}

/// The side that has the result; it is used up by firing, so that no deferred fires twice.
pub(crate) struct Promise<T, E = io::Error>(Rc<State<T, E>>);

/// One of them is there before the other.
pub(crate) struct State<T, E> {
    listener: Cell<Option<Listener<T, E>>>,
    result: Cell<Option<Result<T, E>>>,
}

impl<T: 'static, E: 'static> Deferred<T, E> {
    /// A deferred, and the promise that fires it.
    pub(crate) fn new() -> (Self, Promise<T, E>) {
        let state = Rc::new(State { listener: Cell::new(None), result: Cell::new(None) });
        (Self::Later(Rc::clone(&state)), Promise(state))
    }

    /// Calls `callback` with a success, and lets an error pass.
    pub(crate) fn add_callback<U: 'static>(
        self,
        callback: impl FnOnce(T) -> Deferred<U, E> + 'static,
    ) -> Deferred<U, E>
    where
        E: From<Panicked>,
    {
        self.add_both(|result| match result {
            Ok(value) => callback(value),
            Err(error) => Deferred::Now(Err(error)),
        })
    }

    /// Calls `errback` with an error, and lets a success pass.
    pub(crate) fn add_errback(self, errback: impl FnOnce(E) -> Self + 'static) -> Self
    where
        E: From<Panicked>,
    {
        self.add_both(|result| match result {
            Ok(value) => Self::Now(Ok(value)),
            Err(error) => errback(error),
        })
    }

    /// Calls `both` with the result, whichever it is.
    pub(crate) fn add_both<U: 'static, F: From<Panicked> + 'static>(
        self,
        both: impl FnOnce(Result<T, E>) -> Deferred<U, F> + 'static,
    ) -> Deferred<U, F> {
        let call = |result| {
            // What the callback had is gone with it, so nobody place it half done.
            panic::catch_unwind(AssertUnwindSafe(|| both(result)))
                .unwrap_or_else(|_| Deferred::Now(Err(Panicked.into())))
        };
        match self {
            Self::Now(result) => call(result),
            Self::Later(_) => {
                let (next, promise) = Deferred::new();
                self.listen(|result| call(result).listen(|result| promise.fire(result)));
                next
            }
        }
    }

    /// The end of a chain: nothing comes after it, not even an error.
    pub(crate) fn done(self, end: impl FnOnce(Result<T, E>) + 'static) {
        self.listen(|result| drop(panic::catch_unwind(AssertUnwindSafe(|| end(result)))));
    }

    fn listen(self, listener: impl FnOnce(Result<T, E>) + 'static) {
        match self {
            Self::Now(result) => listener(result),
            Self::Later(state) => match state.result.take() {
                Some(result) => listener(result),
                None => state.listener.set(Some(Box::new(listener))),
            },
        }
    }
}

impl<T, E> Promise<T, E> {
    /// Sends the result down the chain.
    pub(crate) fn fire(self, result: Result<T, E>) {
        match self.0.listener.take() {
            Some(listener) => listener(result),
            None => self.0.result.set(Some(result)),
        }
    }
}

/// All values, in order, or the first error.
pub(crate) fn gather<T: 'static, E: 'static>(
    deferreds: Vec<Deferred<T, E>>,
) -> Deferred<Vec<T>, E> {
    let left = deferreds.len();
    if left == 0 {
        return Deferred::Now(Ok(Vec::new()));
    }
    let (gathered, promise) = Deferred::new();
    let values = (0..left).map(|_| None).collect::<Vec<Option<T>>>();
    let gathering = Rc::new(RefCell::new(Gathering { left, values, promise: Some(promise) }));
    for (place, deferred) in deferreds.into_iter().enumerate() {
        let gathering = Rc::clone(&gathering);
        deferred.listen(move |result| Gathering::take(&gathering, place, result));
    }
    gathered
}

struct Gathering<T, E> {
    left: usize,
    values: Vec<Option<T>>,
    /// None once it has fired.
    promise: Option<Promise<Vec<T>, E>>,
}

impl<T, E> Gathering<T, E> {
    fn take(this: &RefCell<Self>, place: usize, result: Result<T, E>) {
        let mut gathering = this.borrow_mut();
        let gathered = match result {
            Ok(value) => {
                gathering.values[place] = Some(value);
                gathering.left -= 1;
                if gathering.left > 0 {
                    return;
                }
                Ok(gathering.values.drain(..).flatten().collect())
            }
            Err(error) => Err(error),
        };
        let promise = gathering.promise.take();
        // Whoever is called now may look at what was gathered.
        drop(gathering);
        if let Some(promise) = promise {
            promise.fire(gathered);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Text = Deferred<String, String>;

    impl From<Panicked> for String {
        fn from(_: Panicked) -> Self {
            "panicked".into()
        }
    }

    fn succeed(value: &str) -> Text {
        Deferred::Now(Ok(value.into()))
    }

    fn fail(error: &str) -> Text {
        Deferred::Now(Err(error.into()))
    }

    /// The result, if it has fired.
    fn result<T: 'static>(deferred: Deferred<T, String>) -> Option<Result<T, String>> {
        let seen = Rc::new(Cell::new(None));
        let place = Rc::clone(&seen);
        deferred.done(move |result| place.set(Some(result)));
        seen.take()
    }

    #[test]
    fn a_success_goes_past_errbacks_and_an_error_past_callbacks() {
        let chain = |start: Text| {
            start
                .add_callback(|value| succeed(&format!("{value} called")))
                .add_errback(|error| fail(&format!("{error} handled")))
                .add_callback(|value| succeed(&format!("{value} twice")))
        };
        assert_eq!(result(chain(succeed("a"))), Some(Ok("a called twice".into())));
        assert_eq!(result(chain(fail("b"))), Some(Err("b handled".into())));
    }

    #[test]
    fn an_errback_brings_the_chain_back_to_success() {
        let chain =
            fail("lost").add_errback(|_| succeed("found")).add_callback(|value| succeed(&value));
        assert_eq!(result(chain), Some(Ok("found".into())));
    }

    #[test]
    fn a_chain_waits_for_the_deferred_that_a_callback_returns() {
        let (outer, fire_outer) = Text::new();
        let (inner, fire_inner) = Text::new();
        let seen = Rc::new(Cell::new(None));
        let place = Rc::clone(&seen);
        outer.add_callback(|_| inner).done(move |result| place.set(Some(result)));
        fire_outer.fire(Ok("outer".into()));
        assert_eq!(seen.take(), None);
        fire_inner.fire(Ok("inner".into()));
        assert_eq!(seen.take(), Some(Ok("inner".into())));
    }

    #[test]
    fn what_is_added_after_firing_is_called_at_once() {
        let (deferred, promise) = Text::new();
        promise.fire(Ok("early".into()));
        assert_eq!(result(deferred), Some(Ok("early".into())));
    }

    #[test]
    fn a_panic_takes_the_path_of_error() {
        let chain = succeed("a").add_callback(|_| -> Text { panic!("on purpose") });
        assert_eq!(result(chain), Some(Err("panicked".into())));
    }

    #[test]
    fn gathered_values_stand_in_order_whatever_the_order_of_firing() {
        let (first, fire_first) = Text::new();
        let (second, fire_second) = Text::new();
        let gathered = gather(vec![first, second]);
        fire_second.fire(Ok("2".into()));
        fire_first.fire(Ok("1".into()));
        assert_eq!(result(gathered), Some(Ok(vec!["1".into(), "2".into()])));
        assert_eq!(result(gather(Vec::<Text>::new())), Some(Ok(vec![])));
    }

    #[test]
    fn the_first_error_wins_and_the_others_are_heard_out() {
        let (slow, fire_slow) = Text::new();
        let gathered = gather(vec![slow, fail("first"), fail("second")]);
        assert_eq!(result(gathered), Some(Err("first".into())));
        fire_slow.fire(Ok("late".into()));
    }
}
