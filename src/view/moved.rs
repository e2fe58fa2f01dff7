//! How far what a step brings to its node has come, how fast it comes, and when it will be there.

use std::time::Duration;

use super::brief::growing;
use crate::engine::Amount;
use crate::plan::printable::{count, size};

/// What of a step's load has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moved {
    so_far: Amount,
    of: Amount,
    /// Since when it comes.
    since: Duration,
    /// When that was so.
    at: Duration,
}

impl Moved {
    pub(super) fn new(so_far: Amount, of: Amount, since: Duration, at: Duration) -> Self {
        Self {
            so_far,
            of,
            since,
            at,
        }
    }

    /// Bytes in a second.
    fn rate(&self) -> u64 {
        let millis = self.at.saturating_sub(self.since).as_millis().max(1);
        let rate = u128::from(self.so_far.bytes) * 1000 / millis;
        u64::try_from(rate).unwrap_or(u64::MAX)
    }

    /// How long the rest takes at this rate, where that can be said: the first of it says nothing of the rest.
    fn left(&self) -> Option<Duration> {
        if self.part() == 0 {
            return None;
        }
        let rest = self.of.bytes.checked_sub(self.so_far.bytes)?;
        rest.checked_div(self.rate()).map(Duration::from_secs)
    }

    /// In percent.
    pub(super) fn part(&self) -> u64 {
        let part = u128::from(self.so_far.bytes) * 100 / u128::from(self.of.bytes.max(1));
        u64::try_from(part).unwrap_or(100).min(100)
    }

    /// `471.2 MB of 1.0 GB, 3200 of 8000 files, 98.1 MB/s, 6s left`.
    pub(super) fn in_words(&self) -> String {
        words(self.so_far, self.of, self.rate(), self.left())
    }
}

fn words(moved: Amount, of: Amount, rate: u64, left: Option<Duration>) -> String {
    let files = usize::try_from(of.files).unwrap_or(usize::MAX);
    let left = match left {
        Some(Duration::ZERO) | None => String::new(),
        Some(left) => format!(", {} left", growing(left)),
    };
    format!(
        "{} of {}, {} of {}, {}/s{left}",
        size(moved.bytes),
        size(of.bytes),
        moved.files,
        count(files, "file"),
        size(rate)
    )
}

/// All of them together, where there are several: `2 nodes: 45 %, 942.4 MB of 2.1 GB, ...`.
pub(super) fn together<'m>(all: impl Iterator<Item = &'m Moved>) -> Option<String> {
    let all: Vec<_> = all.collect();
    if all.len() < 2 {
        return None;
    }
    let sum = |what: fn(&Moved) -> u64| all.iter().map(|it| what(it)).fold(0, u64::saturating_add);
    let amount = |bytes, files| Amount { bytes, files };
    let moved = amount(sum(|it| it.so_far.bytes), sum(|it| it.so_far.files));
    let of = amount(sum(|it| it.of.bytes), sum(|it| it.of.files));
    // Together they are there when the last of them is.
    let left = all.iter().map(|it| it.left()).collect::<Option<Vec<_>>>();
    let left = left.and_then(|left| left.into_iter().max());
    let part = Moved::new(moved, of, Duration::ZERO, Duration::ZERO).part();
    Some(format!(
        "{}: {part} %, {}",
        count(all.len(), "node"),
        words(moved, of, sum(Moved::rate), left)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved(bytes: u64, of: u64, seconds: u64) -> Moved {
        let amount = |bytes| Amount {
            bytes,
            files: bytes / 1_000_000,
        };
        let second = Duration::from_secs;
        Moved::new(amount(bytes), amount(of), second(10), second(10 + seconds))
    }

    #[test]
    fn says_how_much_how_fast_and_how_long_still() {
        let half = moved(500_000_000, 1_000_000_000, 5);
        assert_eq!(half.part(), 50);
        assert_eq!(
            half.in_words(),
            "500.0 MB of 1.0 GB, 500 of 1000 files, 100.0 MB/s, 5s left"
        );
        let all = moved(1_000_000_000, 1_000_000_000, 10);
        assert_eq!(
            all.in_words(),
            "1.0 GB of 1.0 GB, 1000 of 1000 files, 100.0 MB/s"
        );
        let none = moved(0, 1_000_000_000, 5);
        assert_eq!(
            none.in_words(),
            "0 bytes of 1.0 GB, 0 of 1000 files, 0 bytes/s"
        );
        let begun = moved(1_000_000, 1_000_000_000, 5);
        assert_eq!(
            begun.in_words(),
            "1.0 MB of 1.0 GB, 1 of 1000 files, 200.0 kB/s"
        );
    }

    #[test]
    fn several_are_there_when_the_last_one_is() {
        let (fast, slow) = (
            moved(900_000_000, 1_000_000_000, 5),
            moved(100_000_000, 1_000_000_000, 5),
        );
        assert_eq!(together([&fast].into_iter()), None);
        assert_eq!(
            together([&fast, &slow].into_iter()).unwrap(),
            "2 nodes: 50 %, 1.0 GB of 2.0 GB, 1000 of 2000 files, 200.0 MB/s, 45s left"
        );
    }
}
