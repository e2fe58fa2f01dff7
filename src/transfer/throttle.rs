//! A limit on how fast something is read: so many bytes a second, and no more than a moment's worth at once.

use std::io::{self, Read};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// For how long what was not used may be made up for.
const MOMENT: Duration = Duration::from_millis(200);

/// What tells the time and lets it pass.
pub(super) trait Clock: Sync {
    /// The time since it was started.
    fn now(&self) -> Duration;
    /// Lets so much time pass.
    fn pause(&self, length: Duration);
}

/// The clock of this machine.
pub(super) struct RealClock(Instant);

impl Default for RealClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for RealClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn pause(&self, length: Duration) {
        thread::sleep(length);
    }
}

/// How fast all that share it may be together.
pub(super) struct Limit<C = RealClock> {
    /// Bytes a second.
    rate: u64,
    clock: C,
    /// When all that was read is paid for.
    paid: Mutex<Duration>,
}

impl<C: Clock> Limit<C> {
    pub(super) fn new(rate: u64, clock: C) -> Self {
        Self {
            rate: rate.max(1),
            clock,
            paid: Mutex::default(),
        }
    }

    fn paid(&self) -> MutexGuard<'_, Duration> {
        self.paid.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until so much may be read, for which is paid at once: of those who wait, each waits for itself.
    fn pay(&self, bytes: usize) {
        let bytes = u128::try_from(bytes).unwrap_or(u128::MAX);
        let cost = bytes.saturating_mul(1_000_000_000) / u128::from(self.rate);
        let cost = Duration::from_nanos(u64::try_from(cost).unwrap_or(u64::MAX));
        let now = self.clock.now();
        let mut paid = self.paid();
        let turn = (*paid).max(now.saturating_sub(MOMENT));
        *paid = turn + cost;
        drop(paid);
        if turn > now {
            self.clock.pause(turn.saturating_sub(now));
        }
    }
}

/// Reads no faster than it may.
pub(super) struct Throttle<'a, R, C = RealClock> {
    from: R,
    /// None is as fast as it goes.
    limit: Option<&'a Limit<C>>,
    /// What was paid for and is still to be read.
    paid: usize,
}

impl<'a, R: Read, C: Clock> Throttle<'a, R, C> {
    pub(super) fn new(from: R, limit: Option<&'a Limit<C>>) -> Self {
        Self {
            from,
            limit,
            paid: 0,
        }
    }
}

impl<R: Read, C: Clock> Read for Throttle<'_, R, C> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Some(limit) = self.limit else {
            return self.from.read(into);
        };
        if self.paid == 0 {
            // Small pieces, so that nobody waits long for a pause to end who wants to break off.
            let piece = usize::try_from(limit.rate / 5).unwrap_or(usize::MAX).max(1);
            self.paid = into.len().min(piece);
            limit.pay(self.paid);
        }
        let room = into.len().min(self.paid);
        let much = self.from.read(&mut into[..room])?;
        self.paid -= much;
        Ok(much)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock that stands still but for the pauses.
    #[derive(Default)]
    struct Counted(Mutex<Duration>);

    impl Clock for Counted {
        fn now(&self) -> Duration {
            *self.0.lock().unwrap()
        }

        fn pause(&self, length: Duration) {
            *self.0.lock().unwrap() += length;
        }
    }

    fn pauses(bytes: usize, rate: Option<u64>, buffer: usize) -> Duration {
        let limit = Limit::new(rate.unwrap_or(1), Counted::default());
        let content = vec![7; bytes];
        let mut reader = Throttle::new(&content[..], rate.map(|_| &limit));
        let (mut all, mut buffer) = (0, vec![0; buffer]);
        loop {
            match reader.read(&mut buffer).unwrap() {
                0 => break,
                much => all += much,
            }
        }
        assert_eq!(all, bytes);
        limit.clock.now()
    }

    #[test]
    fn as_many_bytes_go_out_in_a_second_as_may() {
        let tenth = Duration::from_millis(250);
        for (bytes, rate) in [(1_000_000, 100_000), (5_000, 1_000), (70_001, 7_000)] {
            let seconds = u64::try_from(bytes).unwrap() / rate;
            for buffer in [1, 100, 1 << 20] {
                let took = pauses(bytes, Some(rate), buffer);
                let least = Duration::from_secs(seconds).saturating_sub(tenth);
                assert!(took >= least, "{bytes} at {rate}: {took:?}");
                assert!(took <= Duration::from_secs(seconds) + tenth, "{took:?}");
            }
        }
    }

    #[test]
    fn without_a_limit_nobody_waits() {
        assert_eq!(pauses(1_000_000, None, 100), Duration::ZERO);
    }

    #[test]
    fn one_that_reads_alone_has_all_that_several_have_together() {
        let limit = Limit::new(100_000, Counted::default());
        let content = vec![7; 1_000_000];
        let mut readers = [20_000, 20_000, 20_000, 1_000_000]
            .map(|length| Throttle::new(&content[..length], Some(&limit)));
        let mut buffer = vec![0; 1000];
        let mut left = true;
        while left {
            left = false;
            for reader in &mut readers {
                left |= reader.read(&mut buffer).unwrap() > 0;
            }
        }
        let took = limit.clock.now();
        let most = Duration::from_secs(11);
        assert!(took > Duration::from_secs(10) && took < most, "{took:?}");
    }
}
