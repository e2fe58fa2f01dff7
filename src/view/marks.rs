//! The signs in front of lines, and what bars are made of.

/// The signs that a terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Marks {
    pub(super) done: &'static str,
    pub(super) failed: &'static str,
    pub(super) taken_back: &'static str,
    pub(super) asks: &'static str,
    pub(super) warns: &'static str,
    pub(super) stage: &'static str,
    pub(super) cut: &'static str,
    pub(super) full: &'static str,
    pub(super) empty: &'static str,
    turning: &'static [&'static str],
}

impl Marks {
    const UNICODE: Self = Self {
        done: "✓",
        failed: "✗",
        taken_back: "↩",
        asks: "?",
        warns: "!",
        stage: "──",
        cut: "…",
        full: "█",
        empty: "░",
        turning: &["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"],
    };

    const ASCII: Self = Self {
        done: "+",
        failed: "x",
        taken_back: "<",
        asks: "?",
        warns: "!",
        stage: "--",
        cut: "~",
        full: "#",
        empty: ".",
        turning: &["|", "/", "-", "\\"],
    };

    pub(super) fn new(unicode: bool) -> Self {
        if unicode { Self::UNICODE } else { Self::ASCII }
    }

    /// The sign of something that goes on.
    pub(super) fn turning(&self, past: std::time::Duration) -> &'static str {
        let frames = self.turning.len().max(1) as u128;
        let frame = usize::try_from(past.as_millis() / 100 % frames).unwrap_or(0);
        self.turning.get(frame).copied().unwrap_or("*")
    }
}
