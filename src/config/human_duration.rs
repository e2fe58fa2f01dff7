//! Lengths of time as people write them: `30s`, `1h30m`, `500ms`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The units, largest first, in milliseconds.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// The longest duration, in days. Whatever is longer is a slip of the pen.
const MAX_DAYS: u64 = 366;

/// A length of time that is longer than nothing, written as `30s`, `1h30m` or
/// `500ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HumanDuration {
    millis: u64,
}

/// Why a text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{problem}\nhint: write whole numbers with the units d, h, m, s or ms, largest first, such as \"30s\", \"1h30m\" or \"500ms\""
)]
pub struct InvalidDuration {
    problem: String,
}

impl HumanDuration {
    /// A duration of whole seconds; `None` for zero and for more than a year.
    pub const fn from_secs(seconds: u64) -> Option<Self> {
        if seconds == 0 || seconds > MAX_DAYS * 86_400 {
            return None;
        }
        Some(Self {
            millis: seconds * 1_000,
        })
    }

    /// A duration of seconds that the program itself chose, never zero.
    pub(super) const fn seconds(seconds: u32) -> Self {
        let seconds = if seconds == 0 { 1 } else { seconds };
        Self {
            millis: seconds as u64 * 1_000,
        }
    }

    /// The duration as the standard library's type.
    pub const fn get(self) -> Duration {
        Duration::from_millis(self.millis)
    }

    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("the duration is empty".to_owned());
        }
        if text.starts_with('-') {
            return Err(format!("{text:?} is negative"));
        }
        let mut rest = text;
        let mut millis = 0u64;
        let mut smallest = u64::MAX;
        while !rest.is_empty() {
            let digits = rest
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(rest.len());
            let (number, tail) = rest.split_at(digits);
            let letters = tail
                .find(|c: char| !c.is_ascii_alphabetic())
                .unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(letters);
            if number.is_empty() {
                return Err(format!("{text:?} is not a duration"));
            }
            if unit.is_empty() {
                return Err(if tail.is_empty() {
                    format!("{text:?} lacks a unit after {number}")
                } else {
                    format!("{text:?} is not a duration")
                });
            }
            let Some(&(_, size)) = UNITS.iter().find(|(name, _)| *name == unit) else {
                return Err(format!("{text:?} has the unknown unit `{unit}`"));
            };
            if size >= smallest {
                return Err(format!("the unit `{unit}` of {text:?} is out of order"));
            }
            smallest = size;
            millis = number
                .parse::<u64>()
                .ok()
                .and_then(|count| count.checked_mul(size))
                .and_then(|part| millis.checked_add(part))
                .filter(|sum| *sum <= MAX_DAYS * 86_400_000)
                .ok_or_else(|| format!("{text:?} is longer than {MAX_DAYS} days"))?;
            rest = tail;
        }
        if millis == 0 {
            return Err(format!("{text:?} is no time at all"));
        }
        Ok(Self { millis })
    }
}

impl FromStr for HumanDuration {
    type Err = InvalidDuration;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text).map_err(|problem| InvalidDuration { problem })
    }
}

impl TryFrom<String> for HumanDuration {
    type Error = InvalidDuration;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<HumanDuration> for String {
    fn from(duration: HumanDuration) -> Self {
        duration.to_string()
    }
}

impl From<HumanDuration> for Duration {
    fn from(duration: HumanDuration) -> Self {
        duration.get()
    }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.millis;
        let mut text = String::new();
        for (unit, size) in UNITS {
            if rest >= size {
                text.push_str(&(rest / size).to_string());
                text.push_str(unit);
                rest %= size;
            }
        }
        f.pad(&text)
    }
}

impl schemars::JsonSchema for HumanDuration {
    fn schema_name() -> Cow<'static, str> {
        "HumanDuration".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$",
            "examples": ["30s", "1h30m"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_people_write() {
        for (text, millis, canonical) in [
            ("90s", 90_000, "1m30s"),
            ("10m", 600_000, "10m"),
            ("1h30m", 5_400_000, "1h30m"),
            ("500ms", 500, "500ms"),
            ("1m500ms", 60_500, "1m500ms"),
            ("2d", 172_800_000, "2d"),
            ("007s", 7_000, "7s"),
            ("366d", 366 * 86_400_000, "366d"),
        ] {
            let duration: HumanDuration = text.parse().unwrap();
            assert_eq!(duration.get(), Duration::from_millis(millis), "{text}");
            assert_eq!(duration.to_string(), canonical);
        }
    }

    #[test]
    fn what_is_refused_and_why() {
        for (text, reason) in [
            ("", "is empty"),
            ("0s", "no time at all"),
            ("-5s", "negative"),
            ("30", "lacks a unit after 30"),
            ("30 s", "is not a duration"),
            ("s", "is not a duration"),
            ("1.5h", "is not a duration"),
            ("30sec", "unknown unit `sec`"),
            ("30S", "unknown unit `S`"),
            ("30m1h", "out of order"),
            ("1s1s", "out of order"),
            ("367d", "longer than 366 days"),
            ("99999999999999999999999s", "longer than 366 days"),
            ("٣s", "is not a duration"),
        ] {
            let error = text.parse::<HumanDuration>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn display_parses_back(millis in 1..=MAX_DAYS * 86_400_000) {
            let duration = HumanDuration { millis };
            prop_assert_eq!(duration.to_string().parse::<HumanDuration>().unwrap(), duration);
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,12}") {
            let _ = text.parse::<HumanDuration>();
        }
    }
}
