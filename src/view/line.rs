//! A line for people: pieces of text, each with its tone.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::Tone;
use crate::plan::printable;

/// A line of text. Everything that is put into it is made printable on the way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Line {
    pieces: Vec<(Tone, String)>,
    /// How far the second and later rows are indented when the line is wrapped.
    hang: usize,
    /// Set when the line must stay in one piece, such as a command to be copied.
    whole: bool,
}

impl Line {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// The same line with more text at its end.
    pub(super) fn and(mut self, tone: Tone, text: impl AsRef<str>) -> Self {
        let text = printable::line(text.as_ref());
        if !text.is_empty() {
            self.pieces.push((tone, text));
        }
        self
    }

    /// The same line with more text without a tone.
    pub(super) fn say(self, text: impl AsRef<str>) -> Self {
        self.and(Tone::Usual, text)
    }

    /// The same line, whose second and later rows are indented.
    pub(super) fn hang(mut self, columns: usize) -> Self {
        self.hang = columns;
        self
    }

    /// The same line, never wrapped.
    pub(super) fn whole(mut self) -> Self {
        self.whole = true;
        self
    }

    pub(super) fn width(&self) -> usize {
        self.pieces.iter().map(|(_, text)| text.width()).sum()
    }

    /// The line in one row.
    pub(super) fn row(&self, colour: bool) -> String {
        self.pieces
            .iter()
            .map(|(tone, text)| tone.paint(text, colour))
            .collect()
    }

    /// The line in as many rows as it needs at this width, broken between words.
    pub(super) fn rows(&self, width: usize, colour: bool) -> Vec<String> {
        if self.whole || self.width() <= width {
            return vec![self.row(colour)];
        }
        let mut rows = vec![String::new()];
        let mut used = 0;
        for word in self.words() {
            let wide: usize = word.pieces.iter().map(|(_, text)| text.width()).sum();
            let first_in_row = used == 0 || (rows.len() > 1 && used == self.hang);
            if !first_in_row && used + word.gap + wide > width {
                rows.push(" ".repeat(self.hang));
                used = self.hang;
            } else if rows.len() == 1 || used > self.hang {
                used += word.gap;
                push(&mut rows, &" ".repeat(word.gap));
            }
            used += wide;
            for (tone, text) in word.pieces {
                push(&mut rows, &tone.paint(text, colour));
            }
        }
        rows
    }

    /// The line cut off at this width.
    pub(super) fn cut(&self, width: usize, mark: &str) -> Self {
        if self.width() <= width {
            return self.clone();
        }
        let mut room = width.saturating_sub(mark.width());
        let mut cut = Self::new();
        for (tone, text) in &self.pieces {
            let end = text
                .char_indices()
                .find(|(_, c)| {
                    let wide = c.width().unwrap_or(0);
                    let fits = wide <= room;
                    room = room.saturating_sub(wide);
                    !fits
                })
                .map_or(text.len(), |(at, _)| at);
            cut = cut.and(*tone, &text[..end]);
            if end < text.len() {
                break;
            }
        }
        cut.and(Tone::Faint, mark)
    }

    /// The words, each with the spaces before it. A word may have pieces of several tones.
    fn words(&self) -> Vec<Word<'_>> {
        let mut words: Vec<Word<'_>> = Vec::new();
        let mut gap = 0;
        for (tone, text) in &self.pieces {
            for part in text.split_inclusive(' ') {
                let word = part.strip_suffix(' ').unwrap_or(part);
                if !word.is_empty() {
                    match words.last_mut() {
                        Some(last) if gap == 0 => last.pieces.push((*tone, word)),
                        _ => words.push(Word {
                            gap,
                            pieces: vec![(*tone, word)],
                        }),
                    }
                    gap = 0;
                }
                gap += usize::from(part.ends_with(' '));
            }
        }
        words
    }
}

struct Word<'a> {
    gap: usize,
    pieces: Vec<(Tone, &'a str)>,
}

fn push(rows: &mut [String], text: &str) {
    if let Some(row) = rows.last_mut() {
        row.push_str(text);
    }
}

/// The text with spaces after it up to this width.
pub(super) fn padded(text: &str, width: usize) -> String {
    let shown = printable::line(text);
    let spaces = width.saturating_sub(shown.width());
    format!("{shown}{}", " ".repeat(spaces))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn breaks_between_words_and_hangs() {
        let line = Line::new()
            .say("✗ ")
            .and(Tone::Strong, "ucd1")
            .say("  the service said no twice, and then nothing at all")
            .hang(8);
        assert_eq!(
            line.rows(30, false),
            [
                "✗ ucd1  the service said no",
                "        twice, and then",
                "        nothing at all",
            ]
        );
        assert_eq!(line.rows(100, false), [line.row(false)]);
    }

    #[test]
    fn a_word_that_is_too_long_stays_whole() {
        let line = Line::new()
            .say("see /a/very/long/path/of/a/file now")
            .hang(2);
        assert_eq!(
            line.rows(10, false),
            ["see", "  /a/very/long/path/of/a/file", "  now"]
        );
    }

    #[test]
    fn a_command_is_never_broken() {
        let line = Line::new().say("hint: clusterctl resume 20260131").whole();
        assert_eq!(line.rows(10, false).len(), 1);
    }

    #[test]
    fn is_cut_at_columns_and_not_at_bytes() {
        let line = Line::new().say("日本語").say(" tail");
        assert_eq!(line.cut(6, "…").row(false), "日本…");
        assert_eq!(line.cut(5, "…").row(false), "日本…");
        assert_eq!(line.cut(20, "…").row(false), "日本語 tail");
    }

    #[test]
    fn tones_do_not_count_as_width() {
        let line = Line::new().and(Tone::Good, "good").say(" rest");
        assert_eq!(line.rows(9, true), ["\u{1b}[32mgood\u{1b}[0m rest"]);
    }
}
