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

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn once_nothing_new_begins_and_twice_what_goes_on_is_broken_off() {
        let interrupt = Interrupt::default();
        let flags = || {
            (
                interrupt.asked().is_cancelled(),
                interrupt.cancel().is_cancelled(),
            )
        };
        assert_eq!((interrupt.times(), flags()), (0, (false, false)));
        assert_eq!((interrupt.ask(), flags()), (1, (true, false)));
        assert_eq!((interrupt.ask(), flags()), (2, (true, true)));
        assert_eq!((interrupt.ask(), interrupt.times()), (3, 3));
    }

    #[test]
    fn whoever_waits_is_woken() {
        let interrupt = Interrupt::default();
        let began = Instant::now();
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| interrupt.asked().wait(Duration::from_mins(1)));
            interrupt.ask();
            assert!(!waits.join().unwrap());
        });
        assert!(began.elapsed() < Duration::from_secs(30));
        assert!(interrupt.cancel().wait(Duration::from_millis(1)));
    }
}
