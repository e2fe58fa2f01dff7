//! Puts a file in the place of another: whole, with everything that the old one had, or not at all.
//!
//! The new file is written without a name and gets one only when it is complete
//! and on disk, so that a process that is killed leaves nothing behind but in
//! the instant between that name and the exchange; the next attempt of the same
//! run clears it away. A file with several names can't be exchanged without
//! cutting it off from the others, and one that is mounted there can't be at
//! all: such a one is written in place, once a backup of it is safe.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FallocateFlags, Mode, OFlags};
use rustix::io::Errno;

use super::attributes::{Attributes, Exactness};
use super::durable;
use super::errno::OrFault as _;
use super::original::Original;
use crate::engine::{Fault, FaultKind};
use crate::plan::RunId;

/// What is to be there.
pub(super) struct Fresh<'a> {
    pub(super) bytes: &'a [u8],
    /// What the file gets besides its content.
    pub(super) attributes: Given<'a>,
}

/// What a file gets besides its content.
#[derive(Clone, Copy)]
pub(super) enum Given<'a> {
    /// A mode; everything else as for any new file.
    Mode(u32),
    /// All that another file has, but for the times.
    Kept(&'a Attributes),
    /// All that another file has, the times included, as one that is put back does.
    Restored(&'a Attributes),
}

impl Given<'_> {
    fn give(self, file: &File, path: &Path) -> Result<(), Fault> {
        match self {
            Self::Mode(mode) => {
                rustix::fs::fchmod(file, Mode::from_raw_mode(mode)).or_fault("given its mode", path)
            }
            Self::Kept(attributes) => attributes.give(file, path, Exactness::All),
            Self::Restored(attributes) => attributes
                .give(file, path, Exactness::All)
                .and_then(|()| attributes.give_times(file, path)),
        }
    }
}

/// Where something of a run is kept beside a path until it gets its name, or after it lost it.
pub(super) fn beside(path: &Path, run: &RunId, ending: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let hidden = format!(".{name}.clusterctl-{run}{ending}");
    // A name has at most 255 bytes; what is cut off is made up for by a fingerprint.
    if hidden.len() <= 255 {
        return path.with_file_name(hidden);
    }
    let digest = crate::plan::Sha256::of(name.as_bytes());
    path.with_file_name(format!(".{}.clusterctl-{run}{ending}", digest.short()))
}

/// Puts a file where nothing is.
pub(super) fn create(path: &Path, fresh: &Fresh<'_>, run: &RunId) -> Result<(), Fault> {
    let temporary = prepare(path, fresh, run)?;
    rustix::fs::renameat_with(
        CWD,
        &temporary,
        CWD,
        path,
        rustix::fs::RenameFlags::NOREPLACE,
    )
    .or_else(|error| match error {
        Errno::INVAL | Errno::NOSYS if !exists(path) => rustix::fs::rename(&temporary, path),
        other => Err(other),
    })
    .or_fault("made", path)
    .and_then(|()| durable::sync_parent(path).or_fault("made", path))
    .inspect_err(|_| clear(&temporary))
}

/// Exchanges a file for another, if it is still the one that was read.
pub(super) fn exchange(old: &Original, fresh: &Fresh<'_>, run: &RunId) -> Result<(), Fault> {
    let path = &old.real;
    if old.must_stay() {
        return write_in_place(old, fresh);
    }
    let temporary = prepare(path, fresh, run)?;
    old.check_same()
        .and_then(|()| rustix::fs::rename(&temporary, path).or_fault("replaced", path))
        .and_then(|()| durable::sync_parent(path).or_fault("replaced", path))
        .inspect_err(|_| clear(&temporary))
}

pub(super) fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// The name of the complete new file beside its place.
fn prepare(path: &Path, fresh: &Fresh<'_>, run: &RunId) -> Result<PathBuf, Fault> {
    let temporary = beside(path, run, "");
    clear(&temporary);
    let nameless = nameless_beside(path).or_fault("replaced", path)?;
    let named = nameless.is_none();
    let mut file = match nameless {
        Some(file) => file,
        None => durable::private(OpenOptions::new().write(true).create_new(true))
            .open(&temporary)
            .or_fault("replaced", path)?,
    };
    let written = fill(&mut file, fresh, path).and_then(|()| {
        if named {
            return Ok(());
        }
        let link = format!("/proc/self/fd/{}", file.as_raw_fd());
        rustix::fs::linkat(CWD, link, CWD, &temporary, AtFlags::SYMLINK_FOLLOW)
            .or_fault("replaced", path)
    });
    match written {
        Ok(()) => Ok(temporary),
        Err(fault) => {
            clear(&temporary);
            Err(fault)
        }
    }
}

/// A file without a name on the file system of the path; `None` where there is no such thing.
fn nameless_beside(path: &Path) -> io::Result<Option<File>> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    match rustix::fs::open(folder, flags, Mode::RUSR | Mode::WUSR) {
        Ok(_) if !Path::new("/proc/self/fd").exists() => Ok(None),
        Ok(file) => Ok(Some(file.into())),
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn fill(file: &mut File, fresh: &Fresh<'_>, path: &Path) -> Result<(), Fault> {
    file.write_all(fresh.bytes).or_fault("replaced", path)?;
    fresh.attributes.give(file, path)?;
    file.sync_all().or_fault("replaced", path)
}

fn clear(temporary: &Path) {
    let _ = std::fs::remove_file(temporary);
}

fn write_in_place(old: &Original, fresh: &Fresh<'_>) -> Result<(), Fault> {
    let path = &old.real;
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new()
        .write(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .or_fault("written", path)?;
    old.check_same()?;
    make_room(&file, fresh.bytes.len() as u64, path)?;
    let written = overwrite(&file, fresh.bytes).or_fault("written", path);
    if written.is_err() {
        // The bytes that were there had room before.
        let _ = overwrite(&file, &old.bytes);
    }
    written?;
    fresh.attributes.give(&file, path)?;
    file.sync_all().or_fault("written", path)
}

/// Has the disk set aside what a longer file needs, so that a full disk is found before the first byte is written.
fn make_room(file: &File, length: u64, path: &Path) -> Result<(), Fault> {
    if length == 0 {
        return Ok(());
    }
    match rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, length) {
        Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(()),
        Err(error) => Err(error).or_fault("written", path),
    }
}

fn overwrite(file: &File, bytes: &[u8]) -> io::Result<()> {
    file.write_all_at(bytes, 0)?;
    file.set_len(bytes.len() as u64)?;
    file.sync_all()
}

/// Refuses names that can't be kept beside a path.
pub(super) fn check_has_name(path: &Path) -> Result<(), Fault> {
    match (path.parent(), path.file_name()) {
        (Some(_), Some(_)) => Ok(()),
        _ => Err(Fault::new(
            FaultKind::Failed,
            format!(
                "{} is not the path of something in a folder",
                path.display()
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn run() -> RunId {
        "20260131-020455-kqzf".parse().unwrap()
    }

    #[test]
    fn what_somebody_else_changed_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.conf");
        let changes: [&dyn Fn(); 4] = [
            &|| fs::write(&path, "theirs").unwrap(),
            &|| {
                fs::write(folder.path().join("b.conf"), "theirs").unwrap();
                fs::rename(folder.path().join("b.conf"), &path).unwrap();
            },
            &|| {
                fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o604))
                    .unwrap();
            },
            &|| fs::remove_file(&path).unwrap(),
        ];
        for change in changes {
            fs::write(&path, "old").unwrap();
            let found = Original::read(&path).unwrap().unwrap();
            change();
            let theirs = fs::read(&path).ok();
            let fresh = Fresh {
                bytes: b"ours",
                attributes: Given::Kept(&found.attributes),
            };
            let fault = exchange(&found, &fresh, &run()).unwrap_err();
            assert_eq!(fault.kind, FaultKind::Stale);
            assert_eq!(fs::read(&path).ok(), theirs);
            let names = fs::read_dir(folder.path()).unwrap().count();
            assert_eq!(names, usize::from(theirs.is_some()));
        }
    }

    #[test]
    fn what_appeared_in_the_meantime_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.conf");
        fs::write(&path, "theirs").unwrap();
        let fresh = Fresh {
            bytes: b"ours",
            attributes: Given::Mode(0o600),
        };
        create(&path, &fresh, &run()).unwrap_err();
        assert_eq!(fs::read(&path).unwrap(), b"theirs");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
