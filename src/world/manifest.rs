//! The manifest of a folder: what is in it, so that two folders can be compared by one fingerprint.
//!
//! An entry says the path within the folder, the kind, the mode, the size, and
//! the fingerprint of the content or the target of a link. Owners and times are
//! no part of it. Links are not followed, but for the folder's own path.

use sha2::Digest as _;

use crate::plan::Sha256;

/// The entries of a manifest, which are added as they come in a walk that takes the names in each folder in the order of
/// their bytes.
pub(super) struct Entries(sha2::Sha256);

impl Entries {
    /// The manifest of a folder with this mode.
    pub(super) fn of_folder(mode: u32) -> Self {
        let mut entries = Self(sha2::Sha256::new());
        entries.add(b".", 'd', mode, 0, b"");
        entries
    }

    /// Adds an entry: `content` is a file's fingerprint, or a link's target.
    pub(super) fn add(&mut self, within: &[u8], kind: char, mode: u32, size: u64, content: &[u8]) {
        let mode = mode & 0o7777;
        self.0.update(within);
        self.0.update([0]);
        self.0
            .update(format!("{kind} {mode:o} {size} {} ", content.len()));
        self.0.update(content);
        self.0.update([0]);
    }

    /// The fingerprint of all of them.
    pub(super) fn digest(self) -> Sha256 {
        Sha256::from_raw(&self.0.finalize())
    }
}
