//! Why an edit was refused; the file is unchanged in every case.
//!
//! Owns the wording for people. Never holds a value: it may be a secret.
//!
//! ```
//! use clusterctl::properties::{Properties, Which};
//! let mut file = Properties::parse(b"a=1\na=2\n");
//! let refusal = file.unset("a", Which::Only).unwrap_err();
//! assert!(refusal.to_string().starts_with("The key `a` is defined 2 times, on lines 1 and 2."));
//! ```

use super::{JavaString, Unreadable};

/// How many line numbers a message lists.
const LISTED: usize = 8;

/// A refused edit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// Java cannot load the file as it is.
    #[error("The file was not changed. {0}")]
    Unreadable(#[from] Unreadable),
    /// The key is defined more than once and the edit does not say which it means.
    #[error(
        "The key `{key}` is defined {} times, on lines {}. Java uses the last one. The file \
         was not changed. Say which definition you mean, or remove the others first.",
        .lines.len(),
        list(.lines)
    )]
    Ambiguous {
        /// The key.
        key: JavaString,
        /// Where its definitions begin.
        lines: Vec<usize>,
    },
    /// The line that the edit names does not define the key.
    #[error(
        "Line {line} does not define the key `{key}`; {}. The file was not changed. Name a \
         line that defines the key.",
        places(.lines)
    )]
    NotOnLine {
        /// The key.
        key: JavaString,
        /// The line that the edit names.
        line: usize,
        /// Where its definitions begin.
        lines: Vec<usize>,
    },
}

fn places(lines: &[usize]) -> String {
    match lines {
        [] => "no line does".into(),
        [line] => format!("line {line} does"),
        _ => format!("lines {} do", list(lines)),
    }
}

fn list(lines: &[usize]) -> String {
    let join = |lines: &[usize]| {
        let numbers: Vec<_> = lines.iter().map(ToString::to_string).collect();
        numbers.join(", ")
    };
    match lines {
        [] => String::new(),
        [line] => line.to_string(),
        [first @ .., last] if lines.len() <= LISTED => format!("{} and {last}", join(first)),
        _ => format!(
            "{} and {} more",
            join(&lines[..LISTED]),
            lines.len() - LISTED
        ),
    }
}
