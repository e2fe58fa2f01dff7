//! The name of a run.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The name of a run: when it began, and four letters that tell apart two of the same second.
///
/// Such as `20260131-020455-kqzf`; names sort by time, for the first two letters are a part of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct RunId(String);

/// In the order of the alphabet, and without those that make words.
const LETTERS: &[u8; 20] = b"bcdfghjkmnpqrstvwxyz";

/// How many nanoseconds two letters can tell apart in a second.
const INSTANT: u64 = 1_000_000_000 / 400;

impl RunId {
    /// A name for a run that begins at this time; `salt` makes it one of a kind.
    pub fn new(at: jiff::Timestamp, salt: u64) -> Self {
        let instant = u64::try_from(at.subsec_nanosecond()).unwrap_or(0) / INSTANT;
        let letters: String = [instant / 20, instant, salt, salt / 20]
            .into_iter()
            .map(|number| char::from(LETTERS[usize::try_from(number % 20).unwrap_or(0)]))
            .collect();
        Self(format!("{}-{letters}", at.strftime("%Y%m%d-%H%M%S")))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A run's name must be safe as the name of a folder.
impl FromStr for RunId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fits = !text.is_empty()
            && text.len() <= 64
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!(
                "`{}` is not the name of a run; names look like 20260131-020455-kqzf",
                text.escape_debug()
            ))
        }
    }
}

impl<'de> Deserialize<'de> for RunId {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_by_time_also_within_a_second() {
        let at = |nanosecond: i128| {
            let begin: jiff::Timestamp = "2026-01-31T02:04:55Z".parse().unwrap();
            jiff::Timestamp::from_nanosecond(begin.as_nanosecond() + nanosecond).unwrap()
        };
        let named = |nanosecond: i128, salt: u64| RunId::new(at(nanosecond), salt).to_string();
        assert_eq!(named(0, 0), "20260131-020455-bbbb");
        assert_eq!(named(999_999_999, u64::MAX), "20260131-020455-zzvb");
        let mut before = named(0, 399);
        for instant in 1..400_i128 {
            let next = named(i128::from(INSTANT) * instant, 0);
            assert!(before < next, "{before} {next}");
            before = named(i128::from(INSTANT) * instant, 399);
        }
    }
}
