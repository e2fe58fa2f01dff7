//! The two ways in which Java programs read the bytes of a properties file.
//!
//! Owns the decoding of raw bytes into UTF-16 units exactly as the JDK's
//! decoders do it, malformed input included; knows nothing of escapes or lines.
//!
//! ```
//! use clusterctl::properties::{Encoding, Properties};
//! let bytes = "name=Zürich".as_bytes();
//! let file = Properties::parse_as(bytes, Encoding::Utf8);
//! assert_eq!(file.get("name").unwrap(), "Zürich");
//! ```

/// How bytes become characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// Every byte is the character of that number: `Properties.load(InputStream)`.
    #[default]
    Latin1,
    /// UTF-8 through a `Reader`; malformed bytes read as U+FFFD, as in Java.
    Utf8,
}

impl Encoding {
    /// Decodes raw bytes (no escapes in them) and appends their UTF-16 units.
    pub(super) fn decode_into(self, bytes: &[u8], units: &mut Vec<u16>) {
        if self == Self::Latin1 || bytes.is_ascii() {
            units.extend(bytes.iter().map(|&byte| u16::from(byte)));
        } else {
            decode_utf8(bytes, units);
        }
    }

    /// How many bytes of the text begin a character, for counting columns.
    pub(super) fn count_chars(self, bytes: &[u8]) -> usize {
        match self {
            Self::Latin1 => bytes.len(),
            Self::Utf8 => bytes.iter().filter(|&&byte| byte & 0xC0 != 0x80).count(),
        }
    }
}

fn decode_utf8(mut rest: &[u8], units: &mut Vec<u16>) {
    while !rest.is_empty() {
        let (length, character) = next_char(rest);
        match character {
            Some(character) => {
                units.extend_from_slice(character.encode_utf16(&mut [0; 2]));
            }
            None => units.push(0xFFFD),
        }
        rest = rest.get(length..).unwrap_or_default();
    }
}

/// The length of the next sequence and its character, or `None` where the JDK
/// puts one replacement character for that many bytes.
///
/// The JDK replaces the longest well-formed beginning of a sequence at once, as
/// Unicode recommends, with one exception: a surrogate in three bytes is a
/// single malformed sequence of all three.
fn next_char(bytes: &[u8]) -> (usize, Option<char>) {
    let first = bytes[0];
    let (length, initial) = match first {
        0x00..=0x7F => return (1, Some(char::from(first))),
        0xC2..=0xDF => (2, first & 0x1F),
        0xE0..=0xEF => (3, first & 0x0F),
        0xF0..=0xF4 => (4, first & 0x07),
        _ => return (1, None),
    };
    let mut code = u32::from(initial);
    for index in 1..length {
        let Some(&byte) = bytes.get(index) else {
            return (index, None);
        };
        let allowed = match (index, first) {
            (1, 0xE0) => 0xA0..=0xBF,
            (1, 0xF0) => 0x90..=0xBF,
            (1, 0xF4) => 0x80..=0x8F,
            _ => 0x80..=0xBF,
        };
        if !allowed.contains(&byte) {
            return (index, None);
        }
        code = code << 6 | u32::from(byte & 0x3F);
    }
    (length, char::from_u32(code))
}
