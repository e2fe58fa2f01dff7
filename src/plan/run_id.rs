//! The name of a run.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The name of a run: when it began, and four letters that tell apart two of the same second.
///
/// Such as `20260131-020455-kqzf`; names sort by time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct RunId(String);

impl RunId {
    /// A name for a run that begins at this time; `salt` makes it one of a kind.
    pub fn new(at: jiff::Timestamp, salt: u64) -> Self {
        let mut rest = salt;
        let letters: String = (0..4)
            .map(|_| {
                let letter = b"bcdfghjkmnpqrstvwxyz"[usize::try_from(rest % 20).unwrap_or(0)];
                rest /= 20;
                char::from(letter)
            })
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
