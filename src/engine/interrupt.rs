//! The three Ctrl-C's.

use std::sync::atomic::{AtomicU32, Ordering};

use super::Cancel;

/// How often the run was asked to stop.
///
/// Once: the steps in flight finish. Twice: they are cancelled and temporary
/// changes are given back. The third time never comes here: the program leaves
/// at once, and the journal tells the rest.
#[derive(Debug, Default)]
pub struct Interrupt {
    times: AtomicU32,
    asked: Cancel,
    cancel: Cancel,
}

impl Interrupt {
    /// Asks once more; gives how often that makes.
    pub fn ask(&self) -> u32 {
        let times = self.times.fetch_add(1, Ordering::SeqCst) + 1;
        self.asked.cancel();
        if times >= 2 {
            self.cancel.cancel();
        }
        times
    }

    /// How often the run was asked.
    pub fn times(&self) -> u32 {
        self.times.load(Ordering::SeqCst)
    }

    /// Set when nothing new is to begin: what only waits is broken off.
    pub fn asked(&self) -> &Cancel {
        &self.asked
    }

    /// Set when the steps in flight are to be cancelled.
    pub fn cancel(&self) -> &Cancel {
        &self.cancel
    }
}
