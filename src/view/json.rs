//! A run for programs: one event a line.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::Duration;

use super::{Painter, Quiet};
use crate::engine::Event;
use crate::plan::printable;

/// Writes every event as one line of JSON, at once.
pub(super) struct Json<W: Write> {
    out: Quiet<W>,
}

impl<W: Write> Json<W> {
    pub(super) fn new(out: W) -> Self {
        Self {
            out: Quiet::new(out),
        }
    }
}

impl<W: Write> Painter for Json<W> {
    fn show(&mut self, event: &Event, _now: Duration) {
        // An event is made of texts, numbers and lists: nothing in it that JSON cannot say.
        if let Ok(json) = serde_json::to_string(event) {
            let _ = writeln!(self.out, "{}", harmless(&json));
            let _ = self.out.flush();
        }
    }

    fn tick(&mut self, _now: Duration) {}

    fn break_line(&mut self) {}

    fn hide(&mut self) {}

    fn end(&mut self) -> io::Result<()> {
        self.out.finish()
    }
}

/// The same JSON, with everything escaped that a terminal would obey, hide or reorder.
///
/// JSON itself escapes only the first 32 control characters. All others can stand
/// only within strings, where an escape means the same.
pub(super) fn harmless(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        if printable::shows(c) {
            safe.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(safe, "\\u{unit:04x}");
            }
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn what_is_escaped_means_the_same() {
        let text = "a\u{1b}[0m \u{9b}1m \u{202e}x \u{e0041} \u{7f} é ☃ 日本 \"\\";
        let json = serde_json::to_string(text).unwrap();
        let safe = harmless(&json);
        assert!(safe.chars().all(|c| !c.is_control() && c != '\u{202e}'));
        assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), text);
    }
}
