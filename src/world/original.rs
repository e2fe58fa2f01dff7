//! A file as it was found: its content and attributes, and how to tell that it is still the same.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, StatxAttributes, StatxFlags};
use zeroize::Zeroizing;

use super::attributes::Attributes;
use super::errno::{self, OrFault as _};
use crate::engine::{Fault, FaultKind};

/// The largest file that is read into memory.
pub(super) const LARGEST: u64 = 64 << 20;

/// A file as it was found.
pub(super) struct Original {
    /// Where it really is: no part of this path is a link.
    pub(super) real: PathBuf,
    pub(super) attributes: Attributes,
    pub(super) bytes: Zeroizing<Vec<u8>>,
    seen: Seen,
    must_stay: bool,
}

/// What changes when a file is changed or exchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    device: u64,
    inode: u64,
    size: i64,
    modified: (i64, u64),
    changed: (i64, u64),
}

impl Seen {
    fn of(stat: &Stat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: stat.st_size,
            modified: (stat.st_mtime, stat.st_mtime_nsec),
            changed: (stat.st_ctime, stat.st_ctime_nsec),
        }
    }
}

impl Original {
    /// Reads a file; links are followed. `None` where there is nothing.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, Fault> {
        let real = match std::fs::canonicalize(path) {
            Err(error) if errno::is_absent(&error) => return Ok(None),
            real => real.or_fault("read", path)?,
        };
        let Some((mut file, stat)) = open(&real)? else {
            return Ok(None);
        };
        let attributes = Attributes::of(&file, &stat, &real)?;
        let bytes = read_all(&mut file, &stat, path)?;
        Ok(Some(Self {
            attributes,
            bytes,
            seen: Seen::of(&stat),
            must_stay: stat.st_nlink > 1 || is_mounted(&real),
            real,
        }))
    }

    /// Whether no other file can take its place: it has other names, which must go on naming it, or it is mounted
    /// there, as files are in containers.
    pub(super) fn must_stay(&self) -> bool {
        self.must_stay
    }

    /// Refuses when the file is not the one that was read any more.
    pub(super) fn check_same(&self) -> Result<(), Fault> {
        let now = rustix::fs::lstat(&self.real).map(|stat| Seen::of(&stat));
        if now == Ok(self.seen) {
            return Ok(());
        }
        Err(Fault::new(
            FaultKind::Stale,
            format!(
                "somebody else changed {} at the same time; it was left as they made it",
                self.real.display()
            ),
        ))
    }
}

fn is_mounted(path: &Path) -> bool {
    rustix::fs::statx(CWD, path, AtFlags::empty(), StatxFlags::empty())
        .is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// Opens a regular file, and nothing else: no pipe is waited for, no device is woken. `None` where there is nothing.
pub(super) fn open(path: &Path) -> Result<Option<(File, Stat)>, Fault> {
    let kind = match rustix::fs::stat(path).map_err(io::Error::from) {
        Err(error) if errno::is_absent(&error) => return Ok(None),
        stat => FileType::from_raw_mode(stat.or_fault("read", path)?.st_mode),
    };
    refuse_other_than_file(kind, path)?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from) {
        Err(error) if errno::is_absent(&error) => return Ok(None),
        file => File::from(file.or_fault("read", path)?),
    };
    let stat = rustix::fs::fstat(&file).or_fault("read", path)?;
    refuse_other_than_file(FileType::from_raw_mode(stat.st_mode), path)?;
    Ok(Some((file, stat)))
}

fn refuse_other_than_file(kind: FileType, path: &Path) -> Result<(), Fault> {
    let what = match kind {
        FileType::RegularFile => return Ok(()),
        FileType::Directory => "a folder",
        FileType::Fifo => "a pipe",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        _ => "something else",
    };
    Err(Fault::new(
        FaultKind::Failed,
        format!("{} is {what} and not a file", path.display()),
    ))
}

fn read_all(file: &mut File, stat: &Stat, path: &Path) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    let too_large = || {
        Fault::new(
            FaultKind::Failed,
            format!(
                "{} is larger than {} MiB, the most that is edited",
                path.display(),
                LARGEST >> 20
            ),
        )
    };
    if size > LARGEST {
        return Err(too_large());
    }
    // One byte more than there should be, so that the buffer never grows and leaves no copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1));
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .or_fault("read", path)?;
    if bytes.len() as u64 > LARGEST {
        return Err(too_large());
    }
    Ok(bytes)
}

/// The content of a file that is not too large to be edited; links are followed. `None` where there is nothing.
pub fn read_file_bounded(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, Fault> {
    match open(path)? {
        None => Ok(None),
        Some((mut file, stat)) => read_all(&mut file, &stat, path).map(Some),
    }
}
