//! Hides the values of some keys, whatever they are and however they are written.
//!
//! Owns which bytes of a file are hidden; which keys those are is the caller's
//! choice. Hidden are the whole value over all its lines, the value of a
//! definition that is commented out, and that of a definition whose key has a
//! malformed escape: it may be any key.
//!
//! ```
//! use clusterctl::properties::Properties;
//! let file = Properties::parse(b"user=ann\npassword : hun\\\n  ter2\n");
//! let masked = file.masked_bytes(|key| *key == "password");
//! assert_eq!(masked, b"user=ann\npassword=****\n");
//! ```

use super::piece::is_blank;
use super::{EntrySpans, JavaString, Line, LineKind, Properties};

/// What stands in the place of a hidden value.
pub(super) const MARKER: &str = "****";

/// The same, behind a key.
const MARKER_OF_KEY: &str = "=****";

/// What is hidden of a logical line: all its content behind the shown part.
#[derive(Clone, Copy)]
pub(super) struct Hidden {
    /// Where the shown part ends: behind the key, or the `#` of a comment.
    pub(super) shown_end: usize,
    /// What stands in the place of the rest. The separator in it is always the
    /// same, as the real one may have come with the value.
    pub(super) marker: &'static str,
}

impl Properties {
    /// The file without the values of these keys, to recognise it by without
    /// knowing its secrets.
    ///
    /// The result is the same for every value of those keys and for every way
    /// of writing it: its length, its escapes, its lines.
    pub fn masked_bytes(&self, masked: impl Fn(&JavaString) -> bool) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.bytes().len());
        for (line, hidden) in self.lines().iter().zip(self.hidden(masked)) {
            match hidden {
                None => bytes.extend_from_slice(&self.bytes()[line.span()]),
                Some(hidden) => {
                    bytes.extend_from_slice(&self.bytes()[line.start..hidden.shown_end]);
                    bytes.extend_from_slice(hidden.marker.as_bytes());
                    bytes.extend_from_slice(&self.bytes()[line.content_end..line.end()]);
                }
            }
        }
        bytes
    }

    /// What to hide of each logical line.
    pub(super) fn hidden(
        &self,
        masked: impl Fn(&JavaString) -> bool,
    ) -> impl Iterator<Item = Option<Hidden>> {
        // Whether the line before is a hidden comment that ends in a backslash:
        // the next line was the rest of its value before someone put the `#`.
        let mut goes_on = false;
        self.lines().iter().map(move |line| {
            let hidden = match &line.kind {
                LineKind::Blank => None,
                _ if goes_on => Some(self.hide_content(line)),
                LineKind::Entry(spans) => self.hide_value(spans, &masked),
                LineKind::Comment => self
                    .commented_out(line)
                    .and_then(|spans| self.hide_value(&spans, &masked)),
            };
            goes_on = (goes_on || hidden.is_some())
                && line.entry().is_none()
                && ends_in_continuation(&self.bytes()[line.content()]);
            hidden
        })
    }

    fn hide_value(
        &self,
        spans: &EntrySpans,
        masked: impl Fn(&JavaString) -> bool,
    ) -> Option<Hidden> {
        let secret = self.decode_key(spans).is_none_or(|key| masked(&key));
        secret.then_some(Hidden {
            shown_end: spans.key_end,
            marker: MARKER_OF_KEY,
        })
    }

    fn hide_content(&self, line: &Line) -> Hidden {
        let shown_end = match line.entry() {
            Some(spans) => spans.key_start,
            None => self.comment_text(line),
        };
        Hidden {
            shown_end,
            marker: MARKER,
        }
    }

    /// A comment as the entry that it may have been. A word alone was none, and
    /// of what has malformed escapes in it Java never complained: it is prose.
    fn commented_out(&self, line: &Line) -> Option<EntrySpans> {
        let start = self.comment_text(line);
        let spans = EntrySpans::split(self.bytes(), start, line.content_end);
        let has_value = spans.key_end < line.content_end;
        (has_value && self.decode_key(&spans).is_some()).then_some(spans)
    }

    fn comment_text(&self, line: &Line) -> usize {
        let content = &self.bytes()[line.content()];
        let sign = |&byte: &u8| !is_blank(byte) && !matches!(byte, b'#' | b'!');
        line.start + content.iter().position(sign).unwrap_or(content.len())
    }
}

fn ends_in_continuation(content: &[u8]) -> bool {
    let backslashes = content.iter().rev().take_while(|&&byte| byte == b'\\');
    backslashes.count() % 2 == 1
}
