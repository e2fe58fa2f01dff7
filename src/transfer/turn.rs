//! Large lists of files are read one after the other, for the room that they take.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A list is large when more entries than these take room, and goes on when as many more have come.
pub(super) const LARGE: usize = 20_000;

/// How long a turn is waited for of whoever does not go on, and altogether: after that, it is somebody who does not
/// answer, or hardly, who has it, and room matters less. Meanwhile a connection is not served, so it is not long.
const SILENT: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(20);

/// When whoever has the turn went on last; nothing when nobody has it.
static TAKEN: Mutex<Option<Instant>> = Mutex::new(None);
static IS_FREE: Condvar = Condvar::new();

fn lock() -> MutexGuard<'static, Option<Instant>> {
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The turn to have a large list, until it is dropped, and when that grew last.
#[derive(Debug)]
pub(super) struct Turn(Instant);

impl Turn {
    /// Waits for it; none where somebody has it for too long.
    pub(super) fn take() -> Option<Self> {
        Self::within(LONGEST, SILENT)
    }

    fn within(longest: Duration, silent: Duration) -> Option<Self> {
        let begun = Instant::now();
        let mut taken = lock();
        while let Some(last) = *taken {
            let left = silent.saturating_sub(last.elapsed());
            let left = left.min(longest.saturating_sub(begun.elapsed()));
            if left.is_zero() {
                return None;
            }
            let waited = IS_FREE.wait_timeout(taken, left);
            taken = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let now = Instant::now();
        *taken = Some(now);
        Some(Self(now))
    }

    /// Says that the list still grows.
    pub(super) fn goes_on(&mut self) {
        self.0 = Instant::now();
        *lock() = Some(self.0);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *lock() = None;
        IS_FREE.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    /// All in one test, since the tests of one process have one turn.
    #[test]
    fn one_has_it_at_a_time_for_as_long_as_it_goes_on() {
        let (zero, long) = (Duration::ZERO, Duration::from_mins(1));
        let mut first = Turn::take().unwrap();
        assert!(Turn::within(zero, long).is_none());
        assert!(Turn::within(long, zero).is_none());
        let (tell, told) = channel();
        let next = std::thread::spawn(move || {
            let turn = Turn::within(long, Duration::from_secs(4));
            tell.send(turn.is_some()).unwrap();
        });
        for _ in 0..5 {
            assert!(told.recv_timeout(Duration::from_secs(1)).is_err());
            first.goes_on();
        }
        drop(first);
        assert!(told.recv().unwrap());
        next.join().unwrap();
    }
}
