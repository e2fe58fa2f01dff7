//! Effects of this process on a node come one after the other.
//!
//! Work on files is prepared from what is there, before it is brought to the
//! fence: another effect in between would make it stale.

use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use super::watch::Watch;
use crate::engine::Fault;

/// Whose turn it is on a node.
#[derive(Default)]
pub(super) struct Turns(Mutex<()>);

impl Turns {
    /// Waits for the turn, which ends with what this gives.
    pub(super) fn take(&self, watch: &mut Watch<'_>) -> Result<MutexGuard<'_, ()>, Fault> {
        loop {
            match self.0.try_lock() {
                Ok(turn) => return Ok(turn),
                Err(TryLockError::Poisoned(turn)) => return Ok(PoisonError::into_inner(turn)),
                Err(TryLockError::WouldBlock) => {
                    watch.check("waiting for an earlier effect on the node")?;
                    watch.pause();
                }
            }
        }
    }
}
