//! What went wrong with an invocation, for people and for programs.

use serde::Serialize;

use super::json::harmless;
use super::{Line, Look, Tone, wording};
use crate::engine::Fault;

/// The version of the form in which programs get errors.
const FORMAT: u32 = 1;

/// What went wrong: what, why, in which state things are now, and what to type next.
///
/// ```
/// use clusterctl::view::{Look, Trouble};
///
/// let error = anyhow::anyhow!("the file does not exist").context("cannot read cluster.toml");
/// let told = Trouble::of(&error).hint("clusterctl init writes one");
/// assert_eq!(
///     told.render(Look::Plain { colour: false }),
///     "error: cannot read cluster.toml\n  because: the file does not exist\nhint: clusterctl init writes one\n",
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// What went wrong.
    what: String,
    /// Why, from the nearest cause to the farthest.
    because: Vec<String>,
    /// The state that things are in now.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    /// What to type or to do next.
    hints: Vec<String>,
    /// The exit code, once it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    exit: Option<u8>,
}

#[derive(Serialize)]
struct Told<'a> {
    format: u32,
    error: &'a Trouble,
}

impl Trouble {
    /// What an error and its causes say. Lines that begin with `hint: `, and the hints of faults, are told apart.
    pub fn of(error: &anyhow::Error) -> Self {
        let mut hints = Vec::new();
        let mut said: Vec<String> = Vec::new();
        for cause in error.chain() {
            let text = cause.to_string();
            let (advice, facts): (Vec<_>, Vec<_>) =
                text.lines().partition(|line| line.starts_with("hint: "));
            for hint in advice {
                add(&mut hints, hint.trim_start_matches("hint: "));
            }
            let facts = facts.join("\n");
            if !said.iter().any(|known| known.ends_with(facts.trim_end())) {
                add(&mut said, facts.trim_end());
            }
            let fault = cause.downcast_ref::<Fault>();
            if let Some(hint) = fault.and_then(|fault| fault.hint.as_deref()) {
                add(&mut hints, hint);
            }
        }
        if let Some(hint) = error
            .downcast_ref::<Fault>()
            .and_then(|fault| fault.hint.as_deref())
        {
            add(&mut hints, hint);
        }
        let mut said = said.into_iter();
        Self {
            what: said.next().unwrap_or_default(),
            because: said.collect(),
            state: None,
            hints,
            exit: None,
        }
    }

    /// The same, with the state that things are in now.
    #[must_use]
    pub fn state(self, state: impl Into<String>) -> Self {
        Self {
            state: Some(state.into()),
            ..self
        }
    }

    /// The same, with one more thing to type or to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl AsRef<str>) -> Self {
        add(&mut self.hints, hint.as_ref());
        self
    }

    /// The same, with the exit code that it leads to.
    #[must_use]
    pub fn exit(self, code: u8) -> Self {
        Self {
            exit: Some(code),
            ..self
        }
    }

    /// The trouble as text, for whoever looks.
    pub fn render(&self, look: Look) -> String {
        if look == Look::Json {
            return self.json();
        }
        let width = match look {
            Look::Terminal { width, .. } => usize::from(width),
            Look::Plain { .. } | Look::Json => usize::MAX,
        };
        self.lines()
            .iter()
            .flat_map(|line| line.rows(width, look.colour()))
            .map(|row| row + "\n")
            .collect()
    }

    fn lines(&self) -> Vec<Line> {
        let mut lines = text(Line::new().and(Tone::Bad, "error: "), &self.what);
        for cause in &self.because {
            lines.extend(text(Line::new().and(Tone::Faint, "  because: "), cause));
        }
        if let Some(state) = &self.state {
            let state = wording::sentence(state);
            lines.extend(text(Line::new().and(Tone::Strong, "state: "), &state));
        }
        for hint in &self.hints {
            let hint = text(Line::new().and(Tone::Strong, "hint: "), hint);
            lines.extend(hint.into_iter().map(Line::whole));
        }
        lines
    }

    fn json(&self) -> String {
        let told = Told {
            format: FORMAT,
            error: self,
        };
        // Nothing but texts and numbers, which JSON can always say.
        let json = serde_json::to_string(&told).unwrap_or_default();
        harmless(&json) + "\n"
    }
}

/// A text behind its label; further lines of it, such as the place in a file, below its beginning.
fn text(label: Line, text: &str) -> Vec<Line> {
    let indent = label.width();
    let mut rows = text.lines();
    let first = label.say(rows.next().unwrap_or_default()).hang(indent);
    let below = rows.map(|row| {
        Line::new()
            .say(" ".repeat(indent))
            .say(row)
            .hang(indent)
            .whole()
    });
    std::iter::once(first).chain(below).collect()
}

/// Adds a text unless it is there already: causes often repeat what the error above them said.
fn add(texts: &mut Vec<String>, text: &str) {
    if !text.is_empty() && !texts.iter().any(|known| known == text) {
        texts.push(text.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::FaultKind;
    use anyhow::Context as _;

    fn error() -> anyhow::Error {
        let fault = Fault::new(
            FaultKind::Denied,
            "the user deploy may not write /opt/ucd/server/conf/server/installed.properties",
        )
        .hint("sudo -l -U deploy shows what the user may do");
        Err::<(), _>(fault)
            .context("the step restart/ucd2/edit failed\nhint: clusterctl runs show says more")
            .context("the run 20260131-014640-kqzf stopped")
            .unwrap_err()
    }

    fn trouble() -> Trouble {
        Trouble::of(&error())
            .state("ucd1 in the pool, running; ucd2 out of the pool, stopped")
            .hint("clusterctl resume 20260131-014640-kqzf")
            .exit(40)
    }

    #[test]
    fn says_what_why_in_which_state_and_what_next() {
        let look = Look::Terminal {
            width: 60,
            colour: false,
            unicode: true,
        };
        insta::assert_snapshot!(trouble().render(look));
    }

    #[test]
    fn is_not_wrapped_in_a_log() {
        let text = trouble().render(Look::Plain { colour: false });
        assert_eq!(text.lines().count(), 7, "{text}");
    }

    #[test]
    fn programs_get_the_same() {
        insta::assert_snapshot!(trouble().render(Look::Json));
    }

    #[test]
    fn the_place_in_a_file_keeps_its_lines() {
        let error =
            anyhow::anyhow!("cluster.toml:7:9: unknown key\n  7 | addres = \"x\"\n    | ^^^^^^");
        assert_eq!(
            Trouble::of(&error).render(Look::Plain { colour: false }),
            "error: cluster.toml:7:9: unknown key\n         7 | addres = \"x\"\n           | ^^^^^^\n"
        );
    }

    #[test]
    fn hostile_text_is_harmless() {
        let error = anyhow::anyhow!("\u{1b}[2J\u{202e}x\u{9b}1m");
        for look in [Look::Plain { colour: false }, Look::Json] {
            let text = Trouble::of(&error).render(look);
            assert!(
                text.trim_end().chars().all(crate::plan::printable::shows),
                "{text:?}"
            );
        }
    }
}
