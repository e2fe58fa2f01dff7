//! The refusal of a file that Java itself refuses.
//!
//! Owns the list of reasons and their wording for people.
//!
//! ```
//! use clusterctl::properties::Properties;
//! let refusal = Properties::parse(b"home=C:\\users").check().unwrap_err();
//! assert!(refusal.to_string().starts_with("Java refuses to load this file."));
//! ```

use super::Problem;

/// A file that `java.util.Properties` throws an exception for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "Java refuses to load this file. {first}{} Correct the file by hand first: write \
     four hexadecimal digits behind `\\u`, or `\\\\u` for a backslash and a u.",
    .more.message()
)]
pub struct Unreadable {
    first: Problem,
    more: More,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct More(Vec<Problem>);

impl More {
    fn message(&self) -> String {
        match self.0.len() {
            0 => String::new(),
            1 => format!(" There is one more such place, on line {}.", self.0[0].line),
            count => format!(
                " There are {count} more such places, the next on line {}.",
                self.0[0].line
            ),
        }
    }
}

impl Unreadable {
    /// The refusal for these problems, when there are any.
    pub(super) fn of(problems: &[Problem]) -> Option<Self> {
        let (&first, more) = problems.split_first()?;
        Some(Self {
            first,
            more: More(more.to_vec()),
        })
    }

    /// Every place that Java refuses, in the order of the file.
    pub fn problems(&self) -> impl Iterator<Item = Problem> {
        std::iter::once(self.first).chain(self.more.0.iter().copied())
    }
}
