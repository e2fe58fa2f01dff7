//! A Java string: any sequence of UTF-16 units, lone surrogates included.
//!
//! Owns the exact and the lossy view of such a string; knows nothing of files.
//!
//! ```
//! use clusterctl::properties::JavaString;
//! let lone = JavaString::from(vec![0x61, 0xD83D]);
//! assert_eq!(lone.to_exact(), None);
//! assert_eq!(lone.to_lossy(), "a\u{FFFD}");
//! assert_eq!(JavaString::from("plain"), "plain");
//! ```

use std::fmt::{self, Debug, Display, Formatter, Write};

/// A key or a value as a Java program sees it.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JavaString(Vec<u16>);

impl JavaString {
    /// Its UTF-16 units.
    pub fn units(&self) -> &[u16] {
        &self.0
    }

    /// Whether it has no units.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same text in Rust, or `None` when a lone surrogate makes that impossible.
    pub fn to_exact(&self) -> Option<String> {
        String::from_utf16(&self.0).ok()
    }

    /// The text with U+FFFD in the place of every lone surrogate.
    pub fn to_lossy(&self) -> String {
        String::from_utf16_lossy(&self.0)
    }

    /// Its characters; a lone surrogate comes as its unit.
    pub(super) fn chars(&self) -> impl Iterator<Item = Result<char, u16>> {
        char::decode_utf16(self.0.iter().copied())
            .map(|decoded| decoded.map_err(|lone| lone.unpaired_surrogate()))
    }
}

impl From<&str> for JavaString {
    fn from(text: &str) -> Self {
        Self(text.encode_utf16().collect())
    }
}

impl From<&String> for JavaString {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl From<String> for JavaString {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl From<&JavaString> for JavaString {
    fn from(text: &JavaString) -> Self {
        text.clone()
    }
}

impl From<Vec<u16>> for JavaString {
    fn from(units: Vec<u16>) -> Self {
        Self(units)
    }
}

impl PartialEq<str> for JavaString {
    fn eq(&self, other: &str) -> bool {
        self.0.iter().copied().eq(other.encode_utf16())
    }
}

impl PartialEq<&str> for JavaString {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

impl Display for JavaString {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(&self.to_lossy())
    }
}

impl Debug for JavaString {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for character in self.chars() {
            match character {
                Ok(character) => write!(f, "{}", character.escape_debug())?,
                Err(unit) => write!(f, "\\u{{{unit:x}}}")?,
            }
        }
        f.write_char('"')
    }
}
