//! What a piece of text means, and the colour that says so.

/// What a piece of text means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    /// Nothing in particular.
    #[default]
    Usual,
    /// It went well.
    Good,
    /// It went wrong.
    Bad,
    /// Somebody should look at it.
    Warn,
    /// It is what matters in its line.
    Strong,
    /// It matters less than the rest.
    Faint,
}

impl Tone {
    /// The text, coloured if colours are welcome.
    pub(super) fn paint(self, text: &str, colour: bool) -> String {
        match self.code() {
            Some(code) if colour && !text.is_empty() => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            _ => text.to_owned(),
        }
    }

    fn code(self) -> Option<&'static str> {
        match self {
            Self::Usual => None,
            Self::Good => Some("32"),
            Self::Bad => Some("31"),
            Self::Warn => Some("33"),
            Self::Strong => Some("1"),
            Self::Faint => Some("2"),
        }
    }
}
