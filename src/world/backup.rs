//! What a step keeps before it changes something, and how that is put back.
//!
//! A backup is a folder that only its owner may enter: `kept.json` says what was
//! there, and is written last, so that a backup either is complete or is none;
//! `content` or `tree` holds the bytes. `in-place` is there while a file is
//! written in place: what stands in the file may then be neither old nor new.

use std::path::{Path, PathBuf};

use super::names::with_ending;
use super::node_folder::NodeFolder;
use crate::engine::Direction;
use crate::plan::{BackupRef, RunId};

/// The place of one backup.
#[derive(Debug, Clone)]
pub(super) struct Backup {
    folder: PathBuf,
}

impl Backup {
    /// What a step kept is at this path. A step that is taken back keeps what that changes elsewhere.
    pub(super) fn at(folder: PathBuf, direction: Direction) -> Self {
        Self {
            folder: match direction {
                Direction::Do => folder,
                Direction::Undo => with_ending(&folder, ".undo"),
            },
        }
    }

    /// What a step of this run, or of another, kept.
    pub(super) fn of(folder: &NodeFolder, this: &RunId, kept: &BackupRef) -> Self {
        let run = kept.run.as_ref().unwrap_or(this);
        Self::at(folder.backup(run, &kept.step), Direction::Do)
    }

    /// The folder of the backup.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }
}
