//! Edits: `set` and `unset`, which change the bytes of one logical line.
//!
//! Owns where new bytes go; how characters are written belongs to `habit`.
//! Nothing else of the file may change its meaning, not even at the end of it,
//! where a cut-off continuation would swallow a line that is appended.
//!
//! ```
//! use clusterctl::properties::{Properties, Which};
//! let mut file = Properties::parse(b"a : 1\r\nb : 2\\");
//! file.set("c", "3", Which::Only).unwrap();
//! assert_eq!(file.bytes(), b"a : 1\r\nb : 2\\\r\n\r\nc : 3\r\n");
//! ```

use std::collections::HashMap;

use super::habit::Habit;
use super::{EditError, EntrySpans, JavaString, Line, LineEnd, LineKind, Properties, Which};

impl Properties {
    /// Gives a key a value; whether a byte changed for it.
    ///
    /// A definition that already has this value stays as it is written. A key
    /// without definitions is appended.
    pub fn set(
        &mut self,
        key: impl Into<JavaString>,
        value: impl Into<JavaString>,
        which: Which,
    ) -> Result<bool, EditError> {
        let (key, value) = (key.into(), value.into());
        let chosen = self.choose(&key, which)?;
        let bytes = if chosen.is_empty() {
            self.with_appended(&key, &value)
        } else {
            self.with_replaced(&chosen, &value)
        };
        Ok(self.replace_bytes(bytes))
    }

    /// Removes a key's lines; whether there were any.
    pub fn unset(&mut self, key: impl Into<JavaString>, which: Which) -> Result<bool, EditError> {
        let chosen = self.choose(&key.into(), which)?;
        let mut bytes = Vec::with_capacity(self.bytes().len());
        let mut copied = 0;
        for line in chosen {
            bytes.extend_from_slice(&self.bytes()[copied..line.start]);
            copied = line.end();
        }
        bytes.extend_from_slice(&self.bytes()[copied..]);
        Ok(self.replace_bytes(bytes))
    }

    fn replace_bytes(&mut self, bytes: Vec<u8>) -> bool {
        let changed = bytes != self.bytes();
        if changed {
            *self = Self::from_vec(bytes, self.encoding());
        }
        changed
    }

    /// The definitions that an edit means; none when the key has none.
    fn choose(&self, key: &JavaString, which: Which) -> Result<Vec<&Line>, EditError> {
        self.check()?;
        let mut found: Vec<_> = self.definitions(key).collect();
        let lines = |found: &[&Line]| found.iter().map(|line| line.first_number).collect();
        match which {
            Which::Only if found.len() > 1 => Err(EditError::Ambiguous {
                key: key.clone(),
                lines: lines(&found),
            }),
            Which::Only | Which::All => Ok(found),
            Which::First => {
                found.truncate(1);
                Ok(found)
            }
            Which::Last => Ok(found.pop().into_iter().collect()),
            Which::Line(number) => {
                match found.iter().find(|line| line.numbers().contains(&number)) {
                    Some(line) => Ok(vec![line]),
                    None => Err(EditError::NotOnLine {
                        key: key.clone(),
                        line: number,
                        lines: lines(&found),
                    }),
                }
            }
        }
    }

    fn with_replaced(&self, chosen: &[&Line], value: &JavaString) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.bytes().len());
        let mut copied = 0;
        let differing = chosen
            .iter()
            .filter_map(|line| line.entry())
            .filter(|spans| self.decode_value(spans).as_ref() != Some(value));
        let mut file_habit = None;
        for spans in differing {
            let file_habit = file_habit.get_or_insert_with(|| Habit::of_file(self));
            let style = Habit::of_value(self, spans.value()).style(file_habit, self);
            bytes.extend_from_slice(&self.bytes()[copied..spans.value_start]);
            let mut explicit = spans.explicit;
            if spans.separator().is_empty() {
                let separator = self.separator_for(spans.key().is_empty());
                explicit = is_explicit(separator);
                bytes.extend_from_slice(separator);
            }
            bytes.extend(style.value(value, explicit));
            copied = spans.value_end;
        }
        bytes.extend_from_slice(&self.bytes()[copied..]);
        bytes
    }

    fn with_appended(&self, key: &JavaString, value: &JavaString) -> Vec<u8> {
        let habit = Habit::of_file(self);
        let style = habit.style(&habit, self);
        let separator = self.separator_for(key.is_empty());
        let line_end = self.usual_line_end();
        let mut bytes = self.bytes().to_vec();
        bytes.extend(self.closing(line_end));
        bytes.extend(style.key(key));
        bytes.extend_from_slice(separator);
        bytes.extend(style.value(value, is_explicit(separator)));
        bytes.extend_from_slice(line_end.bytes());
        bytes
    }

    /// What must follow the last line so that another can begin.
    fn closing(&self, usual: LineEnd) -> Vec<u8> {
        let Some(last) = self.lines().last() else {
            return Vec::new();
        };
        let missing = last.ending.map_or(usual.bytes(), |_| &[]);
        match &last.kind {
            // A continuation ends at a blank line.
            LineKind::Entry(spans) if spans.cut_off => {
                let line_end = last.ending.unwrap_or(usual).bytes();
                // A backslash alone is an entry at the end of a file only.
                let entry: &[u8] = if is_lone_backslash(spans) { b"=" } else { b"" };
                [missing, entry, line_end].concat()
            }
            _ => missing.to_vec(),
        }
    }

    /// The separator that most lines have, the first such in a tie.
    fn separator_for(&self, empty_key: bool) -> &[u8] {
        let mut counts: HashMap<&[u8], usize> = HashMap::new();
        let mut usual: &[u8] = b"=";
        let mut most = 0;
        for spans in self.lines().iter().filter_map(Line::entry) {
            let separator = &self.bytes()[spans.separator()];
            let usable = !separator.is_empty()
                && !separator.contains(&b'\\')
                && (!empty_key || spans.explicit);
            if usable {
                let count = counts.entry(separator).or_default();
                *count += 1;
                if *count > most {
                    most = *count;
                    usual = separator;
                }
            }
        }
        // White space in front of an empty key would be an indentation.
        if empty_key {
            usual.trim_ascii_start()
        } else {
            usual
        }
    }

    /// The line end that most physical lines have, LF in a tie.
    fn usual_line_end(&self) -> LineEnd {
        let bytes = self.bytes();
        let [mut lf, mut cr, mut crlf] = [0_usize; 3];
        for (index, byte) in bytes.iter().enumerate() {
            match byte {
                b'\n' if index > 0 && bytes[index - 1] == b'\r' => crlf += 1,
                b'\n' => lf += 1,
                b'\r' if bytes.get(index + 1) != Some(&b'\n') => cr += 1,
                _ => {}
            }
        }
        if crlf > lf && crlf >= cr {
            LineEnd::CrLf
        } else if cr > lf {
            LineEnd::Cr
        } else {
            LineEnd::Lf
        }
    }
}

fn is_explicit(separator: &[u8]) -> bool {
    separator.contains(&b'=') || separator.contains(&b':')
}

/// The entry of the empty key that Java makes of a backslash at the very end.
fn is_lone_backslash(spans: &EntrySpans) -> bool {
    spans.cut_off && spans.key().is_empty() && spans.separator().is_empty()
}
