//! A command as a list of arguments, never as a joined string.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A command: the program and its arguments.
///
/// It becomes a line for a shell in one place only, [`Argv::posix`].
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Argv(Vec<String>);

impl Argv {
    /// A command from its words.
    pub fn new<I, S>(words: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<String>,
    {
        Self(words.into_iter().map(Into::into).collect())
    }

    /// The same command with one more argument.
    #[must_use]
    pub fn arg(mut self, word: impl Into<String>) -> Self {
        self.0.push(word.into());
        self
    }

    /// The program and its arguments.
    pub fn words(&self) -> &[String] {
        &self.0
    }

    /// The command as one line for a POSIX shell, every word quoted where it must be.
    pub fn posix(&self) -> String {
        self.0
            .iter()
            .map(|word| quote(word))
            .collect::<Vec<_>>()
            .join(" ")
    }
}

impl fmt::Display for Argv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.posix())
    }
}

/// One word for a POSIX shell: bare when no shell could misread it, else in single quotes.
fn quote(word: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || "%+,-./:@_".contains(c);
    if !word.is_empty() && word.chars().all(bare) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_a_shell_could_misread_are_quoted() {
        let argv = Argv::new(["/opt/x/bin/server", "a b", "", "it's", "k=v", "~", "-n"]);
        assert_eq!(
            argv.posix(),
            r"/opt/x/bin/server 'a b' '' 'it'\''s' 'k=v' '~' -n"
        );
    }

    #[test]
    fn a_real_shell_reads_back_every_byte_but_nul() {
        let word: String = (1..=127_u8).map(char::from).chain("é☃".chars()).collect();
        let line = Argv::new(["printf", "%s", &word]).posix();
        let out = std::process::Command::new("/bin/sh")
            .args(["-c", &line])
            .output()
            .unwrap();
        assert_eq!(out.stdout, word.as_bytes());
    }
}
