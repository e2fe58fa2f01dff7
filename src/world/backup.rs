//! What a step keeps before it changes something, and how that is put back.
//!
//! A backup is a folder that only its owner may enter: `kept.json` says what was
//! there, and is written last, so that a backup either is complete or is none;
//! `content` or `tree` holds the bytes.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::attributes::Attributes;
use super::durable;
use super::errno::{self, OrFault as _};
use super::kept::{Bytes, Kept};
use super::manifest;
use super::node_folder::NodeFolder;
use super::original::{self, Original};
use super::place;
use super::replace::{self, Fresh, Given, exists};
use super::tree;
use super::watch::Watch;
use crate::engine::{Direction, Fault, FaultKind};
use crate::plan::{BackupRef, RunId, Sha256};

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
                Direction::Undo => durable::beside(&folder, ".undo"),
            },
        }
    }

    /// The backup in this folder.
    pub(super) fn in_folder(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Where the step put aside what it took away, if it did.
    pub(super) fn put_aside(&self) -> Result<Option<PathBuf>, Fault> {
        Ok(match self.kept()? {
            Some(Kept::Aside { at }) => Some(at.path()),
            _ => None,
        })
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

    fn content(&self) -> PathBuf {
        self.folder.join("content")
    }

    fn tree(&self) -> PathBuf {
        self.folder.join("tree")
    }

    fn record(&self) -> PathBuf {
        self.folder.join("kept.json")
    }

    /// There while a file is written in place: what stands in the file may then be neither old nor new.
    fn mark(&self) -> PathBuf {
        self.folder.join("in-place")
    }

    /// What was kept, if anything was.
    pub(super) fn kept(&self) -> Result<Option<Kept>, Fault> {
        let path = self.record();
        let bytes = match fs::read(&path) {
            Err(error) if errno::is_absent(&error) => return Ok(None),
            bytes => bytes.or_fault("read", &path)?,
        };
        Kept::read(&bytes, &path).map(Some)
    }

    /// Keeps a file, before `fresh` takes its place where something does.
    ///
    /// What an earlier attempt kept stays when the file is as it was then, or
    /// already as it shall be; otherwise somebody made another file of it since,
    /// which is kept too.
    pub(super) fn keep_file(
        &self,
        path: &Path,
        found: Option<&Original>,
        fresh: Option<&[u8]>,
    ) -> Result<(), Fault> {
        let kept = match found {
            None => Kept::Nothing,
            Some(file) => Kept::File {
                real: Bytes::of(&file.real),
                attributes: file.attributes.clone(),
            },
        };
        let already = found.is_some_and(|file| fresh == Some(&file.bytes[..]));
        if let Some(before) = self.kept()?
            && (already || self.mark().exists() || self.is_same(&before, &kept, found)?)
        {
            return Ok(());
        }
        self.begin()?;
        if let Some(file) = found {
            let content = self.content();
            durable::replace(&content, &file.bytes).or_fault("written", &content)?;
        }
        self.complete(path, kept)
    }

    fn is_same(&self, before: &Kept, now: &Kept, found: Option<&Original>) -> Result<bool, Fault> {
        if !before.is_same_as(now) {
            return Ok(false);
        }
        let Some(file) = found else { return Ok(true) };
        let content = self.content();
        let bytes = original::read_file_bounded(&content)?;
        Ok(bytes.is_some_and(|bytes| *bytes == *file.bytes))
    }

    /// Keeps what a link names, or that there is none.
    pub(super) fn keep_link(&self, path: &Path, target: Option<&Path>) -> Result<(), Fault> {
        self.begin()?;
        let kept = target.map_or(Kept::Nothing, |target| Kept::Link {
            target: Bytes::of(target),
        });
        self.complete(path, kept)
    }

    /// Remembers where something is kept that gets another name next.
    pub(super) fn keep_aside(&self, path: &Path, at: &Path) -> Result<(), Fault> {
        self.begin()?;
        let at = Bytes::of(at);
        self.complete(path, Kept::Aside { at })
    }

    /// Keeps a copy of a folder.
    pub(super) fn keep_tree(&self, path: &Path, watch: &Watch<'_>) -> Result<(), Fault> {
        let now = manifest::digest(path, watch)?;
        if self.kept()? == Some(Kept::Tree) && manifest::digest(&self.tree(), watch)? == now {
            return Ok(());
        }
        self.begin()?;
        let real = fs::canonicalize(path).or_fault("read", path)?;
        if let Some(manifest) = &now {
            tree::copy(&real, &self.tree(), manifest, watch)?;
        }
        self.complete(path, Kept::Tree)
    }

    /// An empty place for a backup; a complete one that is there already is kept under another name.
    fn begin(&self) -> Result<(), Fault> {
        let folder = &self.folder;
        if self.record().exists() {
            let mut count = 1_u32;
            let mut older = durable::beside(folder, ".1");
            while exists(&older) {
                count += 1;
                older = durable::beside(folder, &format!(".{count}"));
            }
            fs::rename(folder, &older).or_fault("moved", folder)?;
        } else {
            tree::remove(folder)?;
        }
        durable::make_folder(folder).or_fault("made", folder)
    }

    fn complete(&self, path: &Path, kept: Kept) -> Result<(), Fault> {
        durable::replace(&self.record(), &kept.record(path))
            .and_then(|()| durable::sync_parent(&self.folder))
            .or_fault("written", &self.record())
    }

    /// Exchanges the file, and marks the backup as long as that is not done at a stroke.
    pub(super) fn exchange(
        &self,
        found: &Original,
        fresh: &Fresh<'_>,
        run: &RunId,
    ) -> Result<(), Fault> {
        let mark = self.mark();
        if found.must_stay() {
            durable::replace(&mark, b"").or_fault("written", &mark)?;
        }
        let exchanged = replace::exchange(found, fresh, run);
        if exchanged.is_ok() && found.must_stay() {
            durable::remove(&mark).or_fault("removed", &mark)?;
        }
        exchanged
    }

    /// The fingerprint of what was kept; `None` where nothing was.
    pub(super) fn digest(&self, watch: &Watch<'_>) -> Result<Option<Sha256>, Fault> {
        match self.kept()? {
            None => Ok(None),
            Some(Kept::Nothing) => Ok(Some(Sha256::of("nothing"))),
            Some(Kept::File { .. }) => digest_of(&self.content(), watch),
            Some(Kept::Link { target }) => Ok(Some(Sha256::of(target.as_bytes()))),
            Some(Kept::Tree) => digest_of(&self.tree(), watch),
            Some(Kept::Aside { at }) => digest_of(&at.path(), watch),
        }
    }

    /// Whether what stands at the path is what was kept; `None` where nothing stands there.
    pub(super) fn is_at(&self, path: &Path, watch: &Watch<'_>) -> Result<Option<bool>, Fault> {
        let Some(kept) = self.kept()? else {
            return Ok(Some(false));
        };
        let now = match kept {
            // An edit goes through links, and so does putting back.
            Kept::File { .. } => match path.canonicalize() {
                Err(error) if errno::is_absent(&error) => None,
                real => digest_of(&real.or_fault("read", path)?, watch)?,
            },
            _ => digest_of(path, watch)?,
        };
        let same = match kept {
            Kept::Nothing => return Ok(Some(now.is_none())),
            // What was put aside is there when it is no longer aside.
            Kept::Aside { at } => at.path().symlink_metadata().is_err(),
            Kept::File { .. } | Kept::Link { .. } | Kept::Tree => now == self.digest(watch)?,
        };
        Ok(now.map(|_| same))
    }

    /// Puts back at the path what was kept; what stands there now goes to `replaced`. Done twice, it does no more.
    pub(super) fn restore(
        &self,
        path: &Path,
        run: &RunId,
        replaced: &Self,
        watch: &Watch<'_>,
    ) -> Result<(), Fault> {
        let Some(kept) = self.kept()? else {
            let what = format!(
                "there is no backup of {}: nothing was kept in {}",
                path.display(),
                self.folder.display()
            );
            return Err(Fault::new(FaultKind::Stale, what));
        };
        match kept {
            Kept::Nothing => Self::restore_nothing(path, replaced),
            Kept::File { real, attributes } => {
                self.restore_file(path, &real.path(), &attributes, run, replaced)
            }
            Kept::Link { target } => place::point(path, &target.path(), run),
            Kept::Tree => self.restore_tree(path, run, watch),
            Kept::Aside { at } => restore_aside(path, &at.path()),
        }
    }

    fn restore_nothing(path: &Path, replaced: &Self) -> Result<(), Fault> {
        match path.symlink_metadata() {
            Err(error) if errno::is_absent(&error) => return Ok(()),
            Err(error) => return Err(error).or_fault("read", path),
            Ok(found) if found.is_symlink() => {}
            Ok(_) => replaced.keep_file(path, Original::read(path)?.as_ref(), None)?,
        }
        durable::remove(path).or_fault("removed", path)
    }

    fn restore_file(
        &self,
        path: &Path,
        real: &Path,
        attributes: &Attributes,
        run: &RunId,
        replaced: &Self,
    ) -> Result<(), Fault> {
        let content = self.content();
        let Some(bytes) = original::read_file_bounded(&content)? else {
            let what = format!("the backup {} is gone", content.display());
            return Err(Fault::new(FaultKind::Failed, what));
        };
        let fresh = Fresh {
            bytes: &bytes,
            attributes: Given::Restored(attributes),
        };
        match Original::read(path)? {
            None => replace::create(real, &fresh, run),
            Some(found)
                if *found.bytes == *bytes && found.attributes.unread() == attributes.unread() =>
            {
                Ok(())
            }
            Some(found) => {
                replaced.keep_file(path, Some(&found), Some(&bytes))?;
                replaced.exchange(&found, &fresh, run)
            }
        }
    }

    fn restore_tree(&self, path: &Path, run: &RunId, watch: &Watch<'_>) -> Result<(), Fault> {
        let tree = self.tree();
        let wanted = manifest::digest(&tree, watch)?;
        let (Some(manifest), now) = (&wanted, manifest::digest(path, watch)?) else {
            let what = format!("the backup {} is gone", tree.display());
            return Err(Fault::new(FaultKind::Failed, what));
        };
        if wanted == now {
            return Ok(());
        }
        let real = if now.is_some() {
            fs::canonicalize(path).or_fault("read", path)?
        } else {
            path.to_owned()
        };
        let stage = replace::beside(&real, run, "");
        tree::remove(&stage)?;
        tree::copy(&tree, &stage, manifest, watch)?;
        if now.is_some() {
            place::set_aside(&real, &place::free_name_aside(&real, run))?;
        }
        place::rename_to_nothing(&stage, &real)
    }
}

fn restore_aside(path: &Path, at: &Path) -> Result<(), Fault> {
    match (exists(at), exists(path)) {
        (true, false) => place::rename_to_nothing(at, path),
        (false, true) => Ok(()),
        (true, true) => Err(Fault::new(
            FaultKind::Stale,
            format!(
                "there is something new at {}; the old one is {}",
                path.display(),
                at.display()
            ),
        )
        .hint(format!("move {} away first", path.display()))),
        (false, false) => Err(Fault::new(
            FaultKind::Failed,
            format!(
                "{} is gone, and so is {}, where it was kept",
                path.display(),
                at.display()
            ),
        )),
    }
}

/// The fingerprint of what stands at a path, links not followed.
fn digest_of(path: &Path, watch: &Watch<'_>) -> Result<Option<Sha256>, Fault> {
    match path.symlink_metadata() {
        Err(_) => Ok(None),
        Ok(found) if found.is_dir() => manifest::digest(path, watch),
        Ok(found) if found.is_symlink() => {
            let target = fs::read_link(path).or_fault("read", path)?;
            Ok(Some(Sha256::of(target.as_os_str().as_bytes())))
        }
        Ok(_) => match original::open(path)? {
            None => Ok(None),
            Some((mut file, _)) => manifest::file_digest(&mut file, path, watch).map(Some),
        },
    }
}
