//! Names: what is moved, linked, taken away, or brought to a place where nothing is.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;

use super::backup::Backup;
use super::durable;
use super::errno::{self, OrFault as _};
use super::kept::Kept;
use super::manifest;
use super::replace::{beside, check_has_name, exists};
use super::tree;
use super::watch::Watch;
use crate::engine::{Fault, FaultKind};
use crate::plan::{RunId, Sha256};

/// Copies a folder to where nothing is, whole or not at all.
pub(super) fn copy_tree(
    from: &Path,
    to: &Path,
    source: &Sha256,
    run: &RunId,
    watch: &Watch<'_>,
) -> Result<(), Fault> {
    check_has_name(to)?;
    refuse_existing(to)?;
    match manifest::digest(from, watch)? {
        None => return Err(absent(from)),
        Some(found) if found != *source => {
            return Err(Fault::new(
                FaultKind::Stale,
                format!("{} changed since the plan was made", from.display()),
            ));
        }
        Some(_) => {}
    }
    let from = fs::canonicalize(from).or_fault("read", from)?;
    let parent = to.parent().unwrap_or(to);
    let into = fs::canonicalize(parent).or_fault("read", parent)?;
    if into.starts_with(&from) {
        let what = format!(
            "{} lies in {}, the folder that is copied",
            to.display(),
            from.display()
        );
        return Err(Fault::new(FaultKind::Failed, what));
    }
    let stage = beside(to, run, "");
    tree::remove(&stage)?;
    tree::copy(&from, &stage, source, watch)?;
    rename_to_nothing(&stage, to).inspect_err(|_| {
        let _ = tree::remove(&stage);
    })
}

/// Gives something another name on the same file system.
pub(super) fn move_tree(from: &Path, to: &Path) -> Result<(), Fault> {
    check_has_name(from)?;
    check_has_name(to)?;
    if !exists(from) {
        return Err(absent(from));
    }
    rename_to_nothing(from, to)
}

/// Makes a symbolic link, or points one elsewhere; what it named before is kept.
pub(super) fn link(path: &Path, target: &str, run: &RunId, backup: &Backup) -> Result<(), Fault> {
    check_has_name(path)?;
    let target = Path::new(target);
    let now = current_target(path)?;
    let already = now.as_deref() == Some(target);
    if !(already && backup.kept()?.is_some()) {
        backup.keep_link(path, now.as_deref())?;
    }
    point(path, target, run)
}

/// Makes the link name this, at one stroke.
pub(super) fn point(path: &Path, target: &Path, run: &RunId) -> Result<(), Fault> {
    if current_target(path)?.as_deref() == Some(target) {
        return Ok(());
    }
    let fresh = beside(path, run, "");
    let _ = fs::remove_file(&fresh);
    std::os::unix::fs::symlink(target, &fresh)
        .and_then(|()| fs::rename(&fresh, path))
        .and_then(|()| durable::sync_parent(path))
        .or_fault("linked", path)
        .inspect_err(|_| {
            let _ = fs::remove_file(&fresh);
        })
}

fn current_target(path: &Path) -> Result<Option<PathBuf>, Fault> {
    match fs::read_link(path) {
        Ok(target) => Ok(Some(target)),
        Err(error) if errno::is_absent(&error) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Err(Fault::new(
            FaultKind::Stale,
            format!("{} is there and is no link", path.display()),
        )
        .hint("move it away first")),
        Err(error) => Err(error).or_fault("read", path),
    }
}

/// Takes something away: it gets another name beside its old one.
pub(super) fn remove(path: &Path, run: &RunId, backup: &Backup) -> Result<(), Fault> {
    check_has_name(path)?;
    if let Some(Kept::Aside { at }) = backup.kept()?
        && !exists(path)
        && exists(&at.path())
    {
        return Ok(());
    }
    if !exists(path) {
        return Err(absent(path));
    }
    let aside = free_name_aside(path, run);
    backup.keep_aside(path, &aside)?;
    set_aside(path, &aside)
}

/// A name beside the path that nothing has.
pub(super) fn free_name_aside(path: &Path, run: &RunId) -> PathBuf {
    let mut aside = beside(path, run, ".removed");
    let mut count = 2_u32;
    while exists(&aside) {
        aside = beside(path, run, &format!(".removed-{count}"));
        count += 1;
    }
    aside
}

/// Gives something its name aside.
pub(super) fn set_aside(path: &Path, aside: &Path) -> Result<(), Fault> {
    rename_to_nothing(path, aside).map_err(|mut fault| {
        fault.what = format!("{} can't be taken away: {}", path.display(), fault.what);
        fault
    })
}

/// Renames to where nothing is, and has the new name on disk.
pub(super) fn rename_to_nothing(from: &Path, to: &Path) -> Result<(), Fault> {
    let renamed = match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Some file systems can't promise that nothing is replaced: look before.
        Err(Errno::INVAL | Errno::NOSYS) if !exists(to) && !to.starts_with(from) => {
            rustix::fs::rename(from, to)
        }
        renamed => renamed,
    };
    match renamed {
        Ok(()) => {}
        Err(Errno::EXIST | Errno::NOTEMPTY) => return Err(taken(to)),
        Err(Errno::XDEV) => {
            let what = format!(
                "{} and {} are on different file systems, and nothing can be moved between them",
                from.display(),
                to.display()
            );
            return Err(Fault::new(FaultKind::Failed, what).hint("copy it instead"));
        }
        Err(error) => return Err(error).or_fault(&format!("moved to {}", to.display()), from),
    }
    durable::sync_parent(to)
        .and_then(|()| durable::sync_parent(from))
        .or_fault("moved", from)
}

fn refuse_existing(path: &Path) -> Result<(), Fault> {
    if exists(path) {
        Err(taken(path))
    } else {
        Ok(())
    }
}

fn taken(path: &Path) -> Fault {
    Fault::new(
        FaultKind::Stale,
        format!("there is something at {} already", path.display()),
    )
}

fn absent(path: &Path) -> Fault {
    Fault::new(
        FaultKind::Stale,
        format!("there is nothing at {}", path.display()),
    )
}
