//! The folder of one run, held by this process.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::{FileLog, StoreError};
use crate::plan::RunId;

pub(super) const PLAN: &str = "plan.json";
pub(super) const JOURNAL: &str = "journal.jsonl";
pub(super) const UNDOES: &str = "undoes";
const LOCK: &str = "lock";

/// How often somebody who only looks may be in the way.
const LOOKERS: u32 = 20;

/// The folder of a run, which no other process works on while this lives.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    /// Its lock goes with the process, however that ends.
    _lock: File,
}

impl RunFolder {
    pub(super) fn create(
        path: PathBuf,
        run: &RunId,
        plan: &str,
        undoes: Option<&RunId>,
    ) -> Result<Self, StoreError> {
        if let Some(runs) = path.parent() {
            make_folder(runs)?;
        }
        // A run of the same name is another run: it must not be touched, let alone discarded.
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(|error| StoreError::io(&path, "made", error))?;
        let folder = Self::take(path, run)?;
        let file = folder.path.join(PLAN);
        // A plan is there whole, or there is no run.
        let fresh = folder.path.join("plan.new");
        let write = |path: &Path, text: &str| {
            let mut options = OpenOptions::new();
            let mut file = options
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        };
        // It must be known before the plan is: a runner may be killed before its journal says it.
        let undoes = undoes.map(|run| write(&folder.path.join(UNDOES), run.as_str()));
        let written = undoes.unwrap_or(Ok(())).and_then(|()| write(&fresh, plan));
        let named = written.and_then(|()| fs::rename(&fresh, &file));
        let synced = named.and_then(|()| sync_folder(&folder.path));
        let synced = synced.and_then(|()| folder.path.parent().map_or(Ok(()), sync_folder));
        if let Err(error) = synced {
            folder.discard();
            return Err(StoreError::io(file, "written", error));
        }
        Ok(folder)
    }

    pub(super) fn take(path: PathBuf, run: &RunId) -> Result<Self, StoreError> {
        let file = path.join(LOCK);
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&file)
            .map_err(|error| StoreError::io(&file, "opened", error))?;
        let mut tries = 0;
        loop {
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                // Somebody who only looks lets go at once.
                Err(rustix::io::Errno::WOULDBLOCK) if tries < LOOKERS => {
                    tries += 1;
                    std::thread::sleep(std::time::Duration::from_millis(10));
                }
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    let text = fs::read_to_string(&file).ok();
                    let pid = text.and_then(|text| text.trim().parse().ok());
                    return Err(StoreError::Busy {
                        run: run.clone(),
                        pid,
                    });
                }
                Err(error) => return Err(StoreError::io(&file, "locked", error.into())),
            }
        }
        // The number only helps a person; the lock itself is what counts.
        let _ = lock.set_len(0).and_then(|()| lock.seek(SeekFrom::Start(0)));
        let _ = writeln!(lock, "{}", std::process::id());
        Ok(Self { path, _lock: lock })
    }

    /// Whether a process works on the run in this folder.
    pub(super) fn is_held(path: &Path) -> bool {
        File::open(path.join(LOCK)).is_ok_and(|lock| {
            let looked = flock(&lock, FlockOperation::NonBlockingLockShared);
            looked == Err(rustix::io::Errno::WOULDBLOCK)
        })
    }

    /// The journal, to be gone on with after its first `whole` bytes; what follows them is dropped.
    pub fn journal(&self, whole: u64) -> Result<FileLog, StoreError> {
        let path = self.path.join(JOURNAL);
        let open = || {
            let file = OpenOptions::new()
                .create(true)
                .append(true)
                .mode(0o600)
                .open(&path)?;
            if file.metadata()?.len() < whole {
                let what = "it is shorter than when it was read";
                return Err(io::Error::new(ErrorKind::UnexpectedEof, what));
            }
            file.set_len(whole)?;
            file.sync_all()?;
            sync_folder(&self.path)?;
            Ok(file)
        };
        let file = open().map_err(|error| StoreError::io(&path, "opened for writing", error))?;
        Ok(FileLog {
            path,
            file,
            length: whole,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the folder of a run that never began.
    pub fn discard(self) {
        // What can't be removed shows up in the list of runs as never begun.
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn make_folder(path: &Path) -> Result<(), StoreError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| StoreError::io(path, "made", error))
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    File::open(path)?.sync_all()
}
