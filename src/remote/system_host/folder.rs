//! A folder for sockets and logs that only this user can enter, one for the whole process.

use std::collections::hash_map::RandomState;
use std::fs::{self, DirBuilder, File};
use std::hash::{BuildHasher as _, Hasher as _};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustix::fs::{FlockOperation, flock};

use crate::remote::{RemoteError, RemoteErrorKind};

/// What its name begins with.
const PREFIX: &str = "clusterctl-ssh-";

/// The longest path of a socket is 107 bytes. `ssh` puts 17 more behind the name for a moment.
const LONGEST: usize = 107 - 17;

/// Room for what is in it: a letter and a number.
const NAME: usize = "/m1234567890".len();

/// The folder, which goes when nobody needs it any more.
pub(super) struct Folder {
    path: PathBuf,
    count: AtomicU64,
    /// Locked as long as this process lives: what is not locked was left behind.
    _lock: File,
}

impl Folder {
    /// The one of this process.
    pub(super) fn of_this_process() -> Result<Arc<Self>, RemoteError> {
        static FOLDER: Mutex<Weak<Folder>> = Mutex::new(Weak::new());
        let mut known = FOLDER.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = known.upgrade() {
            return Ok(folder);
        }
        let folder = Arc::new(Self::new()?);
        *known = Arc::downgrade(&folder);
        Ok(folder)
    }

    fn new() -> Result<Self, RemoteError> {
        let mut last = None;
        for base in bases() {
            match Self::within(&base) {
                Ok(folder) => return Ok(folder),
                Err(error) => last = Some(format!("{}: {error}", base.display())),
            }
        }
        let why = last.unwrap_or_else(|| "no path is short enough".to_owned());
        let what = format!("there is no place for the sockets of ssh: {why}");
        Err(RemoteError::new(RemoteErrorKind::Here, what)
            .hint("set XDG_RUNTIME_DIR to a folder of yours with a short path"))
    }

    fn within(base: &Path) -> io::Result<Self> {
        sweep(base);
        let random = RandomState::new().build_hasher().finish();
        let path = base.join(format!("{PREFIX}{random:016x}"));
        DirBuilder::new().mode(0o700).create(&path)?;
        let lock = File::create(path.join("lock")).and_then(|lock| {
            flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
            Ok(lock)
        });
        match lock {
            Ok(lock) => Ok(Self {
                path,
                count: AtomicU64::new(0),
                _lock: lock,
            }),
            Err(error) => {
                let _ = fs::remove_dir_all(&path);
                Err(error)
            }
        }
    }

    /// A path in it that was not used before.
    pub(super) fn path(&self, kind: &str) -> PathBuf {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        self.path.join(format!("{kind}{number}"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Where it may be, best first.
fn bases() -> Vec<PathBuf> {
    let own = rustix::process::geteuid().as_raw();
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let places = [
        runtime,
        Some(PathBuf::from(format!("/run/user/{own}"))),
        Some(std::env::temp_dir()),
        Some(PathBuf::from("/tmp")),
    ];
    let fits = |base: &PathBuf| {
        let length = base.as_os_str().len() + "/".len() + PREFIX.len() + 16 + NAME;
        base.is_absolute() && base.is_dir() && length <= LONGEST
    };
    places.into_iter().flatten().filter(fits).collect()
}

/// Removes what processes left behind that were killed.
fn sweep(base: &Path) {
    let own = rustix::process::geteuid().as_raw();
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX)
            && entry
                .metadata()
                .is_ok_and(|data| data.is_dir() && data.uid() == own);
        let free = || {
            let lock = File::open(entry.path().join("lock"))?;
            flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
            Ok::<_, io::Error>(lock)
        };
        if ours && let Ok(_lock) = free() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
