//! Cuts bytes into logical lines, as the line reader of the JDK does.
//!
//! Owns the grammar of lines: comments, blank lines, continuations and the
//! place where a key ends. Knows nothing of escapes except that a backslash
//! protects the character behind it.
//!
//! Three habits of the JDK that one would not guess:
//! * a line of a backslash alone is blank, and the next may be a comment, but
//!   when the file ends right there it is an entry of the empty key;
//! * a blank line or one that looks like a comment behind a continuation is
//!   part of the value, and a blank one ends it;
//! * a backslash that the end of the file cuts off is dropped.

use super::LineEnd;
use super::line::{EntrySpans, Line, LineKind};
use super::piece::{is_blank, skip_continuations};

/// An iterator over the logical lines of a file.
pub(super) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    number: usize,
}

impl<'a> Scanner<'a> {
    /// Starts at the first byte.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            number: 1,
        }
    }

    /// Blank lines up to the given place, where line `number` begins.
    fn blank(&mut self, end: usize, number: usize) -> Line {
        let start = self.at;
        let ending = match self.bytes[start..end] {
            [.., b'\r', b'\n'] => Some(LineEnd::CrLf),
            [.., b'\n'] => Some(LineEnd::Lf),
            [.., b'\r'] => Some(LineEnd::Cr),
            _ => None,
        };
        let first_number = self.number;
        self.at = end;
        self.number = number;
        Line {
            kind: LineKind::Blank,
            start,
            content_end: end - ending.map_or(0, |end| end.bytes().len()),
            ending,
            first_number,
            last_number: number - usize::from(ending.is_some()),
        }
    }

    fn comment(&mut self) -> Line {
        let start = self.at;
        let text = &self.bytes[start..];
        let length = text.iter().position(|&byte| matches!(byte, b'\n' | b'\r'));
        let content_end = start + length.unwrap_or(text.len());
        self.finish(LineKind::Comment, content_end, self.number)
    }

    /// The entry whose content begins at `key_start`, on line `number`.
    fn entry(&mut self, key_start: usize, mut number: usize) -> Line {
        let bytes = self.bytes;
        let mut at = key_start;
        let mut cut_off = false;
        while at < bytes.len() {
            match bytes[at] {
                b'\n' | b'\r' => break,
                b'\\' => match LineEnd::at(bytes, at + 1) {
                    Some(line_end) if at + 1 + line_end.bytes().len() < bytes.len() => {
                        at += 1 + line_end.bytes().len();
                        number += 1;
                        while at < bytes.len() && is_blank(bytes[at]) {
                            at += 1;
                        }
                    }
                    None if at + 1 < bytes.len() => at += 2,
                    _ => {
                        at += 1;
                        cut_off = true;
                        break;
                    }
                },
                _ => at += 1,
            }
        }
        let spans = EntrySpans {
            cut_off,
            ..EntrySpans::split(bytes, key_start, at)
        };
        self.finish(LineKind::Entry(spans), at, number)
    }

    fn finish(&mut self, kind: LineKind, content_end: usize, last_number: usize) -> Line {
        let ending = LineEnd::at(self.bytes, content_end);
        let line = Line {
            kind,
            start: self.at,
            content_end,
            ending,
            first_number: self.number,
            last_number,
        };
        self.at = line.end();
        self.number = last_number + usize::from(ending.is_some());
        line
    }
}

impl Iterator for Scanner<'_> {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        let bytes = self.bytes;
        if self.at >= bytes.len() {
            return None;
        }
        let mut at = self.at;
        let mut number = self.number;
        // Where the physical line begins, and where the logical line does.
        let mut physical = (at, number);
        let mut logical = physical;
        loop {
            while at < bytes.len() && is_blank(bytes[at]) {
                at += 1;
            }
            if at == bytes.len() {
                return Some(self.blank(at, number));
            }
            if let Some(line_end) = LineEnd::at(bytes, at) {
                at += line_end.bytes().len();
                number += 1;
                physical = (at, number);
                logical = physical;
                continue;
            }
            match bytes[at] {
                b'#' | b'!' if physical.0 > self.at => {
                    return Some(self.blank(physical.0, physical.1));
                }
                b'#' | b'!' => return Some(self.comment()),
                b'\\' if joins_next_line(bytes, at) => {
                    at += 1 + LineEnd::at(bytes, at + 1).map_or(0, |end| end.bytes().len());
                    number += 1;
                    physical = (at, number);
                }
                _ if logical.0 > self.at => return Some(self.blank(logical.0, logical.1)),
                _ => return Some(self.entry(at, number)),
            }
        }
    }
}

/// Whether the backslash at the beginning of a line makes it a blank one. It
/// does not at the end of the file, unless CR LF follows: that pair the JDK
/// consumes before it notices the end.
fn joins_next_line(bytes: &[u8], backslash: usize) -> bool {
    match LineEnd::at(bytes, backslash + 1) {
        Some(LineEnd::CrLf) => true,
        Some(line_end) => backslash + 1 + line_end.bytes().len() < bytes.len(),
        None => false,
    }
}

impl EntrySpans {
    /// Finds key, separator and value in the content of a logical line.
    pub(super) fn split(bytes: &[u8], key_start: usize, end: usize) -> Self {
        let mut at = key_start;
        let mut key_end = key_start;
        let mut explicit = false;
        let mut separated = false;
        while !separated {
            at = skip_continuations(bytes, at, end);
            match bytes[at..end] {
                [b'=' | b':' | b' ' | b'\t' | b'\x0C', ..] => separated = true,
                [b'\\', _, ..] => {
                    at += 2;
                    key_end = at;
                }
                [] | [b'\\'] => break,
                _ => {
                    at += 1;
                    key_end = at;
                }
            }
        }
        let mut value_start = key_end;
        while separated && at < end {
            let byte = bytes[at];
            if !explicit && matches!(byte, b'=' | b':') {
                explicit = true;
            } else if !is_blank(byte) {
                break;
            }
            value_start = at + 1;
            at = skip_continuations(bytes, value_start, end);
        }
        Self {
            key_start,
            key_end,
            value_start,
            value_end: end,
            explicit,
            cut_off: false,
        }
    }
}
