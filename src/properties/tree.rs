//! The tree of a properties file: its bytes and the logical lines in them.
//!
//! Owns parsing, lookup and the list of what Java refuses. Edits, masks and
//! diffs are built on it in their own files.
//!
//! ```
//! use clusterctl::properties::Properties;
//! let file = Properties::parse(b"url=https\\://example.com\nurl : http\\://new.example.com\n");
//! assert_eq!(file.get("url").unwrap(), "http://new.example.com");
//! assert_eq!(file.duplicates()[0].lines, [1, 2]);
//! ```

use std::collections::HashMap;
use std::fmt::{self, Debug, Formatter};

use super::piece::{Piece, Pieces, decode};
use super::problem::Locator;
use super::scanner::Scanner;
use super::{Encoding, Entry, EntrySpans, JavaString, Line, Problem, ProblemKind, Unreadable};

/// A properties file, byte for byte.
#[derive(Clone, PartialEq, Eq)]
pub struct Properties {
    bytes: Vec<u8>,
    encoding: Encoding,
    lines: Vec<Line>,
    problems: Vec<Problem>,
}

/// A key that is defined more than once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicate {
    /// The key.
    pub key: JavaString,
    /// Where its definitions begin; Java uses the last.
    pub lines: Vec<usize>,
}

impl Properties {
    /// Parses a file that Java reads as Latin-1, the rule for properties files.
    pub fn parse(bytes: &[u8]) -> Self {
        Self::parse_as(bytes, Encoding::Latin1)
    }

    /// Parses a file that Java reads in this encoding.
    pub fn parse_as(bytes: &[u8], encoding: Encoding) -> Self {
        Self::from_vec(bytes.to_vec(), encoding)
    }

    pub(super) fn from_vec(bytes: Vec<u8>, encoding: Encoding) -> Self {
        let lines: Vec<_> = Scanner::new(&bytes).collect();
        let problems = lines
            .iter()
            .filter(|line| bytes[line.content()].contains(&b'\\'))
            .flat_map(|line| problems_in(&bytes, encoding, line))
            .collect();
        Self {
            bytes,
            encoding,
            lines,
            problems,
        }
    }

    /// The file: what was parsed, with the edits made since.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The encoding it was parsed in.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Its logical lines; together they cover every byte.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Every place that Java refuses. Java loads nothing of a file that has one.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Whether Java can load the file.
    pub fn check(&self) -> Result<(), Unreadable> {
        Unreadable::of(&self.problems).map_or(Ok(()), Err)
    }

    /// The value of a key: that of its last definition.
    ///
    /// In a file that Java refuses, a definition with a malformed value has
    /// none, and a definition with a malformed key is not one; see [`check`].
    ///
    /// [`check`]: Self::check
    pub fn get(&self, key: impl Into<JavaString>) -> Option<JavaString> {
        let key = key.into();
        self.definitions(&key).next_back().and_then(|line| {
            let spans = line.entry()?;
            self.decode_value(spans)
        })
    }

    /// The definitions that Java can read, in the order of the file.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = Entry> {
        self.lines.iter().filter_map(|line| {
            let spans = line.entry()?;
            Some(Entry {
                key: self.decode_key(spans)?,
                value: self.decode_value(spans)?,
                line: line.first_number,
            })
        })
    }

    /// The keys, each once, in the order of their first definitions.
    pub fn keys(&self) -> Vec<JavaString> {
        let definitions = self.definitions_by_key();
        definitions.into_iter().map(|(key, _)| key).collect()
    }

    /// The keys that are defined more than once.
    pub fn duplicates(&self) -> Vec<Duplicate> {
        self.definitions_by_key()
            .into_iter()
            .filter(|(_, lines)| lines.len() > 1)
            .map(|(key, lines)| Duplicate { key, lines })
            .collect()
    }

    fn definitions_by_key(&self) -> Vec<(JavaString, Vec<usize>)> {
        let mut places = HashMap::new();
        let mut definitions: Vec<(JavaString, Vec<usize>)> = Vec::new();
        for line in &self.lines {
            if let Some(key) = line.entry().and_then(|spans| self.decode_key(spans)) {
                let place = *places.entry(key.clone()).or_insert(definitions.len());
                if place == definitions.len() {
                    definitions.push((key, Vec::new()));
                }
                definitions[place].1.push(line.first_number);
            }
        }
        definitions
    }

    /// The logical lines that define a key.
    pub(super) fn definitions(&self, key: &JavaString) -> impl DoubleEndedIterator<Item = &Line> {
        self.lines.iter().filter(move |line| {
            line.entry()
                .is_some_and(|spans| self.decode_key(spans).as_ref() == Some(key))
        })
    }

    pub(super) fn decode_key(&self, spans: &EntrySpans) -> Option<JavaString> {
        decode(&self.bytes, spans.key(), self.encoding)
    }

    pub(super) fn decode_value(&self, spans: &EntrySpans) -> Option<JavaString> {
        decode(&self.bytes, spans.value(), self.encoding)
    }
}

/// Says how large the file is, not what it holds: values may be secrets.
impl Debug for Properties {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Properties")
            .field("bytes", &self.bytes.len())
            .field("encoding", &self.encoding)
            .field("lines", &self.lines.len())
            .field("problems", &self.problems)
            .finish()
    }
}

fn problems_in(bytes: &[u8], encoding: Encoding, line: &Line) -> Vec<Problem> {
    let mut locator = Locator::new(bytes, encoding, line.start, line.first_number);
    let spans = line.entry().map(|spans| [spans.key(), spans.value()]);
    spans
        .into_iter()
        .flatten()
        .flat_map(|span| Pieces::new(bytes, span))
        .filter_map(|piece| match piece {
            Piece::Malformed(offset) => Some(offset),
            _ => None,
        })
        .map(|offset| {
            let (line, column) = locator.locate(offset);
            Problem {
                line,
                column,
                kind: ProblemKind::MalformedUnicodeEscape,
            }
        })
        .collect()
}
