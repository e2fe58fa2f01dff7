//! A length of time in a plan.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A length of time in milliseconds.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// So many seconds.
    pub const fn secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// The same length for the standard library.
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl From<Duration> for Millis {
    fn from(length: Duration) -> Self {
        Self(u64::try_from(length.as_millis()).unwrap_or(u64::MAX))
    }
}

/// As people write it: `250ms`, `30s`, `1m30s`, `2h`.
impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(all) = *self;
        if all == 0 {
            return f.write_str("0s");
        }
        let parts = [
            (all / 3_600_000, "h"),
            (all / 60_000 % 60, "m"),
            (all / 1000 % 60, "s"),
            (all % 1000, "ms"),
        ];
        for (count, unit) in parts.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, "{count}{unit}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Millis;

    #[test]
    fn reads_as_people_write_it() {
        let shown = [0, 250, 30_000, 90_000, 7_200_000, 3_661_001].map(|ms| Millis(ms).to_string());
        assert_eq!(shown, ["0s", "250ms", "30s", "1m30s", "2h", "1h1m1s1ms"]);
    }
}
