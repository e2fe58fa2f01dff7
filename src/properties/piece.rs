//! The pieces of a raw key or value: runs of plain bytes, escapes, line breaks.
//!
//! Owns the grammar of escapes inside a logical line, as the JDK's
//! `loadConvert` reads it after its line reader has joined the lines; knows
//! nothing of where keys and values begin.
//!
//! The raw value `a\tb\` + line feed + `  c` is the run `a`, the escape `\t`,
//! the run `b`, and, past the continuation, the run `c`.

use std::ops::Range;

use super::{Encoding, JavaString, LineEnd};

/// One piece of a raw key or value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Plain bytes, without a backslash.
    Raw(Range<usize>),
    /// A backslash and this ASCII character.
    Escaped(u8),
    /// A well-formed `\uXXXX`, and the case of the first letter in it, if any.
    Unit { unit: u16, lowercase: Option<bool> },
    /// A `\u` at this offset that four hexadecimal digits do not follow.
    Malformed(usize),
}

/// The pieces of one raw key or value, in order.
pub(super) struct Pieces<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Pieces<'a> {
    /// The pieces of this span of the file.
    pub(super) fn new(bytes: &'a [u8], span: Range<usize>) -> Self {
        Self {
            bytes,
            at: span.start,
            end: span.end,
        }
    }

    fn peek(&self) -> Option<u8> {
        (self.at < self.end).then(|| self.bytes[self.at])
    }

    fn raw(&mut self, start: usize) -> Piece {
        let text = &self.bytes[self.at..self.end];
        let length = text.iter().position(|&byte| byte == b'\\');
        self.at += length.unwrap_or(text.len());
        Piece::Raw(start..self.at)
    }

    fn unit(&mut self, start: usize) -> Piece {
        let mut unit = 0;
        let mut lowercase = None;
        for _ in 0..4 {
            self.at = skip_continuations(self.bytes, self.at, self.end);
            let digit = self.peek().unwrap_or_default();
            let Some(number) = hex_digit(digit) else {
                return Piece::Malformed(start);
            };
            if digit.is_ascii_alphabetic() {
                lowercase = lowercase.or(Some(digit.is_ascii_lowercase()));
            }
            unit = unit << 4 | number;
            self.at += 1;
        }
        Piece::Unit { unit, lowercase }
    }
}

impl Iterator for Pieces<'_> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        self.at = skip_continuations(self.bytes, self.at, self.end);
        let start = self.at;
        if self.peek()? != b'\\' {
            return Some(self.raw(start));
        }
        self.at += 1;
        // A backslash that the end of the file cuts off means nothing.
        let escaped = self.peek()?;
        if !escaped.is_ascii() {
            return Some(self.raw(self.at));
        }
        self.at += 1;
        if escaped == b'u' {
            return Some(self.unit(start));
        }
        Some(Piece::Escaped(escaped))
    }
}

/// The offset past all continuations at this offset: backslash, line end, and
/// the white space that begins the next line.
pub(super) fn skip_continuations(bytes: &[u8], mut at: usize, end: usize) -> usize {
    while at + 1 < end
        && bytes[at] == b'\\'
        && let Some(line_end) = LineEnd::at(bytes, at + 1)
    {
        at += 1 + line_end.bytes().len();
        while at < end && is_blank(bytes[at]) {
            at += 1;
        }
    }
    at
}

/// Whether Java's line reader takes this byte for white space.
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\x0C')
}

/// The meaning of this span, or `None` when an escape in it is malformed.
pub(super) fn decode(bytes: &[u8], span: Range<usize>, encoding: Encoding) -> Option<JavaString> {
    let mut units = Vec::with_capacity(span.len());
    for piece in Pieces::new(bytes, span) {
        match piece {
            Piece::Raw(run) => encoding.decode_into(&bytes[run], &mut units),
            Piece::Escaped(character) => units.push(u16::from(unescape(character))),
            Piece::Unit { unit, .. } => units.push(unit),
            Piece::Malformed(_) => return None,
        }
    }
    Some(units.into())
}

fn unescape(character: u8) -> u8 {
    match character {
        b't' => b'\t',
        b'n' => b'\n',
        b'r' => b'\r',
        b'f' => b'\x0C',
        other => other,
    }
}

fn hex_digit(byte: u8) -> Option<u16> {
    let digit = char::from(byte).to_digit(16)?;
    u16::try_from(digit).ok()
}
