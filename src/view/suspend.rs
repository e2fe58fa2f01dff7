//! Who has the terminal: the view, or somebody who asks a question on it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Lets somebody else have the terminal while a view runs; clones share it.
///
/// ```
/// let suspend = clusterctl::view::Suspend::default();
/// {
///     let _terminal = suspend.hold();
///     // The bars are gone, and nothing but an interrupt is shown until the end of the block.
/// }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Suspend(Arc<(Mutex<State>, Condvar)>);

#[derive(Debug, Default)]
struct State {
    /// How many hold the terminal.
    holders: usize,
    /// Whether a view is at work.
    watching: bool,
    /// Whether the view has stepped aside.
    aside: bool,
}

impl Suspend {
    /// No view takes longer than this to step aside, unless its own output is stuck.
    const PATIENCE: Duration = Duration::from_secs(2);

    /// Takes the terminal until the value is dropped. Everything that was told before is shown first.
    #[must_use = "the terminal is given back when this is dropped"]
    pub fn hold(&self) -> Held {
        let mut state = self.state();
        state.holders += 1;
        let (state, _) = self
            .0
            .1
            .wait_timeout_while(state, Self::PATIENCE, |state| {
                state.watching && !state.aside
            })
            .unwrap_or_else(PoisonError::into_inner);
        drop(state);
        Held(self.clone())
    }

    /// Whether somebody wants or has the terminal.
    pub(super) fn is_wanted(&self) -> bool {
        self.state().holders > 0
    }

    /// The view begins.
    pub(super) fn watch(&self) -> Watching {
        let mut state = self.state();
        state.watching = true;
        state.aside = false;
        drop(state);
        Watching(self.clone())
    }

    /// The view has stepped aside.
    pub(super) fn step_aside(&self) {
        self.state().aside = true;
        self.0.1.notify_all();
    }

    /// Takes the terminal back for the view, unless somebody still has it.
    pub(super) fn take_back(&self) -> bool {
        let mut state = self.state();
        if state.holders == 0 {
            state.aside = false;
        }
        !state.aside
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The terminal is somebody's own for as long as this lives.
#[derive(Debug)]
pub struct Held(Suspend);

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.holders = state.holders.saturating_sub(1);
    }
}

/// A view is at work for as long as this lives.
#[derive(Debug)]
pub(super) struct Watching(Suspend);

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.state().watching = false;
        self.0.0.1.notify_all();
    }
}
