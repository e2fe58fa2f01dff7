//! What is wrong with a configuration of SSH, shown the way a person can mend it.

use std::fmt;
use std::sync::Arc;

use crate::remote::{RemoteError, RemoteErrorKind};

/// The most problems that one error shows.
const SHOWN: usize = 10;

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, as it was named.
    pub file: Arc<str>,
    /// The line, counted from one.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshConfigProblem {
    /// Where it stands, unless it is about a whole file or about a host.
    pub place: Option<Place>,
    /// What is wrong, in one line.
    pub what: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl SshConfigProblem {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self {
            place: None,
            what: printable(&what.into()),
            hint: None,
        }
    }

    pub(super) fn at(mut self, place: &Place) -> Self {
        self.place = Some(place.clone());
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(printable(&hint.into()));
        self
    }
}

impl fmt::Display for SshConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{place}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

/// A text without control characters.
fn printable(text: &str) -> String {
    let letters = text.chars().map(|c| if c.is_control() { '?' } else { c });
    letters.collect()
}

/// The configuration of SSH can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshConfigError {
    problems: Vec<SshConfigProblem>,
}

impl SshConfigError {
    pub(super) fn new(problems: Vec<SshConfigProblem>) -> Self {
        Self { problems }
    }

    /// Everything that is wrong, in the order in which it is read.
    pub fn problems(&self) -> &[SshConfigProblem] {
        &self.problems
    }
}

impl From<SshConfigProblem> for SshConfigError {
    fn from(problem: SshConfigProblem) -> Self {
        Self::new(vec![problem])
    }
}

impl fmt::Display for SshConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.problems.iter().take(SHOWN).enumerate() {
            if number > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
            if let Some(hint) = &problem.hint {
                write!(f, "\n  hint: {hint}")?;
            }
        }
        match self.problems.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

impl std::error::Error for SshConfigError {}

impl From<SshConfigError> for RemoteError {
    fn from(error: SshConfigError) -> Self {
        let Some(first) = error.problems.first() else {
            return Self::new(RemoteErrorKind::Configuration, error.to_string());
        };
        let more = match error.problems.len() - 1 {
            0 => String::new(),
            1 => " (and one more problem)".to_owned(),
            more => format!(" (and {more} more problems)"),
        };
        let what = format!("the configuration of SSH can't be used: {first}{more}");
        let error = Self::new(RemoteErrorKind::Configuration, what);
        let usual = "correct it there; `ssh -G HOST` shows whether OpenSSH reads it, too";
        error.hint(first.hint.as_deref().unwrap_or(usual))
    }
}
