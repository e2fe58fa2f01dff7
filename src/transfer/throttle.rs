//! A limit on how fast something is read: so many bytes a second, and no more than a moment's worth at once.

use std::io::{self, Read};
use std::thread;
use std::time::{Duration, Instant};

/// For how long what was not used may be made up for.
const MOMENT: Duration = Duration::from_millis(200);

/// What tells the time and lets it pass.
pub(super) trait Clock {
    /// The time since it was started.
    fn now(&self) -> Duration;
    /// Lets so much time pass.
    fn pause(&mut self, length: Duration);
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

    fn pause(&mut self, length: Duration) {
        thread::sleep(length);
    }
}

/// Reads no faster than it may.
pub(super) struct Throttle<R, C> {
    from: R,
    clock: C,
    /// Bytes a second; none is as fast as it goes.
    rate: Option<u64>,
    /// When all that was read is paid for.
    paid: Duration,
}

impl<R: Read, C: Clock> Throttle<R, C> {
    pub(super) fn new(from: R, rate: Option<u64>, clock: C) -> Self {
        Self {
            from,
            clock,
            rate: rate.map(|rate| rate.max(1)),
            paid: Duration::ZERO,
        }
    }
}

impl<R: Read, C: Clock> Read for Throttle<R, C> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Some(rate) = self.rate else {
            return self.from.read(into);
        };
        // Small pieces, so that nobody waits long for a pause to end who wants to break off.
        let piece = usize::try_from(rate / 5).unwrap_or(usize::MAX).max(1);
        let room = into.len().min(piece);
        let now = self.clock.now();
        if self.paid > now {
            self.clock.pause(self.paid.saturating_sub(now));
        }
        let much = self.from.read(&mut into[..room])?;
        let bytes = u128::try_from(much).unwrap_or(u128::MAX);
        let cost = bytes.saturating_mul(1_000_000_000) / u128::from(rate);
        let cost = Duration::from_nanos(u64::try_from(cost).unwrap_or(u64::MAX));
        self.paid = self.paid.max(self.clock.now().saturating_sub(MOMENT)) + cost;
        Ok(much)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock that stands still but for the pauses.
    #[derive(Default)]
    struct Counted(Duration);

    impl Clock for &mut Counted {
        fn now(&self) -> Duration {
            self.0
        }

        fn pause(&mut self, length: Duration) {
            self.0 += length;
        }
    }

    fn pauses(bytes: usize, rate: Option<u64>, buffer: usize) -> Duration {
        let mut clock = Counted::default();
        let content = vec![7; bytes];
        let mut reader = Throttle::new(&content[..], rate, &mut clock);
        let (mut all, mut buffer) = (0, vec![0; buffer]);
        loop {
            match reader.read(&mut buffer).unwrap() {
                0 => break,
                much => all += much,
            }
        }
        assert_eq!(all, bytes);
        clock.0
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
}
