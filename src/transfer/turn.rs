//! Large lists of files are read one after the other, for the room that they take.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// A list of more entries than this is large.
pub(super) const LARGE: usize = 20_000;

/// How long a turn is waited for: after that, it is somebody who does not answer who has it, and room matters less.
const LONGEST: Duration = Duration::from_secs(30);

static IS_TAKEN: Mutex<bool> = Mutex::new(false);
static IS_FREE: Condvar = Condvar::new();

/// The turn to have a large list, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn(());

impl Turn {
    /// Waits for it; none where somebody has it for too long.
    pub(super) fn take() -> Option<Self> {
        Self::within(LONGEST)
    }

    fn within(longest: Duration) -> Option<Self> {
        let taken = IS_TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = IS_FREE.wait_timeout_while(taken, longest, |taken| *taken);
        let (mut taken, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if *taken {
            return None;
        }
        *taken = true;
        Some(Self(()))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *IS_TAKEN.lock().unwrap_or_else(PoisonError::into_inner) = false;
        IS_FREE.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_it_at_a_time() {
        let first = Turn::take().unwrap();
        assert!(Turn::within(Duration::ZERO).is_none());
        let next = std::thread::spawn(|| Turn::take().is_some());
        drop(first);
        assert!(next.join().unwrap());
    }
}
