//! What keeps Java from loading a file, and where.
//!
//! Owns the place and the wording of such a problem; knows nothing of edits.
//!
//! ```
//! use clusterctl::properties::Properties;
//! let file = Properties::parse(b"home=C:\\users\n");
//! assert_eq!(
//!     file.problems()[0].to_string(),
//!     "Line 1, column 8: four hexadecimal digits must follow `\\u`."
//! );
//! ```

use std::fmt::{self, Display, Formatter};

use super::Encoding;

/// A place in a file that Java refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The physical line; the first is 1.
    pub line: usize,
    /// The character in that line; the first is 1.
    pub column: usize,
    /// What is wrong there.
    pub kind: ProblemKind,
}

/// What is wrong at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProblemKind {
    /// `\u` without four hexadecimal digits.
    MalformedUnicodeEscape,
}

impl Display for Problem {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { line, column, kind } = self;
        write!(f, "Line {line}, column {column}: {kind}")
    }
}

impl Display for ProblemKind {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MalformedUnicodeEscape => "four hexadecimal digits must follow `\\u`.",
        })
    }
}

/// Turns ascending offsets within one logical line into lines and columns, in
/// one pass.
pub(super) struct Locator<'a> {
    bytes: &'a [u8],
    encoding: Encoding,
    at: usize,
    line: usize,
    column: usize,
}

impl<'a> Locator<'a> {
    /// Starts at a place that begins the given line.
    pub(super) fn new(bytes: &'a [u8], encoding: Encoding, at: usize, line: usize) -> Self {
        Self {
            bytes,
            encoding,
            at,
            line,
            column: 1,
        }
    }

    /// The line and column of an offset that is not before the last one.
    pub(super) fn locate(&mut self, offset: usize) -> (usize, usize) {
        while self.at < offset {
            let byte = self.bytes[self.at];
            self.at += 1;
            let in_pair = byte == b'\r' && self.bytes.get(self.at) == Some(&b'\n');
            if matches!(byte, b'\n' | b'\r') && !in_pair {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += self.encoding.count_chars(&[byte]);
            }
        }
        (self.line, self.column)
    }
}
