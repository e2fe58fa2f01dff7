//! Something that is used by one at a time.

use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::Duration;

use crate::remote::{Patience, RemoteError};

/// How often whoever waits looks whether it is its turn, or was broken off.
const GLANCE: Duration = Duration::from_millis(10);

/// Something that is used by one at a time; the others wait as long as they have patience.
pub(super) struct Turns<T>(Mutex<T>);

impl<T> Turns<T> {
    pub(super) fn new(what: T) -> Self {
        Self(Mutex::new(what))
    }

    pub(super) fn take(&self, patience: &Patience<'_>) -> Result<MutexGuard<'_, T>, RemoteError> {
        loop {
            match self.0.try_lock() {
                Ok(mine) => return Ok(mine),
                Err(TryLockError::Poisoned(mine)) => return Ok(mine.into_inner()),
                Err(TryLockError::WouldBlock) => {
                    patience.check("waiting for another command on the same connection")?;
                    std::thread::sleep(GLANCE);
                }
            }
        }
    }
}
