//! How two files differ line by line, as a unified diff that hides secrets.
//!
//! Owns the comparison of physical lines and its rendering. What is hidden is
//! compared nevertheless: a changed secret shows as a change from `****` to
//! `****`. Each of its lines counts as changed then, so that not even a line
//! that stayed the same is told.
//!
//! ```
//! use clusterctl::properties::{ByteDiff, Properties};
//! let old = Properties::parse(b"user=ann\npassword=one\n");
//! let new = Properties::parse(b"user=ann\npassword=two\n");
//! let diff = ByteDiff::between(&old, &new, |key| *key == "password");
//! assert_eq!(
//!     diff.unified("old", "new"),
//!     "--- old\n+++ new\n@@ -1,2 +1,2 @@\n user=ann\n-password=****\n+password=****\n"
//! );
//! ```

use std::collections::HashMap;
use std::fmt::{self, Write};
use std::ops::Range;

use similar::{Algorithm, DiffOp, DiffTag, capture_diff_slices, group_diff_ops};

use super::mask::{Hidden, MARKER};
use super::{JavaString, LineEnd, Properties};

/// How many unchanged lines surround a change.
const CONTEXT: usize = 3;

/// Above this product of changed lines on both sides the search for a small
/// diff would take seconds: the whole stretch is shown as replaced.
const SEARCH_LIMIT: usize = 100_000_000;

/// A line diff of two files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByteDiff {
    hunks: Vec<Hunk>,
    show_line_ends: bool,
}

/// A stretch of changed lines and what surrounds them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hunk {
    /// The number of its first line in the old file.
    pub old_start: usize,
    /// How many lines of the old file it shows.
    pub old_lines: usize,
    /// The number of its first line in the new file.
    pub new_start: usize,
    /// How many lines of the new file it shows.
    pub new_lines: usize,
    /// The lines, removed ones before added ones.
    pub lines: Vec<DiffLine>,
}

/// A line of a hunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiffLine {
    /// Whether it was removed, added or neither.
    pub fate: Fate,
    /// Its text without the line end, with secrets hidden.
    pub text: String,
    /// How it ends; `None` when the file ends first.
    pub line_end: Option<LineEnd>,
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is in both files.
    Kept,
    /// It is in the old file only.
    Removed,
    /// It is in the new file only.
    Added,
}

/// A physical line of one of the files.
struct Physical<'a> {
    file: &'a Properties,
    /// Its content, without the line end.
    content: Range<usize>,
    line_end: Option<LineEnd>,
    /// How much of the content is shown, and what stands for the rest.
    shown_end: usize,
    marker: &'static str,
    /// The number of the hidden value that the line has a part of.
    secret: Option<usize>,
}

/// Numbers for byte strings: equal ones for equal strings.
type Numbers<'a> = HashMap<&'a [u8], usize>;

impl ByteDiff {
    /// Compares two files; values of keys for which `masked` says so are hidden.
    pub fn between(
        old: &Properties,
        new: &Properties,
        masked: impl Fn(&JavaString) -> bool,
    ) -> Self {
        let mut secrets = Numbers::new();
        let old = physical_lines(old, &masked, &mut secrets);
        let new = physical_lines(new, &masked, &mut secrets);
        let mut seen = HashMap::new();
        let old_numbers: Vec<_> = old.iter().map(|line| line.number(&mut seen)).collect();
        let new_numbers: Vec<_> = new.iter().map(|line| line.number(&mut seen)).collect();
        let operations = compare(&old_numbers, &new_numbers);
        let lines = || old.iter().chain(&new);
        let mut ends: Vec<_> = lines().filter_map(|line| line.line_end).collect();
        ends.dedup();
        Self {
            hunks: group_diff_ops(operations, CONTEXT)
                .iter()
                .filter(|group| group.iter().any(|op| op.tag() != DiffTag::Equal))
                .map(|group| hunk(group, &old, &new))
                .collect(),
            show_line_ends: ends.len() > 1,
        }
    }

    /// Whether the files are the same, byte for byte.
    pub fn is_empty(&self) -> bool {
        self.hunks.is_empty()
    }

    /// The stretches that differ.
    pub fn hunks(&self) -> &[Hunk] {
        &self.hunks
    }

    /// A unified diff, for people: control characters show as `^M` and the
    /// like, a carriage return at the end of a line only where the files do
    /// not agree on how lines end. Empty for files that are the same.
    pub fn unified(&self, old_name: &str, new_name: &str) -> String {
        let mut text = String::new();
        if !self.is_empty() {
            let header = format!("--- {old_name}\n+++ {new_name}\n");
            text.push_str(&header);
        }
        for hunk in &self.hunks {
            // Writing to a string cannot fail.
            let _ = self.write_hunk(&mut text, hunk);
        }
        text
    }

    fn write_hunk(&self, text: &mut String, hunk: &Hunk) -> fmt::Result {
        let old = range(hunk.old_start, hunk.old_lines);
        let new = range(hunk.new_start, hunk.new_lines);
        writeln!(text, "@@ -{old} +{new} @@")?;
        for line in &hunk.lines {
            text.push(match line.fate {
                Fate::Kept => ' ',
                Fate::Removed => '-',
                Fate::Added => '+',
            });
            line.text
                .chars()
                .for_each(|character| push_visible(text, character));
            match line.line_end {
                Some(LineEnd::Cr | LineEnd::CrLf) if self.show_line_ends => text.push_str("^M\n"),
                Some(_) => text.push('\n'),
                None => text.push_str("\n\\ No newline at end of file\n"),
            }
        }
        Ok(())
    }
}

/// A range of lines as unified diffs write it.
fn range(start: usize, lines: usize) -> String {
    match lines {
        0 => format!("{},0", start - 1),
        1 => start.to_string(),
        _ => format!("{start},{lines}"),
    }
}

fn push_visible(text: &mut String, character: char) {
    match character {
        '\t' => text.push('\t'),
        '\0'..='\x1F' => {
            text.push('^');
            text.push(char::from(character as u8 + b'@'));
        }
        '\x7F' => text.push_str("^?"),
        _ if is_treacherous(character) => {
            text.extend(character.escape_unicode());
        }
        _ => text.push(character),
    }
}

/// Whether a terminal would act on it or show nothing for it.
fn is_treacherous(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}'
        )
}

impl<'a> Physical<'a> {
    /// A number that equal lines share.
    fn number(&self, seen: &mut HashMap<(&'a [u8], Option<usize>), usize>) -> usize {
        let line_end = self.line_end.map_or(0, |end| end.bytes().len());
        let bytes = &self.file.bytes()[self.content.start..self.content.end + line_end];
        let next = seen.len();
        *seen.entry((bytes, self.secret)).or_insert(next)
    }

    fn text(&self) -> String {
        let mut units = Vec::new();
        let shown = &self.file.bytes()[self.content.start..self.shown_end];
        self.file.encoding().decode_into(shown, &mut units);
        String::from_utf16_lossy(&units) + self.marker
    }

    fn hide(&mut self, hidden: Hidden, secret: usize) {
        if self.content.end < hidden.shown_end {
            return;
        }
        self.secret = Some(secret);
        if self.content.start <= hidden.shown_end {
            self.shown_end = hidden.shown_end;
            self.marker = hidden.marker;
        } else {
            self.shown_end = self.content.start;
            self.marker = MARKER;
        }
    }
}

fn physical_lines<'a>(
    file: &'a Properties,
    masked: impl Fn(&JavaString) -> bool,
    secrets: &mut Numbers<'a>,
) -> Vec<Physical<'a>> {
    let mut lines = Vec::new();
    for (logical, hidden) in file.lines().iter().zip(file.hidden(masked)) {
        let hidden = hidden.map(|hidden| {
            let next = secrets.len();
            let secret = &file.bytes()[hidden.shown_end..logical.content_end];
            (hidden, *secrets.entry(secret).or_insert(next))
        });
        let mut start = logical.start;
        while start < logical.end() {
            let rest = &file.bytes()[start..logical.end()];
            let length = rest.iter().position(|&byte| matches!(byte, b'\n' | b'\r'));
            let end = start + length.unwrap_or(rest.len());
            let mut line = Physical {
                file,
                content: start..end,
                line_end: LineEnd::at(file.bytes(), end),
                shown_end: end,
                marker: "",
                secret: None,
            };
            if let Some((hidden, secret)) = hidden {
                line.hide(hidden, secret);
            }
            start = end + line.line_end.map_or(0, |end| end.bytes().len());
            lines.push(line);
        }
    }
    lines
}

/// The operations that turn one list of lines into the other.
fn compare(old: &[usize], new: &[usize]) -> Vec<DiffOp> {
    let shorter = old.len().min(new.len());
    let same = |pair: &(&usize, &usize)| pair.0 == pair.1;
    let prefix = old.iter().zip(new).take_while(same).count();
    let suffix = old.iter().rev().zip(new.iter().rev()).take_while(same);
    let suffix = suffix.count().min(shorter - prefix);
    let (old_len, new_len) = (old.len() - prefix - suffix, new.len() - prefix - suffix);
    if old_len.saturating_mul(new_len) <= SEARCH_LIMIT {
        return capture_diff_slices(Algorithm::Myers, old, new);
    }
    let equal = |old_index, new_index, len| DiffOp::Equal {
        old_index,
        new_index,
        len,
    };
    let replaced = DiffOp::Replace {
        old_index: prefix,
        old_len,
        new_index: prefix,
        new_len,
    };
    let operations = [
        equal(0, 0, prefix),
        replaced,
        equal(prefix + old_len, prefix + new_len, suffix),
    ];
    let empty = |op: &DiffOp| op.old_range().is_empty() && op.new_range().is_empty();
    operations.into_iter().filter(|op| !empty(op)).collect()
}

fn hunk(group: &[DiffOp], old: &[Physical<'_>], new: &[Physical<'_>]) -> Hunk {
    let [mut old_lines, mut new_lines] = [0, 0];
    let mut lines = Vec::new();
    let mut push = |fate, from: &[Physical<'_>]| {
        lines.extend(from.iter().map(|line| DiffLine {
            fate,
            text: line.text(),
            line_end: line.line_end,
        }));
    };
    for operation in group {
        let (old_range, new_range) = (operation.old_range(), operation.new_range());
        old_lines += old_range.len();
        new_lines += new_range.len();
        if operation.tag() == DiffTag::Equal {
            push(Fate::Kept, &old[old_range]);
        } else {
            push(Fate::Removed, &old[old_range]);
            push(Fate::Added, &new[new_range]);
        }
    }
    Hunk {
        old_start: group.first().map_or(0, |op| op.old_range().start) + 1,
        old_lines,
        new_start: group.first().map_or(0, |op| op.new_range().start) + 1,
        new_lines,
        lines,
    }
}
