//! Why a file on a machine was not read or written.

use super::RemoteError;

/// What is in the way of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileErrorKind {
    /// It is not there, or its folder is not.
    Absent,
    /// It is no regular file.
    NotAFile,
    /// It is a folder.
    Folder,
    /// What should be a folder is none.
    NotAFolder,
    /// We may not.
    Denied,
    /// There is no space left, or none that we may take.
    NoSpace,
    /// Nothing can be changed on its file system.
    ReadOnly,
    /// It is another one than the one that was expected, or changed meanwhile.
    Changed,
    /// It is larger than what is taken.
    TooLarge,
    /// What was to be written did not arrive whole, and was thrown away.
    Incomplete,
    /// Something else, told in the machine's words.
    Other,
}

/// Why a file on a machine was not read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// The machine did not do what it was asked to do.
    #[error(transparent)]
    Host(#[from] RemoteError),
    /// The machine did, and the file is in the way. Nothing was changed.
    #[error("{what}")]
    File {
        /// What is in the way.
        kind: FileErrorKind,
        /// What happened, in a sentence without the node's name.
        what: String,
    },
}

impl FileError {
    /// A file is in the way.
    pub(super) fn new(kind: FileErrorKind, what: impl Into<String>) -> Self {
        Self::File {
            kind,
            what: what.into(),
        }
    }

    /// What is in the way, when the machine did what it was asked to do.
    pub fn kind(&self) -> Option<FileErrorKind> {
        match self {
            Self::Host(_) => None,
            Self::File { kind, .. } => Some(*kind),
        }
    }
}

impl FileErrorKind {
    /// What the system's words mean, as `glibc` and `musl` say them.
    pub(super) fn from_words(words: &str) -> Option<Self> {
        Some(match words {
            "No such file or directory" => Self::Absent,
            "Permission denied" | "Operation not permitted" => Self::Denied,
            "No space left on device" | "Disk quota exceeded" | "Quota exceeded" => Self::NoSpace,
            "Read-only file system" => Self::ReadOnly,
            "Not a directory" => Self::NotAFolder,
            "Is a directory" => Self::Folder,
            "File name too long"
            | "Filename too long"
            | "Too many levels of symbolic links"
            | "Symbolic link loop"
            | "Input/output error"
            | "I/O error"
            | "Text file busy"
            | "Stale file handle"
            | "File too large" => Self::Other,
            _ => return None,
        })
    }
}
