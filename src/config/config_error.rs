//! What is wrong with a cluster file, shown the way a person can mend it.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;

use super::source::{Excerpt, Source};

/// The most problems that one error shows.
const SHOWN: usize = 20;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("{path}: {problem}{}", hint_line(.hint.as_deref()), path = .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is the matter with it.
        problem: String,
        /// What to do.
        hint: Option<String>,
        /// What the system says.
        source: Option<io::Error>,
    },
    /// The file says something that it can't say.
    #[error("{0}")]
    Invalid(Problems),
}

impl ConfigError {
    /// The problems with their positions; none if the file can't be read.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Unreadable { .. } => &[],
            Self::Invalid(problems) => &problems.list,
        }
    }
}

/// All problems of one cluster file, in the order of their lines.
#[derive(Debug)]
pub struct Problems {
    origin: String,
    list: Vec<Problem>,
}

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    message: String,
    hints: Vec<String>,
    line: usize,
    column: usize,
    excerpt: Excerpt,
}

impl Problem {
    /// What is wrong, in one line.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it.
    pub fn hints(&self) -> &[String] {
        &self.hints
    }

    /// The line, counted from one.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The column in characters, counted from one.
    pub fn column(&self) -> usize {
        self.column
    }
}

/// Collects problems while a file is read.
#[derive(Debug, Default)]
pub(super) struct Findings {
    list: Vec<(Range<usize>, String)>,
}

impl Findings {
    /// Notes a problem. Lines of `message` after the first that begin with
    /// `hint: ` say what to do.
    pub(super) fn add(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.list.push((span, message.into()));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Keeps the first problem of each line: one slip of the pen makes a
    /// parser stumble more than once.
    pub(super) fn first_of_each_line(mut self, source: &Source<'_>) -> Self {
        self.list.sort_by_key(|(span, _)| span.start);
        self.list
            .dedup_by_key(|(span, _)| source.position(span.start).0);
        self
    }

    /// The error that shows all that was found.
    pub(super) fn into_error(mut self, source: &Source<'_>, origin: &str) -> ConfigError {
        self.list.sort_by_key(|(span, _)| span.start);
        self.list.dedup();
        let list = self
            .list
            .into_iter()
            .map(|(span, text)| {
                let (line, column) = source.position(span.start);
                let mut parts = text.split("\nhint: ");
                Problem {
                    message: printable(parts.next().unwrap_or_default()),
                    hints: parts.map(printable).collect(),
                    line,
                    column,
                    excerpt: source.excerpt(&span),
                }
            })
            .collect();
        ConfigError::Invalid(Problems {
            origin: printable(origin),
            list,
        })
    }
}

/// A text without orders to a terminal. Line ends stay.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() && c != '\n' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

fn hint_line(hint: Option<&str>) -> String {
    hint.map_or_else(String::new, |hint| format!("\nhint: {hint}"))
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.list.iter().take(SHOWN).enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            write!(f, "{}:{problem}", self.origin)?;
        }
        if self.list.len() > SHOWN {
            write!(
                f,
                "\n\n{} more problems are not shown",
                self.list.len() - SHOWN
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Excerpt {
            text,
            indent,
            carets,
        } = &self.excerpt;
        let gutter = self.line.to_string();
        let blank = " ".repeat(gutter.len());
        writeln!(f, "{}:{}: {}", self.line, self.column, self.message)?;
        writeln!(f, "{blank} |")?;
        writeln!(f, "{}", format!("{gutter} | {text}").trim_end())?;
        write!(
            f,
            "{blank} | {}{}",
            " ".repeat(*indent),
            "^".repeat(*carets)
        )?;
        for hint in &self.hints {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}
