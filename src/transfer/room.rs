//! How much room a tree takes beside the one that is there, and whether there is as much.

use std::fmt;

use super::delta::Delta;
use super::manifest::{Entry, Kind};
use super::survey::{Archives, Survey};

/// In what units file systems give room away, mostly.
const UNIT: u64 = 4096;

/// The longest text of a link that takes no room of its own.
const SHORT: usize = 59;

/// Room on a file system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Room {
    /// In bytes.
    pub bytes: u64,
    /// How many files, folders and links.
    pub inodes: u64,
}

impl Room {
    /// What an entry takes that is no further name of a file; `target` is what a link names.
    pub(super) fn of(entry: &Entry, target: &[u8], archives: Archives) -> Self {
        let bytes = match (entry.kind, archives) {
            (Kind::Folder, _) => UNIT,
            (Kind::File, Archives::Gnu) => entry.taken,
            // The programs of busybox fill holes with zeros.
            (Kind::File, Archives::Busybox) => entry.size,
            (Kind::Link, _) if target.len() > SHORT => UNIT,
            (Kind::Link | Kind::Pipe, _) => 0,
        };
        Self {
            bytes: bytes.div_ceil(UNIT).saturating_mul(UNIT),
            inodes: 1,
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.inodes = self.inodes.saturating_add(other.inodes);
    }
}

/// What there is too little of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// Bytes.
    Space {
        /// How many are needed.
        needed: u64,
        /// How many are free.
        free: u64,
    },
    /// Inodes.
    Inodes {
        /// How many are needed.
        needed: u64,
        /// How many are free.
        free: u64,
    },
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kib = |bytes: u64| bytes / 1024;
        match self {
            Self::Space { needed, free } if *needed < 10 << 20 => write!(
                f,
                "{} KiB are needed beside the old tree, and {} KiB are free",
                kib(*needed),
                kib(*free)
            ),
            Self::Space { needed, free } => write!(
                f,
                "{} MiB are needed beside the old tree, and {} MiB are free",
                needed.div_ceil(1 << 20),
                free >> 20
            ),
            Self::Inodes { needed, free } => write!(
                f,
                "{needed} inodes (`df -i`) are needed beside the old tree, and {free} are free"
            ),
        }
    }
}

impl Delta {
    /// What there is too little of to stage the tree, where that is so.
    pub fn lack(&self, survey: &Survey) -> Option<Lack> {
        let free = survey.space.saturating_add(self.frees.bytes);
        if self.needs.bytes > free {
            let needed = self.needs.bytes;
            return Some(Lack::Space { needed, free });
        }
        let free = survey.inodes?.saturating_add(self.frees.inodes);
        let needed = self.needs.inodes;
        (needed > free).then_some(Lack::Inodes { needed, free })
    }
}
