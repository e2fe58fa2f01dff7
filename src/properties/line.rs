//! A logical line: where it lies in the file and what it is.
//!
//! Owns spans and line numbers; knows nothing of what the bytes mean.
//!
//! ```
//! use clusterctl::properties::Properties;
//! let file = Properties::parse(b"# nodes\nnode.list=a,\\\n  b\n");
//! let entry = &file.lines()[1];
//! assert_eq!(entry.numbers(), 2..=3);
//! assert_eq!(&file.bytes()[entry.entry().unwrap().value()], b"a,\\\n  b");
//! ```

use std::ops::{Range, RangeInclusive};

use super::LineEnd;

/// A logical line: one physical line, or several that continuations join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub(super) kind: LineKind,
    pub(super) start: usize,
    /// Where the content ends and the line end begins.
    pub(super) content_end: usize,
    pub(super) ending: Option<LineEnd>,
    pub(super) first_number: usize,
    pub(super) last_number: usize,
}

/// What a logical line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// One or more lines without content.
    Blank,
    /// A line that begins with `#` or `!`.
    Comment,
    /// A key, perhaps with a separator and a value.
    Entry(EntrySpans),
}

/// Where the parts of an entry lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntrySpans {
    pub(super) key_start: usize,
    pub(super) key_end: usize,
    /// Right after the last character of the separator: a continuation that
    /// comes next belongs to the value.
    pub(super) value_start: usize,
    pub(super) value_end: usize,
    /// Whether the separator has its `=` or `:`, so that the value may begin
    /// with either.
    pub(super) explicit: bool,
    /// Whether the file ends right behind a backslash of this line.
    pub(super) cut_off: bool,
}

impl Line {
    /// What it is.
    pub fn kind(&self) -> &LineKind {
        &self.kind
    }

    /// The parts of it, when it is an entry.
    pub fn entry(&self) -> Option<&EntrySpans> {
        match &self.kind {
            LineKind::Entry(spans) => Some(spans),
            LineKind::Blank | LineKind::Comment => None,
        }
    }

    /// All its bytes, the line end included.
    pub fn span(&self) -> Range<usize> {
        self.start..self.end()
    }

    /// Its bytes without the line end.
    pub fn content(&self) -> Range<usize> {
        self.start..self.content_end
    }

    /// How it ends; `None` when the file ends first.
    pub fn line_end(&self) -> Option<LineEnd> {
        self.ending
    }

    /// The numbers of its physical lines; the first line of a file is 1.
    pub fn numbers(&self) -> RangeInclusive<usize> {
        self.first_number..=self.last_number
    }

    pub(super) fn end(&self) -> usize {
        self.content_end + self.ending.map_or(0, |end| end.bytes().len())
    }
}

impl EntrySpans {
    /// The raw key.
    pub fn key(&self) -> Range<usize> {
        self.key_start..self.key_end
    }

    /// What stands between key and value; empty when nothing does.
    pub fn separator(&self) -> Range<usize> {
        self.key_end..self.value_start
    }

    /// The raw value, over all its physical lines.
    pub fn value(&self) -> Range<usize> {
        self.value_start..self.value_end
    }
}
