//! The runner's own side: the person at the terminal, and the hooks.

use crate::plan::{Hook, Step};

/// What the engine needs of the machine that it runs on.
pub trait Desk: Sync {
    /// Asks the person to do something.
    fn ask(&self, step: &Step, request: &str, evidence: &str) -> Answer;

    /// Runs a hook with these variables in its environment; gives what went wrong.
    fn hook(&self, hook: &Hook, environment: &[(&str, String)]) -> Result<(), String>;
}

/// What the person said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is done, and this shows it.
    Done {
        /// What shows it.
        evidence: String,
    },
    /// It is not to be done, or not now.
    No,
    /// There is nobody to ask.
    Nobody,
}
