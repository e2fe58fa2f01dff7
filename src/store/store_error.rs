//! What can go wrong with the runner's own files.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::plan::RunId;

/// What went wrong with the runner's own files.
#[derive(Debug, Error)]
pub enum StoreError {
    /// A file or folder could not be used.
    #[error("{} could not be {what}: {error}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// Why not.
        error: io::Error,
    },
    /// No run has this name.
    #[error("there is no run `{asked}` in {}", folder.display())]
    NoSuchRun {
        /// What was asked for.
        asked: String,
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// Several runs have names like this.
    #[error("`{asked}` could be any of {}", list(candidates))]
    Ambiguous {
        /// What was asked for.
        asked: String,
        /// The runs.
        candidates: Vec<RunId>,
    },
    /// Another process works on the run.
    #[error("another process on this machine works on run {run}")]
    Busy {
        /// The run.
        run: RunId,
        /// The process, if it left its number.
        pid: Option<u32>,
    },
}

fn list(runs: &[RunId]) -> String {
    let names: Vec<_> = runs.iter().take(5).map(RunId::as_str).collect();
    let more = if runs.len() > 5 { ", ..." } else { "" };
    format!("{}{more}", names.join(", "))
}

impl StoreError {
    pub(super) fn io(path: impl Into<PathBuf>, what: &'static str, error: io::Error) -> Self {
        Self::Io {
            path: path.into(),
            what,
            error,
        }
    }
}
