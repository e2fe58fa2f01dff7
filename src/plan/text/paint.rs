//! Colours, or none.

/// What a piece of text is, from the least to the most urgent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ink {
    Plain,
    Dim,
    Bold,
    Green,
    Removed,
    Cyan,
    Yellow,
    Magenta,
    Red,
}

impl Ink {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Dim => "\u{1b}[2m",
            Self::Bold => "\u{1b}[1m",
            Self::Green => "\u{1b}[32m",
            Self::Removed => "\u{1b}[31m",
            Self::Cyan => "\u{1b}[36m",
            Self::Yellow => "\u{1b}[33m",
            Self::Magenta => "\u{1b}[1;35m",
            Self::Red => "\u{1b}[1;31m",
        }
    }
}

/// Whether there are colours.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint(pub(super) bool);

impl Paint {
    /// The text in this colour.
    pub(super) fn ink(self, ink: Ink, text: &str) -> String {
        if !self.0 || ink == Ink::Plain || text.trim().is_empty() {
            return text.to_owned();
        }
        format!("{}{text}\u{1b}[0m", ink.code())
    }

    /// How many columns a line takes that was painted here.
    pub(super) fn length(self, painted: &str) -> usize {
        let all = painted.chars().count();
        if !self.0 {
            return all;
        }
        // Nothing but paint brings an escape into a line; each ends with `m`.
        let codes: usize = painted
            .split('\u{1b}')
            .skip(1)
            .map(|rest| rest.chars().take_while(|c| *c != 'm').count() + 2)
            .sum();
        all.saturating_sub(codes)
    }
}
