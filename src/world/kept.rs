//! What a step kept, as its backup's record says it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::attributes::Attributes;
use crate::engine::{Fault, FaultKind};

/// The version of `kept.json`.
const FORMAT: u32 = 1;

/// What stood at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kept {
    /// Nothing.
    Nothing,
    /// A file: its bytes are in `content`.
    File {
        /// Where it really was.
        real: Bytes,
        attributes: Attributes,
    },
    /// A symbolic link.
    Link { target: Bytes },
    /// A folder, now in `tree`.
    Tree,
    /// Something that got another name beside its old one.
    Aside { at: Bytes },
}

/// A path, which need not be text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Bytes(Vec<u8>);

impl Bytes {
    pub(super) fn of(path: impl AsRef<OsStr>) -> Self {
        Self(path.as_ref().as_bytes().to_vec())
    }

    pub(super) fn path(&self) -> PathBuf {
        OsString::from_vec(self.0.clone()).into()
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    format: u32,
    path: Bytes,
    kept: Kept,
}

impl Kept {
    /// What the record of a backup says; `at` is the record's path.
    pub(super) fn read(record: &[u8], at: &Path) -> Result<Self, Fault> {
        let unusable = |why: String| {
            let what = format!("the backup {} can't be used: {why}", at.display());
            Fault::new(FaultKind::Failed, what)
        };
        let record: Record =
            serde_json::from_slice(record).map_err(|error| unusable(error.to_string()))?;
        if record.format > FORMAT {
            return Err(unusable(format!(
                "a newer clusterctl wrote it (format {})",
                record.format
            )));
        }
        Ok(record.kept)
    }

    /// The record of what stood at the path, in one line.
    pub(super) fn record(self, path: &Path) -> Vec<u8> {
        let record = Record {
            format: FORMAT,
            path: Bytes::of(path),
            kept: self,
        };
        serde_json::to_vec(&record).unwrap_or_default()
    }

    /// Whether both are the same but for the time of the last reading, which reading changes.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        let unread = |kept: &Self| match kept {
            Self::File { real, attributes } => Self::File {
                real: real.clone(),
                attributes: attributes.unread(),
            },
            other => other.clone(),
        };
        unread(self) == unread(other)
    }
}
