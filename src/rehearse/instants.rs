//! The instants at which a runner can die.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::engine::{Fault, FaultKind};

/// Counts the instants of a run, and lets the runner die at one of them.
///
/// From then on nothing that the runner does has any effect, just as if its
/// process had been ended.
#[derive(Debug, Default)]
pub struct Instants {
    count: AtomicU64,
    die_at: Option<u64>,
    dead: AtomicBool,
}

impl Instants {
    /// The runner dies at this instant; the first is 1.
    pub fn die_at(instant: u64) -> Self {
        Self {
            die_at: Some(instant),
            ..Self::default()
        }
    }

    /// One instant passes.
    pub fn pass(&self) -> Result<(), Fault> {
        let now = self.count.fetch_add(1, Ordering::SeqCst) + 1;
        if self.die_at == Some(now) {
            self.die();
        }
        self.alive()
    }

    /// The runner dies now.
    pub fn die(&self) {
        self.dead.store(true, Ordering::SeqCst);
    }

    /// Fails once the runner is dead.
    pub fn alive(&self) -> Result<(), Fault> {
        if self.dead.load(Ordering::SeqCst) {
            return Err(Fault::new(FaultKind::RunnerGone, "the runner is dead"));
        }
        Ok(())
    }

    /// How many instants have passed.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }
}
