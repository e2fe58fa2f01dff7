//! The manifest of a folder: what is in it, so that two folders can be compared by one fingerprint.
//!
//! An entry says the path within the folder, the kind, the mode, the size, and
//! the fingerprint of the content or the target of a link. Owners and times are
//! no part of it. Links are not followed, but for the folder's own path.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;
use sha2::Digest as _;

use super::errno::{self, OrFault as _};
use super::watch::Watch;
use crate::engine::{Fault, FaultKind};
use crate::plan::{Millis, Sha256};

/// How much of a file is read at once.
const CHUNK: usize = 256 << 10;

/// The fingerprint of a folder's manifest; `None` where there is nothing.
pub fn manifest_digest(path: &Path) -> Result<Option<Sha256>, Fault> {
    digest(path, &Watch::unbroken(Millis(u64::MAX)))
}

/// The same, as long as the watch allows.
pub(super) fn digest(path: &Path, watch: &Watch<'_>) -> Result<Option<Sha256>, Fault> {
    let metadata = match fs::metadata(path) {
        Err(error) if errno::is_absent(&error) => return Ok(None),
        metadata => metadata.or_fault("read", path)?,
    };
    if !metadata.is_dir() {
        let what = format!("{} is not a folder", path.display());
        return Err(Fault::new(FaultKind::Failed, what));
    }
    let mut manifest = Manifest {
        entries: Entries::of_folder(metadata.mode()),
        buffer: vec![0; CHUNK],
        watch,
    };
    manifest.folder(path, &mut Vec::new())?;
    Ok(Some(manifest.entries.digest()))
}

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

/// The fingerprint of a file's content.
pub(super) fn file_digest(
    file: &mut File,
    path: &Path,
    watch: &Watch<'_>,
) -> Result<Sha256, Fault> {
    let raw = hash(file, path, &mut vec![0; CHUNK], watch)?;
    Ok(Sha256::from_raw(&raw))
}

struct Manifest<'a> {
    entries: Entries,
    buffer: Vec<u8>,
    watch: &'a Watch<'a>,
}

impl Manifest<'_> {
    fn folder(&mut self, path: &Path, within: &mut Vec<u8>) -> Result<(), Fault> {
        for name in sorted_names(path)? {
            let child = path.join(&name);
            let length = within.len();
            if length > 0 {
                within.push(b'/');
            }
            within.extend_from_slice(name.as_bytes());
            self.child(&child, within)?;
            within.truncate(length);
        }
        Ok(())
    }

    fn child(&mut self, path: &Path, within: &mut Vec<u8>) -> Result<(), Fault> {
        self.watch.check("reading a folder")?;
        let metadata = fs::symlink_metadata(path).or_fault("read", path)?;
        let kind = metadata.file_type();
        let mode = metadata.mode();
        if kind.is_dir() {
            self.entries.add(within, 'd', mode, 0, b"");
            self.folder(path, within)?;
        } else if kind.is_symlink() {
            let target = fs::read_link(path).or_fault("read", path)?;
            self.entries
                .add(within, 'l', 0, 0, target.as_os_str().as_bytes());
        } else if kind.is_file() {
            let mut file = fs::OpenOptions::new()
                .read(true)
                .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
                .open(path)
                .or_fault("read", path)?;
            let raw = hash(&mut file, path, &mut self.buffer, self.watch)?;
            self.entries.add(within, 'f', mode, metadata.len(), &raw);
        } else {
            self.entries.add(within, 'o', mode, 0, b"");
        }
        Ok(())
    }
}

/// The names in a folder, in the order of their bytes.
pub(super) fn sorted_names(folder: &Path) -> Result<Vec<OsString>, Fault> {
    let mut names = fs::read_dir(folder)
        .and_then(|entries| {
            entries
                .map(|entry| entry.map(|entry| entry.file_name()))
                .collect::<io::Result<Vec<_>>>()
        })
        .or_fault("read", folder)?;
    names.sort();
    Ok(names)
}

fn hash(
    file: &mut File,
    path: &Path,
    buffer: &mut [u8],
    watch: &Watch<'_>,
) -> Result<Vec<u8>, Fault> {
    let mut hasher = sha2::Sha256::new();
    loop {
        let count = match file.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            count => count.or_fault("read", path)?,
        };
        if count == 0 {
            return Ok(hasher.finalize().to_vec());
        }
        hasher.update(&buffer[..count]);
        watch.check("reading a file")?;
    }
}
