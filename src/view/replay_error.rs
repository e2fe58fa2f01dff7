//! Why a recorded run cannot be shown.

use std::io;

use crate::engine::EVENT_FORMAT;

/// Why a recorded run cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The log cannot be read.
    #[error("the log cannot be read")]
    Read(#[source] io::Error),
    /// What is shown cannot be written.
    #[error("the output cannot be written")]
    Write(#[source] io::Error),
    /// A newer program wrote the log.
    #[error(
        "line {line} of the log has event format {format}, and this clusterctl knows formats up to {EVENT_FORMAT}\nhint: show it with the clusterctl that recorded it, or with a newer one"
    )]
    Newer {
        /// The line.
        line: usize,
        /// The format that it names.
        format: u32,
    },
    /// A line is no event.
    #[error("line {line} of the log is not an event")]
    Broken {
        /// The line.
        line: usize,
        /// What is wrong with it.
        #[source]
        problem: serde_json::Error,
    },
}
