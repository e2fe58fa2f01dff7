//! How a file writes what could be written in several ways, and writing so.
//!
//! Owns the choice of escapes for new keys and values; knows nothing of which
//! line they go to.
//!
//! Java's own `store` writes `https\://host`, people write `https://host`: a
//! new value follows its old one, or else the rest of the file.

use std::ops::Range;

use super::piece::{Piece, Pieces};
use super::{Encoding, JavaString, Properties};

/// What a stretch of a file shows about its writer.
#[derive(Clone, Copy, Default)]
pub(super) struct Habit {
    /// How often `=`, `:`, `#` and `!` stand with a backslash, and without.
    escaped_signs: usize,
    plain_signs: usize,
    /// How often characters beyond ASCII stand as `\uXXXX`, and as themselves.
    escaped_letters: usize,
    plain_letters: usize,
    lowercase_digits: usize,
    uppercase_digits: usize,
}

/// The decisions that follow from a habit.
#[derive(Clone, Copy)]
pub(super) struct Style {
    escape_signs: bool,
    plain_letters: bool,
    lowercase_digits: bool,
    encoding: Encoding,
}

impl Habit {
    /// What the values of the whole file show.
    pub(super) fn of_file(file: &Properties) -> Self {
        let mut habit = Self::default();
        for spans in file.lines().iter().filter_map(|line| line.entry()) {
            habit.observe(file.bytes(), spans.value());
        }
        habit
    }

    /// What one raw value shows.
    pub(super) fn of_value(file: &Properties, value: Range<usize>) -> Self {
        let mut habit = Self::default();
        habit.observe(file.bytes(), value);
        habit
    }

    fn observe(&mut self, bytes: &[u8], value: Range<usize>) {
        for piece in Pieces::new(bytes, value) {
            match piece {
                Piece::Raw(run) => {
                    for &byte in &bytes[run] {
                        self.plain_signs += usize::from(is_sign(byte));
                        self.plain_letters += usize::from(!byte.is_ascii());
                    }
                }
                Piece::Escaped(byte) => self.escaped_signs += usize::from(is_sign(byte)),
                Piece::Unit { unit, lowercase } => {
                    self.escaped_letters += usize::from(unit > 0x7F);
                    self.lowercase_digits += usize::from(lowercase == Some(true));
                    self.uppercase_digits += usize::from(lowercase == Some(false));
                }
                Piece::Malformed(_) => {}
            }
        }
    }

    /// The style that follows; where this habit shows nothing, the wider one does.
    pub(super) fn style(&self, wider: &Self, file: &Properties) -> Style {
        let signs = self.pick(wider, |habit| (habit.escaped_signs, habit.plain_signs));
        let letters = self.pick(wider, |habit| (habit.escaped_letters, habit.plain_letters));
        Style {
            escape_signs: signs == Some(true),
            plain_letters: letters == Some(false) && plain_letters_are_safe(file),
            lowercase_digits: wider.lowercase_digits > wider.uppercase_digits,
            encoding: file.encoding(),
        }
    }

    fn pick(&self, wider: &Self, counts: impl Fn(&Self) -> (usize, usize)) -> Option<bool> {
        [self, wider]
            .into_iter()
            .map(counts)
            .find(|(yes, no)| yes != no)
            .map(|(yes, no)| yes > no)
    }
}

/// A file that claims to be Latin-1 but is UTF-8 throughout has a reader that
/// disagrees with ours about plain letters; escapes mean the same to both.
fn plain_letters_are_safe(file: &Properties) -> bool {
    match file.encoding() {
        Encoding::Utf8 => true,
        Encoding::Latin1 => std::str::from_utf8(file.bytes()).is_err(),
    }
}

impl Style {
    /// Writes a key.
    pub(super) fn key(self, key: &JavaString) -> Vec<u8> {
        let mut out = Vec::new();
        for (index, character) in key.chars().enumerate() {
            let escape = match character {
                Ok(' ' | '=' | ':') => true,
                Ok('#' | '!') => index == 0 || self.escape_signs,
                _ => false,
            };
            self.write(&mut out, character, escape);
        }
        out
    }

    /// Writes a value behind a separator that is explicit (it has a `=` or `:`)
    /// or mere white space.
    pub(super) fn value(self, value: &JavaString, explicit: bool) -> Vec<u8> {
        let mut out = Vec::new();
        for (index, character) in value.chars().enumerate() {
            let escape = match character {
                // White space that begins a value belongs to the separator.
                Ok(' ') => index == 0,
                Ok('=' | ':') => self.escape_signs || (index == 0 && !explicit),
                Ok('#' | '!') => self.escape_signs,
                _ => false,
            };
            self.write(&mut out, character, escape);
        }
        out
    }

    fn write(self, out: &mut Vec<u8>, character: Result<char, u16>, escape: bool) {
        let character = match character {
            Ok(character) => character,
            Err(lone_surrogate) => return self.write_unit(out, lone_surrogate),
        };
        let short = match character {
            '\t' => Some(b't'),
            '\n' => Some(b'n'),
            '\r' => Some(b'r'),
            '\x0C' => Some(b'f'),
            '\\' => Some(b'\\'),
            _ => None,
        };
        if let Some(letter) = short {
            out.extend([b'\\', letter]);
        } else if matches!(character, ' '..='~') {
            if escape {
                out.push(b'\\');
            }
            out.push(character as u8);
        } else if self.plain_letters && character.is_alphanumeric() {
            self.write_plain(out, character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                self.write_unit(out, *unit);
            }
        }
    }

    fn write_plain(self, out: &mut Vec<u8>, character: char) {
        match (self.encoding, u8::try_from(character)) {
            (Encoding::Latin1, Ok(byte)) => out.push(byte),
            (Encoding::Latin1, Err(_)) => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    self.write_unit(out, *unit);
                }
            }
            (Encoding::Utf8, _) => {
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
    }

    fn write_unit(self, out: &mut Vec<u8>, unit: u16) {
        let escape = if self.lowercase_digits {
            format!("\\u{unit:04x}")
        } else {
            format!("\\u{unit:04X}")
        };
        out.extend_from_slice(escape.as_bytes());
    }
}

/// Whether Java's `store` puts a backslash before it wherever it stands.
fn is_sign(byte: u8) -> bool {
    matches!(byte, b'=' | b':' | b'#' | b'!')
}
