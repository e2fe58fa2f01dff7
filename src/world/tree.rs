//! Copies a folder with everything that makes it what it is: modes, owners, times, links of both kinds, extended
//! attributes, holes in files, empty folders.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{
    DirBuilderExt as _, FileExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, SeekFrom, Stat};
use rustix::io::Errno;

use super::attributes::{Attributes, Exactness, extended_of_link};
use super::durable::{private, sync_folder};
use super::errno::OrFault as _;
use super::manifest::{self, sorted_names};
use super::watch::Watch;
use crate::engine::{Fault, FaultKind};
use crate::plan::Sha256;

/// How much of a file is copied at once.
const CHUNK: usize = 4 << 20;

/// Copies a folder to where nothing is, has the copy on disk, and compares it with the manifest that it must have.
/// Whatever goes wrong, nothing of the copy stays.
pub(super) fn copy(
    from: &Path,
    to: &Path,
    manifest: &Sha256,
    watch: &Watch<'_>,
) -> Result<(), Fault> {
    let mut copier = Copier {
        names: HashMap::new(),
        watch,
    };
    copier
        .folder(from, to)
        .and_then(|()| on_disk(to))
        .and_then(|()| match manifest::digest(to, watch)? {
            Some(found) if found == *manifest => Ok(()),
            _ => Err(Fault::new(
                FaultKind::Stale,
                format!("{} changed while it was copied", from.display()),
            )),
        })
        .inspect_err(|_| {
            let _ = remove(to);
        })
}

/// Takes a folder of our own away, with everything in it; no link is followed.
pub(super) fn remove(path: &Path) -> Result<(), Fault> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(path);
            fs::remove_dir_all(path).or_fault("removed", path)
        }
        removed => removed.or_fault("removed", path),
    }
}

/// Takes something of our own away, whatever it is.
pub(super) fn remove_any(path: &Path) -> Result<(), Fault> {
    if path.symlink_metadata().is_ok_and(|found| found.is_dir()) {
        return remove(path);
    }
    fs::remove_file(path).or_fault("removed", path)
}

/// Lets us into folders that the copy made as closed as their originals.
fn open_up(path: &Path) {
    let _ = fs::set_permissions(path, Permissions::from_mode(0o700));
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_up(&entry.path());
        }
    }
}

fn on_disk(folder: &Path) -> Result<(), Fault> {
    let open = File::open(folder).or_fault("read", folder)?;
    match rustix::fs::syncfs(&open) {
        Err(Errno::NOSYS) => {}
        synced => synced.or_fault("written", folder)?,
    }
    sync_folder(folder).or_fault("written", folder)
}

struct Copier<'a> {
    /// Copies of files that have several names, by device and inode of their originals.
    names: HashMap<(u64, u64), PathBuf>,
    watch: &'a Watch<'a>,
}

impl Copier<'_> {
    fn folder(&mut self, from: &Path, to: &Path) -> Result<(), Fault> {
        let source = File::open(from).or_fault("read", from)?;
        let stat = rustix::fs::fstat(&source).or_fault("read", from)?;
        let attributes = Attributes::of(&source, &stat, from)?;
        DirBuilder::new()
            .mode(0o700)
            .create(to)
            .or_fault("made", to)?;
        for name in sorted_names(from)? {
            self.child(&from.join(&name), &to.join(&name))?;
        }
        let copy = File::open(to).or_fault("read", to)?;
        attributes.give(&copy, to, Exactness::Copy)?;
        attributes.give_times(&copy, to)
    }

    fn child(&mut self, from: &Path, to: &Path) -> Result<(), Fault> {
        self.watch.check("copying a folder")?;
        let stat = rustix::fs::lstat(from).or_fault("read", from)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => self.folder(from, to),
            FileType::Symlink => link(from, to, &stat),
            FileType::RegularFile => self.file(from, to, &stat),
            FileType::Fifo => {
                rustix::fs::mknodat(CWD, to, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
                    .or_fault("made", to)?;
                fs::set_permissions(to, Permissions::from_mode(stat.st_mode & 0o7777))
                    .or_fault("made", to)?;
                Attributes::of_stat(&stat).give_link(to)
            }
            _ => Err(Fault::new(
                FaultKind::Failed,
                format!(
                    "{} is a socket or a device, which can't be copied",
                    from.display()
                ),
            )
            .hint("stop what uses it, or take it away, and make a new plan")),
        }
    }

    fn file(&mut self, from: &Path, to: &Path, stat: &Stat) -> Result<(), Fault> {
        let identity = (stat.st_dev, stat.st_ino);
        if let Some(first) = self.names.get(&identity) {
            return fs::hard_link(first, to).or_fault("made", to);
        }
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let source = OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits().cast_signed())
            .open(from)
            .or_fault("read", from)?;
        let copy = private(OpenOptions::new().write(true).create_new(true))
            .open(to)
            .or_fault("made", to)?;
        self.content(&source, &copy, from, to)?;
        let attributes = Attributes::of(&source, stat, from)?;
        attributes.give(&copy, to, Exactness::Copy)?;
        attributes.give_times(&copy, to)?;
        if stat.st_nlink > 1 {
            self.names.insert(identity, to.to_owned());
        }
        Ok(())
    }

    fn content(&self, source: &File, copy: &File, from: &Path, to: &Path) -> Result<(), Fault> {
        let size = source.metadata().or_fault("read", from)?.len();
        let mut at = 0;
        while let Some((start, end)) = next_data(source, at, size).or_fault("read", from)? {
            self.range(source, copy, (start, end), to)?;
            at = end;
        }
        copy.set_len(size).or_fault("written", to)
    }

    fn range(
        &self,
        source: &File,
        copy: &File,
        (start, end): (u64, u64),
        to: &Path,
    ) -> Result<(), Fault> {
        let (mut read_at, mut write_at) = (start, start);
        while read_at < end {
            self.watch.check("copying a folder")?;
            let wanted = usize::try_from(end - read_at).unwrap_or(CHUNK).min(CHUNK);
            let copied = rustix::fs::copy_file_range(
                source,
                Some(&mut read_at),
                copy,
                Some(&mut write_at),
                wanted,
            );
            match copied {
                Ok(0) => return Ok(()),
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::XDEV | Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL | Errno::PERM) => {
                    let mut buffer = vec![0; wanted.min(CHUNK / 4)];
                    let count = source
                        .read_at(&mut buffer, read_at)
                        .or_fault("copied", to)?;
                    if count == 0 {
                        return Ok(());
                    }
                    copy.write_all_at(&buffer[..count], read_at)
                        .or_fault("written", to)?;
                    read_at += count as u64;
                    write_at = read_at;
                }
                Err(error) => return Err(error).or_fault("written", to),
            }
        }
        Ok(())
    }
}

fn link(from: &Path, to: &Path, stat: &Stat) -> Result<(), Fault> {
    let target = fs::read_link(from).or_fault("read", from)?;
    std::os::unix::fs::symlink(&target, to).or_fault("made", to)?;
    Attributes {
        extended: extended_of_link(from),
        ..Attributes::of_stat(stat)
    }
    .give_link(to)
}

/// The next stretch of a file that is no hole.
fn next_data(file: &File, at: u64, size: u64) -> io::Result<Option<(u64, u64)>> {
    if at >= size {
        return Ok(None);
    }
    let start = match rustix::fs::seek(file, SeekFrom::Data(at)) {
        Err(Errno::NXIO) => return Ok(None),
        Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(Some((at, size))),
        start => start?,
    };
    let end = rustix::fs::seek(file, SeekFrom::Hole(start))?;
    Ok(Some((start, end)))
}
